//! What of a pool decides its future: see `fingerprint`.

use crate::backoff;
use crate::fingerprint::Fingerprint;
use crate::gate::ReleaseGate;
use crate::id::{EffectId, EngineRef};
use crate::limiter::Limiter;
use crate::phase::{Ended, Engine, Held, Phase, Serving, Stopping, Trouble, Waiting};
use crate::pool::{Drained, Pool, RELEASE_WITHIN, Running, Supervision};
use crate::reload::{Progress, Reloading};
use crate::spec::{EngineSpec, Policy};
use crate::verdict::EvidenceReport;

impl Pool {
    pub(crate) fn write_fingerprint(&self, to: &mut Fingerprint, limiter: &Limiter) {
        let Self {
            uid,
            name,
            spec,
            stamp,
            previous,
            candidate,
            policy,
            wanted,
            phase,
            shown: _,
            leases,
            files,
            running,
            last_operation: _,
            supervision,
            last_incarnation: _,
            deadlines,
            errands,
            abandoned_spawns,
            heartbeat: _,
            load_time,
            gone,
        } = self;
        to.pool(*uid);
        to.add(name);
        write_spec(to, spec);
        to.add(stamp);
        to.add(&previous.as_ref().map(|spec| spec.hash));
        to.add(&candidate.as_ref().map(|spec| spec.hash));
        to.add(wanted);
        to.add(files);
        to.add(gone);
        // Whether the next load is too short to count; retry-after hints are for people.
        to.add(&load_time.is_some_and(|load| limiter.exempts(load)));
        deadlines.write_fingerprint(to);
        errands.write_fingerprint(to, *uid);
        to.add(&abandoned_spawns.len());
        for (sequence, incarnation) in abandoned_spawns {
            to.effect(EffectId { pool: *uid, sequence: *sequence });
            to.engine(self.engine_ref(*incarnation));
        }
        self.write_phase(to, phase);
        leases.write_fingerprint(to, *uid);
        write_running(to, running.as_ref());
        write_supervision(to, supervision, policy);
    }

    fn write_phase(&self, to: &mut Fingerprint, phase: &Phase) {
        to.add(&(phase.name() as u8));
        match phase {
            Phase::Stopped => {}
            Phase::Staging(cause) => to.add(cause),
            Phase::Waiting(Waiting { gates, cause }) => {
                to.add(cause);
                for gate in
                    [gates.backoff_until, gates.window_until, gates.circuit_until, gates.limiter_until]
                {
                    to.optional_deadline(gate);
                }
                write_release(to, gates.release);
            }
            Phase::Starting(engine) => self.write_engine(to, engine),
            Phase::Ready(serving) => self.write_serving(to, serving),
            Phase::Draining(serving, drain) => {
                self.write_serving(to, serving);
                to.deadline(drain.deadline());
            }
            Phase::Stopping(stopping) => self.write_stopping(to, stopping),
            Phase::Ended(Ended { engine, at, status, stopped_for, report }) => {
                write_who(to, self.engine_ref(engine.incarnation), engine);
                // What was seen of it counts as of its end.
                let span = self.policy.liveness.suspect_for;
                to.add(&engine.signs.cuda_line(*at, span).is_some());
                to.add(&engine.signs.recent_xid(*at, span).is_some());
                // Backoff counts from the end, and waits at most its cap.
                to.past(*at, self.policy.restart.backoff_cap.max(self.policy.restart.host_recheck));
                to.add(status);
                to.add(stopped_for);
                to.add(&report.is_some());
                if let Some(EvidenceReport { log, oom_kill }) = report {
                    to.add(oom_kill);
                    log.iter().for_each(|line| to.add(&line.class));
                }
            }
            Phase::Held(held) => {
                to.add(&(held.reason() as u8));
                match held {
                    Held::Config { look } => to.add(look),
                    Held::NotReleased | Held::Quarantine => {}
                    Held::Stuck(stopping) => self.write_stopping(to, stopping),
                }
            }
        }
    }

