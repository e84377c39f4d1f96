//! What must hold across events: reservations, adoption, days, restarts, configuration.

use crate::event::{CommandCode, Event, Kind, Mode, OrderState, Side, flags, session};
use crate::ids;
use crate::risk::limits::DAY_NS;
use crate::risk::{Exposure, Limits, RiskState, Rule};
use crate::state::{Loader, Saver, State};

use super::desk::{Desk, ORDERS_MAX, STRATEGY_COUNT, account, currency, intent, limits, table};

fn plain(desk: &Desk) -> Exposure {
    desk.gate.exposure(0).unwrap()
}

fn order_event(id: u64, state: OrderState, price: i64, leaves: i64) -> Event {
    let mut event = Event::new(Kind::ORDER);
    event.id = id;
    event.instrument = 0;
    event.source = 0;
    event.code = u16::from(state.code());
    event.price = price;
    event.quantity = leaves;
    event
}

fn tight_limits() -> Limits {
    let mut limits = limits();
    for own in limits.instruments.iter_mut().flatten() {
        own.position_quantity_max = 100;
    }
    limits
}

/// A desk that may hold at most 100 of each instrument.
fn tight() -> Desk {
    Desk::new(tight_limits())
}

#[test]
fn two_intents_of_one_cascade_do_not_share_headroom() {
    let mut desk = tight();
    let first = desk.judge(intent(0, Side::Buy, 60, 1000));
    assert_eq!(first.kind, Kind::APPROVED);
    assert_eq!((plain(&desk).working_buy, desk.gate.orders_open_count()), (60, 1));
    assert_eq!(plain(&desk).working_buy_notional, currency(60_000));
    let second = desk.judge(intent(0, Side::Buy, 41, 1000));
    assert_eq!((second.kind, second.code), (Kind::REFUSED, Rule::PositionQuantity.code()));
    let third = desk.judge(intent(0, Side::Buy, 40, 1000));
    assert_eq!(third.kind, Kind::APPROVED);
    // Bound in another order than approved: the cause decides.
    let late = desk.bind(&third);
    let early = desk.bind(&first);
    assert_eq!(plain(&desk).working_buy, 100);
    desk.report(early, OrderState::Cancelled);
    assert_eq!(plain(&desk).working_buy, 40);
    desk.report(late, OrderState::Expired);
    assert_eq!((plain(&desk).working_buy, desk.gate.orders_open_count()), (0, 0));
    assert_eq!(plain(&desk).working_buy_notional, currency(0));
}

#[test]
fn an_approval_that_becomes_no_order_is_released_when_its_cascade_is_over() {
    let mut desk = tight();
    desk.judge(intent(0, Side::Sell, 60, 1000));
    assert_eq!(plain(&desk).working_sell, 60);
    desk.clock();
    assert_eq!((plain(&desk).working_sell, desk.gate.dropped_count()), (0, 1));
    // An OMS that rejects at once releases through the cause, without any id.
    let approved = desk.judge(intent(0, Side::Sell, 60, 1000));
    desk.send(order_event(0, OrderState::Rejected, 1000, 0), approved.sequence);
    assert_eq!((plain(&desk).working_sell, desk.gate.dropped_count()), (0, 1));
}

#[test]
fn an_order_that_the_gate_never_approved_is_adopted() {
    let mut desk = tight();
    desk.send(order_event(5, OrderState::Unknown, 990, 80), 1);
    assert_eq!((plain(&desk).working_buy, desk.gate.orders_open_count()), (80, 1));
    let more = desk.judge(intent(0, Side::Buy, 21, 1000));
    assert_eq!(more.code, Rule::PositionQuantity.code());
    desk.send(order_event(5, OrderState::PartiallyFilled, 990, 30), 2);
    assert_eq!(plain(&desk).working_buy, 30);
    desk.send(order_event(5, OrderState::Filled, 990, 0), 3);
    assert_eq!((plain(&desk).working_buy, desk.gate.orders_open_count()), (0, 0));
    desk.send(order_event(6, OrderState::Cancelled, 990, 0), 4);
    assert_eq!(desk.gate.orders_open_count(), 0);
}

