//! Ranges of every limit that is configured: at both ends it passes, beyond them it is named.

use std::num::TryFromIntError;

use crate::money::Money;
use crate::risk::{
    AccountLimits, Hours, InstrumentLimits, LimitKey, LimitOwner, Limits, LimitsError, UNLIMITED,
};

use super::changes::with_everything;
use super::desk::{ORDERS_MAX, limits};

const E8: i128 = 100_000_000;
const DAY: i128 = 86_400_000_000_000;

fn own(limits: &mut Limits) -> &mut InstrumentLimits {
    limits.instruments[1].as_mut().unwrap()
}

fn whole(limits: &mut Limits) -> &mut AccountLimits {
    limits.account.as_mut().unwrap()
}

/// How to set a field to a number; one that its type cannot hold is an error.
macro_rules! field {
    ($limits:ident => $place:expr) => {
        |$limits: &mut Limits, value: i128| {
            $place = value.try_into()?;
            Ok(())
        }
    };
}

/// The same for money in units of 10^-8.
macro_rules! money {
    ($limits:ident => $place:expr) => {
        |$limits: &mut Limits, value: i128| {
            $place = Money::from_event(value.try_into()?);
            Ok(())
        }
    };
}

/// From `least` to `most` and no further.
#[track_caller]
fn check(
    of: &str,
    [least, most]: [i128; 2],
    set: impl Fn(&mut Limits, i128) -> Result<(), TryFromIntError>,
) {
    for (value, is_good) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
        let mut limits = with_everything();
        if set(&mut limits, value).is_err() {
            continue;
        }
        let got = limits.validate(4, ORDERS_MAX);
        assert_eq!(got.is_ok(), is_good, "{of} at {value}: {got:?}");
        if let Err(error) = got {
            assert!(error.to_string().contains(of), "{of} at {value}: {error}");
        }
    }
}

#[test]
fn a_limit_of_an_instrument_has_a_range() {
    let any = [1, i128::from(i64::MAX)];
    check("instrument 1: order_quantity_max is", any, field!(l => own(l).order_quantity_max));
    check("position_quantity_max", any, field!(l => own(l).position_quantity_max));
    check("order_notional_max", [1, 10_000_000 * E8], money!(l => own(l).order_notional_max));
    let most = 100_000_000 * E8;
    check("position_notional_max", [1, most], money!(l => own(l).position_notional_max));
    check("collar_bps", [1, 5_000], field!(l => own(l).collar_bps));
    check("passive_bps", [1, 10_000], field!(l => own(l).passive_bps));
    check("reference_age_ns_max", [1, 10_000_000_000], field!(l => own(l).reference_age_ns_max));
}

#[test]
fn a_limit_of_the_account_has_a_range() {
    check(
        "account: order_rate_count_max",
        [1, 1_000_000],
        field!(l => whole(l).order_rate_count_max),
    );
    check("order_rate_window_ns", [1, DAY], field!(l => whole(l).order_rate_window_ns));
    check("orders_open_max", [1, 64], field!(l => whole(l).orders_open_max));
    check("loss_daily_max", [1, 100_000_000 * E8], money!(l => whole(l).loss_daily_max));
    check("drawdown_max", [1, 100_000_000 * E8], money!(l => whole(l).drawdown_max));
    check("gross_notional_max", [1, 1_000_000_000 * E8], money!(l => whole(l).gross_notional_max));
    check("day_start_ns_utc", [0, DAY - 1], field!(l => whole(l).day_start_ns_utc));
}

#[test]
fn a_control_of_the_account_has_a_range() {
    let soft = |l: &mut Limits, value: i128| {
        l.controls.soft_percent = Some(value.try_into()?);
        Ok(())
    };
    check("controls of the account: soft_percent", [1, 100], soft);
    let capital = |l: &mut Limits, value: i128| {
        l.controls.capital = Some(Money::from_event(value.try_into()?));
        Ok(())
    };
    check("capital", [1, 1_000_000_000 * E8], capital);
    check("message_rate_window_ms", [1, DAY], field!(l => l.controls.message_rate_window_ns));
    check("duplicate_window_ms", [1, DAY], field!(l => l.controls.duplicate_window_ns));
}

