//! Leases: slots, the queue and its order, refusals, renewal, expiry, conservation.

use super::*;
use crate::LeaseEnding;

fn one_slot() -> Stage {
    Stage::ready_with(|spec| spec.policy.lease.slots = 1)
}

#[test]
fn slots_bound_what_is_active_and_the_next_waits() {
    let mut stage = Stage::ready();
    let leases = stage.leases(4);
    let fifth = stage.ask_lease(Priority::Interactive, None);
    assert_eq!((stage.granted(fifth), stage.view().leases_queued), (None, 1));
    stage.end_lease(leases[2]);
    assert!(stage.granted(fifth).is_some());
    assert_eq!((stage.view().leases_active, stage.view().leases_queued), (4, 0));
    stage.assert_conserved();
}

#[test]
fn interactive_goes_first_and_every_eighth_grant_to_the_oldest_batch_ask() {
    let mut stage = one_slot();
    let mut holder = stage.lease();
    let batch = [0, 1].map(|_| stage.ask_lease(Priority::Batch, None));
    let interactive = [(); 16].map(|()| stage.ask_lease(Priority::Interactive, None));
    let mut order = Vec::new();
    for _ in 0..18 {
        stage.end_lease(holder);
        let asks = interactive.iter().chain(&batch).copied();
        let next = asks.filter(|ask| !order.contains(ask)).find(|ask| stage.granted(*ask).is_some());
        let next = next.expect("a freed slot is granted");
        holder = stage.granted(next).expect("found above");
        order.push(next);
    }
    let mut expected = interactive[..7].to_vec();
    expected.push(batch[0]);
    expected.extend(&interactive[7..14]);
    expected.push(batch[1]);
    expected.extend(&interactive[14..]);
    assert_eq!(order, expected);
}

#[test]
fn batch_is_served_when_nobody_interactive_waits() {
    let mut stage = one_slot();
    let lease = stage.lease();
    let batch = stage.ask_lease(Priority::Batch, None);
    stage.end_lease(lease);
    assert!(stage.granted(batch).is_some());
}

#[test]
fn a_full_queue_refuses_and_a_long_wait_ends() {
    let mut stage = Stage::ready_with(|spec| {
        spec.policy.lease.slots = 1;
        spec.policy.lease.queue = 1;
    });
    stage.lease();
    let waits = stage.ask_lease(Priority::Batch, None);
    let full = Refusal::Full { retry_after: SECOND * 30 };
    assert_eq!(stage.lease_refusal(), full);
    stage.pass_healthy(SECOND * 29);
    assert_eq!(stage.view().leases_queued, 1);
    stage.pass_healthy(SECOND);
    assert_eq!(stage.reply(waits), Answer::Refused(full));
}

#[test]
fn a_withdrawn_ask_is_answered_once_and_never_granted() {
    let mut stage = one_slot();
    let lease = stage.lease();
    let ask = stage.ask_lease(Priority::Interactive, None);
    let withdraw = Input::LeaseWithdraw { pool: stage.pool, ask };
    stage.feed(withdraw.clone());
    assert_eq!(stage.reply(ask), Answer::Withdrawn);
    stage.feed(withdraw);
    stage.end_lease(lease);
    assert_eq!(stage.view().leases_active, 0);
}

#[test]
fn a_queue_is_lost_with_the_engine_and_refused() {
    let mut stage = one_slot();
    stage.lease();
    let ask = stage.ask_lease(Priority::Interactive, None);
    stage.exits(ExitStatus::Code(1));
    assert!(matches!(stage.reply(ask), Answer::Refused(Refusal::NotReady { phase: PhaseName::Ended, .. })));
}

#[test]
fn ending_twice_is_harmless_and_says_how_it_ended() {
    let mut stage = Stage::ready();
    let lease = stage.lease();
    assert_eq!(stage.end_lease(lease), Answer::LeaseEnded);
    assert_eq!(stage.end_lease(lease), Answer::LeaseEndedBefore { how: None });
    assert_eq!(stage.view().leases_active, 0, "the count never goes below zero");
    let never = LeaseId { sequence: 99, ..lease };
    assert_eq!(stage.end_lease(never), Answer::Refused(Refusal::UnknownLease));
    stage.assert_conserved();
}

#[test]
fn a_lease_expires_after_its_time_to_live_and_frees_its_slot() {
    let mut stage = one_slot();
    let granted = stage.now;
    let lease = stage.lease();
    stage.pass_healthy(SECOND * 590);
    let waits = stage.ask_lease(Priority::Interactive, None);
    stage.tick_until(Due::LeaseExpiry);
    assert_eq!(stage.now, granted + SECOND * 600);
    assert!(stage.granted(waits).is_some());
    assert_eq!(stage.end_lease(lease), Answer::LeaseEndedBefore { how: Some(LeaseEnding::Expired) });
    assert_eq!(stage.view().lease_totals.expired, 1);
    stage.assert_conserved();
}

#[test]
fn a_lease_without_end_lives_as_long_as_its_engine() {
    let mut stage = Stage::ready();
    let ask = stage.ask_lease(Priority::Interactive, Some(Duration::ZERO));
    assert!(matches!(stage.reply(ask), Answer::Granted { expires: None, .. }));
    stage.pass_healthy(SECOND * 86_400);
    assert_eq!(stage.view().leases_active, 1);
    stage.exits(ExitStatus::Code(1));
    assert_eq!((stage.view().leases_active, stage.view().lease_totals.lost), (0, 1));
}