#[test]
fn a_late_fill_moves_the_position_and_touches_no_reservation() {
    let mut desk = tight();
    let approved = desk.judge(intent(0, Side::Buy, 60, 1000));
    let order = desk.bind(&approved);
    desk.report(order, OrderState::Cancelled);
    desk.fill(order, 25, 1000);
    assert_eq!((plain(&desk).position, plain(&desk).working_buy), (25, 0));
}

#[test]
fn an_order_of_unknown_fate_keeps_its_reservation() {
    let mut desk = tight();
    let approved = desk.judge(intent(0, Side::Buy, 60, 1000));
    let order = desk.bind(&approved);
    desk.report(order, OrderState::Unknown);
    assert_eq!(plain(&desk).working_buy, 60);
    let id = desk.orders[order].id;
    desk.send(order_event(id, OrderState::Unknown, 1000, 0), 0);
    assert_eq!(plain(&desk).working_buy, 60);
    desk.report(order, OrderState::Cancelled);
    assert_eq!(plain(&desk).working_buy, 0);
}

#[test]
fn a_change_reserves_the_larger_terms_until_its_outcome_is_told() {
    for (total, while_pending, if_done) in [(80, 80, 80), (40, 60, 40)] {
        for done in [true, false] {
            let mut desk = tight();
            let approved = desk.judge(intent(0, Side::Buy, 60, 1000));
            let order = desk.bind(&approved);
            desk.report(order, OrderState::Acked);
            let change = desk.judge(desk.change(order, total, 1001));
            assert_eq!(change.kind, Kind::APPROVED_REPLACE);
            assert_eq!(plain(&desk).working_buy, while_pending);
            desk.bind_change(order, &change);
            assert_eq!(plain(&desk).working_buy, while_pending);
            // A fill of the old terms is not the outcome.
            desk.fill(order, 10, 1000);
            assert_eq!((plain(&desk).position, plain(&desk).working_buy), (10, while_pending - 10));
            desk.change_outcome(order, done);
            let left = if done { if_done } else { 60 } - 10;
            assert_eq!(plain(&desk).working_buy, left, "total {total} done {done}");
        }
    }
}

#[test]
fn a_fill_that_leaves_pending_replace_keeps_the_larger_terms() {
    let mut desk = tight();
    let approved = desk.judge(intent(0, Side::Buy, 50, 1000));
    let order = desk.bind(&approved);
    desk.report(order, OrderState::Acked);
    let change = desk.judge(desk.change(order, 80, 1000));
    desk.bind_change(order, &change);
    // This OMS says partially filled, although the change is still on its way.
    let (id, cause) = (desk.orders[order].id, change.sequence + 100);
    desk.trade(0, Side::Buy, [10, 1000, 0], (id, cause));
    desk.split(tight_limits());
    let mut told = order_event(id, OrderState::PartiallyFilled, 1000, 40);
    told.code |= u16::from(OrderState::PendingReplace.code()) << 8;
    desk.send(told, cause);
    assert_eq!((plain(&desk).position, plain(&desk).working_buy), (10, 70));
    let refused = desk.judge(desk.change(order, 90, 1000));
    assert_eq!(refused.code, Rule::ReplacePending.code());
    // The outcome with the new terms ends it.
    desk.send(order_event(id, OrderState::PartiallyFilled, 1000, 70), cause + 1);
    assert_eq!(desk.judge(desk.change(order, 60, 1000)).kind, Kind::APPROVED_REPLACE);
}

#[test]
fn a_change_that_the_oms_never_took_is_forgotten_at_the_next_working_state() {
    let mut desk = tight();
    let approved = desk.judge(intent(0, Side::Buy, 50, 1000));
    let order = desk.bind(&approved);
    desk.judge(desk.change(order, 80, 1000));
    assert_eq!(plain(&desk).working_buy, 80);
    desk.report(order, OrderState::Acked);
    assert_eq!(plain(&desk).working_buy, 50);
}

#[test]
fn a_change_that_the_oms_refuses_is_forgotten_at_once() {
    for state in [OrderState::Pending, OrderState::PendingCancel, OrderState::Unknown] {
        let mut desk = tight();
        let approved = desk.judge(intent(0, Side::Buy, 50, 1000));
        let order = desk.bind(&approved);
        desk.report(order, state);
        let change = desk.judge(desk.change(order, 80, 1000));
        assert_eq!(plain(&desk).working_buy, 80);
        desk.tell(order, state, change.sequence);
        assert_eq!(plain(&desk).working_buy, 50, "{state:?}");
    }
}

