//! Edges of the gate: the first and the last value that counts, and what is not there.

use crate::event::{
    BreakerState, CommandCode, Event, Kind, OrderState, Scope, Side, TripReason, flags, session,
};
use crate::money::Money;
use crate::risk::limits::DAY_NS;
use crate::risk::{AccountLimits, RiskState, Rule};

use super::changes::with_everything;
use super::desk::{Desk, ORDERS_MAX, account, currency, intent, limits};

#[test]
fn what_is_before_the_first_day_is_a_day_of_its_own() {
    let mut limits = limits();
    limits.account = Some(AccountLimits { day_start_ns_utc: 500, ..account() });
    let mut desk = Desk::new(limits);
    for (time_ns, profit) in [(499, -200), (500, 0), (500 + DAY_NS - 1, 0), (500 + DAY_NS, 0)] {
        desk.time_ns = time_ns;
        if time_ns == 499 {
            desk.trade(0, Side::Buy, [10, 1000, 0], (1, 0));
            desk.top(0, 979, 981);
        }
        desk.clock();
        assert_eq!(desk.gate.day_profit(), currency(profit), "{time_ns}");
    }
}

#[test]
fn a_venue_that_is_unlocked_leaves_the_others_locked() {
    use crate::instrument::Venue;
    let mut desk = Desk::new(limits());
    let (first, second) = (Venue::ALL[0], Venue::ALL[1]);
    let mut lock = |venue: Venue, code: u16| {
        let mut event = Event::new(Kind::LOCK);
        (event.code, event.tag) = (code, u32::from(venue as u8));
        desk.send(event, 0);
        (desk.gate.is_locked(first), desk.gate.is_locked(second))
    };
    assert_eq!(lock(first, 1), (true, false));
    assert_eq!(lock(second, 1), (true, true));
    assert_eq!(lock(second, 1), (true, true));
    assert_eq!(lock(first, 0), (false, true));
    assert_eq!(lock(first, 0), (false, true));
    assert_eq!(lock(second, 0), (false, false));
}

#[test]
fn a_rate_that_fell_is_told_again_when_it_rises() {
    let mut limits = limits();
    limits.controls.alerts = true;
    limits.account = Some(AccountLimits { order_rate_count_max: 10, ..account() });
    let mut desk = Desk::new(limits);
    let mut send = |count: usize| -> Vec<i64> {
        let mut told = Vec::new();
        for _ in 0..count {
            let got = desk.send(intent(0, Side::Buy, 1, 1000), 0);
            told.extend(got.iter().filter(|event| event.kind == Kind::ALERT).map(|e| e.price));
        }
        desk.time_ns += 500;
        desk.clock();
        told
    };
    assert_eq!(send(1), []);
    // The fifth of ten is half of the limit.
    assert_eq!(send(4), [5]);
    // The first one is out: four are 40 percent, the threshold is not open again before it is less.
    assert_eq!(send(1), []);
    // The four are out too.
    assert_eq!(send(3), []);
    assert_eq!(send(2), [5]);
}

#[test]
fn an_order_that_spilled_is_filled_and_changed_like_another() {
    let mut desk = Desk::new(limits());
    let slots = u64::try_from(ORDERS_MAX).unwrap();
    for id in [3, 3 + slots] {
        let mut event = Event::new(Kind::ORDER);
        (event.id, event.code) = (id, u16::from(OrderState::Acked.code()));
        event.instrument = 0;
        (event.price, event.quantity) = (1000, 10);
        desk.send(event, 1);
        event.code = u16::from(OrderState::PartiallyFilled.code());
        event.quantity = 4;
        desk.send(event, 2);
    }
    assert_eq!(desk.gate.exposure(0).unwrap().working_buy, 8);
}

#[test]
fn an_adopted_order_keeps_its_side_its_strategy_and_that_it_only_reduces() {
    let mut desk = Desk::new(limits());
    let mut event = Event::new(Kind::ORDER);
    (event.id, event.code) = (5, u16::from(OrderState::Acked.code()));
    (event.instrument, event.source, event.price, event.quantity) = (0, 1, 1000, 4);
    event.flags = flags::SELL | flags::REDUCE_ONLY;
    desk.send(event, 1);
    let exposure = desk.gate.exposure(0).unwrap();
    assert_eq!((exposure.working_buy, exposure.working_sell), (0, 4));
    let mut change = intent(0, Side::Sell, 5, 1000);
    (change.kind, change.id, change.code) = (Kind::INTENT_REPLACE, 5, 0);
    // Only its own strategy changes it, and not beyond the position.
    assert_eq!(desk.judge(change).code, Rule::ReplaceUnknownOrder.code());
    change.source = 1;
    assert_eq!(desk.judge(change).code, Rule::ReduceOnly.code());
    desk.trade_source = 1;
    desk.trade(0, Side::Buy, [5, 1000, 0], (1, 0));
    assert_eq!(desk.judge(change).kind, Kind::APPROVED_REPLACE);
}

#[test]
fn an_order_of_an_unknown_instrument_is_not_kept() {
    let mut desk = Desk::new(limits());
    let mut event = Event::new(Kind::ORDER);
    (event.id, event.code) = (5, u16::from(OrderState::Acked.code()));
    (event.instrument, event.price, event.quantity) = (4, 1000, 4);
    desk.send(event, 1);
    assert_eq!(desk.gate.orders_open_count(), 0);
    event.instrument = 3;
    desk.send(event, 1);
    assert_eq!(desk.gate.orders_open_count(), 1);
}

