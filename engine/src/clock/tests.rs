//! Tests of the clock.

use proptest::prelude::*;

use super::*;

#[test]
fn a_manual_clock_moves_only_when_told_and_never_back() {
    let (clock, hand) = Clock::manual(100);
    let other = clock.clone();
    assert_eq!(clock.now_ns(), 100);
    hand.advance(50);
    assert_eq!(clock.now_ns(), 150);
    assert_eq!(clock.elapsed_ns(100, clock.raw()), 50);
    hand.set(120);
    assert_eq!(clock.now_ns(), 150, "this one has shown 150");
    assert_eq!(other.now_ns(), 120, "this one has not");
    assert_eq!(clock.discipline(), 0);
}

#[test]
fn the_counter_follows_the_kernel() {
    let clock = Clock::new();
    // The reading of the two clocks is not atomic on a shared machine: the best of many counts.
    let error = (0..1000).map(|_| clock.wall_error_ns().unsigned_abs()).min().unwrap();
    assert!(error < 1_000_000, "{error} ns from the wall clock");
}

#[test]
fn time_never_goes_back_while_the_rate_is_changed() {
    let clock = Clock::new();
    let Source::Counter(counter) = &clock.source else { panic!("a counter was asked for") };
    let reader = clock.clone();
    std::thread::scope(|scope| {
        let watch = scope.spawn(move || {
            let mut last = 0;
            let mut steps = 0_u32;
            for _ in 0..2_000_000 {
                let now = reader.now_ns();
                assert!(last <= now);
                steps += u32::from(last < now);
                last = now;
            }
            steps
        });
        let mut kernel_ns = counter.kernel_ns();
        for turn in 0..2000 {
            // A kernel that jumps about: the worst that a discipline can meet.
            kernel_ns += SECOND_NS + (turn % 7) * 1_000_000;
            counter.discipline(kernel_ns);
        }
        assert!(0 < watch.join().unwrap());
    });
}

#[test]
fn an_error_is_gone_a_second_later() {
    // 3 GHz, exactly known: 2^32 / 3 ns per 2^32 counts.
    let rate_start = (1_u64 << 32) / 3;
    for error_ns in [-200_000, -7, 0, 900, 200_000] {
        let rate = corrected_rate(3 * SECOND_NS, SECOND_NS, error_ns, rate_start);
        let gained = difference(scale(3 * SECOND_NS, rate), SECOND_NS);
        let left = error_ns + gained;
        assert!(left.abs() <= 5, "{error_ns} ns ahead: {left} ns are left");
    }
}

#[test]
fn a_wrong_calibration_is_corrected() {
    let true_rate = (1_u64 << 32) / 3;
    let calibrated = true_rate + share(true_rate, 40);
    let rate = corrected_rate(3 * SECOND_NS, SECOND_NS, 0, calibrated);
    assert!(rate.abs_diff(true_rate) <= 1, "{rate} instead of {true_rate}");
}

proptest! {
    #[test]
    fn no_measurement_bends_the_rate_beyond_its_bounds(
        counts in 1..u64::MAX,
        passed_ns in any::<u64>(),
        error_ns in any::<i64>(),
        rate_start in 1_000_000..(1_u64 << 34),
    ) {
        let rate = corrected_rate(counts, passed_ns, error_ns, rate_start);
        let bound = share(rate_start, RATE_PPM_MAX + BEND_PPM_MAX + 1);
        prop_assert!(rate.abs_diff(rate_start) <= bound);
        prop_assert!(0 < rate);
    }
}
