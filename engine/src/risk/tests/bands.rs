//! What a lane knows beforehand: bands of prices, what an order can add, and how much of it a side may take on.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::event::Side;
use crate::risk::exposure::{Entry, Reservation, drift};
use crate::risk::lane::band::{Band, PRICE_MAX, holds};
use crate::risk::lane::open::own_room;
use crate::risk::lane::{ROOM_SHIFT, most};
use crate::risk::{InstrumentLimits, LimitKey, LimitTable};

use super::desk::{table, wide};

const SIDES: [Side; 2] = [Side::Buy, Side::Sell];
const EVERYTHING: [i64; 2] = [i64::MIN, i64::MAX];

fn limits(collar_bps: i64, passive_bps: i64) -> InstrumentLimits {
    InstrumentLimits { collar_bps, passive_bps, ..wide() }
}

fn controls(trade: i64, window: i64, spread: i64, jump: i64) -> LimitTable {
    LimitTable::default()
        .with(LimitKey::CollarTrade, trade)
        .with(LimitKey::CollarWindow, window)
        .with(LimitKey::Spread, spread)
        .with(LimitKey::Jump, jump)
}

#[test]
fn a_band_is_as_wide_as_every_mark_near_the_anchor_allows() {
    let marks = [200_000, 200_400];
    let check = |own: InstrumentLimits, controls: LimitTable, wanted: Band| {
        assert_eq!(Band::new(marks, &own, &controls), wanted);
    };
    // The window's 30 is the least of 40, 30 and half of 400.
    let band = Band {
        prices: [[99_599, 100_300], [99_900, 100_600]],
        trades: [[96_443, i64::MAX], [i64::MIN, 104_061]],
        spread_max: 30,
        span: [199_899, 200_500],
    };
    check(limits(40, 60), controls(400, 30, 3, 25), band);
    // The collar's 20 is, or half of the trade's 41.
    for (collar, trade, to) in [(20, 400, 100_200), (40, 41, 100_200), (40, 40, 100_200)] {
        let band = Band::new(marks, &limits(collar, 60), &controls(trade, 30, 3, 25));
        assert_eq!(band.prices[0][1], to, "{collar} {trade}");
    }
    // Without controls.
    let band = Band {
        prices: [[99_599, 100_400], [99_800, 100_600]],
        trades: [EVERYTHING; 2],
        spread_max: i64::MAX,
        span: [0, 400_000],
    };
    check(limits(40, 60), LimitTable::default(), band);
    // More than all of a price is all of it; a price is one or more.
    let band = Band {
        prices: [[1, 125_000], [75_150, 200_000]],
        trades: [[62_501, i64::MAX], EVERYTHING],
        spread_max: 100_000,
        span: [0, 400_000],
    };
    check(limits(2_500, 10_000), controls(10_000, 10_001, 10_001, 10_001), band);
    let trades =
        |trade| Band::new(marks, &limits(2_500, 60), &controls(trade, 30, 3, 25)).trades[1];
    assert_eq!(trades(9_999), [i64::MIN, 998_995_000]);
    assert_eq!([trades(10_000), trades(20_000)], [EVERYTHING; 2]);
}

#[test]
fn no_band_holds_where_products_leave_64_bits_or_no_mark_is_known() {
    let band = |marks| Band::new(marks, &limits(40, 60), &LimitTable::default());
    for (marks, is_some) in [
        ([0, 2], false),
        ([1, 2], true),
        ([PRICE_MAX - 1, PRICE_MAX], true),
        ([PRICE_MAX, PRICE_MAX + 1], false),
    ] {
        assert_eq!(band(marks) != Band::NONE, is_some, "{marks:?}");
    }
    for value in [i64::MIN, -1, 0, 1, 2, i64::MAX] {
        for range in Band::NONE.prices.into_iter().chain(Band::NONE.trades).chain([Band::NONE.span])
        {
            assert!(!holds(range, value), "{value}");
        }
    }
}

