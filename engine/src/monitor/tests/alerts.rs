//! Thresholds: below, at and above each of them, when they are told again, and the risk mode that follows.

use super::desk::{Desk, ONE_E8, breaker, config, fill, steps};
use crate::event::{BreakerState, Scope, TripReason};
use crate::monitor::watch::{Watch, percent_reached};
use crate::monitor::{MonitorConfig, RiskMode, Steps, StepsError};

/// Steps, then values with what is told of each: percent or `-`.
#[track_caller]
fn check(values: &[i64], seen: &str) {
    let steps = steps(values);
    let mut watch = Watch::default();
    for word in seen.split_whitespace() {
        let (value, wanted) = word.split_once(':').unwrap();
        let told = watch.see(&steps, value.parse().unwrap());
        let told = told.map_or("-".to_string(), |percent| percent.to_string());
        assert_eq!(told, wanted, "{word} of {seen}");
    }
}

#[test]
fn a_threshold_is_told_once_until_the_figure_was_a_tenth_of_the_limit_below_it() {
    check(&[100], "99:- 100:100 101:- 99:- 100:- 90:- 100:- 89:- 99:- 100:100");
    check(&[50, 75, 100], "49:- 50:50 74:- 75:75 99:- 100:100 500:-");
    // Of several only the highest is told, and each is left on its own.
    check(&[50, 75, 100], "80:75 66:- 75:- 64:- 74:- 75:75 100:100 64:- 75:75 39:- 50:50");
    check(&[50, 75, 100], "100:100 89:- 100:100 74:- 0:- 100:100");
    check(&[5, 10], "4:- 5:50 6:- 10:100 11:- 0:- 1:- 5:50");
    // A tenth of 15 is 1.5: 9 and 14 are not so far below, 8 and 13 are.
    check(&[10, 15], "10:66 9:- 10:- 8:- 10:66 15:100 14:- 15:- 13:- 15:100");
}

#[test]
fn thresholds_rise_from_above_zero_and_are_at_most_four() {
    assert_eq!(Steps::new(&[0]), Err(StepsError::NotRising));
    assert_eq!(Steps::new(&[2, 2]), Err(StepsError::NotRising));
    assert_eq!(Steps::new(&[1, 2, 3, 4, 5]), Err(StepsError::TooMany));
    let most = Steps::new(&[1, 2, 3, 4]).unwrap();
    assert_eq!((most.values(), most.limit()), (&[1, 2, 3, 4][..], Some(4)));
    assert_eq!(Steps::default().limit(), None);
}

#[test]
fn a_threshold_that_is_no_longer_configured_is_not_reached() {
    let mut watch = Watch::default();
    assert_eq!(watch.see(&steps(&[1, 2, 3]), 3), Some(100));
    assert_eq!(watch.see(&steps(&[3]), 3), None);
    assert!(watch.is_raised());
    assert_eq!(watch.see(&Steps::default(), 3), None);
    assert!(!watch.is_raised());
    assert_eq!(percent_reached(&Steps::default(), 3), None);
}

fn with(change: impl FnOnce(&mut MonitorConfig)) -> Desk {
    let mut config = config();
    change(&mut config);
    Desk::new(config)
}

#[test]
fn a_drawdown_is_told_at_each_threshold_and_not_a_cent_before() {
    let mut desk = with(|config| config.drawdown_ppm = steps(&[100_000, 150_000, 200_000]));
    desk.trade(0, 0, 1, 500);
    assert!(desk.equity(500).is_empty());
    // The peak is 1,000: the capital.
    assert!(desk.equity(401).is_empty());
    assert_eq!(desk.equity(400), ["drawdown! 100000/200000 50%", "risk-mode 2/1"]);
    assert!(desk.equity(351).is_empty());
    assert_eq!(desk.equity(350), ["drawdown! 150000/200000 75%"]);
    assert_eq!(desk.equity(299), ["drawdown! 201000/200000 100%"]);
    // Within ten points of the limit below the first threshold the mode stays.
    assert!(desk.equity(420).is_empty());
    assert_eq!(desk.equity(421), ["risk-mode 1/2"]);
    // A new peak moves the thresholds: ten percent of 1,500.
    desk.equity(1_000);
    let told = desk.equity(851);
    assert!(!told.iter().any(|line| line.contains('!')), "{told:?}");
    assert_eq!(desk.equity(850), ["drawdown! 100000/200000 50%", "risk-mode 2/1"]);
}

