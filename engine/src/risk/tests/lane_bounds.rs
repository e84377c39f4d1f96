//! What a lane compares, at the bound and one beyond: at the bound the order passes in the lane, beyond it the rules
//! are asked. What they answer is another matter, and compared elsewhere.

use crate::event::{Event, Kind, OrderState, OrderTerms, Side, flags};
use crate::instrument::{Instrument, InstrumentTable};
use crate::market::Top;
use crate::money::Money;
use crate::risk::exposure::Entry;
use crate::risk::lane;
use crate::risk::multiple::Multiple;
use crate::risk::{Gate, Hours, LimitKey, Limits, Rule};

use super::desk::{Desk, ORDERS_MAX, intent, table};
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

/// Price times quantity of the order.
fn product(side: Side) -> i64 {
    order(side).price * QUANTITY
}

/// The most that the order can add, in units of room.
fn most(desk: &Desk, side: Side) -> i64 {
    let entry = entry(desk);
    lane::most(entry.unit(), entry.mark_twice, QUANTITY, product(side)).unwrap()
}

const SIDES: [Side; 2] = [Side::Buy, Side::Sell];

#[test]
fn form_and_size_are_compared_at_their_bounds() {
    for side in SIDES {
        let good = order(side);
        check(
            "size",
            good,
            &|desk| desk.gate.lanes.instruments[0].fixed.quantity_max = QUANTITY,
            &|desk| {
                desk.gate.lanes.instruments[0].fixed.quantity_max = QUANTITY - 1;
            },
        );
        check(
            "largest notional",
            good,
            &|desk| desk.gate.lanes.instruments[0].fixed.products[1] = product(side),
            &|desk| desk.gate.lanes.instruments[0].fixed.products[1] = product(side) - 1,
        );
        check(
            "least notional",
            good,
            &|desk| desk.gate.lanes.instruments[0].fixed.products[0] = product(side),
            &|desk| desk.gate.lanes.instruments[0].fixed.products[0] = product(side) + 1,
        );
        let price = good.price;
        check(
            "tick",
            good,
            &|desk| desk.gate.lanes.instruments[0].fixed.tick = Multiple::new(price),
            &|desk| desk.gate.lanes.instruments[0].fixed.tick = Multiple::new(price - 1),
        );
        check(
            "lot",
            good,
            &|desk| desk.gate.lanes.instruments[0].fixed.lot = Multiple::new(5),
            &|desk| {
                desk.gate.lanes.instruments[0].fixed.lot = Multiple::new(4);
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
            &|desk| desk.gate.lanes.instruments[0].room.quantity[index] = QUANTITY,
            &|desk| desk.gate.lanes.instruments[0].room.quantity[index] = QUANTITY - 1,
        );
        check(
            "room of the instrument",
            good,
            &|desk| desk.gate.lanes.instruments[0].room.worth[index] = most(desk, side),
            &|desk| desk.gate.lanes.instruments[0].room.worth[index] = most(desk, side) - 1,
        );
        check(
            "room over all instruments",
            good,
            &|desk| desk.gate.lanes.account.worth = most(desk, side),
            &|desk| desk.gate.lanes.account.worth = most(desk, side) - 1,
        );
        check(
            "room of the strategy in the instrument",
            good,
            &|desk| desk.gate.lanes.pairs[0].worth[index] = most(desk, side),
            &|desk| desk.gate.lanes.pairs[0].worth[index] = most(desk, side) - 1,
        );
        check(
            "room of the strategy",
            good,
            &|desk| desk.gate.lanes.rows[0].worth = most(desk, side),
            &|desk| desk.gate.lanes.rows[0].worth = most(desk, side) - 1,
        );
        check(
            "quantity of the strategy",
            good,
            &|desk| desk.gate.lanes.pairs[0].quantity[index] = QUANTITY,
            &|desk| desk.gate.lanes.pairs[0].quantity[index] = QUANTITY - 1,
        );
        // The other side's room is another one.
        let other = side.opposite().index();
        let without_other = |desk: &mut Desk| {
            desk.gate.lanes.instruments[0].room.quantity[other] = 0;
            desk.gate.lanes.instruments[0].room.worth[other] = 0;
            desk.gate.lanes.pairs[0].worth[other] = 0;
            desk.gate.lanes.pairs[0].quantity[other] = 0;
        };
        assert!(passes(&limits(true), good, &without_other));
    }
    for close in [
        |desk: &mut Desk| desk.gate.lanes.account.opened -= 1,
        |desk: &mut Desk| desk.gate.lanes.instruments[0].opened -= 1,
        |desk: &mut Desk| desk.gate.lanes.rows[0].opened -= 1,
        |desk: &mut Desk| desk.gate.lanes.pairs[0].opened -= 1,
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
        let (account, row) = (desk.gate.lanes.account.worth, desk.gate.lanes.rows[0].worth);
        let pair = desk.gate.lanes.pairs[0];
        let most = most(&desk, side);
        let count = desk.gate.lanes.passed_count;
        desk.judge(order(side));
        assert_eq!(desk.gate.lanes.passed_count, count + 1);
        let after = &desk.gate.lanes.instruments[0];
        assert_eq!(after.room.quantity[index], before.room.quantity[index] - QUANTITY);
        assert_eq!(after.room.worth[index], before.room.worth[index] - most);
        assert_eq!(after.room.quantity[other], before.room.quantity[other]);
        assert_eq!(after.room.worth[other], before.room.worth[other]);
        assert_eq!(desk.gate.lanes.account.worth, account - most);
        assert_eq!(desk.gate.lanes.rows[0].worth, row - most);
        let taken = desk.gate.lanes.pairs[0];
        assert_eq!(taken.quantity[index], pair.quantity[index] - QUANTITY);
        assert_eq!(taken.worth[index], pair.worth[index] - most);
        assert_eq!(taken.quantity[other], pair.quantity[other]);
        assert_eq!(taken.worth[other], pair.worth[other]);
    }
}

/// A market at these prices; the mark stays near.
fn market(desk: &mut Desk, bid_price: i64, ask_price: i64) {
    let market = desk.market.get_mut(0).unwrap();
    market.top = Top { bid_price, bid_quantity: 1, ask_price, ask_quantity: 1, update_id: 0 };
    market.heard_ns = desk.time_ns;
}

#[test]
fn bands_are_compared_at_both_ends() {
    for side in SIDES {
        let (good, index) = (order(side), side.index());
        let price = good.price;
        let prices = |range: [i64; 2]| {
            move |desk: &mut Desk| {
                desk.gate.lanes.instruments[0].fixed.band.prices[index] = range;
                desk.gate.lanes.instruments[0].fixed.band.prices[1 - index] = [1, 0];
            }
        };
        check("from", good, &prices([price, i64::MAX]), &prices([price + 1, i64::MAX]));
        check("to", good, &prices([0, price]), &prices([0, price - 1]));
        let trades = |range: [i64; 2]| {
            move |desk: &mut Desk| {
                desk.market.get_mut(0).unwrap().trade_price = 7;
                desk.gate.lanes.instruments[0].fixed.band.trades[index] = range;
                desk.gate.lanes.instruments[0].fixed.band.trades[1 - index] = [1, 0];
            }
        };
        check("trade from", good, &trades([7, 9]), &trades([8, 9]));
        check("trade to", good, &trades([5, 7]), &trades([5, 6]));
        let before_any = |desk: &mut Desk| {
            trades([5, 6])(desk);
            desk.market.get_mut(0).unwrap().trade_price = 0;
        };
        assert!(passes(&limits(true), good, &before_any));
    }
}

#[test]
fn the_market_is_looked_at_in_its_bounds() {
    let good = order(Side::Buy);
    let spread = |spread_max: i64| {
        move |desk: &mut Desk| {
            desk.gate.lanes.instruments[0].fixed.band.spread_max = spread_max;
            market(desk, PRICE - 15, PRICE + 15);
        }
    };
    check("spread", good, &spread(30), &spread(29));
    let age = |age_ns: u64| {
        move |desk: &mut Desk| {
            desk.gate.lanes.instruments[0].room.open_ns = [0, u64::MAX];
            market(desk, PRICE - 1, PRICE + 1);
            desk.time_ns += age_ns;
        }
    };
    check("age", good, &age(1_000_000), &age(1_000_001));
    // Twice the mids of the window are from 199,880 to 200,000 then.
    let span = |range: [i64; 2]| {
        move |desk: &mut Desk| {
            desk.gate.lanes.instruments[0].fixed.band.span = range;
            market(desk, PRICE - 61, PRICE - 59);
        }
    };
    check("fall", good, &span([199_880, 200_000]), &span([199_881, 200_000]));
    check("rise", good, &span([199_880, 200_000]), &span([199_880, 199_999]));
    let empty = |desk: &mut Desk| desk.market.get_mut(0).unwrap().top.bid_quantity = 0;
    assert!(!passes(&limits(true), good, &empty));
    let stale = |desk: &mut Desk| {
        desk.market.get_mut(0).unwrap().state = crate::event::BookState::Stale;
    };
    assert!(!passes(&limits(true), good, &stale));
}

#[test]
fn a_mark_that_left_its_anchor_is_left_to_the_rules() {
    // Nothing works and nothing is held in instrument 2: nobody else looks at its mark.
    let passes = |off: i64| {
        let mut limits = limits(true);
        limits.controls.instruments[2].limits = crate::risk::LimitTable::default();
        let mut desk = desk(&limits);
        for quantity in [3, 4] {
            let got = desk.judge(intent(2, Side::Buy, quantity, PRICE - OFF));
            let index = desk.bind(&got);
            desk.report(index, OrderState::Cancelled);
            desk.time_ns += 1_000;
        }
        desk.top(2, PRICE + off - 1, PRICE + off + 1);
        let before = desk.gate.lanes.passed_count;
        let got = desk.judge(intent(2, Side::Buy, 5, PRICE - OFF));
        assert_eq!(got.kind, Kind::APPROVED, "{got:?}");
        desk.gate.lanes.passed_count != before
    };
    // A 1,024th of twice 100,000 is 195.
    for off in [-97, 97] {
        assert!(passes(off), "{off}");
        assert!(!passes(off + off.signum()), "{off}");
    }
}

#[test]
fn trading_hours_are_kept_to_the_nanosecond() {
    let good = order(Side::Buy);
    let hours = |from: u64, until: u64| {
        move |desk: &mut Desk| {
            let now_ns = desk.time_ns;
            desk.gate.lanes.instruments[0].room.open_ns = [now_ns + from, now_ns + until];
        }
    };
    check("from", good, &hours(0, 1), &hours(1, 2));
    check("until", good, &hours(0, 1), &hours(0, 0));
}

#[test]
fn counts_and_rates_are_compared_at_their_bounds() {
    let good = order(Side::Buy);
    let open_count = |more: usize| {
        move |desk: &mut Desk| {
            desk.gate.lanes.account.open_count_max = desk.gate.orders.count() + more;
        }
    };
    check("open orders", good, &open_count(1), &open_count(0));
    let of_day = |more: i64| {
        move |desk: &mut Desk| {
            desk.gate.lanes.account.order_count_max = desk.gate.daily.order_count + more;
        }
    };
    check("orders of the day", good, &of_day(1), &of_day(0));
    let of_row = |more: i64| {
        move |desk: &mut Desk| {
            desk.gate.lanes.rows[0].open_count_max = desk.gate.rows[0].open_count + more;
        }
    };
    check("open orders of the strategy", good, &of_row(1), &of_row(0));
    let notional = |desk: &Desk| entry(desk).order_notional(good.price, QUANTITY);
    let of_day = |less: i128| {
        move |desk: &mut Desk| {
            let with_it = desk.gate.daily.notional.0 + notional(desk);
            desk.gate.lanes.account.notional_max = Money(with_it - less);
        }
    };
    check("notional of the day", good, &of_day(0), &of_day(1));
    let of_batch = |less: i128| {
        move |desk: &mut Desk| {
            desk.gate.lanes.account.batch_notional_max = Money(notional(desk) - less);
        }
    };
    check("notional of a batch", good, &of_batch(0), &of_batch(1));
    let throttled = |desk: &mut Desk, count: i64| {
        desk.gate.lanes.account.duplicate_count_max = count;
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
        (0..2).flat_map(|row| (0..4).map(move |index| lanes.pair_index(row, index))).collect();
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(lanes.pairs.len(), 8);
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
        desk.gate.lanes.instruments[0].fixed.quantity_max = 0;
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
        i128::from(desk.gate.lanes.instruments[0].room.quantity[side.index()])
            + entry.reach(side, 0)
    });
    assert_eq!(room, [199, 199]);
}

