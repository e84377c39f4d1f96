//! What the gate tells of itself, what its hash is made of, and verdicts at edges that no other file looks at.

use crate::event::{Event, Kind, OrderState, Side, flags};
use crate::money::Money;
use crate::risk::{LimitKey, Limits, Rule, StrategyControls};

use super::desk::{Desk, currency, intent, limits};

#[test]
fn the_peak_is_the_highest_equity() {
    let mut desk = Desk::new(limits());
    assert_eq!(desk.gate.equity_peak(), Money::ZERO);
    let got = desk.judge(intent(0, Side::Buy, 10, 1000));
    let index = desk.bind(&got);
    desk.fill(index, 10, 990);
    assert_eq!((desk.gate.equity(), desk.gate.equity_peak()), (currency(100), currency(100)));
    desk.top(0, 979, 981);
    desk.judge(intent(2, Side::Buy, 1, 1000));
    assert_eq!((desk.gate.equity(), desk.gate.equity_peak()), (currency(-100), currency(100)));
    desk.top(0, 999, 1_003);
    desk.judge(intent(2, Side::Buy, 1, 1000));
    assert_eq!((desk.gate.equity(), desk.gate.equity_peak()), (currency(110), currency(110)));
}

#[test]
fn an_exposure_tells_its_mark_once_one_is_known() {
    let mut desk = Desk::new(limits());
    assert_eq!(desk.gate.exposure(0).unwrap().mark_twice, None);
    desk.judge(intent(0, Side::Buy, 10, 1000));
    assert_eq!(desk.gate.exposure(0).unwrap().mark_twice, Some(2_000));
}

#[test]
fn approvals_that_no_order_came_of_are_counted() {
    let mut desk = Desk::new(limits());
    assert_eq!(desk.gate.dropped_count(), 0);
    for count in 1..4 {
        desk.judge(intent(0, Side::Buy, 10, 1000));
        desk.clock();
        assert_eq!(desk.gate.dropped_count(), count);
    }
}

const FRESH: u64 = 16_714_109_818_723_104_580;
const USED: u64 = 4_880_276_419_321_805_858;

/// Journals hold these hashes: what no control is used for must not change them.
#[test]
fn a_gate_without_controls_has_the_hash_that_older_journals_hold() {
    let mut desk = Desk::new(limits());
    assert_eq!(desk.gate.digest(), FRESH);
    let got = desk.judge(intent(0, Side::Buy, 10, 1000));
    desk.bind(&got);
    desk.judge(intent(0, Side::Buy, 5_000, 1000));
    assert_eq!(desk.gate.digest(), USED);
}

#[test]
fn after_a_look_nothing_is_to_be_told_until_equity_moves() {
    let mut desk = Desk::new(limits());
    desk.judge(intent(0, Side::Buy, 10, 1000));
    assert!(desk.gate.calm.holds(desk.gate.equity()));
    // A loss of the day of 1,000,000 is its limit.
    assert!(desk.gate.calm.holds(currency(-999_999)));
    assert!(!desk.gate.calm.holds(currency(-1_000_000)));
}

#[test]
fn a_change_that_asks_to_reduce_may_not_open() {
    let mut desk = Desk::new(limits());
    let got = desk.judge(intent(0, Side::Buy, 10, 1000));
    let index = desk.bind(&got);
    let change = desk.change(index, 12, 1000);
    let got = desk.judge(Event { flags: change.flags | flags::REDUCE_ONLY, ..change });
    assert_eq!((got.kind, got.code), (Kind::REFUSED, Rule::ReduceOnly.code()));
    assert_eq!(desk.judge(change).kind, Kind::APPROVED_REPLACE);
}

#[test]
fn a_change_to_the_terms_of_another_order_is_no_duplicate() {
    let mut limits: Limits = limits();
    limits.controls.duplicate_window_ns = 1_000_000;
    limits.set_value(LimitKey::Duplicate, 0, 1);
    let mut desk = Desk::new(limits);
    let wanted = intent(0, Side::Buy, 10, 1000);
    let got = desk.judge(wanted);
    desk.bind(&got);
    assert_eq!(desk.judge(wanted).code, Rule::DuplicateOrder.code());
    let got = desk.judge(intent(0, Side::Buy, 11, 1000));
    let index = desk.bind(&got);
    assert_eq!(desk.judge(desk.change(index, 10, 1000)).kind, Kind::APPROVED_REPLACE);
}

#[test]
fn one_unit_at_a_price_of_one_is_well_formed() {
    let mut limits = limits();
    let own = limits.instruments[0].as_mut().unwrap();
    (own.collar_bps, own.passive_bps) = (5_000, 10_000);
    let mut desk = Desk::new(limits);
    for (quantity, price, rule) in [
        (1, 1, None),
        (0, 1, Some(Rule::MalformedIntent)),
        (1, 0, Some(Rule::MalformedIntent)),
        (-1, 1, Some(Rule::MalformedIntent)),
        (1, -1, Some(Rule::MalformedIntent)),
    ] {
        let got = desk.judge(intent(0, Side::Buy, quantity, price));
        let refused = (got.kind == Kind::REFUSED).then_some(got.code);
        assert_eq!(refused, rule.map(Rule::code), "{quantity} at {price}");
    }
}

