//! One entry of the exposure sheet: marks, what is near, and how far worths drift.

use proptest::prelude::*;

use crate::event::{BookState, Side};
use crate::instrument::{Instrument, InstrumentTable};
use crate::market::{InstrumentMarket, Market, Top};
use crate::money::Money;
use crate::risk::exposure::{Entry, Reservation, drift, mark_twice, mid_twice};
use crate::risk::judge::clamped;
use crate::risk::sheet::Sheet;
use crate::state::{Loader, Saver, State};

use super::desk::table;

/// Of an instrument with whole prices and quantities: 10^12 units of money each.
fn entry() -> Entry {
    Entry::new(table().get(0).unwrap())
}

fn reservation(quantity: i64, notional: i128) -> Reservation {
    Reservation { quantity, notional }
}

const UNIT: i128 = 1_000_000_000_000;

#[test]
fn a_position_whose_worth_could_leave_the_range_is_valued_the_long_way() {
    let mut instrument = table().get(0).unwrap().clone();
    for (multiplier, is_narrow) in [(4_503, true), (4_504, false)] {
        instrument.multiplier = multiplier;
        let mut entry = Entry::new(&instrument);
        entry.set_position(-3);
        entry.see(2_001);
        entry.anchor();
        let unit = i128::from(multiplier) * 1_000_000_000_000;
        let value = (-3 * 2_001 * unit) >> 1;
        assert_eq!(entry.value_near(2_001), is_narrow.then_some(value), "{multiplier}");
        assert_eq!(entry.worth_now().value(), Some(value));
    }
}

#[test]
fn a_mark_is_near_within_a_1024th_of_its_anchor() {
    let mut entry = entry();
    entry.set_position(1);
    assert_eq!(entry.value_near(10_240), None, "nothing is anchored");
    entry.anchor();
    for (mark_twice, is_near) in
        [(10_229, false), (10_230, true), (10_240, true), (10_250, true), (10_251, false)]
    {
        assert_eq!(entry.value_near(mark_twice).is_some(), is_near, "{mark_twice}");
    }
    entry.value_near(10_240);
    assert!(entry.value_near(0).is_some(), "nothing new is known");
}

#[test]
fn an_entry_is_active_while_it_has_a_position_or_orders() {
    let mut entry = entry();
    assert!(!entry.is_active());
    entry.set_position(5);
    entry.reserve(Side::Buy, reservation(0, 0), reservation(5, 0));
    assert!(entry.is_active(), "a position and as much on its way");
    entry.set_position(0);
    assert!(entry.is_active());
    entry.reserve(Side::Sell, reservation(0, 0), reservation(5, 0));
    assert!(entry.is_active());
    entry.reserve(Side::Buy, reservation(5, 0), reservation(0, 0));
    assert!(entry.is_active());
    entry.reserve(Side::Sell, reservation(5, 0), reservation(0, 0));
    assert!(!entry.is_active());
}

#[test]
fn a_position_worth_more_than_can_be_told_is_unknown() {
    // 2^114 and 2^116, about; the largest that counts is 2^115.
    for (position, mark_twice, is_known) in
        [(1 << 36, 1 << 38, true), (1 << 37, 1 << 39, false), (-(1 << 37), 1 << 39, false)]
    {
        let mut entry = entry();
        entry.set_position(position);
        entry.see(mark_twice);
        let worth = entry.worth_now();
        assert_eq!(worth.value().is_some(), is_known, "{position}");
        assert_eq!(worth.gross() != Money::MAX, is_known, "{position}");
    }
}

#[test]
fn a_price_stands_in_for_a_mark_only_while_none_is_known() {
    let mut entry = entry();
    for (price, mark_twice) in [(0, 0), (-5, 0), (7, 14), (9, 14)] {
        entry.see_price(price);
        assert_eq!(entry.mark_twice, mark_twice, "{price}");
        assert_eq!(entry.is_changed, mark_twice != 0, "{price}");
    }
    entry.see(20);
    entry.see_price(9);
    assert_eq!(entry.mark_twice, 20);
}

