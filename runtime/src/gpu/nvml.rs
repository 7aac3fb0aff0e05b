//! NVIDIA's library, loaded when it is asked and let go after it: a host without it loses nothing, and a
//! supervisor that held it open would keep the driver from being unloaded and a GPU from being reset.

use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;

use super::{Gpu, GpuError, Gpus};

/// `libnvidia-ml.so.1`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nvml;

impl Gpus for Nvml {
    fn list(&self) -> Result<Vec<Gpu>, GpuError> {
        let library = nvml_wrapper::Nvml::init().map_err(gpu_error)?;
        let count = library.device_count().map_err(gpu_error)?;
        let mut gpus = Vec::new();
        for index in 0..count {
            match library.device_by_index(index).and_then(|device| describe(index, &device)) {
                Ok(gpu) => gpus.push(gpu),
                Err(error) if is_unusable(&error) => {
                    tracing::warn!("GPU {index} cannot be used: {error}");
                }
                Err(error) => return Err(gpu_error(error)),
            }
        }
        Ok(gpus)
    }
}

fn describe(index: u32, device: &Device<'_>) -> Result<Gpu, NvmlError> {
    Ok(Gpu { index, uuid: device.uuid()?, mig: mig_devices(device) })
}

/// `None`: the library does not tell.
fn mig_devices(device: &Device<'_>) -> Option<Vec<String>> {
    let most = match device.mig_device_count() {
        Ok(most) => most,
        Err(NvmlError::NotSupported) => return Some(Vec::new()),
        Err(_) => return None,
    };
    let mut names = Vec::new();
    for index in 0..most {
        match device.mig_device_by_index(index).and_then(|device| device.uuid()) {
            Ok(name) => names.push(name),
            // Numbers have gaps; and a GPU that could be divided need not be.
            Err(NvmlError::NotFound | NvmlError::NotSupported | NvmlError::InvalidArg) => {}
            Err(_) => return None,
        }
    }
    Some(names)
}

/// The one GPU is at fault, not the library.
fn is_unusable(error: &NvmlError) -> bool {
    matches!(
        error,
        NvmlError::GpuLost
            | NvmlError::InsufficientPower
            | NvmlError::IrqIssue
            | NvmlError::NoPermission
            | NvmlError::OperatingSystem
            | NvmlError::ResetRequired
    )
}

fn gpu_error(error: NvmlError) -> GpuError {
    let why = error.to_string();
    if matches!(error, NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound) {
        GpuError::NoLibrary(why)
    } else if matches!(
        error,
        NvmlError::DriverNotLoaded | NvmlError::LibRmVersionMismatch | NvmlError::FailedToLoadSymbol(_)
    ) {
        GpuError::Driver(why)
    } else {
        GpuError::Other(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart() {
        let told = |error| gpu_error(error);
        assert!(matches!(told(NvmlError::DriverNotLoaded), GpuError::Driver(_)));
        assert!(matches!(told(NvmlError::LibRmVersionMismatch), GpuError::Driver(_)));
        assert!(matches!(told(NvmlError::Unknown), GpuError::Other(_)));
        assert!(is_unusable(&NvmlError::GpuLost) && !is_unusable(&NvmlError::Unknown));
    }

    #[test]
    fn this_host_is_described_or_says_why_not() {
        match Nvml.list() {
            Ok(gpus) => {
                for gpu in &gpus {
                    assert!(gpu.uuid.starts_with("GPU-"), "{gpu:?}");
                }
            }
            Err(GpuError::NoLibrary(why) | GpuError::Driver(why) | GpuError::Other(why)) => {
                assert!(!why.is_empty());
            }
        }
    }
}
