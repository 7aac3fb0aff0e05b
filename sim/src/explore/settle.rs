//! Liveness: from every state, with faults and acts over, a settled state can be reached. Found backwards, from the
//! settled states along the steps that cost nothing.

/// The steps that cost nothing, and which states are settled.
#[derive(Debug, Default)]
pub(super) struct Graph {
    steps: Vec<(u32, u32)>,
    settled: Vec<bool>,
}

impl Graph {
    /// The next state, in the order of their numbers.
    pub(super) fn add_state(&mut self, settled: bool) {
        self.settled.push(settled);
    }

    pub(super) fn add_step(&mut self, from: u32, to: u32) {
        if from != to {
            self.steps.push((from, to));
        }
    }

    pub(super) fn settled(&self) -> usize {
        self.settled.iter().filter(|settled| **settled).count()
    }

    /// The first state, by number, from which no settled one can be reached.
    pub(super) fn first_that_never_settles(&self) -> Option<u32> {
        let states = self.settled.len();
        // Where the steps to each state begin: a counting sort by target.
        let mut begins = vec![0_u32; states + 1];
        for (_, to) in &self.steps {
            begins[*to as usize + 1] += 1;
        }
        for state in 0..states {
            begins[state + 1] += begins[state];
        }
        let mut sources = vec![0_u32; self.steps.len()];
        let mut filled = begins.clone();
        for (from, to) in &self.steps {
            let place = &mut filled[*to as usize];
            sources[*place as usize] = *from;
            *place += 1;
        }
        let mut settles = self.settled.clone();
        let numbered = (0_u32..).zip(&self.settled);
        let mut next: Vec<u32> = numbered.filter(|(_, settled)| **settled).map(|(state, _)| state).collect();
        while let Some(state) = next.pop() {
            let (begin, end) = (begins[state as usize] as usize, begins[state as usize + 1] as usize);
            for source in &sources[begin..end] {
                if !settles[*source as usize] {
                    settles[*source as usize] = true;
                    next.push(*source);
                }
            }
        }
        (0_u32..).zip(&settles).find(|(_, settles)| !**settles).map(|(state, _)| state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_to_a_settled_state_settles_and_a_cycle_beside_it_does_not() {
        let mut graph = Graph::default();
        for settled in [false, false, true, false, false] {
            graph.add_state(settled);
        }
        for (from, to) in [(0, 1), (1, 0), (1, 2), (0, 3), (3, 4), (4, 3)] {
            graph.add_step(from, to);
        }
        assert_eq!(graph.first_that_never_settles(), Some(3));
        graph.add_step(4, 0);
        assert_eq!(graph.first_that_never_settles(), None);
        assert_eq!(graph.settled(), 1);
    }
}