#[test]
fn a_working_state_told_for_an_older_reason_is_not_the_outcome_of_a_change() {
    let mut desk = tight();
    let approved = desk.judge(intent(0, Side::Buy, 50, 1000));
    let order = desk.bind(&approved);
    let change = desk.judge(desk.change(order, 80, 1000));
    desk.tell(order, OrderState::Acked, change.sequence - 1);
    assert_eq!(plain(&desk).working_buy, 80);
    desk.bind_change(order, &change);
    desk.change_outcome(order, true);
    assert_eq!(plain(&desk).working_buy, 80);
}

#[test]
fn a_change_to_a_higher_price_reserves_its_notional() {
    let mut desk = tight();
    let approved = desk.judge(intent(0, Side::Buy, 50, 1000));
    let order = desk.bind(&approved);
    desk.report(order, OrderState::Acked);
    let change = desk.judge(desk.change(order, 50, 1010));
    assert_eq!(plain(&desk).working_buy_notional, currency(50_500));
    desk.bind_change(order, &change);
    desk.change_outcome(order, false);
    assert_eq!(plain(&desk).working_buy_notional, currency(50_000));
}

#[test]
fn after_a_drawdown_a_loaded_gate_lets_positions_be_closed_like_the_saved_one() {
    let mut limits = limits();
    limits.account = Some(crate::risk::AccountLimits { drawdown_max: currency(100), ..account() });
    let mut desk = Desk::new(limits.clone());
    desk.trade(0, Side::Buy, [10, 1020, 0], (1, 0));
    assert_eq!(desk.gate.state(), RiskState::Halted);
    desk.command(CommandCode::Reduce);
    desk.split(limits);
    desk.clock();
    assert_eq!(desk.gate.state(), RiskState::Reducing);
    assert_eq!(desk.judge(intent(0, Side::Sell, 10, 1000)).kind, Kind::APPROVED);
}

#[test]
fn an_exposure_that_nobody_can_value_blocks_the_account() {
    let mut desk = tight();
    desk.market.get_mut(2).unwrap().top.bid_quantity = 0;
    let found = Event { instrument: 2, ..order_event(5, OrderState::Unknown, 0, 80) };
    desk.send(found, 1);
    assert_eq!(desk.gate.gross_notional(), crate::money::Money::MAX);
    let got = desk.judge(intent(0, Side::Buy, 1, 1000));
    assert_eq!(got.code, Rule::GrossNotional.code());
    desk.top(2, 999, 1001);
    assert_eq!(desk.judge(intent(0, Side::Buy, 1, 1000)).kind, Kind::APPROVED);
}

#[test]
fn halves_of_the_finest_unit_are_rounded_against_us() {
    let mut instrument = table().get(0).unwrap().clone();
    (instrument.price_scale, instrument.quantity_scale) = (6, 6);
    for (position, value) in [(1, 1), (-1, -2)] {
        let mut entry = crate::risk::exposure::Entry::new(&instrument);
        entry.set_position(position);
        entry.mark_twice = 3;
        let worth = entry.worth_now();
        assert_eq!(worth.value(), Some(value));
        assert_eq!(worth.gross().0, 2);
    }
}

#[test]
fn orders_of_two_sessions_that_meet_in_a_slot_are_both_reserved() {
    let mut desk = tight();
    let slots = u64::try_from(ORDERS_MAX).unwrap();
    let met = [ids::order_id(1, 1, 3), ids::order_id(1, 2, 3), ids::order_id(1, 2, 3 + slots)];
    for id in met {
        desk.send(order_event(id, OrderState::Acked, 1000, 10), 1);
    }
    assert_eq!((plain(&desk).working_buy, desk.gate.orders_open_count()), (30, 3));
    desk.split(limits());
    for (id, left) in met.into_iter().zip([20, 10, 0]) {
        desk.send(order_event(id, OrderState::Cancelled, 1000, 0), 2);
        assert_eq!(plain(&desk).working_buy, left);
    }
}

