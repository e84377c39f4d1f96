//! What a lane compares, at the bound and one beyond: at the bound the order passes in the lane, beyond it the rules
//! are asked. What they answer is another matter, and compared elsewhere.

use crate::event::{Event, Kind, OrderState, OrderTerms, Side, flags};
use crate::market::Top;
use crate::risk::exposure::Entry;
use crate::risk::multiple::Multiple;
use crate::risk::{Hours, LimitKey, Limits, Rule};

use super::desk::{Desk, intent};
use super::lanes::{PRICE, desk, limits};

/// Orders are this far on the passive side of the mid.
const OFF: i64 = 20;
const QUANTITY: i64 = 10;

fn order(side: Side) -> Event {
    intent(0, side, QUANTITY, PRICE - side.sign() * OFF)
}

/// A desk with a lane that is open on both sides, a position, and limits that are nowhere near.
fn open(limits: &Limits) -> Desk {
    let mut desk = desk(limits);
    let got = desk.judge(intent(0, Side::Buy, 5, PRICE - OFF));
    let index = desk.bind(&got);
    desk.fill(index, 5, PRICE - OFF);
    for number in 0..3 {
        desk.time_ns += 1_000;
        let got = desk.judge(intent(0, Side::Sell, 7 + number, PRICE + OFF));
        assert_eq!(got.kind, Kind::APPROVED, "{got:?}");
    }
    desk.time_ns += 1_000;
    assert_ne!(desk.gate.lanes.passed_count, 0, "there is a lane");
    desk
}

/// Whether the order passes in a lane after `change`.
fn passes(limits: &Limits, wanted: Event, change: &dyn Fn(&mut Desk)) -> bool {
    let mut desk = open(limits);
    // Fields of lanes are changed below, which no gate without lanes knows of.
    desk.twin = None;
    change(&mut desk);
    let before = desk.gate.lanes.passed_count;
    desk.judge(wanted);
    desk.gate.lanes.passed_count != before
}

fn check(name: &str, wanted: Event, at: &dyn Fn(&mut Desk), beyond: &dyn Fn(&mut Desk)) {
    let limits = limits(true);
    assert!(passes(&limits, wanted, at), "{name}: at the bound");
    assert!(!passes(&limits, wanted, beyond), "{name}: beyond the bound");
}

fn entry(desk: &Desk) -> &Entry {
    desk.gate.sheet.get(0).unwrap()
}

/// Notional of the order.
fn notional(desk: &Desk, side: Side) -> i128 {
    entry(desk).order_notional(order(side).price, QUANTITY)
}

/// The most that the order can add.
fn most(desk: &Desk, side: Side) -> i128 {
    entry(desk).most(side, QUANTITY, notional(desk, side)).unwrap()
}

fn row_most(desk: &Desk, side: Side) -> i128 {
    let row = desk.gate.rows[0].sheet.get(0).unwrap();
    row.most(side, QUANTITY, notional(desk, side)).unwrap()
}

const SIDES: [Side; 2] = [Side::Buy, Side::Sell];

