//! Signs: what was seen of an engine while it lived that explains its end. Handed on with the engine from
//! phase to phase, and read once, by the verdict.

use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::input::ProbeAnswer;
use crate::time::Time;
use crate::verdict::{Evidence, LogEvidence};

/// What was seen of one engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Signs {
    /// The last line that spoke of a CUDA error, and when it was seen.
    cuda_line: Option<(LogEvidence, Time)>,
    /// What the driver reported last, and when.
    xid: Option<(u32, Time)>,
    /// The last failed probes, oldest first; those before them add nothing.
    misses: [Option<(Time, ProbeAnswer)>; 4],
}

impl Signs {
    pub(crate) const fn cuda_error(self, line: LogEvidence, at: Time) -> Self {
        Self { cuda_line: Some((line, at)), ..self }
    }

    pub(crate) const fn xid(self, xid: u32, at: Time) -> Self {
        Self { xid: Some((xid, at)), ..self }
    }

    pub(crate) fn missed(mut self, at: Time, answer: ProbeAnswer) -> Self {
        if self.misses.iter().all(Option::is_some) {
            self.misses.rotate_left(1);
            if let Some(last) = self.misses.last_mut() {
                *last = None;
            }
        }
        if let Some(free) = self.misses.iter_mut().find(|miss| miss.is_none()) {
            *free = Some((at, answer));
        }
        self
    }

    /// The numbers and the probes that failed are for people.
    pub(crate) fn write_fingerprint(&self, to: &mut Fingerprint, span: Duration) {
        let Self { cuda_line, xid, misses: _ } = self;
        to.optional_past(cuda_line.map(|(_, at)| at), span);
        to.optional_past(xid.map(|(_, at)| at), span);
    }

    /// A healthy answer: failures before it prove nothing.
    pub(crate) const fn healthy(self) -> Self {
        Self { misses: [None; 4], ..self }
    }

    /// The line proved nothing.
    pub(crate) const fn cleared(self) -> Self {
        Self { cuda_line: None, ..self }
    }

    /// What the driver reported in the last `span`.
    pub(crate) fn recent_xid(&self, now: Time, span: Duration) -> Option<u32> {
        self.xid.filter(|(_, at)| now.since(*at) <= span).map(|(xid, _)| xid)
    }

    /// Everything that was seen, in order of time where that is known. A line counts for `span`: whatever the
    /// engine did well since then, it did without its CUDA context being lost.
    pub(crate) fn evidence(&self, now: Time, span: Duration) -> Vec<Evidence> {
        let misses = self.misses.iter().flatten().map(|(at, answer)| (*at, *answer));
        let mut evidence: Vec<Evidence> =
            misses.map(|(at, answer)| Evidence::ProbeFailed { at, answer }).collect();
        evidence.extend(self.cuda_line(now, span).map(Evidence::Log));
        evidence.extend(self.xid.map(|(xid, _)| Evidence::Xid(xid)));
        evidence
    }

    /// What was logged in the last `span`.
    pub(crate) fn cuda_line(&self, now: Time, span: Duration) -> Option<LogEvidence> {
        self.cuda_line.filter(|(_, at)| now.since(*at) <= span).map(|(line, _)| line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::all_differ;
    use crate::verdict::LogClass;

    const SPAN: Duration = Duration::from_nanos(10);

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    #[test]
    fn the_last_four_failed_probes_are_kept_and_a_healthy_one_forgets_them() {
        let signs = (0..10).fold(Signs::default(), |signs, n| signs.missed(at(n), ProbeAnswer::Refused));
        let expected: Vec<_> =
            (6..10).map(|n| Evidence::ProbeFailed { at: at(n), answer: ProbeAnswer::Refused }).collect();
        assert_eq!(signs.evidence(at(9), SPAN), expected);
        assert_eq!(signs.healthy().evidence(at(9), SPAN), []);
    }

    #[test]
    fn the_last_cuda_line_and_the_last_xid_count_for_a_while() {
        let line = |offset| LogEvidence { class: LogClass::CudaError, offset };
        let signs = Signs::default().cuda_error(line(5), at(0)).cuda_error(line(9), at(1));
        let signs = signs.xid(31, at(1)).xid(79, at(2));
        assert_eq!(signs.evidence(at(11), SPAN), [Evidence::Log(line(9)), Evidence::Xid(79)]);
        assert_eq!(signs.evidence(at(12), SPAN), [Evidence::Xid(79)]);
        assert_eq!(signs.recent_xid(at(12), Duration::from_nanos(10)), Some(79));
        assert_eq!(signs.recent_xid(at(13), Duration::from_nanos(10)), None);
    }

    #[test]
    fn a_line_that_proved_nothing_is_forgotten_and_nothing_else() {
        let line = LogEvidence { class: LogClass::CudaError, offset: 5 };
        let signs =
            Signs::default().cuda_error(line, at(1)).xid(79, at(2)).missed(at(3), ProbeAnswer::Refused);
        let rest = [Evidence::ProbeFailed { at: at(3), answer: ProbeAnswer::Refused }, Evidence::Xid(79)];
        assert_eq!(signs.cleared().evidence(at(4), SPAN), rest);
    }

    #[test]
    fn when_a_line_or_an_xid_came_is_in_the_fingerprint() {
        let print = |signs: Signs| {
            let mut to = Fingerprint::new(at(10));
            signs.write_fingerprint(&mut to, SPAN);
            to.finish()
        };
        let line = |offset| LogEvidence { class: LogClass::CudaError, offset };
        let (none, first) = (Signs::default(), Signs::default().cuda_error(line(5), at(1)));
        let all = [none, first, none.cuda_error(line(5), at(2)), none.xid(79, at(1)), first.xid(79, at(1))];
        let all = all.map(print);
        all_differ(&all);
        assert_eq!(print(first), print(none.cuda_error(line(9), at(1))), "which line it was is for people");
    }
}
