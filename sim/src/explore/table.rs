//! The states that are known, by fingerprint: an open-addressing table, looked up only and never iterated, so that no
//! order comes out of it. Which budgets each was searched with is kept beside.

/// Numbers for fingerprints, counted from 0 in the order they were first met.
#[derive(Debug)]
pub(super) struct Table {
    /// 0 marks a free slot.
    keys: Vec<u64>,
    numbers: Vec<u32>,
    len: u32,
}

impl Table {
    pub(super) fn new() -> Self {
        Self { keys: vec![0; 1 << 16], numbers: vec![0; 1 << 16], len: 0 }
    }

    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    /// The number of a fingerprint, and whether it is new.
    pub(super) fn number(&mut self, fingerprint: u64) -> (u32, bool) {
        let key = fingerprint.max(1);
        let slot = self.slot(key);
        if self.keys[slot] == key {
            return (self.numbers[slot], false);
        }
        let number = self.len;
        self.keys[slot] = key;
        self.numbers[slot] = number;
        self.len += 1;
        if self.len as usize * 10 > self.keys.len() * 7 {
            self.grow();
        }
        (number, true)
    }

    /// Where a key is, or belongs.
    fn slot(&self, key: u64) -> usize {
        let mask = self.keys.len() - 1;
        // The fingerprint is well mixed; its high bits are as good as any.
        let mut slot = (key >> 20) as usize & mask;
        while self.keys[slot] != 0 && self.keys[slot] != key {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) {
        let doubled = self.keys.len() * 2;
        let keys = std::mem::replace(&mut self.keys, vec![0; doubled]);
        let numbers = std::mem::replace(&mut self.numbers, vec![0; doubled]);
        for (key, number) in keys.into_iter().zip(numbers).filter(|(key, _)| *key != 0) {
            let slot = self.slot(key);
            self.keys[slot] = key;
            self.numbers[slot] = number;
        }
    }
}

/// What is left to spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) faults: u8,
    pub(super) acts: u8,
}

impl Budget {
    /// What is left after so much was spent; `None`: that is too much.
    pub(super) const fn spend(self, cost: Self) -> Option<Self> {
        match (self.faults.checked_sub(cost.faults), self.acts.checked_sub(cost.acts)) {
            (Some(faults), Some(acts)) => Some(Self { faults, acts }),
            (Some(_) | None, _) => None,
        }
    }

    pub(super) const fn total(self) -> usize {
        self.faults as usize + self.acts as usize
    }
}

/// The budgets one state was searched with: in the nibble of so many faults, one more than the most acts of a
/// search with at least as many faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Searched(u64);

impl Searched {
    const fn nibble(self, faults: u8) -> u64 {
        if faults > 15 { 0 } else { (self.0 >> (4 * faults as u32)) & 15 }
    }

    /// Whether a search had at least so much of both.
    pub(super) const fn covers(self, budget: Budget) -> bool {
        self.nibble(budget.faults) > budget.acts as u64
    }

    /// Whether a search had at least so much of both, and more of one.
    pub(super) const fn exceeds(self, budget: Budget) -> bool {
        let Budget { faults, acts } = budget;
        self.nibble(faults) > acts as u64 + 1 || self.nibble(faults + 1) > acts as u64
    }

    pub(super) fn add(&mut self, budget: Budget) {
        let most = u64::from(budget.acts) + 1;
        for faults in 0..=budget.faults {
            let shift = 4 * u32::from(faults);
            if self.nibble(faults) < most {
                self.0 = (self.0 & !(15 << shift)) | (most << shift);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_keeps_its_number_while_the_table_grows() {
        let mut table = Table::new();
        let key = |n: u32| u64::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for n in 0..200_000 {
            assert_eq!(table.number(key(n)), (n, true));
        }
        for n in (0..200_000).step_by(997) {
            assert_eq!(table.number(key(n)), (n, false));
        }
        assert_eq!(table.len(), 200_000);
    }

    #[test]
    fn a_search_covers_those_with_less_left() {
        let mut searched = Searched::default();
        let budget = |faults, acts| Budget { faults, acts };
        searched.add(budget(2, 1));
        searched.add(budget(0, 3));
        for (faults, acts, covers, exceeds) in [
            (2, 1, true, false),
            (2, 2, false, false),
            (3, 0, false, false),
            (1, 1, true, true),
            (2, 0, true, true),
            (0, 3, true, false),
            (1, 2, false, false),
            (0, 0, true, true),
        ] {
            assert_eq!(searched.covers(budget(faults, acts)), covers, "{faults} {acts}");
            assert_eq!(searched.exceeds(budget(faults, acts)), exceeds, "{faults} {acts}");
        }
        searched.add(budget(15, 14));
        assert!(searched.covers(budget(15, 14)) && !searched.exceeds(budget(15, 14)));
    }
}
