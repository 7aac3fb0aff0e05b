//! Waiting for the first readiness of all pools, with progress for whoever watches.

use std::time::Duration;

use pool_manager_core::{Host, PhaseName, Time};
use tokio::time::{Instant, sleep_until};

use crate::driver::{DriverGone, DriverHandle};

/// How far the first starts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Pools that are wanted up and ready.
    pub ready: Vec<String>,
    /// Pools that are wanted up and not ready, with their phase.
    pub others: Vec<(String, PhaseName)>,
}

/// Waits until every pool is ready or `within` has passed. `progress` hears of it every two seconds.
///
/// # Errors
/// [`DriverGone`]: it was stopped meanwhile.
pub async fn first_readiness(
    driver: &DriverHandle,
    within: Duration,
    mut progress: impl FnMut(&Readiness),
) -> Result<Readiness, DriverGone> {
    const PROGRESS_EVERY: Duration = Duration::from_secs(2);
    let mut happenings = driver.subscribe();
    let until = Instant::now() + within;
    let mut next_progress = Instant::now() + PROGRESS_EVERY;
    loop {
        let readiness = driver.read(readiness).await?;
        if readiness.others.is_empty() || Instant::now() >= until {
            return Ok(readiness);
        }
        if Instant::now() >= next_progress {
            progress(&readiness);
            next_progress += PROGRESS_EVERY;
        }
        tokio::select! {
            biased;
            // Whatever happened, or was missed: the next look shows it.
            _ = happenings.recv() => {}
            () = sleep_until(until.min(next_progress)) => {}
        }
    }
}

fn readiness(host: &Host, _now: Time) -> Readiness {
    let view = host.view();
    let wanted = view.pools().filter(|pool| pool.wanted == pool_manager_core::Wanted::Up);
    let (ready, others): (Vec<_>, Vec<_>) = wanted
        .map(|pool| (pool.name.to_string(), pool.phase))
        .partition(|(_, phase)| *phase == PhaseName::Ready);
    Readiness { ready: ready.into_iter().map(|(name, _)| name).collect(), others }
}
