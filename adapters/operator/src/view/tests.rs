//! Records become a picture.

use engine::event::order::OrderState;
use engine::event::{CommandCode, session};
use engine::instrument::{Instrument, InstrumentTable};
use engine::money::Money;
use engine::risk::{LimitKey, SoftLimits};
use engine::stats::{Identity, InstrumentValues, Snapshot, StatsReader, StatsWriter};
use serde_json::{Value, json};

use super::*;
use crate::command::Said;
use crate::command::tests::view;
use crate::protocol::Arguments;

fn order(id: u64, state: OrderState, side: Side, leaves: i64) -> Event {
    let mut event = Event::new(Kind::ORDER);
    event.code = state as u16;
    (event.id, event.instrument, event.source) = (id, 0, 1);
    (event.price, event.quantity, event.flags) = (6_000_000, leaves, side.flag());
    event
}

fn position(source: u16, instrument: u16, quantity: i64) -> Event {
    let mut event = Event::new(Kind::POSITION);
    (event.source, event.instrument, event.quantity) = (source, instrument, quantity);
    event
}

fn breaker(scope: Scope, state: BreakerState, reason: TripReason, trip: u64) -> Event {
    let mut event = Event::new(Kind::BREAKER).at(77);
    event.code = state.code() | (BreakerState::Normal.code() << 8);
    (event.source, event.id, event.tag) = (reason.code(), trip, scope.tag());
    event
}

fn command(view: &mut View, actor: &str, number: u64) {
    let operator = crate::Operator {
        number: 1,
        name: actor.to_string(),
        role: crate::Role::Admin,
        uid: None,
        key_hash: None,
    };
    let said = Said {
        number,
        operator: Some(&operator),
        uid: 1,
        verb: "kill",
        reason: "a test",
        arguments: &Arguments::default(),
        refused: None,
    };
    for event in said.to_events().unwrap() {
        view.apply(&event);
    }
    let command = Event { id: number, ..session::command(CommandCode::Kill, 0) };
    view.apply(&command);
}

#[test]
fn orders_come_and_go_and_positions_are_never_zero() {
    let mut view = view();
    view.apply(&order(1, OrderState::Acked, Side::Buy, 500));
    view.apply(&order(2, OrderState::Pending, Side::Sell, 300));
    view.apply(&order(1, OrderState::PartiallyFilled, Side::Buy, 200));
    view.apply(&position(1, 0, 300));
    assert_eq!(view.orders.len(), 2);
    assert_eq!(view.orders[&1].leaves, 200);
    let status = view.status_json(None);
    assert_eq!((&status["open_orders"], &status["state"]), (&json!(2), &json!("NORMAL")));
    assert_eq!(
        status["positions"],
        json!([{"strategy": "taker", "instrument": "BTCUSDT", "quantity": "0.003", "notional": null}])
    );
    assert_eq!(status["orders"][0]["side"], "buy");
    for state in [OrderState::Filled, OrderState::Cancelled, OrderState::Rejected] {
        view.apply(&order(2, state, Side::Sell, 0));
        assert!(!view.orders.contains_key(&2), "{state:?}");
        view.apply(&order(2, OrderState::Acked, Side::Sell, 300));
    }
    view.apply(&position(1, 0, 0));
    assert!(view.positions.is_empty());
}

#[test]
fn a_trip_is_told_with_who_did_it_and_why() {
    let mut view = view();
    command(&mut view, "ann", 17);
    view.apply(&breaker(Scope::All, BreakerState::Killed, TripReason::Operator, 3));
    let status = view.status_json(None);
    assert_eq!(status["state"], "KILLED");
    assert_eq!((&status["trip"], &status["reason"]), (&json!(3), &json!("operator")));
    assert_eq!(status["since_ns"], 77);
    assert_eq!(
        (&status["scopes"][0]["by"], &status["scopes"][0]["why"]),
        (&json!("ann"), &json!("a test"))
    );
    // What trips later in another cascade is nobody's command.
    view.apply(&session::clock());
    view.apply(&breaker(Scope::Strategy(1), BreakerState::Safe, TripReason::StrategyPanic, 4));
    let scope = &view.scopes[&Scope::Strategy(1).tag()];
    assert_eq!((scope.by.as_ref(), scope.reason), (None, Some(TripReason::StrategyPanic)));
    view.apply(&breaker(Scope::All, BreakerState::Normal, TripReason::Rearmed, 3));
    let status = view.status_json(None);
    assert_eq!((&status["state"], &status["trip"]), (&json!("NORMAL"), &Value::Null));
    assert_eq!(status["scopes"].as_array().map(Vec::len), Some(1), "the strategy is still SAFE");
}