#[test]
fn form_and_size_are_compared_at_their_bounds() {
    for side in SIDES {
        let good = order(side);
        check(
            "size",
            good,
            &|desk| desk.gate.lanes.instruments[0].quantity_max = QUANTITY,
            &|desk| {
                desk.gate.lanes.instruments[0].quantity_max = QUANTITY - 1;
            },
        );
        check(
            "largest notional",
            good,
            &|desk| desk.gate.lanes.instruments[0].notional_max = notional(desk, side),
            &|desk| desk.gate.lanes.instruments[0].notional_max = notional(desk, side) - 1,
        );
        check(
            "least notional",
            good,
            &|desk| desk.gate.lanes.instruments[0].notional_min = notional(desk, side),
            &|desk| desk.gate.lanes.instruments[0].notional_min = notional(desk, side) + 1,
        );
        let price = good.price;
        check(
            "tick",
            good,
            &|desk| desk.gate.lanes.instruments[0].tick = Multiple::new(price),
            &|desk| desk.gate.lanes.instruments[0].tick = Multiple::new(price - 1),
        );
        check(
            "lot",
            good,
            &|desk| desk.gate.lanes.instruments[0].lot = Multiple::new(5),
            &|desk| {
                desk.gate.lanes.instruments[0].lot = Multiple::new(4);
            },
        );
    }
    let nothing = |_: &mut Desk| {};
    for bad in [
        Event { code: 0, ..order(Side::Buy) },
        Event { code: OrderTerms::LIMIT_GTC.code() | 0x900, ..order(Side::Buy) },
        Event { quantity: 0, ..order(Side::Buy) },
        Event { quantity: -QUANTITY, ..order(Side::Buy) },
        Event { price: 0, ..order(Side::Buy) },
        Event { price: -PRICE, ..order(Side::Sell) },
        Event { price: i64::MAX / 40_000 + 1, ..order(Side::Sell) },
        Event { id: 1, ..order(Side::Buy) },
        Event { source: 1, ..order(Side::Buy) },
        Event { source: 2, ..order(Side::Buy) },
        Event { instrument: 2, ..order(Side::Buy) },
        Event { instrument: 9, ..order(Side::Buy) },
        Event { kind: Kind::INTENT_REPLACE, ..order(Side::Buy) },
    ] {
        assert!(!passes(&limits(true), bad, &nothing), "{bad:?}");
    }
    assert!(passes(&limits(true), order(Side::Buy), &nothing));
}

#[test]
fn room_is_compared_at_its_bounds() {
    for side in SIDES {
        let (good, index) = (order(side), side.index());
        check(
            "room in quantity",
            good,
            &|desk| desk.gate.lanes.instruments[0].quantity_room[index] = QUANTITY,
            &|desk| desk.gate.lanes.instruments[0].quantity_room[index] = QUANTITY - 1,
        );
        check(
            "room of the instrument",
            good,
            &|desk| desk.gate.lanes.instruments[0].worth_room[index] = most(desk, side),
            &|desk| desk.gate.lanes.instruments[0].worth_room[index] = most(desk, side) - 1,
        );
        check(
            "room over all instruments",
            good,
            &|desk| desk.gate.lanes.gross.worth = most(desk, side),
            &|desk| desk.gate.lanes.gross.worth = most(desk, side) - 1,
        );
        check(
            "room of the strategy in the instrument",
            good,
            &|desk| desk.gate.lanes.rows[0].worth[index] = row_most(desk, side),
            &|desk| desk.gate.lanes.rows[0].worth[index] = row_most(desk, side) - 1,
        );
        check(
            "room of the strategy",
            good,
            &|desk| desk.gate.lanes.rows_gross[0].worth = row_most(desk, side),
            &|desk| desk.gate.lanes.rows_gross[0].worth = row_most(desk, side) - 1,
        );
        // The other side's room is another one.
        let other = side.opposite().index();
        let without_other = |desk: &mut Desk| {
            desk.gate.lanes.instruments[0].quantity_room[other] = 0;
            desk.gate.lanes.instruments[0].worth_room[other] = 0;
            desk.gate.lanes.rows[0].worth[other] = 0;
        };
        assert!(passes(&limits(true), good, &without_other));
    }
    for close in [
        |desk: &mut Desk| desk.gate.lanes.gross.opened -= 1,
        |desk: &mut Desk| desk.gate.lanes.instruments[0].opened -= 1,
        |desk: &mut Desk| desk.gate.lanes.rows[0].opened -= 1,
        |desk: &mut Desk| desk.gate.lanes.rows_gross[0].opened -= 1,
    ] {
        assert!(!passes(&limits(true), order(Side::Buy), &close));
    }
}

