//! Closing orders: prices, sizes, pace, offsets, what is too small.

use super::desk::{Desk, MS_NS, OWN, S_NS, chunk, table};
use crate::control::positions::{closing_price, closing_quantity};
use crate::control::{CLOSE_TAG, Chunk, ControlConfig, KillTimes, MANUAL_TAG};
use crate::event::{CommandCode, Event, Kind, LockReason, OrderState, Scope, Side, flags};
use crate::instrument::{Instrument, Venue};
use crate::money::Money;

fn config() -> ControlConfig {
    let kill = KillTimes { late_ns: 1_000 * S_NS, collar_bps: 50, ..KillTimes::default() };
    ControlConfig { is_configured: true, kill, ..ControlConfig::default() }
}

fn flatten(desk: &mut Desk, scope: Scope) -> Vec<String> {
    let mut told = desk.command(CommandCode::Flatten, scope);
    told.retain(|line| line.starts_with("buy") || line.starts_with("sell"));
    told
}

/// Lines of the table: side, twice the mid, bps, price.
#[track_caller]
fn check_prices(lines: &str) {
    let table = table();
    let instrument = table.get(0).unwrap();
    for line in lines.trim().lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let side = if words[0] == "buy" { Side::Buy } else { Side::Sell };
        let price =
            closing_price(instrument, side, words[1].parse().unwrap(), words[2].parse().unwrap());
        let wanted = words[3].parse().ok();
        assert_eq!(price, wanted, "{line}");
    }
}

#[test]
fn a_closing_price_lies_on_tick_within_the_collar_and_above_zero() {
    // Tick 5. 50 bps of 10,000 are 50; of 10,002 they are 50.01, towards the mid.
    check_prices(
        "
        sell 20000 50 9950
        buy  20000 50 10050
        sell 20004 50 9955
        buy  20004 50 10050
        sell 20000 0  10000
        buy  20000 0  10000
        sell 20001 0  10005
        buy  20001 0  10000
        sell 10    10000 none
        sell 10    9999 5
        buy  8     50 none
        buy  10    0  5
        ",
    );
}

/// Lines of the table: quantity wanted, price, most quantity, most notional, halvings, quantity.
#[track_caller]
fn check_quantities(lines: &str) {
    let table = table();
    let instrument = table.get(0).unwrap();
    for line in lines.trim().lines() {
        let words: Vec<i64> = line.split_whitespace().map(|word| word.parse().unwrap()).collect();
        let chunk = Chunk {
            quantity_max: words[2],
            notional_max: Money::ONE.0 * i128::from(words[3]),
            collar_bps: 100,
        };
        let shift = u8::try_from(words[4]).unwrap();
        let quantity = closing_quantity(instrument, &chunk, words[0], words[1], shift);
        assert_eq!(quantity.unwrap_or(0), words[5], "{line}");
    }
}

#[test]
fn a_closing_quantity_is_on_lot_within_the_gates_limits_and_not_too_small() {
    // Lot 10, smallest notional 10: 100 units (0.1) at 10,000 (100.00).
    check_quantities(
        "
        300  10000 1000 100000 0 300
        309  10000 1000 100000 0 300
        1500 10000 1000 100000 0 1000
        1500 10000 1009 100000 0 1000
        1500 10000 1000 50     0 500
        1500 10000 1000 59     0 590
        1500 10000 1000 100000 1 500
        1500 10000 1000 100000 3 120
        1500 10000 1000 100000 9 0
        1500 1000000 1000 100000 9 10
        1500 1000000 1000 100000 20 10
        1500 1000000 1000 100000 200 10
        100  10000 1000 100000 0 100
        99   10000 1000 100000 0 0
        90   10000 1000 100000 0 0
        9    1000000 1000 100000 0 0
        10   1000000 1000 100000 0 10
        ",
    );
}

#[test]
fn a_closing_quantity_is_never_zero_also_where_the_venue_takes_any_notional() {
    let table = table();
    let instrument = Instrument { notional_min: Money::ZERO, ..table.get(0).unwrap().clone() };
    for (wanted, quantity) in [(0, None), (9, None), (10, Some(10)), (11, Some(10))] {
        let found = closing_quantity(&instrument, &chunk(), wanted, 10_000, 0);
        assert_eq!(found, quantity, "{wanted}");
    }
}

#[test]
fn a_large_position_is_closed_piece_by_piece() {
    let mut desk = Desk::new(config());
    desk.hold(0, 0, 2_600);
    assert_eq!(flatten(&mut desk, Scope::All), ["sell 1000 @ 9950 of 0 for 0 to reduce"]);
    let closer = desk.closer().order.id;
    desk.state(closer, OrderState::Acked);
    assert_eq!(desk.trade(closer, 400), [""; 0]);
    assert_eq!(desk.clock(), [""; 0], "one at a time");
    // It traded something: the next one goes at once.
    let told = desk.state(closer, OrderState::Expired);
    assert_eq!(told, ["sell 1000 @ 9950 of 0 for 0 to reduce"]);
    let closer = desk.closer().order.id;
    assert_eq!(desk.trade(closer, 1_000), ["sell 1000 @ 9950 of 0 for 0 to reduce"]);
    let closer = desk.closer().order.id;
    assert_eq!(desk.trade(closer, 1_000), ["sell 200 @ 9950 of 0 for 0 to reduce"]);
    let closer = desk.closer().order.id;
    let told = desk.trade(closer, 200);
    assert_eq!(told[0], "all done: 0 cancelled, 0 left");
}