#[test]
fn an_open_lane_knows_the_limits_and_nothing_older() {
    let mut desk = open(&limits(true));
    let check = |desk: &Desk, controls: [i64; 2], monies: [i128; 2], row: i64| {
        let lanes = &desk.gate.lanes;
        let account = &lanes.account;
        assert_eq!([account.order_count_max, account.duplicate_count_max], controls);
        let known = [account.batch_notional_max, account.notional_max];
        assert_eq!(known, monies.map(|amount| Money(amount * Money::ONE.0)));
        assert_eq!(lanes.rows[0].open_count_max, row);
        assert!(account.is_self_match_refused && account.is_message_limited);
        assert!(lanes.rows[0].is_rate_limited);
    };
    check(&desk, [150, 2], [10_000_000, 900_000_000], 30);
    let fixed = desk.gate.lanes.instruments[0].fixed;
    // 8,000,000 of one each; the venue asks for no least notional here.
    assert_eq!((fixed.products, fixed.quantity_max), ([0, 8_000_000], 1_000));
    desk.twin = None;
    for (key, value) in [
        (LimitKey::OrdersDaily, 140),
        (LimitKey::Duplicate, 1),
        (LimitKey::BatchNotional, 5_000_000 * 100_000_000),
        (LimitKey::NotionalDaily, 800_000_000 * 100_000_000),
        (LimitKey::StrategyOrdersOpen, 20),
        (LimitKey::OrderQuantity, 900),
        (LimitKey::OrderNotional, 7_000_000 * 100_000_000),
    ] {
        desk.gate.limits.set_value(key, 0, value);
    }
    desk.gate.limits_changed();
    let before = desk.gate.lanes.passed_count;
    desk.judge(order(Side::Buy));
    assert_eq!(desk.gate.lanes.passed_count, before, "changed limits close lanes");
    check(&desk, [140, 1], [5_000_000, 800_000_000], 20);
    let fixed = desk.gate.lanes.instruments[0].fixed;
    assert_eq!((fixed.products, fixed.quantity_max), ([0, 7_000_000], 900));
    // Without controls.
    let desk = desk_without_controls();
    let account = &desk.gate.lanes.account;
    let counts = [account.order_count_max, account.duplicate_count_max];
    assert_eq!(counts, [i64::MAX, i64::MAX]);
    assert_eq!([account.batch_notional_max, account.notional_max], [Money::MAX; 2]);
    assert!(!account.is_self_match_refused && !account.is_message_limited);
}