#[test]
fn a_swing_is_told_in_both_directions_and_forgotten_with_its_window() {
    let mut desk = with(|config| config.swing_e8 = steps(&[50 * ONE_E8, 100 * ONE_E8]));
    desk.trade(0, 0, 1, 500);
    desk.equity(500);
    assert!(desk.equity(549).is_empty());
    assert_eq!(desk.equity(550), ["swing! 5000000000/10000000000 50%", "risk-mode 2/1"]);
    assert!(desk.equity(451).is_empty());
    assert_eq!(desk.figures().swing.range, 99 * ONE_E8);
    assert_eq!(desk.equity(450), ["swing! 10000000000/10000000000 100%"]);
    // The window holds four changes: with the fourth sample after it 550 is gone, then 451.
    for _ in 0..2 {
        assert!(desk.equity(450).is_empty());
    }
    assert_eq!(desk.equity(450), ["risk-mode 1/2"]);
    assert_eq!(desk.figures().swing.range, ONE_E8);
}

#[test]
fn the_value_at_risk_is_told_when_there_are_enough_changes() {
    let mut desk = with(|config| config.var_95_e8 = steps(&[10 * ONE_E8]));
    assert_eq!(desk.monitor.var_limit_e8(), Some(10 * ONE_E8));
    assert_eq!(Desk::new(config()).monitor.var_limit_e8(), None);
    desk.trade(0, 0, 1, 500);
    for index in 0..20 {
        let told = desk.equity(if index % 2 == 0 { 500 } else { 490 });
        assert!(!told.iter().any(|line| line.starts_with("var-95!")), "{index}: {told:?}");
    }
    // The twentieth change: a loss of 9 is not one of 10, but the worst of twenty is 10.
    let told = desk.equity(491);
    assert!(told.contains(&"var-95! 1000000000/1000000000 100%".to_string()), "{told:?}");
    let mut calm = with(|config| config.var_95_e8 = steps(&[10 * ONE_E8 + 1]));
    calm.trade(0, 0, 1, 500);
    for index in 0..40 {
        let told = calm.equity(if index % 2 == 0 { 500 } else { 490 });
        assert!(!told.iter().any(|line| line.starts_with("var-95!")), "{told:?}");
    }
}

#[test]
fn heat_is_told_at_its_threshold() {
    let mut desk = with(|config| config.heat_ppm = steps(&[5_000, 10_000]));
    desk.trade(0, 0, 4, 100);
    assert!(desk.equity(100).is_empty());
    desk.trade(0, 0, 1, 100);
    assert_eq!(desk.equity(100), ["heat! 5000/10000 50%", "risk-mode 2/1"]);
}

/// A round trip of strategy `source` that comes to `result`; what is told of its end.
fn trip(desk: &mut Desk, source: u16, result: i64) -> Vec<String> {
    desk.trade(source, 0, 1, 1_000);
    desk.trade_for(fill(source, 0, -1, 1_000 + result), 0)
}

#[test]
fn losses_in_a_row_are_counted_by_strategy_and_end_with_a_trip_that_does_not_lose() {
    let mut desk = with(|config| config.losses_in_a_row = steps(&[2, 4]));
    assert_eq!(trip(&mut desk, 0, 3), ["loss-single 0/300000000 s0 i0"]);
    let first = trip(&mut desk, 0, -1);
    assert_eq!(
        first,
        ["loss-single 100000000/-100000000 s0 i0", "losses-in-a-row 1/-100000000 s0"]
    );
    // Another strategy's trips are its own.
    trip(&mut desk, 1, -1);
    trip(&mut desk, 1, 0);
    let second = trip(&mut desk, 0, -2);
    assert_eq!(
        second,
        [
            "loss-single 200000000/-200000000 s0 i0",
            "losses-in-a-row 2/-300000000 s0",
            "losses-in-a-row! 2/4 50% s0",
            "risk-mode 2/1",
        ]
    );
    let told = trip(&mut desk, 0, 0);
    assert_eq!(told, ["loss-single 200000000/0 s0 i0", "losses-in-a-row 0/0 s0", "risk-mode 1/2"]);
    for count in 1..=5 {
        let told = trip(&mut desk, 0, -1);
        let alerted = told.iter().filter(|line| line.starts_with("losses-in-a-row!")).count();
        assert_eq!(alerted, usize::from(count == 2 || count == 4), "{told:?}");
    }
}