/// A desk with a working order of that quantity and price, whose strategy may hold `limit` from then on.
fn above_its_limit(quantity: i64, price: i64, limit: i64) -> (Desk, usize) {
    let mut limits = limits();
    limits.controls.strategies = vec![StrategyControls::default(); 2];
    limits.set_value(LimitKey::StrategyPosition, 0, 1_000_000 * 100_000_000);
    let mut desk = Desk::new(limits);
    let got = desk.judge(intent(0, Side::Buy, quantity, price));
    let index = desk.bind(&got);
    desk.report(index, OrderState::Acked);
    desk.gate.limits.set_value(LimitKey::StrategyPosition, 0, limit * 100_000_000);
    (desk, index)
}

#[test]
fn what_a_strategy_holds_above_its_limit_may_shrink_and_not_grow() {
    let refused = (Kind::REFUSED, Rule::StrategyPosition.code());
    for (quantity, price, is_refused) in [
        (19, 1_000, false),
        (20, 1_000, false),
        (20, 990, false),
        (21, 1_000, true),
        (21, 900, true),
        (20, 1_050, true),
    ] {
        let (mut desk, index) = above_its_limit(20, 1_000, 10_000);
        let got = desk.judge(desk.change(index, quantity, price));
        assert_eq!((got.kind, got.code) == refused, is_refused, "{quantity} at {price}: {got:?}");
    }
    // More of it at a better price is worth less, and more all the same.
    let (mut desk, index) = above_its_limit(20, 1_090, 10_000);
    let got = desk.judge(desk.change(index, 21, 1_000));
    assert_eq!((got.kind, got.code), refused);
    let (mut desk, index) = above_its_limit(20, 1_090, 10_000);
    assert_eq!(desk.judge(desk.change(index, 20, 1_000)).kind, Kind::APPROVED_REPLACE);
}

#[test]
fn a_change_that_adds_nothing_is_not_refused_for_a_position_above_its_limit() {
    let mut desk = Desk::new(limits());
    let got = desk.judge(intent(0, Side::Buy, 100, 1_000));
    let index = desk.bind(&got);
    desk.report(index, OrderState::Acked);
    desk.gate.limits.instruments[0].as_mut().unwrap().position_quantity_max = 50;
    assert_eq!(desk.judge(desk.change(index, 101, 990)).code, Rule::PositionQuantity.code());
    assert_eq!(desk.judge(desk.change(index, 100, 990)).kind, Kind::APPROVED_REPLACE);
}

#[test]
fn the_rules_take_a_reference_up_to_its_age() {
    for (age_ns, is_stale) in [(999_999, false), (1_000_000, false), (1_000_001, true)] {
        let mut desk = Desk::new(limits());
        desk.gate.lanes.is_off = true;
        desk.time_ns += age_ns;
        let got = desk.judge(intent(0, Side::Buy, 1, 1_000));
        assert_eq!(got.code == Rule::StaleReference.code(), is_stale, "{age_ns}");
    }
}

#[test]
fn what_only_closes_is_no_part_of_a_batch_limit() {
    let mut limits = limits();
    limits.set_value(LimitKey::BatchNotional, 0, 60_000 * 100_000_000);
    let mut desk = Desk::new(limits);
    let got = desk.judge(intent(0, Side::Buy, 50, 1_000));
    let index = desk.bind(&got);
    desk.fill(index, 50, 1_000);
    desk.gate.limits.set_value(LimitKey::BatchNotional, 0, 5_000 * 100_000_000);
    let closing = intent(0, Side::Sell, 10, 1_000);
    assert_eq!(desk.judge(closing).code, Rule::BatchNotional.code());
    let closing = Event { flags: closing.flags | flags::REDUCE_ONLY, ..closing };
    assert_eq!(desk.judge(closing).kind, Kind::APPROVED);
}

#[test]
fn what_a_day_has_brought_is_part_of_the_digest_where_it_is_limited() {
    for key in [None, Some(LimitKey::OrdersDaily), Some(LimitKey::NotionalDaily)] {
        let mut limits = limits();
        if let Some(key) = key {
            limits.set_value(key, 0, i64::MAX / 2);
        }
        let mut desk = Desk::new(limits);
        let before = desk.gate.digest();
        desk.gate.daily.order_count += 1;
        let counted = desk.gate.digest();
        desk.gate.daily.notional = Money(1);
        let summed = desk.gate.digest();
        assert_eq!([before != counted, counted != summed], [key.is_some(); 2], "{key:?}");
    }
}