    fn write_serving(&self, to: &mut Fingerprint, serving: &Serving) {
        let Serving { engine, liveness, trouble } = serving;
        self.write_engine(to, engine);
        liveness.write_fingerprint(to, self.leases.progress(), &self.policy.liveness);
        match trouble {
            Trouble::None => to.add(&0_u8),
            Trouble::Suspect { until } => {
                to.add(&1_u8);
                to.deadline(*until);
            }
            Trouble::Doomed => to.add(&2_u8),
        }
    }

    fn write_stopping(&self, to: &mut Fingerprint, Stopping { engine, cause, ladder }: &Stopping) {
        self.write_engine(to, engine);
        to.add(cause);
        to.add(ladder);
    }

    fn write_engine(&self, to: &mut Fingerprint, engine: &Engine) {
        write_who(to, self.engine_ref(engine.incarnation), engine);
        engine.signs.write_fingerprint(to, self.policy.liveness.suspect_for);
    }
}

fn write_who(to: &mut Fingerprint, name: EngineRef, engine: &Engine) {
    let Engine { incarnation: _, pid, spawned: _, ready_since, cause, signs: _ } = engine;
    to.engine(name);
    to.add(&pid.is_some());
    to.add(&ready_since.is_some());
    to.add(cause);
}

fn write_spec(to: &mut Fingerprint, spec: &EngineSpec) {
    let EngineSpec { hash, catalog, device_mask, port, hints: _ } = spec;
    to.add(hash);
    to.add(&catalog.digest);
    to.add(device_mask);
    to.add(port);
}

fn write_release(to: &mut Fingerprint, release: ReleaseGate) {
    match release {
        ReleaseGate::Unasked => to.add(&0_u8),
        ReleaseGate::Asked { since } => {
            to.add(&1_u8);
            to.past(since, RELEASE_WITHIN);
        }
        ReleaseGate::Held { since } => {
            to.add(&2_u8);
            to.past(since, RELEASE_WITHIN);
        }
        ReleaseGate::HostProblem { problem, recheck } => {
            to.add(&3_u8);
            to.add(&problem);
            to.deadline(recheck);
        }
        ReleaseGate::PortStranger { port: _, pid, recheck } => {
            to.add(&4_u8);
            to.add(&pid);
            to.deadline(recheck);
        }
    }
}

fn write_running(to: &mut Fingerprint, running: Option<&Running>) {
    let Some(Running { operation, drained, reload, recalled }) = running else { return to.add(&false) };
    to.add(&operation.kind);
    to.add(recalled);
    // Which leases were cut or lost is said at the end; that there were some decides how it ends.
    match drained {
        None => to.add(&0_u8),
        Some(Drained::Cut(cut)) => to.add(&(1_u8, cut.is_empty())),
        Some(Drained::Emptied) => to.add(&2_u8),
        Some(Drained::EngineExited(_)) => to.add(&3_u8),
    }
    let Some(reload) = reload else { return to.add(&false) };
    let Reloading { target, patience, on_drain_timeout, force, progress, stage_asked: _, engine_ended } =
        &**reload;
    write_spec(to, target);
    to.add(patience);
    to.add(on_drain_timeout);
    to.add(force);
    to.add(&engine_ended.is_some());
    match progress {
        Progress::Preflight => to.add(&0_u8),
        Progress::Fetching => to.add(&1_u8),
        Progress::Checking => to.add(&2_u8),
        Progress::There { stamp } => to.add(&(3_u8, stamp)),
        Progress::Candidate { stamp, wanted_before } => to.add(&(4_u8, stamp, wanted_before)),
        Progress::RollingBack { verdict: _ } => to.add(&5_u8),
        Progress::SameModel => to.add(&6_u8),
    }
}

fn write_supervision(to: &mut Fingerprint, supervision: &Supervision, policy: &Policy) {
    let restart = &policy.restart;
    let Supervision {
        last_error,
        crashes_total: _,
        restart_count: _,
        failures,
        circuits,
        window,
        ooms,
        backoff_until,
        allowed,
    } = supervision;
    // An operation that waits for a start can only be told of an error that is there.
    to.add(&last_error.is_some());
    // More failures do not wait longer once the cap is reached.
    to.add(&failures.min(&backoff::failures_at_cap(restart)));
    to.add(allowed);
    to.optional_deadline(*backoff_until);
    circuits.write_fingerprint(to, restart);
    window.write_fingerprint(to, restart);
    ooms.write_fingerprint(to);
}
