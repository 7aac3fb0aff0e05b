//! The real engine: where it is, how a pool of it is configured, and its own HTTP.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Once;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill as send};
use nix::unistd::Pid;
use pool_manager::linux::proc::stat;

pub(crate) struct Engine {
    server: PathBuf,
    folder: PathBuf,
}

impl Engine {
    /// The engine that `.ci/real-engine` made; `None`, said once, when there is none.
    pub(crate) fn find() -> Option<Self> {
        static SAID: Once = Once::new();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/real-engine");
        let said = Command::new(script).arg("--print").output().expect("the script runs");
        if !said.status.success() {
            assert!(
                std::env::var_os("POOL_MANAGER_REQUIRE_ENGINE").is_none(),
                "the real engine is required here and missing: run .ci/real-engine"
            );
            // Not by println: the test harness would keep it to itself.
            let line = "real engine tests left out: no llama-server; run .ci/real-engine once (4 minutes)\n";
            SAID.call_once(|| std::io::stderr().write_all(line.as_bytes()).unwrap());
            return None;
        }
        let said = String::from_utf8(said.stdout).unwrap();
        let server = said.trim().split("; ").find_map(|part| part.strip_prefix("llama-server: "));
        let server = PathBuf::from(server.expect("the script says where llama-server is"));
        Some(Self { folder: server.parent().unwrap().to_owned(), server })
    }

    /// The config of one pool.
    pub(crate) fn pool(&self, name: &str, model: &str, port: u16, more: &[&str]) -> String {
        let args: Vec<String> =
            ["--threads", "1", "-c", "4096"].iter().chain(more).map(|arg| format!("{arg:?}")).collect();
        format!(
            "[pool.{name}]\nengine = \"llama-server\"\nbinary = {:?}\nmodel = {:?}\nargs = [{}]\nport = {port}\n\
             devices = []\n[pool.{name}.lease]\nslots = 4\n",
            self.server,
            self.folder.join(format!("{model}.gguf")),
            args.join(", "),
        )
    }
}

/// What `/health` answers; `None`: nothing yet.
pub(crate) fn health(port: u16) -> Option<u16> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).ok()?;
    connection.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(connection, "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").ok()?;
    let mut line = String::new();
    BufReader::new(connection).read_line(&mut line).ok()?;
    line.split(' ').nth(1)?.parse().ok()
}

/// A streaming completion.
pub(crate) struct Stream {
    lines: BufReader<ureq::BodyReader<'static>>,
    done: bool,
}

impl Stream {
    /// Asks for `tokens` tokens.
    pub(crate) fn open(engine_url: &str, tokens: u32) -> Self {
        let ask = serde_json::json!({
            "stream": true, "max_tokens": tokens, "ignore_eos": true,
            "messages": [{"role": "user", "content": "Tell me a story."}],
        });
        let answer = ureq::post(format!("{engine_url}/v1/chat/completions")).send_json(ask).unwrap();
        assert_eq!(answer.status(), 200);
        Self { lines: BufReader::new(answer.into_body().into_reader()), done: false }
    }

    /// Waits for the next token; `false`: there is none.
    pub(crate) fn next_token(&mut self) -> bool {
        let mut line = String::new();
        while self.lines.read_line(&mut line).is_ok_and(|read| read > 0) {
            match line.trim().strip_prefix("data: ") {
                Some("[DONE]") => {
                    self.done = true;
                    return false;
                }
                Some(_) => return true,
                None => line.clear(),
            }
        }
        false
    }

    /// Whether the engine said that the answer is whole.
    pub(crate) fn ended_properly(&self) -> bool {
        self.done
    }
}

/// Whether a process exists, zombies included.
pub(crate) fn exists(pid: u32) -> bool {
    send(pid_of(pid), None).is_ok()
}

/// Whether a process runs: it exists and has not ended. One that has is a zombie until the daemon, which
/// says at once that it ended, has cleaned up after it.
pub(crate) fn runs(pid: u32) -> bool {
    stat(pid).is_some_and(|process| !process.is_ended())
}

/// SIGKILL.
pub(crate) fn kill(pid: u32) {
    send(pid_of(pid), Signal::SIGKILL).unwrap();
}

/// Waits until a process has ended and was reaped.
pub(crate) fn until_gone(pid: u32, within: Duration) {
    let until = Instant::now() + within;
    while exists(pid) {
        assert!(Instant::now() < until, "process {pid} is still there");
        std::thread::yield_now();
    }
}

fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap())
}