#[test]
fn the_text_of_another_command_is_not_taken_for_this_one() {
    let mut view = view();
    command(&mut view, "ann", 17);
    // A command of the supervisor has no text, and one whose number differs is not the one that was told.
    view.apply(&session::command(CommandCode::ThreadDead, 1));
    view.apply(&breaker(Scope::All, BreakerState::Killed, TripReason::ThreadDead, 1));
    assert_eq!(view.scopes[&0].by, None);
}

#[test]
fn a_command_waits_until_it_is_confirmed_or_expires() {
    let answer = |number: u64, code: AnswerCode| {
        let mut event = Event::new(Kind::ANSWER);
        (event.id, event.price) = (number, i64::from(code.code()));
        event
    };
    for end in [AnswerCode::Done, AnswerCode::Expired] {
        let mut view = view();
        command(&mut view, "ann", 17);
        view.apply(&answer(17, AnswerCode::NeedsConfirm));
        assert_eq!(view.flags_json()["commands_waiting"][0]["actor"], "ann");
        view.apply(&answer(17, end));
        assert!(view.waiting.is_empty(), "{}", end.name());
    }
}

#[test]
fn flat_is_what_the_venue_would_not_trade_any_more() {
    let mut view = view();
    let flat = |view: &View, scope| view.kill_report_json(scope, None)["positions_flat"] == true;
    assert!(flat(&view, Scope::All));
    view.apply(&position(0, 1, -1));
    assert!(!flat(&view, Scope::All), "one lot is a position");
    assert!(flat(&view, Scope::Instrument(0)) && !flat(&view, Scope::Instrument(1)));
    assert!(flat(&view, Scope::Strategy(1)) && !flat(&view, Scope::Strategy(0)));
    assert!(!flat(&view, Scope::Venue(2)) && flat(&view, Scope::Venue(1)));
}

/// Lots of 0.0001, orders of at least 5.
fn view_of_lots() -> View {
    let mut view = view();
    let lots = view.names.instruments.iter().map(|(_, instrument)| Instrument {
        lot: 10,
        notional_min: Money(5 * Money::ONE.0),
        ..instrument.clone()
    });
    view.names.instruments = InstrumentTable::new(lots.collect()).unwrap();
    view
}

/// Stats that tell a book of the second instrument, and nothing of the first.
fn stats_at(bid_price: i64, ask_price: i64) -> Snapshot {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity {
        instance: "test",
        engine_version: "0",
        commit: "0",
        mode: "paper",
        journal_dir: "journal",
    };
    let writer = StatsWriter::create(&dir.path().join("stats.tws"), &identity, 1).unwrap();
    assert!(writer.name_instrument(1, "ETHUSDT", "binance-spot", 2, 5));
    let (bid_quantity, ask_quantity) = (1, 1);
    let values =
        InstrumentValues { bid_price, bid_quantity, ask_price, ask_quantity, ..Default::default() };
    writer.update_instrument(1, &values);
    StatsReader::open(writer.path()).unwrap().snapshot().unwrap()
}

