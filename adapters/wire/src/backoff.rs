//! How long to wait before the next attempt: exponential, bounded, spread by a seed.

/// Waits between attempts. Attempt `n` waits between half and all of `min x 2^n`, at most `max`.
///
/// The spread keeps sessions that lost the same peer from coming back in the same instant.
#[derive(Clone, Debug)]
pub struct Backoff {
    delay_ns_min: u64,
    delay_ns_max: u64,
    attempt_count: u32,
    random: u64,
}

impl Backoff {
    /// A fresh row of waits. `0 < delay_ns_min <= delay_ns_max`.
    pub fn new(delay_ns_min: u64, delay_ns_max: u64, seed: u64) -> Backoff {
        assert!(0 < delay_ns_min);
        assert!(delay_ns_min <= delay_ns_max);
        Backoff { delay_ns_min, delay_ns_max, attempt_count: 0, random: seed }
    }

    /// The next wait.
    pub fn next_delay_ns(&mut self) -> u64 {
        let factor = 1_u64.checked_shl(self.attempt_count).unwrap_or(u64::MAX);
        self.attempt_count = self.attempt_count.saturating_add(1);
        let whole_ns = self.delay_ns_min.saturating_mul(factor).min(self.delay_ns_max);
        let half_ns = whole_ns / 2;
        whole_ns - self.random() % (half_ns + 1)
    }

    /// Waits asked for since the start or the last [`Backoff::reset`].
    pub fn attempt_count(&self) -> u32 {
        self.attempt_count
    }

    /// The longest wait.
    pub fn delay_ns_max(&self) -> u64 {
        self.delay_ns_max
    }

    /// Begins again with the shortest wait. The random stream goes on.
    pub fn reset(&mut self) {
        self.attempt_count = 0;
    }

    /// `SplitMix64` (Steele, Lea and Flood): enough to spread waits.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.random;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_bound_and_stay_within_their_half() {
        for seed in 0..200 {
            let mut backoff = Backoff::new(100, 5_000, seed);
            for attempt in 0..200_u32 {
                let whole = 100_u64.saturating_mul(1 << attempt.min(20)).min(5_000);
                let delay = backoff.next_delay_ns();
                assert!(whole / 2 <= delay, "seed {seed}, attempt {attempt}: {delay}");
                assert!(delay <= whole, "seed {seed}, attempt {attempt}: {delay}");
            }
        }
    }

    #[test]
    fn the_widest_bounds_do_not_overflow() {
        let mut backoff = Backoff::new(1, u64::MAX, 3);
        let delays: Vec<u64> = (0..70).map(|_| backoff.next_delay_ns()).collect();
        assert!(u64::MAX / 2 <= delays[69], "{delays:?}");
    }

    #[test]
    fn one_seed_gives_one_row_and_two_seeds_give_two() {
        let row = |seed| {
            let mut backoff = Backoff::new(1_000_000, 60_000_000, seed);
            (0..20).map(|_| backoff.next_delay_ns()).collect::<Vec<_>>()
        };
        assert_eq!(row(7), row(7));
        assert_ne!(row(7), row(8));
    }

    #[test]
    fn reset_begins_with_the_shortest_wait() {
        let mut backoff = Backoff::new(100, 5_000, 1);
        for _ in 0..10 {
            backoff.next_delay_ns();
        }
        assert_eq!(backoff.attempt_count(), 10);
        backoff.reset();
        assert!(backoff.next_delay_ns() <= 100);
    }
}