#[test]
fn more_orders_than_the_tables_hold_halt_the_gate() {
    let mut desk = tight();
    for counter in 1..=u64::try_from(2 * ORDERS_MAX).unwrap() {
        desk.send(order_event(counter, OrderState::Acked, 1000, 1), 1);
    }
    assert_eq!(desk.gate.state(), RiskState::Active);
    let told = desk.send(order_event(9_999, OrderState::Acked, 1000, 1), 1);
    assert_eq!(told[0].kind, Kind::RISK_STATE);
    assert_eq!(told[0].tag, u32::from(Rule::OrdersOpen.code()));
    assert_eq!(desk.gate.state(), RiskState::Halted);
}

#[test]
fn neither_a_restart_nor_a_new_day_makes_the_gate_more_lenient() {
    for command in [CommandCode::Halt, CommandCode::Reduce, CommandCode::ThreadDead] {
        let mut desk = tight();
        let told = desk.command(command);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].kind, told[0].tag), (Kind::RISK_STATE, command as u32));
        let state = desk.gate.state();
        assert_ne!(state, RiskState::Active);
        desk.split(limits());
        desk.send(session::session_start(2, Mode::Paper), 0);
        desk.time_ns += 2 * DAY_NS;
        desk.clock();
        assert_eq!(desk.gate.state(), state);
        assert_eq!(desk.twin.as_ref().unwrap().state(), state);
    }
}

#[test]
fn a_new_day_starts_at_its_hour_with_a_new_baseline_and_the_old_peak() {
    let mut limits = limits();
    limits.account = Some(crate::risk::AccountLimits { day_start_ns_utc: 500, ..account() });
    let mut desk = Desk::new(limits);
    desk.time_ns = 7 * DAY_NS;
    desk.clock();
    desk.trade(0, Side::Buy, [10, 1000, 0], (1, 0));
    desk.top(0, 979, 981);
    desk.clock();
    assert_eq!(desk.gate.day_profit(), currency(-200));
    desk.time_ns = 7 * DAY_NS + 499;
    desk.clock();
    assert_eq!(desk.gate.day_profit(), currency(-200));
    desk.time_ns = 7 * DAY_NS + 500;
    // The first event of the day is a fill: the baseline is what was before it.
    desk.trade(0, Side::Sell, [10, 970, 0], (1, 0));
    assert_eq!(desk.gate.day_profit(), currency(-100));
    assert_eq!(desk.gate.equity(), currency(-300));
    assert_eq!(desk.gate.equity_peak(), currency(0));
}

#[test]
fn equity_is_cash_less_fees_plus_positions_at_the_mark() {
    let mut desk = tight();
    desk.trade(0, Side::Buy, [3, 1000, 150_000_000], (1, 0));
    assert_eq!(desk.gate.equity().to_string(), "-1.5");
    desk.top(0, 1000, 1001);
    desk.trade(2, Side::Sell, [2, 1010, -50_000_000], (1, 0));
    // 3 x 0.5 - 1.5 + 2 x 10 + 0.5
    assert_eq!(desk.gate.equity().to_string(), "20.5");
    assert_eq!(plain(&desk).cash.to_string(), "-3001.5");
    assert_eq!(desk.gate.gross_notional().to_string(), "5001.5");
    // The mark of a dead book is the last one known.
    desk.market.get_mut(0).unwrap().top.bid_quantity = 0;
    desk.clock();
    assert_eq!(desk.gate.equity().to_string(), "20.5");
}

#[test]
fn numbers_beyond_the_range_of_money_halt_instead_of_wrapping() {
    let mut desk = Desk::new(limits());
    for _ in 0..5 {
        desk.trade(0, Side::Buy, [i64::MAX, i64::MAX, i64::MAX], (1, 0));
    }
    assert_eq!(desk.gate.state(), RiskState::Halted);
    let mut desk = Desk::new(limits());
    desk.trade(900, Side::Buy, [1, 1, 0], (1, 0));
    assert_eq!(desk.gate.state(), RiskState::Halted);
    let got = desk.judge(intent(0, Side::Sell, 1, 1000));
    assert_eq!(got.code, Rule::Halted.code());
}