#[test]
fn an_order_that_closed_nothing_is_repeated_at_its_pace_and_at_the_new_price() {
    let mut desk = Desk::new(config());
    desk.hold(0, 0, 300);
    flatten(&mut desk, Scope::All);
    let closer = desk.closer().order.id;
    assert_eq!(desk.state(closer, OrderState::Expired), [""; 0]);
    desk.quote(0, 8_990, 9_010);
    assert_eq!(desk.after(250 * MS_NS - 1), [""; 0]);
    assert_eq!(desk.clock(), ["sell 300 @ 8955 of 0 for 0 to reduce"]);
}

#[test]
fn a_refusal_is_waited_out_and_one_for_size_makes_the_orders_smaller() {
    let mut desk = Desk::new(config());
    desk.hold(0, 0, 2_000);
    desk.refuses = Some(118);
    assert_eq!(flatten(&mut desk, Scope::All), ["sell 1000 @ 9950 of 0 for 0 to reduce"]);
    assert_eq!(desk.after(250 * MS_NS - 1), [""; 0]);
    desk.refuses = Some(114);
    assert_eq!(desk.clock(), ["sell 1000 @ 9950 of 0 for 0 to reduce"]);
    desk.refuses = Some(115);
    assert_eq!(desk.after(250 * MS_NS), ["sell 500 @ 9950 of 0 for 0 to reduce"]);
    desk.refuses = None;
    assert_eq!(desk.after(250 * MS_NS), ["sell 250 @ 9950 of 0 for 0 to reduce"]);
}

#[test]
fn a_refusal_of_another_order_is_not_one_of_the_closing_order() {
    for (flag, tag, is_closing) in [
        (flags::OPERATOR, CLOSE_TAG, true),
        (flags::OPERATOR, MANUAL_TAG, false),
        // A strategy may choose its tags.
        (0, CLOSE_TAG, false),
        (0, 0, false),
    ] {
        let mut desk = Desk::new(config());
        desk.hold(0, 0, 2_000);
        flatten(&mut desk, Scope::All);
        let mut refused = Event::new(Kind::REFUSED);
        (refused.instrument, refused.code) = (0, 114);
        (refused.flags, refused.tag) = (flag | flags::LAST, tag);
        desk.decide(refused);
        let told = desk.after(S_NS);
        let wanted: &[&str] =
            if is_closing { &["sell 500 @ 9950 of 0 for 0 to reduce"] } else { &[] };
        assert_eq!(told, wanted, "{flag} {tag:#x}");
    }
}

#[test]
fn a_locked_venue_is_not_asked() {
    let mut desk = Desk::new(config());
    desk.hold(0, 0, 300);
    desk.hold(0, 2, 300);
    desk.lock(Venue::BinanceSpot, LockReason::LinkDown);
    assert_eq!(flatten(&mut desk, Scope::All), ["sell 300 @ 9950 of 2 for 0 to reduce"]);
    assert_eq!(desk.after(S_NS), [""; 0]);
    desk.lock(Venue::BinanceSpot, LockReason::None);
    assert_eq!(desk.clock(), ["sell 300 @ 9950 of 0 for 0 to reduce"]);
}

#[test]
fn positions_that_offset_each_other_are_flat_at_the_venue() {
    let mut desk = Desk::new(config());
    desk.hold(0, 0, 300);
    desk.hold(1, 0, -300);
    let told = desk.command(CommandCode::Flatten, Scope::All);
    assert_eq!(told[3], "all done: 0 cancelled, 0 left");
    desk.hold(0, 0, 200);
    assert_eq!(flatten(&mut desk, Scope::All), ["sell 200 @ 9950 of 0 for 0 to reduce"]);
    let closer = desk.closer().order.id;
    desk.trade(closer, 200);
    desk.hold(1, 0, -500);
    assert_eq!(
        flatten(&mut desk, Scope::Strategy(1)),
        ["buy 500 @ 10050 of 0 for 1 to reduce"],
        "800 are short, 300 of them are the other one's"
    );
}

#[test]
fn every_row_of_an_instrument_has_its_turn() {
    let mut desk = Desk::new(config());
    desk.hold(0, 1, -300);
    desk.hold(OWN, 1, -200);
    desk.hold(crate::event::NO_STRATEGY, 1, -100);
    assert_eq!(flatten(&mut desk, Scope::All), ["buy 300 @ 10050 of 1 for 0 to reduce"]);
    let closer = desk.closer().order.id;
    // Nobody's fills and the operator's share a row.
    assert_eq!(desk.trade(closer, 300), ["buy 300 @ 10050 of 1 for 2 to reduce"]);
}

#[test]
fn what_the_venue_does_not_take_is_left_and_told() {
    let mut desk = Desk::new(config());
    desk.hold(0, 0, 95);
    let told = desk.command(CommandCode::Flatten, Scope::All);
    assert_eq!(told[3], "all flattening: 0 cancelled, 1 left");
    assert_eq!(told[4], "all done: 0 cancelled, 1 left");
}

#[test]
fn the_gates_collar_is_a_bound_as_well() {
    let kill = KillTimes { collar_bps: 500, ..KillTimes::default() };
    let mut desk = Desk::new(ControlConfig { kill, ..config() });
    desk.hold(0, 0, 300);
    assert_eq!(chunk().collar_bps, 100);
    assert_eq!(flatten(&mut desk, Scope::All), ["sell 300 @ 9900 of 0 for 0 to reduce"]);
}
