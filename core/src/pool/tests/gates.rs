//! Every gate with its time in the view, the start limiter's order, and what versions rise on.

use super::*;
use crate::Gates;

/// A pool that loads longer than the limiter exempts, ready.
fn slow_to_load() -> Stage {
    let mut stage = Stage::new(|_| {});
    stage.preload();
    stage.settle_until(PhaseName::Starting);
    stage.answer_one(Ask::Spawn);
    stage.answer_one(Ask::Write(FileKind::Pid));
    stage.pass(SECOND * 10);
    stage.settle();
    assert_eq!((stage.phase(), stage.view().load_time), (PhaseName::Ready, Some(SECOND * 10)));
    stage.forget();
    stage
}

fn gates(stage: &Stage) -> Gates {
    *stage.view().gates.expect("it waits")
}

fn held(stage: &mut Stage) {
    stage.answer(Ask::Release, Completion::Released(ReleaseAnswer::Held));
}

#[test]
fn a_restart_whose_release_is_looked_at_many_times_is_one_restart_for_the_limiter() {
    let mut stage = slow_to_load();
    stage.crash(ExitStatus::Code(1));
    stage.tick_until(Due::GateOpens);
    let asked = stage.now;
    while stage.now < asked + SECOND * 10 {
        held(&mut stage);
        assert_eq!(gates(&stage).limiter_until, None, "after {:?}", stage.now.since(asked));
        stage.tick();
    }
    stage.settle();
    assert_eq!(stage.phase(), PhaseName::Ready, "free at last");
    assert_eq!(stage.host.facts().host.limiter_restarts_nanos.len(), 1);
}
