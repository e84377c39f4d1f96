//! When a snapshot may be asked for: our windows of the request weight, corrected by the venue's own count.

use std::collections::VecDeque;

/// Most requests that are remembered; with weights of 2 and above that is more than any window allows.
const TAKEN_COUNT_MAX: usize = 8192;

/// Rolling windows of the request weight.
#[derive(Debug)]
pub(super) struct Weights {
    /// Limit and length, ns.
    windows: Vec<(u64, u64)>,
    /// Time and weight, oldest first.
    taken: VecDeque<(u64, u64)>,
    not_before_ns: u64,
}

impl Weights {
    pub(super) fn new(windows: &[(u64, u64)]) -> Weights {
        Weights { windows: windows.to_vec(), taken: VecDeque::new(), not_before_ns: 0 }
    }

    /// Takes `weight` now, or says when it may be tried again.
    pub(super) fn try_take(&mut self, weight: u64, now_ns: u64) -> Result<(), u64> {
        if now_ns < self.not_before_ns {
            return Err(self.not_before_ns);
        }
        let longest_ns =
            self.windows.iter().map(|(_, interval_ns)| *interval_ns).max().unwrap_or(0);
        let oldest_ns = now_ns.saturating_sub(longest_ns);
        while self.taken.front().is_some_and(|(at_ns, _)| *at_ns < oldest_ns) {
            self.taken.pop_front();
        }
        for (limit, interval_ns) in &self.windows {
            let start_ns = now_ns.saturating_sub(*interval_ns);
            let inside = || self.taken.iter().filter(|(at_ns, _)| start_ns <= *at_ns);
            let used: u64 = inside().map(|(_, weight)| *weight).sum();
            if *limit < used + weight
                && let Some((first_ns, _)) = inside().next()
            {
                return Err(first_ns.saturating_add(*interval_ns).saturating_add(1));
            }
        }
        if TAKEN_COUNT_MAX <= self.taken.len() {
            self.taken.pop_front();
        }
        self.taken.push_back((now_ns, weight));
        Ok(())
    }

    /// The venue said how much of its window of a minute is used by this address, by whomever.
    pub(super) fn observe_used(&mut self, used: u64, now_ns: u64) {
        let ours: u64 = self.taken.iter().map(|(_, weight)| *weight).sum();
        if ours < used && self.taken.len() < TAKEN_COUNT_MAX {
            self.taken.push_back((now_ns, used - ours));
        }
    }

    /// The venue wants to hear nothing until then.
    pub(super) fn ban_until(&mut self, until_ns: u64) {
        self.not_before_ns = self.not_before_ns.max(until_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_window_holds_more_than_its_limit() {
        let mut weights = Weights::new(&[(100, 1_000)]);
        let mut taken: Vec<u64> = Vec::new();
        let mut now_ns = 0;
        while taken.len() < 20 {
            match weights.try_take(50, now_ns) {
                Ok(()) => taken.push(now_ns),
                Err(at_ns) => {
                    assert!(now_ns < at_ns);
                    now_ns = at_ns;
                }
            }
        }
        for window in taken.windows(3) {
            assert!(1_000 < window[2] - window[0], "{taken:?}");
        }
    }

    #[test]
    fn what_the_venue_counted_and_its_bans_are_believed() {
        let mut weights = Weights::new(&[(100, 1_000)]);
        weights.observe_used(80, 5);
        assert_eq!(weights.try_take(50, 10), Err(1_006));
        assert_eq!(weights.try_take(20, 10), Ok(()));
        weights.ban_until(9_000);
        assert_eq!(weights.try_take(1, 8_999), Err(9_000));
        assert_eq!(weights.try_take(1, 9_000), Ok(()));
    }
}
