//! Which GPUs this host has, and whether those of a pool's device mask are among them. Asked by the release
//! executor before each start; touches the GPU library only.
//!
//! The library may hang for ever in the kernel when a GPU is sick. So it is asked on a thread of its own, with a
//! deadline, by one thread at a time; when the time is over the answer is [`MaskAnswer::Unknown`], which is neither
//! healthy nor dead. A thread that hangs is left alone: ending its process by force can make the GPU worse.

mod nvml;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

pub use nvml::Nvml;

/// Longest wait for the library. Without persistence mode the driver initialises every GPU afresh, which takes
/// a second or two for each.
const PATIENCE: Duration = Duration::from_secs(15);

/// One GPU that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// Its place in order of PCI address.
    pub index: u32,
    /// `GPU-…`; never changes.
    pub uuid: String,
    /// Its MIG devices, `MIG-…`; `None`: not known.
    pub mig: Option<Vec<String>>,
}

/// Why nothing could be found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpuError {
    /// There is no GPU library on this host, and so no driver.
    NoLibrary(String),
    /// The driver is not loaded, or does not fit its library.
    Driver(String),
    /// Anything else.
    Other(String),
}

/// The library as this room needs it.
pub trait Gpus: fmt::Debug + Send + Sync + 'static {
    /// The GPUs that can be used. May never return.
    ///
    /// # Errors
    /// [`GpuError`].
    fn list(&self) -> Result<Vec<Gpu>, GpuError>;
}

/// What became of a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MaskAnswer {
    /// Every device of it is there.
    Present,
    /// Some are not, or nobody could ever be; the words say which and what to do.
    Missing(String),
    /// The driver cannot be used; the words say why and what to do.
    DriverMismatch(String),
    /// Nobody can say; the words say why.
    Unknown(String),
}

type Listed = Result<Vec<Gpu>, GpuError>;

/// The way to the library; clones share it.
#[derive(Clone, Debug)]
pub struct GpuRoom(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    gpus: Arc<dyn Gpus>,
    patience: Duration,
    /// The look that is under way, or the last one.
    look: Mutex<Option<Look>>,
}

/// One question to the library, and whoever waits for its answer.
#[derive(Clone, Debug)]
struct Look {
    until: Instant,
    answer: watch::Receiver<Option<Listed>>,
}

impl GpuRoom {
    /// Asks this library.
    #[must_use]
    pub fn new(gpus: impl Gpus) -> Self {
        Self::with_patience(gpus, PATIENCE)
    }

    /// Asks this library, and waits so long.
    #[must_use]
    pub fn with_patience(gpus: impl Gpus, patience: Duration) -> Self {
        Self(Arc::new(Shared { gpus: Arc::new(gpus), patience, look: Mutex::default() }))
    }

    /// Whether the devices of a mask are there. An empty mask is, without a look. Needs a tokio runtime.
    pub async fn mask(&self, mask: &[String]) -> MaskAnswer {
        if mask.is_empty() {
            return MaskAnswer::Present;
        }
        let Look { until, mut answer } = match self.look() {
            Ok(look) => look,
            Err(error) => return MaskAnswer::Unknown(format!("no thread to ask the GPU library: {error}")),
        };
        let listed = timeout_at(until, answer.wait_for(Option::is_some)).await;
        // The sender is dropped unsent when the library panics.
        let listed = listed.ok().and_then(Result::ok).and_then(|listed| listed.clone());
        listed.map_or_else(
            || {
                MaskAnswer::Unknown(
                    "the GPU library does not answer; see nvidia-smi and the kernel log".to_owned(),
                )
            },
            |listed| judge(mask, listed),
        )
    }

    /// Joins the look under way, or begins one. One that hangs is joined for ever: a second thread would only
    /// hang beside it.
    fn look(&self) -> io::Result<Look> {
        let mut current = self.0.look.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = |look: &&Look| look.answer.borrow().is_none() && look.answer.has_changed().is_ok();
        if let Some(look) = current.as_ref().filter(under_way) {
            return Ok(look.clone());
        }
        let (answered, answer) = watch::channel(None);
        let gpus = Arc::clone(&self.0.gpus);
        let ask = move || drop(answered.send(Some(gpus.list())));
        thread::Builder::new().name("gpu".to_owned()).spawn(ask)?;
        let look = Look { until: Instant::now() + self.0.patience, answer };
        *current = Some(look.clone());
        Ok(look)
    }
}

