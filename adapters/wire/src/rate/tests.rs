//! The limiter against a naive twin that remembers every take.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Act {
    Take { gap_ns: u64, weight: u64 },
    Observe { gap_ns: u64, index: usize, used: u64 },
    Ban { gap_ns: u64, for_ns: u64 },
}

/// Every take, and what has to hold.
#[derive(Default)]
struct Twin {
    takes: Vec<(u64, u64)>,
}

impl Twin {
    /// The sum of the takes in `(now - interval, now]`.
    fn used(&self, now_ns: u64, interval_ns: u64) -> u64 {
        let recent = self.takes.iter().filter(|(at_ns, _)| now_ns < at_ns + interval_ns);
        recent.map(|(_, weight)| weight).sum()
    }
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0_u64..400, 0_u64..6).prop_map(|(gap_ns, weight)| Act::Take { gap_ns, weight }),
        1 => (0_u64..3, 2_000_u64..9_000)
            .prop_map(|(weight, gap_ns)| Act::Take { gap_ns, weight }),
        1 => (0_u64..50, 0_usize..3, 0_u64..30)
            .prop_map(|(gap_ns, index, used)| Act::Observe { gap_ns, index, used }),
        1 => (0_u64..50, 0_u64..900).prop_map(|(gap_ns, for_ns)| Act::Ban { gap_ns, for_ns }),
    ]
}

proptest! {
    #[test]
    fn no_window_ever_holds_more_than_its_limit(acts in prop::collection::vec(act(), 1..400)) {
        let windows = [(10_u64, 1_000_u64), (25, 10_000)];
        let mut limiter = RateLimiter::new(&windows);
        let (mut twin, mut now_ns, mut banned_ns) = (Twin::default(), 1_u64, 0_u64);
        let mut is_corrected = false;
        for act in acts {
            match act {
                Act::Take { gap_ns, weight } => {
                    now_ns += gap_ns;
                    let has_room = windows.iter().all(|(limit, interval_ns)| {
                        twin.used(now_ns, *interval_ns) + weight <= *limit
                    });
                    match limiter.try_take(now_ns, weight) {
                        Ok(()) => {
                            prop_assert!(has_room, "too much at {now_ns}");
                            prop_assert!(banned_ns <= now_ns);
                            twin.takes.push((now_ns, weight));
                        }
                        Err(wait_ns) => {
                            let is_banned = now_ns < banned_ns;
                            prop_assert!(!has_room || is_banned || is_corrected, "too little");
                            prop_assert!(0 < wait_ns && wait_ns < u64::MAX);
                            // The wait is enough, and one nanosecond less is not.
                            let mut other = limiter.clone();
                            prop_assert_eq!(other.check(now_ns + wait_ns, weight), Ok(()));
                            let mut other = limiter.clone();
                            if 1 < wait_ns {
                                prop_assert!(other.check(now_ns + wait_ns - 1, weight).is_err());
                            }
                        }
                    }
                }
                Act::Observe { gap_ns, index, used } => {
                    now_ns += gap_ns;
                    is_corrected = true;
                    limiter.observe_used(index, used, now_ns);
                    prop_assert!(limiter.used(index).is_none_or(|known| used <= known));
                }
                Act::Ban { gap_ns, for_ns } => {
                    now_ns += gap_ns;
                    banned_ns = banned_ns.max(now_ns + for_ns);
                    limiter.ban_until(now_ns + for_ns);
                }
            }
        }
    }

    #[test]
    fn a_limit_beyond_the_memory_holds_too(gaps in prop::collection::vec(0_u64..40, 5_000..9_000)) {
        let (limit, interval_ns) = (3_000_u64, 60_000_u64);
        let mut limiter = RateLimiter::new(&[(limit, interval_ns)]);
        let (mut twin, mut now_ns, mut used, mut begin) = (Twin::default(), 1_u64, 0_u64, 0_usize);
        let mut refused = 0_u64;
        for gap_ns in gaps {
            now_ns += gap_ns;
            while begin < twin.takes.len() && twin.takes[begin].0 + interval_ns <= now_ns {
                used -= twin.takes[begin].1;
                begin += 1;
            }
            if limiter.try_take(now_ns, 2).is_ok() {
                twin.takes.push((now_ns, 2));
                used += 2;
                prop_assert!(used <= limit, "{used} at {now_ns}");
            } else {
                refused += 1;
                // Late by a part at most: what left the true window within it would have fitted.
                let late_ns = interval_ns.div_ceil(PART_COUNT);
                let recent = twin.takes[..begin].iter().rev();
                let due: u64 = recent
                    .take_while(|(at_ns, _)| now_ns < at_ns + interval_ns + late_ns)
                    .map(|(_, weight)| weight)
                    .sum();
                prop_assert!(limit < used + due + 2, "refused without need");
            }
            prop_assert!(limiter.windows[0].entries.len() <= ENTRY_COUNT_MAX);
        }
        prop_assert!(0 < refused);
    }
}

#[test]
fn a_weight_above_the_limit_waits_for_ever() {
    let mut limiter = RateLimiter::new(&[(10, 1_000)]);
    assert_eq!(limiter.try_take(5, 11), Err(u64::MAX));
    assert_eq!(limiter.try_take(5, 10), Ok(()));
    assert_eq!(limiter.try_take(5, 1), Err(1_000));
    assert_eq!(limiter.try_take(1_004, 1), Err(1));
    assert_eq!(limiter.try_take(1_005, 1), Ok(()));
}

#[test]
fn the_larger_count_holds() {
    let mut limiter = RateLimiter::new(&[(10, 1_000), (100, 60_000)]);
    assert_eq!(limiter.try_take(1, 4), Ok(()));
    limiter.observe_used(0, 2, 2);
    assert_eq!(limiter.used(0), Some(4), "the venue has not seen all of ours yet");
    limiter.observe_used(0, 9, 3);
    assert_eq!((limiter.used(0), limiter.used(1)), (Some(9), Some(4)));
    assert_eq!(limiter.try_take(4, 2), Err(997), "room when ours leave");
    assert_eq!(limiter.try_take(4, 1), Ok(()));
    limiter.observe_used(7, 9, 3);
    // More corrections than there is memory for.
    for used in 11..5_000 {
        limiter.observe_used(0, used, 5 + used / 1_000);
    }
    assert_eq!(limiter.used(0), Some(4_999));
    assert!(limiter.windows[0].entries.len() <= ENTRY_COUNT_MAX);
    assert_eq!(limiter.try_take(2_000, 10), Ok(()));
}

#[test]
fn a_ban_holds_until_its_end() {
    let mut limiter = RateLimiter::new(&[(10, 1_000)]);
    limiter.ban_until(5_000);
    limiter.ban_until(4_000);
    assert_eq!(limiter.banned_until_ns(), 5_000);
    assert_eq!(limiter.try_take(1_000, 1), Err(4_000));
    assert_eq!(limiter.try_take(5_000, 1), Ok(()));
}

#[test]
fn time_that_goes_back_frees_nothing() {
    let mut limiter = RateLimiter::new(&[(1, 1_000)]);
    assert_eq!(limiter.try_take(10_000, 1), Ok(()));
    assert_eq!(limiter.try_take(1, 1), Err(1_000));
    assert_eq!(limiter.try_take(11_000, 1), Ok(()));
}