#[test]
fn an_order_takes_out_of_every_room_what_it_can_add() {
    for side in SIDES {
        let mut desk = open(&limits(true));
        let (index, other) = (side.index(), side.opposite().index());
        let before = desk.gate.lanes.instruments[0].clone();
        let gross = desk.gate.lanes.gross.worth;
        let (row, row_gross) = (desk.gate.lanes.rows[0].worth, desk.gate.lanes.rows_gross[0].worth);
        let (most, row_most) = (most(&desk, side), row_most(&desk, side));
        let count = desk.gate.lanes.passed_count;
        desk.judge(order(side));
        assert_eq!(desk.gate.lanes.passed_count, count + 1);
        let after = &desk.gate.lanes.instruments[0];
        assert_eq!(after.quantity_room[index], before.quantity_room[index] - QUANTITY);
        assert_eq!(after.worth_room[index], before.worth_room[index] - most);
        assert_eq!(after.quantity_room[other], before.quantity_room[other]);
        assert_eq!(after.worth_room[other], before.worth_room[other]);
        assert_eq!(desk.gate.lanes.gross.worth, gross - most);
        assert_eq!(desk.gate.lanes.rows[0].worth[index], row[index] - row_most);
        assert_eq!(desk.gate.lanes.rows[0].worth[other], row[other]);
        assert_eq!(desk.gate.lanes.rows_gross[0].worth, row_gross - row_most);
    }
}

/// A market at these prices; the mark stays near.
fn market(desk: &mut Desk, bid_price: i64, ask_price: i64) {
    let market = desk.market.get_mut(0).unwrap();
    market.top = Top { bid_price, bid_quantity: 1, ask_price, ask_quantity: 1, update_id: 0 };
    market.heard_ns = desk.time_ns;
}

#[test]
fn prices_are_compared_with_every_reference_at_its_bound() {
    for side in SIDES {
        let sign = side.sign();
        let at = |price: i64| intent(0, side, QUANTITY, price);
        let none = |_: &mut Desk| {};
        // 60 and 40 in 1e-4 of 100,000, and 30 of the window.
        let mut limits = limits(true);
        limits.controls.self_match = false;
        assert!(passes(&limits, at(PRICE - sign * 600), &none));
        assert!(!passes(&limits, at(PRICE - sign * 601), &none));
        let wide = |desk: &mut Desk| desk.gate.lanes.instruments[0].window_bps = 10_000;
        assert!(passes(&limits, at(PRICE + sign * 400), &wide));
        assert!(!passes(&limits, at(PRICE + sign * 401), &wide));
        assert!(passes(&limits, at(PRICE), &wide));
        let collar = |desk: &mut Desk| desk.gate.lanes.instruments[0].collar_bps = 10_000;
        assert!(passes(&limits, at(PRICE + sign * 300), &collar));
        let both = |desk: &mut Desk| {
            desk.gate.lanes.instruments[0].collar_bps = 10_000;
            market(desk, PRICE - 31, PRICE - 29);
        };
        // The window knows of mids from 99,970 to 100,000.
        let edge = if side == Side::Buy { PRICE + 300 } else { PRICE - 30 - 299 };
        assert!(passes(&limits, at(edge), &both));
        assert!(!passes(&limits, at(edge + sign), &both));
        let trade = |price: i64| {
            move |desk: &mut Desk| {
                desk.market.get_mut(0).unwrap().trade_price = price;
                desk.gate.lanes.instruments[0].trade_bps = 10;
            }
        };
        // Ten in 1e-4 of the last trade, on the aggressive side only.
        let last = PRICE - sign * OFF - sign * 100;
        assert!(passes(&limits, order(side), &trade(last + sign)));
        assert!(!passes(&limits, order(side), &trade(last - sign * 2)));
        assert!(passes(&limits, order(side), &trade(PRICE + sign * 5_000)));
        assert!(passes(&limits, order(side), &trade(0)), "no trade yet");
        assert!(!passes(&limits, order(side), &trade(i64::MAX / 40_000 + 1)));
    }
}

