//! Fast structures against naive ones: sums of exposure, own orders, windows, duplicates, rates, hours.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::event::{Event, Kind, Side, flags};
use crate::market::{Market, Top};
use crate::money::Money;
use crate::risk::calendar::Hours;
use crate::risk::exposure::{Entry, Reservation, Worth, mark_twice};
use crate::risk::limits::DAY_NS;
use crate::risk::orders::{Change, Order, Orders};
use crate::risk::rate::RateWindow;
use crate::risk::sheet::Sheet;
use crate::risk::throttle::{Duplicates, key_of, quietest};
use crate::risk::window::Window;
use crate::state::{Loader, Saver, State};

use super::desk::table;

#[derive(Clone, Copy, Debug)]
enum Step {
    Trade { instrument: u16, price: i64, quantity: i64 },
    Reserve { instrument: u16, sell: bool, quantity: i64, price: i64 },
    Release { pick: usize },
    Mark { instrument: u16, mark: i64 },
    Refresh,
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 1_i64..5_000, 1 => Just(i64::MAX), 1 => 1_i64..=i64::MAX]
}

fn step() -> impl Strategy<Value = Step> {
    let instrument = 0_u16..4;
    prop_oneof![
        (instrument.clone(), number(), prop_oneof![number(), number().prop_map(|n| -n)])
            .prop_map(|(instrument, price, quantity)| Step::Trade { instrument, price, quantity }),
        (instrument.clone(), any::<bool>(), number(), number()).prop_map(
            |(instrument, sell, quantity, price)| {
                Step::Reserve { instrument, sell, quantity, price }
            }
        ),
        any::<usize>().prop_map(|pick| Step::Release { pick }),
        (instrument, number()).prop_map(|(instrument, mark)| Step::Mark { instrument, mark }),
        Just(Step::Refresh),
    ]
}