#[test]
fn a_mark_far_out_of_range_refuses_instead_of_wrapping() {
    let mut desk = Desk::new(limits());
    let approved = desk.judge(intent(2, Side::Buy, 10, 1000));
    desk.bind(&approved);
    desk.top(2, i64::MAX - 2, i64::MAX);
    let got = desk.judge(intent(0, Side::Buy, 10, 1000));
    assert_eq!(got.code, Rule::GrossNotional.code());
    assert_eq!(got.price, i64::MAX);
}

#[test]
fn refusals_are_counted_by_rule_and_told_with_the_words_of_the_intent() {
    let mut desk = tight();
    let wanted = intent(0, Side::Sell, 101, 1000);
    let got = desk.judge(Event { flags: wanted.flags | flags::POST_ONLY, ..wanted });
    assert_eq!((got.price, got.quantity, got.id), (101, 100, 0));
    assert_eq!((got.flags, got.tag), (wanted.flags | flags::POST_ONLY, 77));
    let counts: Vec<(Rule, u64)> =
        desk.gate.refused_counts().filter(|(_, count)| 0 < *count).collect();
    assert_eq!(counts, [(Rule::PositionQuantity, 1)]);
}

#[test]
fn a_damaged_saved_state_is_refused() {
    let mut desk = tight();
    let approved = desk.judge(intent(0, Side::Buy, 10, 1000));
    let order = desk.bind(&approved);
    desk.fill(order, 4, 1000);
    let mut saver = Saver::new();
    desk.gate.save(&mut saver);
    let bytes = saver.into_bytes();
    let load = |bytes: &[u8]| {
        let mut gate = crate::risk::Gate::new(limits(), table(), STRATEGY_COUNT, ORDERS_MAX);
        let mut loader = Loader::new(bytes);
        gate.load(&mut loader).and_then(|()| loader.finish())
    };
    assert_eq!(load(&bytes), Ok(()));
    for length in 0..bytes.len() {
        assert!(load(&bytes[..length]).is_err(), "length {length}");
    }
    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 0xff;
        // Either it is refused, or it is a state that a gate can have; never a panic.
        drop(load(&flipped));
    }
}

#[test]
fn a_wrong_limit_is_named() {
    #[track_caller]
    fn check(change: impl Fn(&mut Limits), want: &str) {
        let mut limits = limits();
        change(&mut limits);
        let error = limits.validate(4, ORDERS_MAX).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
    assert_eq!(limits().validate(4, ORDERS_MAX), Ok(()));
    assert_eq!(Limits::none().validate(4, ORDERS_MAX), Ok(()));
    let own = |limits: &mut Limits| limits.instruments[1].clone().unwrap();
    check(|l| l.instruments = vec![None; 5], "5 instruments");
    check(|l| l.account.as_mut().unwrap().orders_open_max = 65, "orders_open_max is 65");
    check(|l| l.account.as_mut().unwrap().order_rate_count_max = 0, "order_rate_count_max");
    check(|l| l.account.as_mut().unwrap().order_rate_window_ns = 0, "order_rate_window_ns");
    check(|l| l.account.as_mut().unwrap().loss_daily_max = currency(0), "loss_daily_max");
    check(|l| l.account.as_mut().unwrap().drawdown_max = currency(-1), "drawdown_max");
    check(|l| l.account.as_mut().unwrap().gross_notional_max = currency(0), "gross_notional_max");
    check(|l| l.account.as_mut().unwrap().day_start_ns_utc = DAY_NS, "day_start_ns_utc");
    for (field, position) in [
        ("order_quantity_max", 0),
        ("position_quantity_max", 1),
        ("collar_bps", 2),
        ("passive_bps", 3),
    ] {
        let change = |l: &mut Limits| {
            let mut wrong = own(l);
            let fields = [
                &mut wrong.order_quantity_max,
                &mut wrong.position_quantity_max,
                &mut wrong.collar_bps,
                &mut wrong.passive_bps,
            ];
            *fields.into_iter().nth(position).unwrap() = 0;
            l.instruments[1] = Some(wrong);
        };
        check(change, &format!("instrument 1: {field} is 0"));
    }
    check(
        |l| {
            let wrong = own(l);
            let above = currency(10_000_001);
            l.instruments[1] =
                Some(crate::risk::InstrumentLimits { order_notional_max: above, ..wrong });
        },
        "order_notional_max is 10000001, must be 0.00000001 to 10000000",
    );
}
