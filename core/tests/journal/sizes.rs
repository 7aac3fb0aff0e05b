//! What the records cost, as the docs of `journal` say.

use std::time::Duration;

use pool_manager_core::journal::{EffectHash, Writer};
use pool_manager_core::{
    CommandId, Completion, Correlation, EffectId, EngineRef, Holder, Incarnation, Input, LeaseId, PoolUid,
    Priority, ProbeAnswer, Time, Verb,
};

use crate::samples::{facts, header, host};

/// Bytes an input costs with everything around it, once a segment runs.
fn cost(turns: u64, a_turn: u64, gap: Duration, mut input: impl FnMut(u64) -> Input) -> f64 {
    let mut writer = Writer::begin(&header());
    let mut bytes = 0;
    for turn in 0..turns + 10 {
        let at = Time::from_nanos(1 << 50) + gap * u32::try_from(turn).unwrap();
        for n in 0..a_turn {
            writer.input(at, &input(turn * a_turn + n), EffectHash::BEGIN);
        }
        let taken = writer.take().len();
        if turn >= 10 {
            bytes += taken;
        }
    }
    bytes as f64 / (turns * a_turn) as f64
}

/// A router that asks and ends in turn, four pools, a handful of leases in flight.
fn traffic(n: u64) -> Input {
    let (pool, command) = (PoolUid(u32::try_from(n / 64 % 4).unwrap() + 1), CommandId(n));
    if n.is_multiple_of(2) {
        return Input::LeaseAsk {
            command,
            correlation: Correlation([77, n / 2]),
            pool,
            holder: Holder([5, n / 2 % 20]),
            priority: Priority::Interactive,
            ttl: None,
        };
    }
    let engine = EngineRef { pool, incarnation: Incarnation { epoch: 3, n: 14 } };
    Input::LeaseEnd { command, lease: LeaseId { engine, sequence: n / 2 } }
}

fn timer(_: u64) -> Input {
    Input::Timer
}

fn probe(n: u64) -> Input {
    let effect = EffectId { pool: PoolUid(3), sequence: 70_000 + n };
    Input::Completed { effect, result: Completion::Probed(ProbeAnswer::Healthy) }
}

#[test]
fn a_lease_input_costs_what_the_docs_say() {
    let millisecond = Duration::from_millis(1);
    for (what, bytes, most) in [
        ("one a turn, 1 ms apart", cost(2000, 1, millisecond, traffic), 16.0),
        ("one a turn, 100 ms apart", cost(2000, 1, 100 * millisecond, traffic), 17.0),
        ("8 a turn", cost(500, 8, millisecond, traffic), 6.5),
        ("64 a turn", cost(200, 64, millisecond, traffic), 5.1),
        ("a timer alone", cost(2000, 1, 100 * millisecond, timer), 15.0),
        ("8 timers a turn", cost(500, 8, millisecond, timer), 5.0),
        ("a probe's answer", cost(500, 1, millisecond, probe), 30.0),
    ] {
        println!("{what}: {bytes:.1}");
        assert!(bytes <= most, "{what}: {bytes} bytes");
    }
}

#[test]
fn other_records_cost_what_the_docs_say() {
    let mut writer = Writer::begin(&header());
    let begin = writer.take().len();
    writer.facts(&facts());
    let facts = writer.take().len();
    writer.state(&host(), EffectHash::BEGIN);
    let state = writer.take().len();
    writer.mark(EffectHash::BEGIN);
    let mark = writer.take().len();
    let correlation = Correlation([u64::MAX, u64::MAX]);
    let command = CommandId(70_000);
    let verb = Verb::Drain { deadline: Some(Duration::from_secs(30)) };
    writer.input(
        Time::from_nanos(1 << 50),
        &Input::Command { command, correlation, pool: PoolUid(3), verb },
        EffectHash::BEGIN,
    );
    let command = writer.take().len();
    let policy = serde_json::to_string(&crate::samples::policy()).unwrap().len();
    let pool = serde_json::to_string(&crate::samples::facts().pools[0]).unwrap().len();
    println!("pool {pool}, policy {policy}");
    println!("header {begin}, facts {facts}, state {state}, mark {mark}, command {command}");
    assert!(begin <= 260 && facts <= 6000 && state <= 1000 && mark == 14 && command <= 56);
}