#[test]
fn what_the_venue_does_not_trade_is_told_apart() {
    // At a mid of 2,500 the smallest order, 5, is 0.002.
    let stats = stats_at(249_900, 250_100);
    let check = |quantities: &[(u16, u16, i64)], (flat, left, dust): (bool, u64, u64)| {
        let mut view = view_of_lots();
        for (source, instrument, quantity) in quantities {
            view.apply(&position(*source, *instrument, *quantity));
        }
        let report = view.kill_report_json(Scope::All, Some(&stats));
        let found =
            ["positions_flat", "positions_left", "positions_dust"].map(|key| report[key].clone());
        assert_eq!(found, [json!(flat), json!(left), json!(dust)], "{quantities:?}");
    };
    check(&[], (true, 0, 0));
    // Without a price a lot is what counts.
    check(&[(0, 0, 9)], (true, 1, 1));
    // Two strategies that hold against each other: what is left between them.
    check(&[(0, 0, -9), (1, 0, 10)], (true, 1, 1));
    check(&[(0, 0, -9), (1, 0, 19)], (false, 1, 0));
    check(&[(0, 0, -10), (1, 0, 10)], (true, 0, 0));
    check(&[(0, 0, 9), (1, 0, 1)], (false, 1, 0));
    check(&[(0, 0, i64::MAX), (1, 0, i64::MAX)], (false, 1, 0));
    check(&[(0, 1, 199)], (true, 1, 1));
    check(&[(0, 1, -199)], (true, 1, 1));
    check(&[(0, 1, 200)], (false, 1, 0));
    check(&[(0, 0, 9), (0, 1, 199), (1, 1, 200)], (false, 2, 1));
    // A strategy alone still has what it has.
    let mut view = view_of_lots();
    view.apply(&position(0, 0, -10));
    view.apply(&position(1, 0, 10));
    for scope in [Scope::Strategy(0), Scope::Strategy(1)] {
        assert_eq!(view.kill_report_json(scope, None)["positions_flat"], false);
    }
}

#[test]
fn a_limit_that_was_changed_is_shown_beside_the_configured_one() {
    let mut view = view();
    let row = |view: &View, name: &str| {
        let all = view.limits_json(None);
        let rows = all["limits"].as_array().unwrap().clone();
        rows.into_iter().find(|row| row["limit"] == name).unwrap()
    };
    view.apply(&order(1, OrderState::Acked, Side::Buy, 500));
    let before = row(&view, "orders_open_max");
    assert_eq!(
        (&before["now"], &before["used"], &before["percent"]),
        (&json!("64"), &json!("1"), &json!(1))
    );
    let mut limit = Event::new(Kind::LIMIT);
    (limit.code, limit.price, limit.quantity) = (LimitKey::OrdersOpen.code(), 64, 2);
    view.apply(&limit);
    let after = row(&view, "orders_open_max");
    assert_eq!((&after["now"], &after["configured"]), (&json!("2"), &json!("64")));
    // Without a set of ceilings those of every engine.
    let loss = |view: &View| row(view, "loss_daily_max")["ceiling"].clone();
    assert_eq!(loss(&view), json!("100000000"));
    assert_eq!(loss(&view.clone().under(Some("owner"))), json!("500"));
    assert_eq!(loss(&view.clone().under(Some("nobody"))), json!("100000000"));
    assert_eq!(row(&view, "orders_open_max")["soft"], Value::Null);
    view.configured.controls.soft = SoftLimits::default().with(LimitKey::OrdersOpen, 40);
    assert_eq!(row(&view, "orders_open_max")["soft"], json!("40"));
    assert_eq!(after["percent"], 50);
    let mut limit = Event::new(Kind::LIMIT);
    (limit.code, limit.quantity, limit.instrument) = (LimitKey::PositionQuantity.code(), 1_000, 0);
    view.apply(&limit);
    let after = row(&view, "position_quantity_max");
    assert_eq!(
        (&after["of"], &after["now"], &after["used"]),
        (&json!("BTCUSDT"), &json!("0.01"), &json!("0.005"))
    );
}

#[test]
fn the_worse_side_counts_with_its_working_orders() {
    let mut view = view();
    view.apply(&position(0, 0, 1_000));
    view.apply(&order(1, OrderState::Acked, Side::Buy, 500));
    view.apply(&order(2, OrderState::Acked, Side::Sell, 4_000));
    // Long 1,000: with the buy 1,500; with the sell short 3,000.
    let all = view.limits_json(None);
    let rows = all["limits"].as_array().unwrap();
    let row = rows.iter().find(|row| row["limit"] == "position_quantity_max").unwrap();
    assert_eq!(row["used"], "0.03");
}

#[test]
fn texts_of_other_topics_and_broken_ones_are_passed_over() {
    let mut view = view();
    for event in session::text(TextTopic::Config, "x = 1") {
        view.apply(&event);
    }
    for event in session::text(TextTopic::Command, "{no json") {
        view.apply(&event);
    }
    for event in session::text(TextTopic::Command, &"x".repeat(100_000)) {
        view.apply(&event);
    }
    view.apply(&Event { id: 1, ..session::command(CommandCode::Kill, 0) });
    view.apply(&breaker(Scope::All, BreakerState::Killed, TripReason::Operator, 1));
    assert_eq!(view.scopes[&0].by, None);
}