#[test]
fn the_market_is_looked_at_in_its_bounds() {
    let good = order(Side::Buy);
    // Three in 1e-4 of 100,000 are 30.
    check("spread", good, &|desk| market(desk, PRICE - 15, PRICE + 15), &|desk| {
        market(desk, PRICE - 16, PRICE + 15);
    });
    let age = |age_ns: u64| {
        move |desk: &mut Desk| {
            desk.gate.lanes.instruments[0].open_ns = [0, u64::MAX];
            market(desk, PRICE - 1, PRICE + 1);
            desk.time_ns += age_ns;
        }
    };
    check("age", good, &age(1_000_000), &age(1_000_001));
    let jump = |bps: i64| {
        move |desk: &mut Desk| {
            desk.gate.lanes.instruments[0].jump_bps = bps;
            market(desk, PRICE - 61, PRICE - 59);
        }
    };
    // From 100,000 to 99,940: 6.004 in 1e-4 of what it is now.
    check("fall", good, &jump(7), &jump(6));
    let rise = |bps: i64| {
        move |desk: &mut Desk| {
            desk.gate.lanes.instruments[0].jump_bps = bps;
            market(desk, PRICE + 59, PRICE + 61);
        }
    };
    check("rise", good, &rise(6), &rise(5));
    let empty = |desk: &mut Desk| desk.market.get_mut(0).unwrap().top.bid_quantity = 0;
    assert!(!passes(&limits(true), good, &empty));
    let stale = |desk: &mut Desk| {
        desk.market.get_mut(0).unwrap().state = crate::event::BookState::Stale;
    };
    assert!(!passes(&limits(true), good, &stale));
    let below_zero = |desk: &mut Desk| {
        desk.gate.lanes.instruments[0].spread_bps = 10_000;
        market(desk, 0, 2 * PRICE);
    };
    assert!(!passes(&limits(true), good, &below_zero));
}

#[test]
fn trading_hours_are_kept_to_the_nanosecond() {
    let good = order(Side::Buy);
    let hours = |from: u64, until: u64| {
        move |desk: &mut Desk| {
            let now_ns = desk.time_ns;
            desk.gate.lanes.instruments[0].open_ns = [now_ns + from, now_ns + until];
        }
    };
    check("from", good, &hours(0, 1), &hours(1, 2));
    check("until", good, &hours(0, 1), &hours(0, 0));
}

#[test]
fn counts_and_rates_are_compared_at_their_bounds() {
    let good = order(Side::Buy);
    let limit = |key: LimitKey, at: fn(&Desk) -> i64, more: i64| {
        move |desk: &mut Desk| {
            let value = at(desk) + more;
            desk.gate.limits.set_value(key, 0, value);
        }
    };
    let open_count = |desk: &Desk| i64::try_from(desk.gate.orders.count()).unwrap();
    let key = LimitKey::OrdersOpen;
    check("open orders", good, &limit(key, open_count, 1), &limit(key, open_count, 0));
    let of_day = |desk: &Desk| desk.gate.daily.order_count;
    let key = LimitKey::OrdersDaily;
    check("orders of the day", good, &limit(key, of_day, 1), &limit(key, of_day, 0));
    let of_row = |desk: &Desk| desk.gate.rows[0].open_count;
    let key = LimitKey::StrategyOrdersOpen;
    check("open orders of the strategy", good, &limit(key, of_row, 1), &limit(key, of_row, 0));
    // Notional of the day in 10^-8: exact, all prices here are whole.
    let notional_of_day = |desk: &Desk| {
        let with_it = desk.gate.daily.notional.0 + notional(desk, Side::Buy);
        crate::money::Money(with_it).to_event()
    };
    let key = LimitKey::NotionalDaily;
    check(
        "notional of the day",
        good,
        &limit(key, notional_of_day, 0),
        &limit(key, notional_of_day, -1),
    );
    let of_batch = |desk: &Desk| crate::money::Money(notional(desk, Side::Buy)).to_event();
    let key = LimitKey::BatchNotional;
    check("notional of a batch", good, &limit(key, of_batch, 0), &limit(key, of_batch, -1));
    let throttled = |desk: &mut Desk, count: i64| {
        desk.gate.limits.set_value(LimitKey::Duplicate, 0, count);
        for _ in 0..2 {
            desk.judge(order(Side::Buy));
        }
    };
    check("the same order", good, &|desk| throttled(desk, 3), &|desk| throttled(desk, 2));
    let rate = |which: fn(&mut Desk) -> &mut crate::risk::RateWindow, count: u32| {
        move |desk: &mut Desk| {
            let now_ns = desk.time_ns;
            for _ in 0..4 {
                which(desk).push(now_ns);
            }
            which(desk).set_count_max(count);
        }
    };
    let windows: [fn(&mut Desk) -> &mut crate::risk::RateWindow; 3] = [
        |desk| &mut desk.gate.rate,
        |desk| &mut desk.gate.messages,
        |desk| &mut desk.gate.rows[0].rate,
    ];
    for which in windows {
        check("a rate", good, &rate(which, 5), &rate(which, 4));
    }
}