/// What a sheet must say, added up from nothing.
fn naive(sheet: &Sheet, worths: &[Worth]) -> (Money, Money) {
    let values: Option<Vec<i128>> = worths.iter().map(Worth::value).collect();
    let equity = values.filter(|_| !sheet.is_broken).and_then(|values| {
        values.iter().try_fold(sheet.cash.0, |sum, value| sum.checked_add(*value))
    });
    let gross = worths.iter().map(Worth::gross).fold(Money::ZERO, Money::plus);
    (Money(equity.unwrap_or(i128::MIN)), gross)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn sums_that_are_kept_are_the_sums(steps in vec(step(), 1..80)) {
        let mut sheet = Sheet::new(&table());
        let mut marks = [0_i64; 4];
        let mut held: Vec<(u16, Side, Reservation)> = Vec::new();
        for step in steps {
            match step {
                Step::Trade { instrument, price, quantity } => {
                    sheet.trade(instrument, price, i128::from(quantity));
                }
                Step::Reserve { instrument, sell, quantity, price } => {
                    let side = if sell { Side::Sell } else { Side::Buy };
                    let entry = sheet.get_mut(instrument).unwrap();
                    let notional = entry.order_notional(price, quantity);
                    let reservation = Reservation { quantity, notional };
                    entry.reserve(side, Reservation::default(), reservation);
                    held.push((instrument, side, reservation));
                }
                Step::Release { pick } => {
                    if !held.is_empty() {
                        let (instrument, side, before) = held.swap_remove(pick % held.len());
                        let entry = sheet.get_mut(instrument).unwrap();
                        entry.reserve(side, before, Reservation::default());
                    }
                }
                Step::Mark { instrument, mark } => marks[usize::from(instrument)] = mark,
                Step::Refresh => {}
            }
            sheet.refresh(|instrument| marks[usize::from(instrument)]);
            let worths: Vec<Worth> = sheet.entries().iter().map(Entry::worth_now).collect();
            let (equity, gross) = naive(&sheet, &worths);
            prop_assert_eq!(sheet.equity(), equity, "{:?}", step);
            prop_assert_eq!(sheet.gross(), gross, "{:?}", step);
            for (entry, worth) in sheet.entries().iter().zip(&worths) {
                prop_assert_eq!(&entry.worth, worth);
                prop_assert_eq!(sheet.gross_with(entry, worth.gross()), gross);
                if worth.gross() != Money::MAX {
                    let rest = worths.iter().map(Worth::gross).fold(Money::ZERO, Money::plus);
                    let without = if rest == Money::MAX { rest } else { rest.minus(worth.gross()) };
                    prop_assert_eq!(sheet.gross_with(entry, Money::ZERO), without);
                }
            }
        }
    }

    #[test]
    fn an_equity_that_is_followed_is_the_equity(
        steps in vec((0_u8..8, 0_u16..4, -300_i64..300, any::<bool>()), 1..80),
    ) {
        let mut sheet = Sheet::new(&table());
        let mut twin = Sheet::new(&table());
        let mut market = Market::new(4);
        for (what, instrument, number, refreshes) in steps {
            match what {
                0 => {
                    sheet.trade(instrument, 100_000, i128::from(number));
                    twin.trade(instrument, 100_000, i128::from(number));
                }
                1 => {
                    let reserved = number.abs();
                    for own in [&mut sheet, &mut twin] {
                        own.reserve_new(instrument, Side::Buy, reserved, 0, 100_000);
                    }
                }
                2 => {
                    let mut saver = Saver::new();
                    sheet.save(&mut saver);
                    let bytes = saver.into_bytes();
                    sheet.load(&mut Loader::new(&bytes)).unwrap();
                    twin.load(&mut Loader::new(&bytes)).unwrap();
                }
                3 => {
                    // Nothing is known of the price any more; the old one stays.
                    market.get_mut(instrument).unwrap().top.bid_quantity = 0;
                }
                _ => {
                    let own = market.get_mut(instrument).unwrap();
                    let (bid_price, ask_price) = (100_000 + number - 1, 100_001 + number);
                    let (bid_quantity, ask_quantity) = (1, 1);
                    own.top = Top { bid_price, bid_quantity, ask_price, ask_quantity, update_id: 0 };
                }
            }
            let mark = |instrument| mark_twice(market.get(instrument));
            twin.refresh(mark);
            if refreshes {
                sheet.refresh(mark);
                sheet.anchor();
            }
            let are_near = sheet.entries().iter().zip(twin.entries()).all(|(own, now)| {
                let [lowest, highest] = own.marks_near();
                let is_near = lowest <= now.mark_twice && now.mark_twice <= highest;
                !own.is_active() || is_near
            });
            let wanted = are_near.then(|| twin.equity().0);
            let equity = sheet.equity_near(&market);
            prop_assert_eq!(equity, wanted);
            // Then the long way is gone.
            if equity.is_none() {
                sheet.refresh(mark);
            }
        }
    }

    #[test]
    fn an_own_match_is_the_best_of_all_own_orders(
        steps in vec((0_u8..4, any::<bool>(), 0_u16..2, 1_i64..40, 1_i64..40, any::<usize>()), 1..80),
    ) {
        let mut orders = Orders::new(8, 2);
        let mut known: Vec<Order> = Vec::new();
        let mut next_id = 1;
        for (what, sell, instrument, price, other, pick) in steps {
            let side = if sell { Side::Sell } else { Side::Buy };
            match what {
                0 | 1 => {
                    let change = if what == 0 {
                        Change { sequence: 9, price: other, total: 1, taken: false }
                    } else {
                        Change::default()
                    };
                    let order =
                        Order { id: next_id, instrument, side, price, leaves: 1, change, ..Order::FREE };
                    if orders.insert(order).is_ok() {
                        next_id += 1;
                        orders.touch(&order);
                        known.push(order);
                    }
                }
                2 if !known.is_empty() => {
                    let order = known.swap_remove(pick % known.len());
                    let place = orders.find(order.id).unwrap();
                    orders.remove(place);
                }
                _ => {}
            }
            let prices = known
                .iter()
                .filter(|order| order.instrument == instrument && order.side != side)
                .flat_map(|order| {
                    let changed = (order.change.sequence != 0).then_some(order.change.price);
                    std::iter::once(order.price).chain(changed)
                });
            let best = if sell { prices.max() } else { prices.min() };
            let meets = |best: &i64| if sell { price <= *best } else { *best <= price };
            prop_assert_eq!(orders.own_match(instrument, side, price), best.filter(meets));
        }
    }

    #[test]
    fn a_window_spans_at_least_its_length_and_at_most_its_pieces(
        window_ns in 1_u64..2_000,
        steps in vec((0_u64..300, 1_i64..1_000), 1..60),
    ) {
        let mut window = Window::new(window_ns);
        let mut seen: Vec<(u64, i64)> = Vec::new();
        let mut now_ns = 1_000_000;
        let piece_ns = window_ns.div_ceil(15);
        for (wait_ns, mid) in steps {
            now_ns += wait_ns;
            seen.push((now_ns, mid));
            let span = window.see(now_ns, mid);
            let within = |length_ns: u64| {
                let mids = seen.iter().filter(|(at_ns, _)| now_ns - at_ns < length_ns);
                let mids: Vec<i64> = mids.map(|(_, mid)| *mid).collect();
                (*mids.iter().min().unwrap(), *mids.iter().max().unwrap())
            };
            let (low, high) = within(window_ns);
            let (lowest, highest) = within(16 * piece_ns);
            prop_assert!(lowest <= span.low_twice && span.low_twice <= low);
            prop_assert!(high <= span.high_twice && span.high_twice <= highest);
        }
    }

    #[test]
    fn duplicates_are_counted_within_their_window(
        steps in vec((0_u64..40, 0_i64..4), 1..60),
        window_ns in 1_u64..100,
    ) {
        let mut duplicates = Duplicates::new(true, window_ns);
        let mut sent: Vec<(u64, i64)> = Vec::new();
        let mut now_ns = 1_000;
        for (wait_ns, price) in steps {
            now_ns += wait_ns;
            let mut event = Event::new(Kind::INTENT);
            (event.price, event.quantity) = (price, 1);
            let key = key_of(&event);
            let same = sent.iter().filter(|(at_ns, of)| *of == price && now_ns - at_ns < window_ns);
            let count = i64::try_from(same.count()).unwrap().min(8);
            prop_assert_eq!(duplicates.count(key, now_ns), count);
            duplicates.push(key, now_ns);
            sent.push((now_ns, price));
        }
    }

    #[test]
    fn a_rate_reaches_what_was_sent_within_its_window(
        steps in vec(0_u64..40, 1..60),
        window_ns in 1_u64..100,
        count_max in 1_u32..12,
    ) {
        let mut rate = RateWindow::new(count_max, window_ns);
        let mut sent: Vec<u64> = Vec::new();
        let mut now_ns = 1_000;
        for wait_ns in steps {
            now_ns += wait_ns;
            let kept = sent.len().min(usize::try_from(count_max).unwrap());
            let kept = &sent[sent.len() - kept..];
            let count = kept.iter().filter(|at_ns| now_ns - **at_ns < window_ns).count();
            prop_assert_eq!(rate.count_at(now_ns), count);
            for wanted in 1..=usize::try_from(count_max).unwrap() {
                prop_assert_eq!(rate.reaches(wanted, now_ns), wanted <= count, "{}", wanted);
            }
            prop_assert_eq!(rate.has_room(now_ns), count < rate.count_max());
            rate.push(now_ns);
            sent.push(now_ns);
        }
    }
}

