//! Lanes change nothing: a gate that judges every order by the rules answers the same and ends in the same state.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::event::{
    BreakerState, CommandCode, Event, Kind, OrderState, Scope, Side, TripReason, flags,
};
use crate::risk::{
    AccountLimits, Gate, Hours, InstrumentControls, InstrumentLimits, LimitKey, Limits,
    StrategyControls,
};

use super::desk::{Desk, account, currency, intent, table, wide};
use super::properties::{Op, act, finish};

/// Prices are around this.
pub(super) const PRICE: i64 = 100_000;
const E8: i64 = 100_000_000;

/// Limits that are reached now and then.
pub(super) fn limits(has_controls: bool) -> Limits {
    let own = InstrumentLimits {
        order_notional_max: currency(8_000_000),
        position_quantity_max: 400,
        position_notional_max: currency(30_000_000),
        collar_bps: 40,
        passive_bps: 60,
        ..wide()
    };
    let account = AccountLimits {
        gross_notional_max: currency(50_000_000),
        loss_daily_max: currency(400_000),
        drawdown_max: currency(600_000),
        order_rate_count_max: 40,
        ..account()
    };
    let mut limits = Limits {
        instruments: vec![Some(own.clone()), None, Some(own)],
        account: Some(account),
        ..Limits::none()
    };
    if has_controls {
        add_controls(&mut limits);
    }
    limits
}

fn add_controls(limits: &mut Limits) {
    let controls = &mut limits.controls;
    controls.self_match = true;
    controls.capital = Some(currency(60_000_000));
    controls.message_rate_window_ns = 400;
    controls.duplicate_window_ns = 400;
    controls.execution_window_ns = 400;
    controls.reference_window_ns = 2_000;
    let hours = Hours { days: 0x7f, from_ns: 0, to_ns: 1_000_020_000, holidays: vec![] };
    let own = InstrumentControls { hours: Some(hours), ..InstrumentControls::default() };
    controls.instruments = vec![own; 4];
    controls.strategies = vec![StrategyControls::default(); 2];
    for (key, value) in [
        (LimitKey::CollarTrade, 400),
        (LimitKey::CollarWindow, 30),
        (LimitKey::Spread, 3),
        (LimitKey::Jump, 25),
        (LimitKey::Short, 300),
        (LimitKey::ExposureShare, 4_000),
        (LimitKey::BatchNotional, 10_000_000 * E8),
        (LimitKey::MessageRate, 50),
        (LimitKey::Duplicate, 2),
        (LimitKey::OrdersDaily, 150),
        (LimitKey::NotionalDaily, 900_000_000 * E8),
        (LimitKey::StrategyPosition, 24_000_000 * E8),
        (LimitKey::StrategyGross, 40_000_000 * E8),
        (LimitKey::StrategyOrdersOpen, 30),
        (LimitKey::StrategyOrderRate, 35),
        (LimitKey::StrategyLossDaily, 300_000 * E8),
        (LimitKey::StrategyExecutions, 40),
    ] {
        for owner in 0..4 {
            limits.set_value(key, owner, value);
        }
    }
}

/// A desk whose every answer is compared with that of a gate without lanes.
pub(super) fn desk(limits: &Limits) -> Desk {
    let mut desk = Desk::new(limits.clone());
    let mut twin = Gate::new(limits.clone(), table(), 2, super::desk::ORDERS_MAX);
    twin.lanes.is_off = true;
    desk.twin = Some(twin);
    for index in 0..4 {
        desk.top(index, PRICE - 1, PRICE + 1);
    }
    desk
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Order { source: u16, instrument: u16, sell: bool, quantity: i64, off: i64, flags: u8 },
    Top { instrument: u16, off: i64, spread: i64 },
    Trade { instrument: u16, price: i64 },
    Other(Op),
}

