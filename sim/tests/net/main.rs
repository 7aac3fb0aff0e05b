//! The control API and the probe client over a simulated network: the code that ships — router, server,
//! driver, core, prober — on turmoil's TCP, where latency, partitions, held packets and crashes come from a
//! seed. What is made up is the engines (`engines`), the callers (`caller`, `router`) and the weather.

mod caller;
mod dice;
mod engines;
mod log;
mod panics;
mod router;
mod stage;
mod supervisor;
mod truth;

mod auditor;
mod books;
mod determinism;
mod probes;
mod retries;
mod stream;
mod waiting;