#[test]
fn a_window_has_a_range_where_something_needs_it() {
    check("strategy 0: execution_window_ms", [1, DAY], field!(l => l.controls.execution_window_ns));
    for key in [LimitKey::Jump, LimitKey::CollarWindow] {
        let set = |l: &mut Limits, value: i128| {
            for owner in 0..4 {
                l.set_value(LimitKey::Jump, owner, UNLIMITED);
                l.set_value(LimitKey::CollarWindow, owner, UNLIMITED);
            }
            l.set_value(key, 2, 8);
            l.controls.reference_window_ns = value.try_into()?;
            Ok(())
        };
        check("instrument 2: reference_window_ms", [1, DAY], set);
    }
    // Where nothing needs them, nobody asks.
    assert_eq!(limits().controls.execution_window_ns, 0);
    let mut bare = with_everything();
    for key in LimitKey::ALL.iter().filter(|key| key.needs_more()) {
        (0..4).for_each(|owner| bare.set_value(*key, owner, UNLIMITED));
    }
    bare.controls.message_rate_window_ns = 0;
    bare.controls.duplicate_window_ns = 0;
    bare.controls.execution_window_ns = 0;
    bare.controls.reference_window_ns = 0;
    bare.controls.capital = None;
    assert_eq!(bare.validate(4, ORDERS_MAX), Ok(()));
}

#[test]
fn a_limit_that_is_off_unless_configured_has_a_least_value_and_what_is_counted_a_greatest() {
    for key in LimitKey::ALL.iter().filter(|key| key.is_tabled()) {
        let rates =
            [LimitKey::MessageRate, LimitKey::StrategyOrderRate, LimitKey::StrategyExecutions];
        let most = if rates.contains(key) {
            1_000_000
        } else if *key == LimitKey::Duplicate {
            8
        } else {
            i128::from(i64::MAX)
        };
        let set = |l: &mut Limits, value: i128| {
            l.set_value(*key, 1, value.try_into()?);
            Ok(())
        };
        let whose = match key.owner() {
            LimitOwner::Account => "the account",
            LimitOwner::Instrument => "instrument 1",
            LimitOwner::Strategy => "strategy 1",
        };
        let of = format!("{whose}: {} is", key.name());
        check(&of, [i128::from(key.least()), most], set);
    }
    let mut limits = with_everything();
    limits.set_value(LimitKey::HoldTime, 3, 0);
    let error = limits.validate(4, ORDERS_MAX).unwrap_err().to_string();
    let want = "risk controls of instrument 3: hold_time_ms_max is 0, must be at least 1";
    assert_eq!(error, want);
}

#[test]
fn limits_of_more_instruments_than_there_are_are_counted() {
    let limits = with_everything();
    assert_eq!(limits.controls.instruments.len(), 4);
    assert_eq!(limits.validate(3, ORDERS_MAX), Err(LimitsError::Count { given: 4, known: 3 }));
    assert_eq!(limits.validate(4, ORDERS_MAX), Ok(()));
    let mut limits = super::desk::limits();
    assert_eq!(limits.validate(3, ORDERS_MAX), Ok(()));
    assert_eq!(limits.validate(2, ORDERS_MAX), Err(LimitsError::Count { given: 3, known: 2 }));
    limits.account = None;
    assert_eq!(limits.validate(3, ORDERS_MAX), Ok(()));
}

#[test]
fn a_share_needs_a_capital_and_hours_must_be_hours() {
    #[track_caller]
    fn fails(change: impl Fn(&mut Limits), want: &str) {
        let mut limits = with_everything();
        change(&mut limits);
        let error = limits.validate(4, ORDERS_MAX).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
    let want = "instrument 0: capital is missing, must be set, where exposure_bps_max is";
    fails(|l| l.controls.capital = None, want);
    let hours = Hours { days: 0, from_ns: 0, to_ns: 1, holidays: vec![] };
    fails(
        |l| l.controls.instruments[2].hours = Some(hours.clone()),
        "must be at least one of seven days",
    );
}