#[test]
fn every_single_loss_beyond_a_threshold_is_told() {
    let mut desk = with(|config| config.loss_single_e8 = steps(&[10 * ONE_E8, 50 * ONE_E8]));
    let alert = |told: Vec<String>| told.into_iter().find(|line| line.contains('!'));
    assert_eq!(alert(trip(&mut desk, 0, 60)), None);
    assert_eq!(alert(trip(&mut desk, 0, -9)), None);
    let ten = Some("loss-single! 1000000000/5000000000 20% s0 i0".to_string());
    assert_eq!(alert(trip(&mut desk, 0, -10)), ten);
    assert_eq!(alert(trip(&mut desk, 0, -10)), ten);
    let fifty = Some("loss-single! 5000000000/5000000000 100% s1 i0".to_string());
    assert_eq!(alert(trip(&mut desk, 1, -50)), fifty);
    assert_eq!(desk.monitor.mode(), RiskMode::Normal, "a single loss is over when it is told");
}

#[test]
fn the_mode_follows_the_breaker_of_the_whole_account() {
    use BreakerState::{Killed, Normal, Safe};
    let mut desk = with(|config| config.heat_ppm = steps(&[5_000]));
    assert!(desk.told(breaker(Scope::Strategy(0), Killed, Normal)).is_empty());
    assert!(desk.told(breaker(Scope::Venue(2), Safe, Normal)).is_empty());
    assert_eq!(desk.monitor.mode(), RiskMode::Normal);
    assert_eq!(desk.told(breaker(Scope::All, Safe, Normal)), ["risk-mode 3/1"]);
    assert_eq!(desk.monitor.mode(), RiskMode::Safe);
    assert_eq!(desk.told(breaker(Scope::All, Killed, Safe)), ["risk-mode 4/3"]);
    assert_eq!(desk.monitor.mode(), RiskMode::Killed);
    desk.trade(0, 0, 5, 100);
    // The breaker says more than a threshold.
    assert_eq!(desk.equity(100), ["heat! 5000/5000 100%"]);
    assert_eq!(desk.told(breaker(Scope::All, Normal, Killed)), ["risk-mode 2/4"]);
    assert_eq!(desk.monitor.mode(), RiskMode::Caution);
    let mut unknown = breaker(Scope::All, Safe, Normal);
    unknown.code = 77;
    assert!(desk.told(unknown).is_empty());
}

#[test]
fn every_mode_has_the_number_and_the_name_that_are_told() {
    let modes = [(1, "NORMAL"), (2, "CAUTION"), (3, "SAFE"), (4, "KILLED")];
    for ((code, name), mode) in modes.into_iter().zip(RiskMode::ALL) {
        assert_eq!((mode.code(), mode.name()), (code, name));
        assert_eq!(RiskMode::from_code(code), Some(mode));
    }
    assert_eq!((RiskMode::from_code(0), RiskMode::from_code(5)), (None, None));
}

#[test]
fn a_rearm_that_asks_for_it_begins_a_new_peak() {
    let mut desk = with(|config| config.drawdown_ppm = steps(&[100_000]));
    desk.trade(0, 0, 1, 500);
    desk.equity(600);
    assert_eq!(desk.equity(400), ["drawdown! 181818/100000 100%", "risk-mode 2/1"]);
    let mut rearmed = breaker(Scope::All, BreakerState::Normal, BreakerState::Killed);
    rearmed.source = TripReason::Rearmed.code();
    desk.hear(rearmed);
    desk.equity(399);
    assert_eq!(desk.figures().peak, 1_100 * ONE_E8, "it did not ask");
    for (scope, reason, state) in [
        (Scope::Strategy(0), TripReason::Rearmed, BreakerState::Normal),
        (Scope::All, TripReason::Recovered, BreakerState::Normal),
        (Scope::All, TripReason::Rearmed, BreakerState::Safe),
    ] {
        let mut other = breaker(scope, state, BreakerState::Killed);
        (other.source, other.quantity) = (reason.code(), 1);
        desk.hear(other);
        desk.equity(399);
        assert_eq!(desk.figures().peak, 1_100 * ONE_E8, "{scope:?} {reason:?} {state:?}");
    }
    rearmed.quantity = 1;
    desk.hear(rearmed);
    assert_eq!(desk.equity(400), ["risk-mode 1/2"]);
    assert_eq!((desk.figures().peak, desk.figures().drawdown), (900 * ONE_E8, 0));
    assert_eq!(desk.equity(310), ["drawdown! 100000/100000 100%", "risk-mode 2/1"]);
}