#[test]
fn what_makes_two_orders_the_same_is_strategy_instrument_side_price_and_quantity() {
    let mut event = Event::new(Kind::INTENT);
    (event.source, event.instrument, event.price, event.quantity) = (1, 2, 3, 4);
    let key = key_of(&event);
    let same = Event { tag: 9, time_ns: 9, flags: flags::POST_ONLY, ..event };
    assert_eq!(key_of(&same), key);
    for other in [
        Event { source: 2, ..event },
        Event { instrument: 3, ..event },
        Event { price: 4, ..event },
        Event { quantity: 5, ..event },
        Event { flags: flags::SELL, ..event },
    ] {
        assert_ne!(key_of(&other), key);
    }
}

#[test]
fn an_order_that_was_quiet_longest_is_forgotten_where_too_many_meet() {
    let mut duplicates = Duplicates::new(true, 1_000);
    // Keys of one place: the second byte says where.
    let keys: Vec<u64> = (0..5).map(|n| 1 | (n << 32)).collect();
    for (now_ns, key) in (10..).zip(&keys[..4]) {
        duplicates.push(*key, now_ns);
    }
    duplicates.push(keys[0], 20);
    duplicates.push(keys[4], 21);
    let counts: Vec<i64> = keys.iter().map(|key| duplicates.count(*key, 22)).collect();
    assert_eq!(counts, [2, 0, 1, 1, 1]);
}