#[test]
fn own_orders_on_the_other_side_are_left_to_the_rules() {
    let with_sell = |desk: &mut Desk| {
        let got = desk.judge(intent(0, Side::Sell, 3, PRICE + OFF));
        desk.bind(&got);
        desk.time_ns += 1_000;
        market(desk, PRICE - 1, PRICE + 1);
    };
    let limits = limits(true);
    assert!(passes(&limits, intent(0, Side::Buy, 2, PRICE + OFF - 1), &with_sell));
    assert!(!passes(&limits, intent(0, Side::Buy, 2, PRICE + OFF), &with_sell));
}

#[test]
fn every_strategy_has_a_room_of_its_own_in_every_instrument() {
    let desk = open(&limits(true));
    let lanes = &desk.gate.lanes;
    let mut seen: Vec<usize> =
        (0..2).flat_map(|row| (0..4).map(move |index| lanes.row_index(row, index))).collect();
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(lanes.rows.len(), 8);
}

/// Whether a lane that was open for instrument 2 still is after `change`.
fn other_lane_holds(change: impl Fn(&mut Desk)) -> bool {
    let mut desk = open(&limits(true));
    let far = |side: Side, quantity| intent(2, side, quantity, PRICE - side.sign() * OFF);
    for quantity in [3, 4, 5] {
        let got = desk.judge(far(Side::Buy, quantity));
        assert_eq!(got.kind, Kind::APPROVED, "{got:?}");
        desk.time_ns += 1_000;
    }
    change(&mut desk);
    let before = desk.gate.lanes.passed_count;
    desk.judge(far(Side::Buy, 6));
    desk.gate.lanes.passed_count != before
}

#[test]
fn an_order_by_the_rules_closes_no_other_lane_unless_a_mark_left_its_anchor() {
    let judged = |desk: &mut Desk| {
        let before = desk.gate.lanes.passed_count;
        let got =
            desk.judge(Event { flags: flags::SELL | flags::REDUCE_ONLY, ..order(Side::Sell) });
        assert_eq!(desk.gate.lanes.passed_count, before, "{got:?}");
    };
    assert!(other_lane_holds(judged), "refused or approved by the rules");
    let approved = |desk: &mut Desk| {
        desk.gate.lanes.instruments[0].quantity_max = 0;
        assert_eq!(desk.judge(order(Side::Buy)).kind, Kind::APPROVED);
    };
    assert!(other_lane_holds(approved), "approved by the rules");
    let moved = |desk: &mut Desk| {
        desk.top(0, PRICE + 119, PRICE + 121);
        assert_eq!(desk.judge(order(Side::Buy)).kind, Kind::APPROVED);
    };
    assert!(!other_lane_holds(moved), "a mark left its anchor");
}