fn step() -> impl Strategy<Value = Step> {
    let instrument = prop_oneof![4 => Just(0_u16), 4 => Just(2_u16), 1 => 0_u16..5];
    let state = prop_oneof![
        4 => Just(OrderState::Acked),
        2 => Just(OrderState::Cancelled),
        1 => Just(OrderState::Unknown),
        1 => Just(OrderState::Rejected),
    ];
    let pick = any::<usize>();
    let flags = prop_oneof![
        12 => Just(0),
        1 => Just(flags::REDUCE_ONLY),
        1 => Just(flags::OPERATOR),
        1 => Just(flags::OPERATOR | flags::REDUCE_ONLY),
    ];
    prop_oneof![
        30 => (prop_oneof![6 => Just(0_u16), 3 => Just(1_u16), 1 => 0_u16..4], instrument.clone(), any::<bool>(), 1_i64..40, -300_i64..300, flags)
            .prop_map(|(source, instrument, sell, quantity, off, flags)| Step::Order { source, instrument, sell, quantity, off, flags }),
        12 => (instrument.clone(), prop_oneof![6 => -40_i64..40, 1 => -400_i64..400], 1_i64..20)
            .prop_map(|(instrument, off, spread)| Step::Top { instrument, off, spread }),
        2 => (instrument, -200_i64..200).prop_map(|(instrument, off)| Step::Trade { instrument, price: PRICE + off }),
        3 => (pick, 1_i64..30).prop_map(|(pick, quantity)| Step::Other(Op::Fill { pick, quantity })),
        6 => (pick, state).prop_map(|(pick, state)| Step::Other(Op::State { pick, state })),
        1 => (pick, 1_i64..40, -200_i64..200)
            .prop_map(|(pick, quantity, off)| Step::Other(Op::Change { pick, quantity, price: PRICE + off, take: true })),
        1 => (pick, any::<bool>()).prop_map(|(pick, done)| Step::Other(Op::Outcome { pick, done })),
        2 => (0_u64..400).prop_map(|ns| Step::Other(Op::Wait { ns })),
        1 => Just(Step::Other(Op::Clock)),
        1 => Just(Step::Other(Op::Command { code: 3 })),
    ]
}