/// A device that is not there hides itself and all that follow it from CUDA, silently; so one is as bad as all.
fn judge(mask: &[String], listed: Listed) -> MaskAnswer {
    let shown = mask.join(",");
    let gpus = match listed {
        Ok(gpus) => gpus,
        Err(GpuError::NoLibrary(why)) => {
            return MaskAnswer::Missing(format!(
                "devices {shown} are wanted, but this host has no GPU library ({why}); install the NVIDIA driver, or \
                 give the container access to it, or set devices = []; if they are not NVIDIA's, set \
                 check_devices = false"
            ));
        }
        Err(GpuError::Driver(why)) => {
            return MaskAnswer::DriverMismatch(format!(
                "devices {shown} are wanted, but the GPU driver cannot be used: {why}; load the driver that fits its \
                 library (after an upgrade: reboot)"
            ));
        }
        Err(GpuError::Other(why)) => {
            return MaskAnswer::Unknown(format!("the GPU library says: {why}"));
        }
    };
    let mut missing = Vec::new();
    for device in mask {
        match find(device, &gpus) {
            Found::Yes => {}
            Found::No => missing.push(format!("{device} is not there")),
            Found::Several => missing.push(format!("{device} fits several")),
            Found::NotKnown => {
                return MaskAnswer::Unknown(format!(
                    "the GPU library does not tell whether {device} is there"
                ));
            }
        }
    }
    if missing.is_empty() {
        return MaskAnswer::Present;
    }
    let there: Vec<String> = gpus.iter().map(|gpu| format!("{} ({})", gpu.index, gpu.uuid)).collect();
    let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    MaskAnswer::Missing(format!(
        "of the devices {shown}: {}; usable GPUs: {there}; correct devices or mend the GPU; if they are not \
         NVIDIA's, set check_devices = false",
        missing.join(", ")
    ))
}

enum Found {
    Yes,
    No,
    Several,
    NotKnown,
}