fn desk_without_controls() -> Desk {
    let mut desk = desk(&limits(false));
    assert_eq!(desk.judge(order(Side::Buy)).kind, Kind::APPROVED);
    desk
}

#[test]
fn the_least_and_largest_products_are_those_of_the_notionals() {
    // Instrument 1 has steps of 5 and 10, and a least notional of 20,000.
    let mut limits = limits(false);
    limits.instruments[1] = limits.instruments[0].clone();
    // A little more than the least is the next one.
    for (more, least) in [(0, 20_000), (1, 20_001)] {
        let change = |(index, own): (u16, &Instrument)| {
            let more = if index == 1 { more } else { 0 };
            Instrument { notional_min: Money(own.notional_min.0 + more), ..own.clone() }
        };
        let table = InstrumentTable::new(table().iter().map(change).collect()).unwrap();
        let mut desk = desk(&limits);
        desk.twin = None;
        desk.gate = Gate::new(limits.clone(), table, 2, ORDERS_MAX);
        let got = desk.judge(intent(1, Side::Buy, 10, PRICE - OFF));
        assert_eq!(got.kind, Kind::APPROVED, "{got:?}");
        assert_eq!(desk.gate.lanes.instruments[1].fixed.products, [least, 8_000_000]);
    }
}

#[test]
fn counts_are_quiet_between_the_threshold_left_and_the_next_one() {
    let mut limits = limits(true);
    limits.controls.alerts = true;
    // 60 of the account, 40 within the window: thresholds at halves and three quarters.
    let account = limits.account.as_mut().unwrap();
    account.orders_open_max = 60;
    limits.set_value(LimitKey::StrategyOrdersOpen, 0, 60);
    let mut desk = open(&limits);
    let told = |desk: &Desk| desk.gate.lanes.account.quiet;
    assert_eq!((told(&desk).open_count, told(&desk).rate_count), ([0, 30], [0, 20]));
    let mut passed = 0;
    for number in 0..40 {
        let before = desk.gate.lanes.passed_count;
        let got = desk.judge(intent(0, Side::Sell, 1 + number % 7, PRICE + OFF + number));
        assert!([Kind::APPROVED, Kind::ALERT].contains(&got.kind), "{got:?}");
        passed += u64::from(desk.gate.lanes.passed_count != before);
        desk.time_ns += 100;
    }
    assert!(30 < passed, "{passed}: lanes open again after a threshold");
    assert_eq!(told(&desk).open_count, [24, 45]);
}