const HOUR_NS: u64 = 3_600_000_000_000;

#[test]
fn hours_are_of_weekdays_in_utc_over_midnight_and_without_holidays() {
    // 2024-01-05 was a Friday, day 19,727 since 1970.
    let at = |day: u64, hour: u64| (19_727 + day) * DAY_NS + hour * HOUR_NS;
    let weekdays = 0b001_1111;
    let plain =
        Hours { days: weekdays, from_ns: 8 * HOUR_NS, to_ns: 16 * HOUR_NS, holidays: vec![] };
    let night = Hours { from_ns: 22 * HOUR_NS, to_ns: 4 * HOUR_NS, ..plain.clone() };
    let off = Hours { holidays: vec![19_730], ..plain.clone() };
    let whole = Hours { from_ns: 0, to_ns: DAY_NS, ..plain.clone() };
    for (name, hours, day, hour, want) in [
        ("before", &plain, 0, 7, false),
        ("begin", &plain, 0, 8, true),
        ("last", &plain, 0, 15, true),
        ("end", &plain, 0, 16, false),
        ("Saturday", &plain, 1, 10, false),
        ("Sunday", &plain, 2, 10, false),
        ("Monday", &plain, 3, 10, true),
        ("holiday", &off, 3, 10, false),
        ("after it", &off, 4, 10, true),
        ("Friday night", &night, 0, 22, true),
        ("Friday noon", &night, 0, 12, false),
        ("the night after Friday", &night, 1, 3, true),
        ("its end", &night, 1, 4, false),
        ("Saturday night", &night, 1, 23, false),
        ("the night after Sunday", &night, 3, 3, false),
        ("midnight", &whole, 0, 0, true),
        ("midnight after", &whole, 1, 0, false),
    ] {
        assert_eq!(hours.is_open(at(day, hour)), want, "{name}");
    }
    assert!(plain.is_open(at(0, 16) - 1));
    // The first day of all has no night before it.
    assert!(!Hours { days: 0x7f, ..night }.is_open(HOUR_NS));
}

#[test]
fn hours_that_cannot_be_are_named() {
    let good = Hours { days: 1, from_ns: 0, to_ns: DAY_NS, holidays: vec![1, 2] };
    assert_eq!(good.check(), Ok(()));
    for bad in [
        Hours { days: 0, ..good.clone() },
        Hours { days: 0x80, ..good.clone() },
        Hours { from_ns: DAY_NS, ..good.clone() },
        Hours { to_ns: DAY_NS + 1, ..good.clone() },
        Hours { holidays: vec![2, 1], ..good.clone() },
        Hours { holidays: vec![0; 513], ..good },
    ] {
        assert!(bad.check().is_err(), "{bad:?}");
    }
}

#[test]
fn the_quietest_is_the_first_of_the_least() {
    for number in 0..256_u64 {
        let times = [number % 4, number / 4 % 4, number / 16 % 4, number / 64];
        let wanted = times.iter().position(|time| time == times.iter().min().unwrap());
        assert_eq!(Some(quietest(&times)), wanted, "{times:?}");
    }
}

#[test]
fn eight_of_the_same_order_are_remembered() {
    let mut duplicates = Duplicates::new(true, 1_000);
    let key = key_of(&Event::new(Kind::INTENT));
    for number in 1..=12_u64 {
        duplicates.push(key, number);
        let wanted = i64::try_from(number.min(8)).unwrap();
        assert_eq!(duplicates.count(key, number), wanted, "after {number}");
    }
    // The last eight, of 5 to 12, leave one by one.
    for number in 5..=12 {
        let left = i64::try_from(12 - number).unwrap();
        assert_eq!(duplicates.count(key, 1_000 + number), left, "{number}");
    }
}