#[test]
fn both_ends_of_a_range_are_within_it() {
    for (value, is_within) in [(4, false), (5, true), (6, true), (7, true), (8, false)] {
        assert_eq!(holds([5, 7], value), is_within, "{value}");
    }
}

/// `amount` is at most that many 1e-4 of `of`.
fn is_at_most(amount: i128, of: i64, limit_bps: i64) -> bool {
    amount * 10_000 <= i128::from(limit_bps) * i128::from(of)
}

/// How far a price is beyond half of `other_twice`, twice.
fn beyond(side: Side, price: i64, other_twice: i64) -> i128 {
    i128::from(side.sign()) * (2 * i128::from(price) - i128::from(other_twice))
}

fn bps() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 1_i64..600, 1 => 600_i64..12_000, 1 => Just(i64::MAX)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_within_a_band_is_within_every_limit_at_every_mark_near_the_anchor(
        anchor in prop_oneof![1_024_i64..3_000, 100_000_i64..400_000, PRICE_MAX / 2..PRICE_MAX],
        (collar, passive) in (1_i64..5_000, 1_i64..10_000),
        (trade, window, spread, jump) in (bps(), bps(), bps(), bps()),
        (mark, price, last, high, low, ask) in
            (0_i64..=100, 0_i64..=100, 0_i64..=100, 0_i64..=100, 0_i64..=100, 0_i64..=100),
        sell in any::<bool>(),
    ) {
        let width = anchor >> 10;
        let (lowest, highest) = (anchor - width, anchor + width);
        let band =
            Band::new([lowest, highest], &limits(collar, passive), &controls(trade, window, spread, jump));
        let side = SIDES[usize::from(sell)];
        let of = |[from, to]: [i64; 2], part: i64| {
            let (from, to) = (i128::from(from.max(1)), i128::from(to.min(4 * PRICE_MAX)));
            i64::try_from(from + (to - from).max(0) * i128::from(part) / 100).unwrap()
        };
        let mid_twice = of([lowest, highest], mark);
        let price = of(band.prices[side.index()], price);
        let last = of(band.trades[side.index()], last);
        let spread_now = of([0, band.spread_max], ask);
        // The mid is part of the window.
        let high = of([mid_twice, band.span[1]], high).max(mid_twice);
        let low = of([band.span[0], mid_twice], low).min(mid_twice);
        let is_held = holds(band.prices[side.index()], price)
            && holds(band.trades[side.index()], last)
            && spread_now <= band.spread_max
            && band.span[0] <= low && high <= band.span[1];
        if is_held {
            let through = beyond(side, price, mid_twice);
            let limit = if 0 < through { collar } else { passive };
            prop_assert!(is_at_most(through.abs(), mid_twice, limit), "collar {through}");
            prop_assert!(is_at_most(beyond(side, price, 2 * last), 2 * last, trade), "trade {last}");
            prop_assert!(is_at_most(2 * i128::from(spread_now), mid_twice, spread), "{spread_now}");
            prop_assert!(is_at_most(i128::from((high - mid_twice).max(mid_twice - low)), mid_twice, jump));
            let edge = if sell { low } else { high };
            prop_assert!(is_at_most(beyond(side, price, edge), edge, window), "window {edge}");
        }
    }
}

#[test]
fn an_order_adds_its_worth_at_the_mark_or_at_its_price_with_a_margin() {
    let in_rooms = |worth: i128| i64::try_from((worth + worth / 256) >> ROOM_SHIFT).unwrap() + 2;
    let unit = 1_000_000_000_000;
    // Ten at 1,000.5; at 1,000 and at 1,001.
    for (product, worth) in [(10_000, 10_005), (10_010, 10_010), (10_005, 10_005)] {
        let wanted = in_rooms(worth * i128::from(unit));
        assert_eq!(most(unit, 2_001, 10, product), Some(wanted), "{product}");
    }
    // Small money is rounded up by more than it is.
    assert_eq!(most(1, 3, 1, 1), Some(2));
    assert_eq!(most(1, 2, 1 << 20, 1 << 20), Some(3));
    assert_eq!(most(unit, 2_001, i64::MAX, 1), None);
    assert_eq!(most(unit, 1, 1, i64::MAX), None);
    assert_eq!(most(i64::MAX, i64::MAX, 1, 1), None, "no room is that large");
}