#[test]
fn a_working_state_after_a_working_state_ends_a_change_only_with_its_terms() {
    for (price, leaves, is_over) in [
        (1001, 70, true),
        (1001, 69, false),
        (1001, 71, false),
        (1000, 70, false),
        (1002, 70, false),
        (1000, 40, false),
    ] {
        let mut desk = Desk::new(limits());
        let approved = desk.judge(intent(0, Side::Buy, 50, 1000));
        let order = desk.bind(&approved);
        desk.report(order, OrderState::Acked);
        let change = desk.judge(desk.change(order, 80, 1001));
        desk.bind_change(order, &change);
        let (id, cause) = (desk.orders[order].id, change.sequence + 100);
        desk.trade(0, Side::Buy, [10, 1000, 0], (id, cause));
        let mut told = Event::new(Kind::ORDER);
        (told.id, told.instrument, told.source) = (id, 0, 0);
        told.code = u16::from_le_bytes([OrderState::PartiallyFilled.code(); 2]);
        // The fill itself is never the answer, also when it tells the new terms.
        (told.price, told.quantity) = (1001, 70);
        desk.send(told, cause);
        let again = desk.change(order, 60, 1000);
        assert_eq!(desk.judge(again).code, Rule::ReplacePending.code());
        (told.price, told.quantity) = (price, leaves);
        desk.send(told, cause + 1);
        let verdict = desk.judge(again);
        assert_eq!(verdict.kind == Kind::APPROVED_REPLACE, is_over, "{leaves} @ {price}");
    }
}

#[test]
fn more_approvals_than_the_tables_hold_halt_the_gate() {
    let mut desk = Desk::new(limits());
    desk.trade_source = 0;
    desk.trade(0, Side::Buy, [100, 1000, 0], (1, 0));
    desk.is_cascade = true;
    let mut close = intent(0, Side::Sell, 1, 1000);
    // What the control stage sends to close is not bound by the limit of open orders.
    close.flags |= flags::OPERATOR | flags::REDUCE_ONLY;
    for _ in 0..ORDERS_MAX {
        assert_eq!(desk.send(close, 0).len(), 1);
    }
    assert_eq!(desk.gate.state(), RiskState::Active);
    let got = desk.send(close, 0);
    assert_eq!((got[1].kind, got[1].code), (Kind::RISK_STATE, RiskState::Halted.code()));
    assert_eq!((got[1].price, got[1].quantity), (65, 64));
    assert_eq!(desk.gate.orders_open_count(), ORDERS_MAX);
}

#[test]
fn what_the_gate_tells_of_itself_is_what_it_was_made_with() {
    let mut desk = Desk::new(limits());
    assert_eq!(desk.gate.account_limits(), Some(&account()));
    desk.breaker(Scope::All, BreakerState::Killed, TripReason::Operator, 0);
    assert_eq!(desk.gate.breaker_state(0, 3), BreakerState::Killed);
    assert_eq!(desk.gate.breaker_state(0, 4), BreakerState::Normal);
    let mut desk = Desk::new(limits());
    desk.judge(intent(0, Side::Buy, 1, 1000));
    desk.time_ns += 999;
    desk.judge(intent(0, Side::Buy, 1, 1000));
    let told = [0, 1].map(|later_ns| desk.gate.order_rate_count(desk.time_ns + later_ns));
    assert_eq!(told, [2, 1]);
}

#[test]
fn an_event_that_does_not_concern_the_gate_changes_nothing() {
    let mut desk = Desk::new(limits());
    let before = desk.gate.digest();
    assert_eq!(desk.send(Event::new(Kind::REPORT), 0), []);
    assert_eq!(desk.gate.digest(), before);
}

#[test]
fn cash_beyond_the_range_of_money_halts_the_gate() {
    let mut desk = Desk::new(limits());
    let far = [10_000_000, i64::MAX, 0];
    desk.market.get_mut(0).unwrap().top.bid_quantity = 0;
    desk.trade(0, Side::Buy, far, (1, 0));
    desk.trade(0, Side::Sell, far, (1, 0));
    assert_eq!(desk.gate.equity(), currency(0));
    desk.trade(0, Side::Buy, far, (1, 0));
    desk.trade(0, Side::Buy, far, (1, 0));
    assert_eq!(desk.gate.equity(), Money(i128::MIN));
    assert_eq!(desk.gate.state(), RiskState::Halted);
}

#[test]
fn an_order_of_another_instrument_or_strategy_is_not_changed() {
    let mut desk = Desk::new(limits());
    let approved = desk.judge(intent(0, Side::Buy, 5, 1000));
    let order = desk.bind(&approved);
    let change = desk.change(order, 6, 1000);
    for wrong in [
        Event { instrument: 2, ..change },
        Event { source: 1, ..change },
        Event { id: change.id + 1, ..change },
        Event { id: 0, ..change },
    ] {
        assert_eq!(desk.judge(wrong).code, Rule::ReplaceUnknownOrder.code(), "{wrong:?}");
    }
    assert_eq!(desk.judge(change).kind, Kind::APPROVED_REPLACE);
}

#[test]
fn what_a_strategy_did_before_it_was_enabled_does_not_count_again() {
    let mut desk = Desk::new(with_everything());
    desk.trade_source = 0;
    let mut trade = || {
        let got = desk.trade(0, Side::Buy, [1, 1000, 0], (1, 0));
        let latched = got.iter().any(|event| event.code == Rule::RepeatedExecution.code());
        if latched {
            let mut enable = session::command(CommandCode::StrategyEnable, 0);
            (enable.id, enable.source) = (7, 1);
            assert_eq!(desk.send(enable, 0).len(), 1);
        }
        latched
    };
    // Eight within the window are too many.
    let latched: Vec<usize> = (1..=24).filter(|_| trade()).collect();
    assert_eq!(latched, [8, 16, 24]);
}