#[test]
fn the_mark_is_the_mid_else_the_last_trade_else_nothing() {
    let mut market = Market::new(1);
    let check = |market: &InstrumentMarket, mark: i64, mid: Option<i64>| {
        assert_eq!((mark_twice(Some(market)), mid_twice(market)), (mark, mid));
    };
    let own = market.get_mut(0).unwrap();
    own.state = BookState::Live;
    check(own, 0, None);
    for (trade_price, mark) in [(-3, 0), (3, 6), (i64::MAX, i64::MAX)] {
        own.trade_price = trade_price;
        check(own, mark, None);
    }
    own.trade_price = 0;
    for (bid_price, ask_price, mark, mid) in [
        (3, 4, 7, Some(7)),
        (-1, 2, 1, Some(1)),
        (-1, 1, 0, None),
        (-2, 1, 0, None),
        (4, 4, 0, None),
        (i64::MAX - 1, i64::MAX, i64::MAX, Some(i64::MAX)),
    ] {
        own.top = Top { bid_price, bid_quantity: 1, ask_price, ask_quantity: 1, update_id: 0 };
        check(own, mark, mid);
    }
    assert_eq!(mark_twice(None), 0);
}

#[test]
fn drift_is_a_256th_and_all_rounding() {
    assert_eq!(drift(0), 4_096);
    assert_eq!(drift(255), 4_096);
    assert_eq!(drift(256), 4_097);
    assert_eq!(drift(1 << 60), (1 << 52) + 4_096);
}

#[test]
fn numbers_beyond_64_bits_are_told_as_the_nearest() {
    for (value, nearest) in [
        (i128::from(i64::MAX), i64::MAX),
        (i128::from(i64::MAX) + 1, i64::MAX),
        (i128::from(i64::MIN), i64::MIN),
        (i128::from(i64::MIN) - 1, i64::MIN),
        (0, 0),
        (-7, -7),
    ] {
        assert_eq!(clamped(value), nearest);
    }
}

/// A mark near another one, as far as `part` of the way says.
fn near(anchor_twice: i64, part: i64) -> i64 {
    anchor_twice + (anchor_twice >> 10) * part / 100
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn worths_at_two_marks_near_an_anchor_are_within_the_drift(
        position in -5_000_i64..5_000,
        orders in proptest::collection::vec((any::<bool>(), 1_i64..500, 1_i64..4_000_000), 0..6),
        anchor_twice in 1_024_i64..4_000_000,
        parts in (-100_i64..=100, -100_i64..=100),
    ) {
        let mut entry = entry();
        entry.set_position(i128::from(position));
        for (sell, quantity, price) in orders {
            let side = if sell { Side::Sell } else { Side::Buy };
            let notional = entry.order_notional(price, quantity);
            entry.reserve(side, reservation(0, 0), reservation(quantity, notional));
        }
        entry.see(anchor_twice);
        entry.anchor();
        let marks = [near(anchor_twice, parts.0), near(anchor_twice, parts.1)];
        let [before, after] = marks.map(|mark_twice| {
            prop_assert!(entry.value_near(mark_twice).is_some());
            Ok(entry.worth_now())
        });
        let (before, after) = (before?, after?);
        let bound = drift(before.gross().0);
        for index in 0..2 {
            let moved = after.sides[index].0 - before.sides[index].0;
            prop_assert!(moved.abs() <= bound, "{moved} {bound}");
        }
        let moved = after.value().unwrap() - before.value().unwrap();
        prop_assert!(moved.abs() <= bound, "{moved} {bound}");
    }
}