fn entry(position: i64, orders: &[(Side, i64, i64)]) -> Entry {
    let mut entry = Entry::new(table().get(0).unwrap());
    entry.set_position(i128::from(position));
    for (side, quantity, price) in orders {
        let notional = entry.order_notional(*price, *quantity);
        let (nothing, held) =
            (Reservation::default(), Reservation { quantity: *quantity, notional });
        entry.reserve(*side, nothing, held);
    }
    entry
}

#[test]
fn a_side_that_a_position_covers_takes_on_what_is_covered_or_what_is_worth_less() {
    for side in SIDES {
        let check = |position: i64, orders: &[(i64, i64)], wanted: i64| {
            let orders: Vec<_> = orders.iter().map(|(q, p)| (side, *q, *p)).collect();
            let mut entry = entry(-side.sign() * position, &orders);
            entry.see(2_000);
            entry.worth = entry.worth_now();
            assert_eq!(own_room(&entry, side), wanted, "{side:?} {position} {orders:?}");
        };
        check(0, &[], i64::MAX);
        check(100, &[], i64::MAX);
        check(0, &[(5, 1_000)], i64::MAX);
        check(-100, &[(5, 1_000)], i64::MAX);
        // 100,000 less a 256th and a little: 99,609 and a part.
        check(100, &[(30, 3_320)], i64::MAX);
        check(100, &[(30, 3_321)], 70);
        check(100, &[(100, 990)], i64::MAX);
        check(100, &[(100, 1_000)], 0);
        check(100, &[(101, 1_000)], i64::MAX);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn orders_add_no_more_than_was_told_wherever_the_mark_drifts(
        position in -300_i64..300,
        orders in vec((any::<bool>(), 1_i64..200, 900_i64..1_100), 0..4),
        added in vec((1_i64..80, 900_i64..1_100), 1..5),
        sell in any::<bool>(),
        parts in (-100_i64..=100, -100_i64..=100, -100_i64..=100),
    ) {
        // Marks of 1,024 x 1,000, and orders around.
        let anchor_twice = 2 * 1_024_000;
        let near = |part: i64| anchor_twice + (anchor_twice >> 10) * part / 100;
        let side = SIDES[usize::from(sell)];
        let orders: Vec<_> =
            orders.iter().map(|(sell, q, p)| (SIDES[usize::from(*sell)], *q, p * 1_024)).collect();
        let mut entry = entry(position, &orders);
        entry.see(anchor_twice);
        entry.anchor();
        entry.see(near(parts.0));
        entry.worth = entry.worth_now();
        let before = entry.worth;
        let (mut room, mut told) = (own_room(&entry, side), drift(before.gross().0));
        entry.see(near(parts.1));
        for (quantity, price) in added {
            if quantity <= room {
                let (price, product) = (price * 1_024, price * 1_024 * quantity);
                told += i128::from(most(entry.unit(), entry.mark_twice, quantity, product).unwrap())
                    << ROOM_SHIFT;
                room -= quantity;
                entry.reserve_new(side, quantity, entry.order_notional(price, quantity));
            }
        }
        entry.see(near(parts.2));
        let now = entry.worth_now();
        for index in 0..2 {
            let more = now.sides[index].0 - before.sides[index].0;
            let told = if index == side.index() { told } else { drift(before.gross().0) };
            prop_assert!(more <= told, "{more} {told}");
        }
    }
}