#[test]
fn renewal_counts_from_now() {
    let mut stage = Stage::ready();
    let lease = stage.lease();
    stage.pass_healthy(SECOND * 500);
    let expires = Some(stage.now + SECOND * 600);
    assert_eq!(stage.renew(lease, None), Answer::Renewed { expires });
    stage.pass_healthy(SECOND * 599);
    assert_eq!(stage.view().leases_active, 1);
    stage.pass_healthy(SECOND);
    assert_eq!(stage.view().leases_active, 0);
    let late = Answer::LeaseEndedBefore { how: Some(LeaseEnding::Expired) };
    assert_eq!(stage.renew(lease, None), late);
}

#[test]
fn renewal_while_draining_answers_the_earlier_of_ttl_and_deadline() {
    let mut stage = Stage::ready();
    let lease = stage.lease();
    let deadline = Some(stage.now + SECOND * 60);
    let sooner = Some(stage.now + SECOND * 10);
    stage.drain();
    assert_eq!(stage.renew(lease, None), Answer::Renewed { expires: deadline });
    assert_eq!(stage.renew(lease, Some(Duration::ZERO)), Answer::Renewed { expires: deadline });
    assert_eq!(stage.renew(lease, Some(SECOND * 10)), Answer::Renewed { expires: sooner });
}

#[test]
fn a_lease_of_an_older_engine_is_not_the_new_ones() {
    let mut stage = Stage::ready();
    let old = stage.lease();
    stage.crash(ExitStatus::Code(1));
    stage.tick_until(Due::GateOpens);
    stage.settle();
    let new = stage.lease();
    assert_ne!(old.engine, new.engine);
    assert_eq!(stage.end_lease(old), Answer::LeaseEndedBefore { how: Some(LeaseEnding::Lost) });
    assert_eq!(stage.view().leases_active, 1);
    stage.assert_conserved();
}

#[test]
fn refusals_say_why() {
    let mut stage = Stage::new(|_| {});
    let retry_after = SECOND * 120;
    assert_eq!(stage.lease_refusal(), Refusal::NotReady { phase: PhaseName::Stopped, retry_after });
    stage.pool = PoolUid(9);
    assert_eq!(stage.lease_refusal(), Refusal::UnknownPool);
    stage.pool = PoolUid(1);
    stage.shutdown();
    assert_eq!(stage.lease_refusal(), Refusal::ShuttingDown);
}

#[test]
fn a_lease_input_does_not_move_the_pool() {
    let mut stage = Stage::ready();
    let (version, deadline) = (stage.host.view().version(), stage.host.poll_timeout());
    let lease = stage.lease();
    stage.renew(lease, None);
    stage.end_lease(lease);
    assert_eq!((stage.host.view().version(), stage.host.poll_timeout()), (version, deadline));
    assert_eq!((stage.effects.len(), stage.events.len()), (0, 0));
}

#[test]
fn the_last_1024_endings_are_kept() {
    let mut stage = Stage::ready_with(|spec| spec.policy.lease.slots = 2000);
    let leases = stage.leases(1025);
    stage.exits(ExitStatus::Code(1));
    assert_eq!(stage.end_lease(leases[0]), Answer::LeaseEndedBefore { how: None });
    assert_eq!(stage.end_lease(leases[1]), Answer::LeaseEndedBefore { how: Some(LeaseEnding::Lost) });
    stage.assert_conserved();
}

#[test]
fn a_lease_for_as_long_as_the_engine_lives_stays_so_in_the_view_and_in_facts() {
    let mut stage = Stage::ready();
    let for_ever = stage.ask_lease(Priority::Interactive, Some(Duration::ZERO));
    let for_ever = stage.granted(for_ever).expect("there is room");
    let expires = |stage: &Stage| stage.host.view().leases(stage.pool).map(|lease| lease.expires).next();
    assert_eq!(expires(&stage), Some(None));
    let facts = stage.host.facts();
    let known = facts.pools.first().and_then(|pool| pool.leases.active.first()).copied();
    assert_eq!(known.map(|lease| (lease.sequence, lease.expires_nanos)), Some((for_ever.sequence, None)));
    stage.host = Host::from_facts(HostConfig::default(), &facts, stage.now);
    assert_eq!(expires(&stage), Some(None));
    assert_eq!(stage.view().next.map(|(_, due)| due == Due::LeaseExpiry), Some(false));

    let mut stage = Stage::ready();
    stage.lease();
    let until = stage.now + Duration::from_secs(600);
    let facts = stage.host.facts();
    stage.host = Host::from_facts(HostConfig::default(), &facts, stage.now);
    assert_eq!(expires(&stage), Some(Some(until)));
}

#[test]
fn a_renewal_is_progress_and_so_is_an_end() {
    // A probe that times out is excused while leases show that work goes on.
    let misses = |work: fn(&mut Stage, LeaseId) -> Option<Answer>| {
        let mut stage = Stage::ready();
        let lease = stage.lease();
        stage.lease();
        stage.tick_until(Due::ProbeSend);
        stage.probed(ProbeAnswer::Healthy);
        work(&mut stage, lease);
        stage.tick_until(Due::ProbeSend);
        stage.probed(ProbeAnswer::TimedOut);
        stage.heard(|kind| matches!(kind, EventKind::ProbeFailed { counted: true, .. }))
    };
    assert_eq!(misses(|_, _| None), 1);
    assert_eq!(misses(|stage, lease| Some(stage.renew(lease, None))), 0);
    assert_eq!(misses(|stage, lease| Some(stage.end_lease(lease))), 0);
}