#[test]
fn a_sum_takes_another_worth_in_the_place_of_one_that_nobody_can_tell() {
    let mut sheet = Sheet::new(&table());
    sheet.get_mut(0).unwrap().set_position(3);
    sheet.get_mut(2).unwrap().set_position(1 << 99);
    sheet.refresh(|_| 2_000);
    let (known, unknown) = (sheet.get(0).unwrap(), sheet.get(2).unwrap());
    assert_eq!(sheet.gross_known(), None);
    assert_eq!(sheet.gross_with(unknown, Money(7)), Money(3_000 * UNIT + 7));
    assert_eq!(sheet.gross_with(known, Money(7)), Money::MAX);
    assert_eq!(sheet.gross_with(unknown, Money::MAX), Money::MAX);
}

#[test]
fn an_instrument_behind_the_64th_counts_like_the_first() {
    let one = table().get(0).unwrap().clone();
    let make = |number: usize| Instrument { symbol: format!("I{number}"), ..one.clone() };
    let mut sheet = Sheet::new(&InstrumentTable::new((0..70).map(make).collect()).unwrap());
    for index in [0, 63, 64, 69] {
        sheet.get_mut(index).unwrap().set_position(1);
    }
    sheet.refresh(|index| 2 * i64::from(index) + 2);
    assert_eq!(sheet.equity(), Money((1 + 64 + 65 + 70) * UNIT));
    // The same where marks are followed: all of them, and the one that was written.
    sheet.anchor();
    let mut market = Market::new(70);
    assert_eq!(sheet.equity_near(&market), Some(sheet.equity().0));
    market.get_mut(69).unwrap().trade_price = 71;
    assert_eq!(sheet.equity_near(&market), None, "from 70 to 71 is far");
    for index in [0, 63, 64, 69] {
        sheet.get_mut(index).unwrap().set_position(0);
    }
    sheet.refresh(|_| 2);
    assert_eq!((sheet.equity(), sheet.gross_known()), (Money::ZERO, Some(0)));
}

#[test]
fn nobody_follows_an_equity_that_is_no_longer_known() {
    let market = Market::new(4);
    let mut sheet = Sheet::new(&table());
    assert_eq!(sheet.equity_near(&market), Some(0));
    // Of an instrument that no table holds: an order is held back for nothing, a fill breaks the sum.
    sheet.reserve_new(9, Side::Buy, 1, 1, 1_000);
    assert_eq!(sheet.equity_near(&market), Some(0));
    sheet.trade(9, 1_000, 1);
    assert!(sheet.is_broken);
    assert_eq!(sheet.equity_near(&market), None);
}

#[test]
fn a_saved_position_is_taken_up_to_the_largest_that_there_is() {
    let load = |position: i128| {
        let mut saver = Saver::new();
        saver.bool(false);
        saver.i128(0);
        saver.count(4);
        for index in 0..4 {
            saver.i128(if index == 2 { position } else { 0 });
            saver.i128(0);
            saver.i128(0);
        }
        let bytes = saver.into_bytes();
        Sheet::new(&table()).load(&mut Loader::new(&bytes)).is_ok()
    };
    let most = 1_i128 << 100;
    for (position, is_taken) in [(0, true), (most, true), (most + 1, false)] {
        assert_eq!([load(position), load(-position)], [is_taken; 2], "{position}");
    }
}

#[test]
fn what_works_is_part_of_a_sheet_by_its_side() {
    let digest = |orders: &[(Side, i64)]| {
        let mut sheet = Sheet::new(&table());
        for (side, quantity) in orders {
            sheet.reserve_new(0, *side, *quantity, 1, 1_000);
        }
        sheet.mix_into(7)
    };
    let found = [
        digest(&[]),
        digest(&[(Side::Buy, 3)]),
        digest(&[(Side::Sell, 3)]),
        digest(&[(Side::Buy, 3), (Side::Sell, 3)]),
        digest(&[(Side::Buy, 3), (Side::Sell, 1)]),
        digest(&[(Side::Buy, 1), (Side::Sell, 3)]),
    ];
    for (index, one) in found.iter().enumerate() {
        assert!(!found[..index].contains(one), "{index}");
    }
}
