//! State: what comes back says the same from then on, damage is refused, and the digest sees every change.

use super::desk::{Desk, ONE_E8, breaker, config, fill, steps};
use crate::event::{BreakerState, Scope, session};
use crate::monitor::MonitorConfig;

fn watchful() -> MonitorConfig {
    MonitorConfig {
        drawdown_ppm: steps(&[20_000, 50_000]),
        losses_in_a_row: steps(&[2, 3]),
        loss_single_e8: steps(&[ONE_E8]),
        swing_e8: steps(&[30 * ONE_E8]),
        var_95_e8: steps(&[10 * ONE_E8]),
        heat_ppm: steps(&[5_000]),
        report_sample_count: 3,
        ..config()
    }
}

/// Step `number` of a small life; what was said of it.
fn live(desk: &mut Desk, number: i64) -> Vec<String> {
    match number % 7 {
        0 => desk.trade_for(fill(0, 0, 2 + number % 3, 100 + number % 11), number * 1_000),
        1 => desk.equity(100 + number * 37 % 29),
        2 => desk.trade_for(fill(1, 1, -10 - number % 5, 50), -7),
        3 => desk.equity(100 + number * 31 % 23),
        4 => desk.trade_for(fill(0, 0, -3, 95 + number % 13), number),
        5 => desk.trade_for(fill(1, 1, 12, 49 + number % 4), 0),
        _ => desk.sample(),
    }
}

#[test]
fn what_comes_back_from_its_bytes_says_the_same_from_then_on() {
    for cut in 0..90 {
        let mut desk = Desk::new(watchful());
        for number in 0..cut {
            live(&mut desk, number);
        }
        if cut % 4 == 0 {
            desk.told(breaker(Scope::All, BreakerState::Safe, BreakerState::Normal));
        }
        let bytes = desk.save();
        let mut back = Desk::load(watchful(), &bytes).unwrap();
        back.time_ns = desk.time_ns;
        std::mem::swap(&mut back.market, &mut desk.market);
        let digest = desk.monitor.digest();
        assert_eq!(back.monitor.digest(), digest, "after {cut}");
        assert_eq!(back.save(), bytes);
        assert_eq!(back.monitor.figures(), None);
        let mut told_count = 0;
        let mut market = std::mem::replace(&mut desk.market, crate::market::Market::new(3));
        for number in cut..cut + 60 {
            std::mem::swap(&mut back.market, &mut market);
            let again = live(&mut back, number);
            std::mem::swap(&mut back.market, &mut market);
            told_count += again.len();
            // The market is the same for both.
            std::mem::swap(&mut desk.market, &mut market);
            assert_eq!(live(&mut desk, number), again, "step {number} after {cut}");
            std::mem::swap(&mut desk.market, &mut market);
            assert_eq!(desk.monitor.digest(), back.monitor.digest());
        }
        assert!(50 < told_count);
    }
}

#[test]
fn short_and_damaged_bytes_are_refused() {
    let mut desk = Desk::new(watchful());
    for number in 0..40 {
        live(&mut desk, number);
    }
    let bytes = desk.save();
    for length in 0..bytes.len() {
        assert!(Desk::load(watchful(), &bytes[..length]).is_err(), "length {length}");
    }
    let mut refused = 0;
    for place in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0xff;
        // Most bytes are numbers that may be anything; no byte leads to a panic, neither here nor later.
        match Desk::load(watchful(), &damaged) {
            Ok(mut desk) => {
                desk.equity(100);
                live(&mut desk, 4);
                live(&mut desk, 0);
            }
            Err(_) => refused += 1,
        }
    }
    assert!(20 < refused, "{refused}");
    let other = crate::monitor::Monitor::new(watchful(), super::desk::table(), 3);
    let mut saver = crate::state::Saver::new();
    crate::state::State::save(&other, &mut saver);
    assert!(Desk::load(watchful(), &saver.into_bytes()).is_err(), "another number of strategies");
}

#[test]
fn what_was_told_of_an_exposure_is_part_of_the_digest() {
    let digest = |is_before_report: bool| {
        let mut desk = Desk::new(watchful());
        desk.mark(0, 100);
        for number in 0..11 {
            if number == if is_before_report { 0 } else { 10 } {
                desk.trade(0, 0, 1, 100);
            }
            desk.sample();
        }
        desk.monitor.digest()
    };
    assert_ne!(digest(true), digest(false));
}

#[test]
fn the_digest_changes_with_everything_that_later_events_depend_on() {
    let digest_after = |act: &dyn Fn(&mut Desk)| {
        let mut desk = Desk::new(watchful());
        desk.trade(0, 0, 2, 100);
        desk.equity(100);
        act(&mut desk);
        desk.monitor.digest()
    };
    let digests = [
        digest_after(&|_| {}),
        digest_after(&|desk| desk.trade(0, 0, 1, 100)),
        digest_after(&|desk| desk.trade(1, 0, 1, 100)),
        digest_after(&|desk| desk.trade(0, 1, 1, 100)),
        digest_after(&|desk| desk.trade(0, 0, 1, 101)),
        digest_after(&|desk| drop(desk.hear(fill(0, 0, -2, 100)))),
        digest_after(&|desk| drop(desk.trade_for(fill(0, 0, -2, 100), 0))),
        digest_after(&|desk| drop(desk.trade_for(fill(0, 0, -2, 100), 1))),
        digest_after(&|desk| drop(desk.equity(100))),
        digest_after(&|desk| drop(desk.equity(101))),
        digest_after(&|desk| {
            desk.time_ns = 3_500;
            desk.hear(session::clock());
        }),
        digest_after(&|desk| {
            drop(desk.told(breaker(Scope::All, BreakerState::Safe, BreakerState::Normal)));
        }),
    ];
    let mut distinct = digests.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), digests.len());
}