/// An index, a UUID or its beginning, or a MIG device or its beginning, as CUDA takes them.
fn find(device: &str, gpus: &[Gpu]) -> Found {
    let named = |names: &mut dyn Iterator<Item = &String>| {
        let fits: Vec<&String> = names.filter(|name| name.starts_with(device)).collect();
        match fits.as_slice() {
            [] => Found::No,
            [_] => Found::Yes,
            several if several.iter().any(|name| *name == device) => Found::Yes,
            _ => Found::Several,
        }
    };
    if let Ok(index) = device.parse::<u32>() {
        return if gpus.iter().any(|gpu| gpu.index == index) { Found::Yes } else { Found::No };
    }
    if device.starts_with("MIG-") {
        let found = named(&mut gpus.iter().filter_map(|gpu| gpu.mig.as_ref()).flatten());
        let may_be_hidden = matches!(found, Found::No) && gpus.iter().any(|gpu| gpu.mig.is_none());
        return if may_be_hidden { Found::NotKnown } else { found };
    }
    named(&mut gpus.iter().map(|gpu| &gpu.uuid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc;

    /// A library that says what it is told to, and counts how often it is asked.
    #[derive(Debug)]
    struct Fake {
        listed: Listed,
        asked: Arc<AtomicU32>,
    }

    impl Gpus for Fake {
        fn list(&self) -> Listed {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.listed.clone()
        }
    }

    fn room(listed: Listed) -> (GpuRoom, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        (GpuRoom::new(Fake { listed, asked: Arc::clone(&asked) }), asked)
    }

    fn two() -> Listed {
        let gpu = |index, uuid: &str, mig: &[&str]| Gpu {
            index,
            uuid: uuid.into(),
            mig: Some(mig.iter().map(|name| (*name).into()).collect()),
        };
        Ok(vec![gpu(0, "GPU-aa11-1", &[]), gpu(2, "GPU-aa22-2", &["MIG-1", "MIG-12"])])
    }

    fn mask(devices: &[&str]) -> Vec<String> {
        devices.iter().map(|device| (*device).into()).collect()
    }

    #[tokio::test]
    async fn every_device_of_a_mask_must_be_there() {
        let (room, _) = room(two());
        let present = [
            &["0"][..],
            &["2", "0"],
            &["GPU-aa11-1"],
            &["GPU-aa1"],
            &["0", "GPU-aa22"],
            &["MIG-12"],
            &["MIG-1"],
        ];
        for devices in present {
            assert_eq!(room.mask(&mask(devices)).await, MaskAnswer::Present, "{devices:?}");
        }
        for (devices, why) in [
            (&["1"][..], "1 is not there"),
            (&["0", "3"], "3 is not there"),
            (&["GPU-bb"], "GPU-bb is not there"),
            (&["GPU-aa"], "GPU-aa fits several"),
            (&["MIG-2"], "MIG-2 is not there"),
            (&["aa11"], "aa11 is not there"),
        ] {
            let MaskAnswer::Missing(said) = room.mask(&mask(devices)).await else { panic!("{devices:?}") };
            assert!(said.contains(why) && said.contains("2 (GPU-aa22-2)"), "{said}");
        }
    }

    #[tokio::test]
    async fn what_the_library_says_of_itself_is_told_apart() {
        let wanted = mask(&["0"]);
        let (none, _) = room(Ok(Vec::new()));
        assert!(
            matches!(none.mask(&wanted).await, MaskAnswer::Missing(why) if why.contains("usable GPUs: none")
                && why.contains("set check_devices = false"))
        );
        let (absent, _) = room(Err(GpuError::NoLibrary("libnvidia-ml.so.1: not found".into())));
        assert!(matches!(absent.mask(&wanted).await, MaskAnswer::Missing(why) if why.contains("not found")
            && why.contains("set check_devices = false")));
        let (mismatch, _) = room(Err(GpuError::Driver("version mismatch".into())));
        assert!(
            matches!(mismatch.mask(&wanted).await, MaskAnswer::DriverMismatch(why) if why.contains("reboot"))
        );
        let (odd, _) = room(Err(GpuError::Other("an internal error".into())));
        assert!(matches!(odd.mask(&wanted).await, MaskAnswer::Unknown(why) if why.contains("internal")));
        let unlisted = Gpu { index: 0, uuid: "GPU-1".into(), mig: None };
        let (unlisted, _) = room(Ok(vec![unlisted]));
        assert!(matches!(unlisted.mask(&mask(&["MIG-1"])).await, MaskAnswer::Unknown(_)));
        assert_eq!(unlisted.mask(&wanted).await, MaskAnswer::Present);
    }

    #[tokio::test]
    async fn an_empty_mask_asks_nobody() {
        let (room, asked) = room(Err(GpuError::Other("asked".into())));
        assert_eq!(room.mask(&[]).await, MaskAnswer::Present);
        assert_eq!(asked.load(Ordering::SeqCst), 0);
    }

    /// A library that answers when it is let.
    #[derive(Debug)]
    struct Hanging {
        let_go: Mutex<mpsc::Receiver<Listed>>,
        asked: Arc<AtomicU32>,
    }

    impl Gpus for Hanging {
        fn list(&self) -> Listed {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let let_go = self.let_go.lock().expect("no other test uses it");
            let_go.recv().unwrap_or_else(|gone| Err(GpuError::Other(gone.to_string())))
        }
    }

    #[tokio::test]
    async fn a_library_that_hangs_is_unknown_asked_by_one_thread_and_heard_when_it_comes_back() {
        let (let_go, waiting) = mpsc::channel();
        let asked = Arc::new(AtomicU32::new(0));
        let hanging = Hanging { let_go: Mutex::new(waiting), asked: Arc::clone(&asked) };
        let room = GpuRoom::with_patience(hanging, Duration::from_millis(20));
        for _ in 0..3 {
            assert!(matches!(room.mask(&mask(&["0"])).await, MaskAnswer::Unknown(_)));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1, "nobody hangs beside it");
        let stuck = room.look().expect("the look under way");
        let_go.send(two()).expect("it waits");
        stuck.answer.clone().wait_for(Option::is_some).await.expect("it answers");
        // From here on whoever asks is answered afresh.
        for _ in 0..2 {
            let_go.send(two()).expect("it waits");
        }
        let patient = GpuRoom::clone(&room);
        assert_eq!(patient.mask(&mask(&["2"])).await, MaskAnswer::Present);
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