fn take(desk: &mut Desk, step: Step) {
    match step {
        Step::Order { source, instrument, sell, quantity, off, flags } => {
            let side = if sell { Side::Sell } else { Side::Buy };
            let wanted = intent(instrument, side, quantity, PRICE + off);
            let wanted = Event { source, flags: wanted.flags | flags, ..wanted };
            let got = desk.judge(wanted);
            if got.kind == Kind::APPROVED && off % 7 != 0 {
                desk.bind(&got);
            }
        }
        Step::Top { instrument, off, spread } => {
            if instrument < 4 {
                desk.top(instrument, PRICE + off - spread, PRICE + off + spread);
            }
        }
        Step::Trade { instrument, price } => {
            if let Some(market) = desk.market.get_mut(instrument) {
                market.trade_price = price;
            }
        }
        Step::Other(op) => drop(act(desk, op)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn lanes_change_no_answer_and_no_state(steps in vec(step(), 1..160)) {
        let mut desk = desk(&limits(false));
        for step in steps {
            take(&mut desk, step);
        }
        finish(&mut desk);
    }

    #[test]
    fn lanes_change_nothing_with_every_control(steps in vec(step(), 1..160)) {
        let mut desk = desk(&limits(true));
        for step in steps {
            take(&mut desk, step);
        }
        finish(&mut desk);
    }

    #[test]
    fn lanes_change_nothing_where_usage_is_told(steps in vec(step(), 1..160), soft in 1_u8..100) {
        let mut limits = limits(true);
        (limits.controls.alerts, limits.controls.soft_percent) = (true, Some(soft));
        let mut desk = desk(&limits);
        for step in steps {
            take(&mut desk, step);
        }
        finish(&mut desk);
    }
}

/// A quiet market, one strategy: how many of `count` orders passed in a lane.
fn passed(limits: &Limits, count: i64) -> u64 {
    let mut desk = desk(limits);
    for number in 0..count {
        desk.top(0, PRICE + number % 9 - 5, PRICE + number % 9 + 5);
        let side = if number % 2 == 0 { Side::Buy } else { Side::Sell };
        let got = desk.judge(intent(0, side, 1 + number % 3, PRICE - side.sign() * 20));
        assert_eq!(got.kind, Kind::APPROVED, "{got:?}");
        let index = desk.bind(&got);
        desk.report(index, OrderState::Acked);
        desk.report(index, OrderState::Cancelled);
        desk.time_ns += 100;
    }
    desk.gate.lanes.passed_count
}

#[test]
fn orders_far_from_every_limit_pass_in_a_lane() {
    // The first order is judged by the rules; nothing was anchored before it, so the second one is as well.
    for has_controls in [false, true] {
        let passed = passed(&limits(has_controls), 100);
        assert!(90 <= passed, "{passed} of 100, controls {has_controls}");
    }
}

/// Sends an order that passes in a lane, closes the lane with `close`, and sends another one.
fn is_closed_by(close: impl Fn(&mut Desk)) -> bool {
    let mut desk = desk(&limits(true));
    for _ in 0..3 {
        let got = desk.judge(intent(0, Side::Buy, 1, PRICE - 20));
        desk.bind(&got);
        desk.time_ns += 500;
    }
    let before = desk.gate.lanes.passed_count;
    assert_ne!(before, 0, "there is a lane");
    close(&mut desk);
    desk.judge(intent(0, Side::Buy, 1, PRICE - 20));
    desk.gate.lanes.passed_count == before
}

#[test]
fn a_lane_is_closed_by_what_could_take_room_away() {
    assert!(!is_closed_by(|_| {}));
    assert!(!is_closed_by(|desk| desk.top(0, PRICE - 31, PRICE - 28)), "a mark that stays near");
    assert!(is_closed_by(|desk| desk.top(0, PRICE - 130, PRICE - 128)), "a mark that moves away");
    assert!(is_closed_by(|desk| drop(desk.fill(0, 1, PRICE))), "a fill");
    assert!(is_closed_by(|desk| drop(desk.clock())), "a clock");
    assert!(is_closed_by(|desk| desk.lock(true)), "a lock");
    assert!(is_closed_by(|desk| drop(desk.command(CommandCode::Reduce))), "a command");
    assert!(is_closed_by(|desk| {
        desk.breaker(Scope::Strategy(1), BreakerState::Safe, TripReason::Recovered, 0);
    }));
    // Time runs out of the trading hours.
    assert!(is_closed_by(|desk| desk.time_ns = 1_000_020_000));
}

/// Two strategies hold against each other in one instrument; one of them trades another instrument.
fn held_against(quantity: i64) -> Desk {
    let mut desk = desk(&limits(true));
    for (source, side, quantity) in [(0, Side::Buy, 30), (1, Side::Sell, quantity)] {
        let wanted = intent(0, side, quantity, PRICE - side.sign() * 20);
        let got = desk.judge(Event { source, ..wanted });
        let index = desk.bind(&got);
        desk.fill(index, quantity, PRICE);
        desk.time_ns += 500;
    }
    for quantity in 1..4 {
        let got = desk.judge(intent(2, Side::Buy, quantity, PRICE - 20));
        desk.bind(&got);
        desk.time_ns += 500;
    }
    desk
}

#[test]
fn a_loss_that_another_strategy_offsets_is_seen_by_the_rules() {
    for (quantity, is_in_lane) in [(30, false), (29, true)] {
        let mut desk = held_against(quantity);
        let before = desk.gate.lanes.passed_count;
        desk.judge(intent(2, Side::Buy, 4, PRICE - 20));
        assert_eq!(desk.gate.lanes.passed_count != before, is_in_lane, "{quantity}");
        // 30 times 11,000 is more than the daily loss of 300,000 that the strategy may have.
        desk.top(0, PRICE - 11_001, PRICE - 10_999);
        let got = desk.send(intent(2, Side::Buy, 5, PRICE - 20), 0);
        assert!(got.iter().any(|event| event.kind == Kind::ALERT), "{quantity}: {got:?}");
        assert!(got.iter().any(|event| event.kind == Kind::REFUSED), "{quantity}: {got:?}");
    }
}