#[test]
fn open_orders_that_ended_are_told_by_the_next_order_in_a_lane() {
    let mut limits = limits(true);
    limits.controls.alerts = true;
    limits.account.as_mut().unwrap().orders_open_max = 60;
    limits.set_value(LimitKey::StrategyOrdersOpen, 0, 60);
    let mut desk = open(&limits);
    let mut bound = Vec::new();
    for number in 0..33 {
        let got = desk.judge(intent(0, Side::Sell, 2, PRICE + OFF + number));
        if got.kind == Kind::APPROVED {
            bound.push(desk.bind(&got));
        }
        desk.time_ns += 100;
    }
    assert_eq!(desk.gate.lanes.account.quiet.open_count, [24, 45]);
    for index in &bound[..16] {
        desk.report(*index, OrderState::Cancelled);
    }
    let before = desk.gate.lanes.passed_count;
    desk.judge(intent(0, Side::Sell, 9, PRICE + OFF));
    assert_eq!(desk.gate.lanes.passed_count, before + 1);
    let bounds = desk.gate.usage.account(crate::risk::usage::Of::OrdersOpen).bounds();
    assert_eq!(bounds, (30, i128::MIN));
}

#[test]
fn a_rate_that_rises_above_a_threshold_or_falls_below_it_is_told_from_a_lane() {
    let mut limits = limits(true);
    limits.controls.alerts = true;
    let mut desk = open(&limits);
    let pass = |desk: &mut Desk, number: i64| {
        let before = desk.gate.lanes.passed_count;
        desk.judge(intent(0, Side::Sell, 1 + number % 7, PRICE + OFF + number));
        desk.gate.lanes.passed_count != before
    };
    let level = |desk: &Desk| desk.gate.usage.account(crate::risk::usage::Of::OrderRate).bounds();
    desk.time_ns += 5_000;
    pass(&mut desk, 0);
    // 40 within the window: half of them are told, and forgotten below 16.
    assert_eq!(level(&desk), (20, i128::MIN));
    for number in 1..19 {
        pass(&mut desk, number);
        assert_eq!(level(&desk), (20, i128::MIN), "{number}");
    }
    assert!(pass(&mut desk, 19), "the 20th, in a lane");
    assert_eq!(level(&desk), (30, 16));
    assert!(!pass(&mut desk, 20), "the lane was closed");
    desk.time_ns += 5_000;
    assert!(pass(&mut desk, 21), "the only one within the window, in a lane");
    assert_eq!(level(&desk), (20, i128::MIN));
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
    lanes.instruments[0].opened == lanes.opened && lanes.account.opened == lanes.opened
}

#[test]
fn no_lane_opens_while_a_venue_is_locked() {
    assert!(opens(|_| {}));
    // Of another venue than that of the instruments here.
    assert!(!opens(|desk| desk.gate.locked_venues = 1 << 7));
}
