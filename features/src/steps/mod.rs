//! What the sentences of the scenarios mean, by subject.

mod drain;
mod engine;
mod leases;
mod pools;
mod telemetry;