#[test]
fn an_order_that_needs_more_than_it_was_approved_for_closes_lanes() {
    let told = |quantity: i64, price: i64| {
        move |desk: &mut Desk| {
            let got = desk.judge(intent(2, Side::Buy, 50, PRICE - OFF));
            let index = desk.bind(&got);
            desk.report(index, OrderState::Acked);
            desk.time_ns += 1_000;
            let order = &mut desk.orders[index];
            (order.leaves, order.price) = (quantity, price);
            desk.report(index, OrderState::Acked);
        }
    };
    let price = PRICE - OFF;
    assert!(other_lane_holds(told(50, price)));
    assert!(other_lane_holds(told(49, price)));
    assert!(other_lane_holds(told(50, price - 1)));
    assert!(!other_lane_holds(told(51, price)), "more of it");
    assert!(!other_lane_holds(told(50, price + 1)), "dearer");
    assert!(!other_lane_holds(told(51, price / 2)), "more of it, and cheaper");
    assert!(!other_lane_holds(told(49, price * 2)), "less of it, and dearer");
}

#[test]
fn a_lane_ends_below_the_next_threshold_of_usage() {
    let mut limits = limits(true);
    limits.controls.alerts = true;
    let desk = open(&limits);
    // Half of 400 is told; half of 300 is the limit for shorts and not told.
    let entry = entry(&desk);
    let room = SIDES.map(|side| {
        i128::from(desk.gate.lanes.instruments[0].quantity_room[side.index()])
            + entry.reach(side, 0)
    });
    assert_eq!(room, [199, 199]);
}

#[test]
fn what_closes_for_a_latched_strategy_opens_no_lane_for_it() {
    let mut desk = open(&limits(true));
    desk.gate.rows[0].latch = Some(Rule::RepeatedExecution);
    let flags = flags::SELL | flags::OPERATOR | flags::REDUCE_ONLY;
    let closing = Event { quantity: 2, flags, ..order(Side::Sell) };
    desk.twin = None;
    // Lets go of the sells that no order came of: the position is free to be closed.
    desk.clock();
    let got = desk.judge(closing);
    assert_eq!(got.kind, Kind::APPROVED, "{got:?}");
    let got = desk.judge(order(Side::Buy));
    assert_eq!((got.kind, got.code), (Kind::REFUSED, Rule::StrategyLatched.code()));
}

#[test]
fn open_hours_last_until_their_next_border() {
    const HOUR_NS: u64 = 3_600_000_000_000;
    let hours = |from: u64, to: u64| Hours {
        days: 0x7f,
        from_ns: from * HOUR_NS,
        to_ns: to * HOUR_NS,
        holidays: vec![],
    };
    let days_ns = 20_000 * 24 * HOUR_NS;
    for (from, to, at, until) in [
        (9, 17, 8, None),
        (9, 17, 9, Some(17)),
        (9, 17, 16, Some(17)),
        (9, 17, 17, None),
        (0, 24, 0, Some(24)),
        (0, 24, 23, Some(24)),
        // Over midnight: what is certain ends there.
        (22, 2, 22, Some(24)),
        (22, 2, 1, Some(2)),
        (22, 2, 2, None),
    ] {
        let found = hours(from, to).open_until(days_ns + at * HOUR_NS);
        assert_eq!(found, until.map(|until: u64| days_ns + until * HOUR_NS), "{from} {to} {at}");
    }
}

/// Whether the lane of the instrument is open after an order that the rules let pass.
fn opens(change: impl Fn(&mut Desk)) -> bool {
    let mut desk = open(&limits(true));
    desk.twin = None;
    desk.clock();
    change(&mut desk);
    let closing = Event { flags: flags::SELL | flags::REDUCE_ONLY, ..order(Side::Sell) };
    let got = desk.judge(Event { quantity: 2, ..closing });
    assert_eq!(got.kind, Kind::APPROVED, "{got:?}");
    let lanes = &desk.gate.lanes;
    lanes.instruments[0].opened == lanes.opened && lanes.gross.opened == lanes.opened
}

#[test]
fn no_lane_opens_while_a_venue_is_locked() {
    assert!(opens(|_| {}));
    // Of another venue than that of the instruments here.
    assert!(!opens(|desk| desk.gate.locked_venues = 1 << 7));
}
