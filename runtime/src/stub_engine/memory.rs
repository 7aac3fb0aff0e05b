//! Memory that only grows, as a leak does.

use std::time::Duration;

const MIB: usize = 1024 * 1024;
const STEP: Duration = Duration::from_millis(100);

/// From now on takes and touches this many MiB more every second, in steps of 100 ms.
pub(crate) fn grow(mib_per_second: usize) {
    tokio::spawn(async move {
        let mut taken = Vec::new();
        loop {
            // Filled with ones: zeroed pages would not become resident.
            taken.push(vec![1_u8; mib_per_second * MIB / 10]);
            tokio::time::sleep(STEP).await;
        }
    });
}
