//! Edges of the gate's parts, each by itself: windows, duplicates, thresholds, orders, hours, limits by key.

use crate::event::{BreakerState, Event, Kind, Scope, Side, flags};
use crate::ids;
use crate::money::Money;
use crate::ring::{Emitter, Ring};
use crate::risk::breaker::Breakers;
use crate::risk::limits::DAY_NS;
use crate::risk::orders::{Order, Orders};
use crate::risk::rate::RateWindow;
use crate::risk::strategy::Row;
use crate::risk::throttle::{Duplicates, key_of};
use crate::risk::usage::{Bound, Of, Usage};
use crate::risk::window::Window;
use crate::risk::{Hours, LimitKey, LimitTable, Rule, StrategyControls, UNLIMITED};

use super::changes::with_everything;
use super::desk::{limits, table};

const HOUR_NS: u64 = 3_600_000_000_000;

#[test]
fn hours_from_and_to_the_same_time_are_a_whole_day() {
    // Sessions begin on Mondays; 1970-01-05 was one, day 4.
    let hours = Hours { days: 1, from_ns: 8 * HOUR_NS, to_ns: 8 * HOUR_NS, holidays: vec![] };
    assert_eq!(hours.check(), Ok(()));
    let monday = 4 * DAY_NS + 8 * HOUR_NS;
    for (time_ns, want) in
        [(monday - 1, false), (monday, true), (monday + DAY_NS - 1, true), (monday + DAY_NS, false)]
    {
        assert_eq!(hours.is_open(time_ns), want, "{time_ns}");
    }
}

#[test]
fn an_instrument_has_at_most_512_holidays() {
    let of = |count: u32| Hours {
        days: 0x7f,
        from_ns: DAY_NS - 1,
        to_ns: DAY_NS,
        holidays: (0..count).collect(),
    };
    assert_eq!(of(512).check(), Ok(()));
    assert_eq!(of(513).check(), Err("at most 512 holidays"));
}

#[test]
fn a_window_for_nothing_has_no_room() {
    let mut rate = RateWindow::new(0, 100);
    assert!(!rate.has_room(1_000));
    rate.push(1_000);
    assert_eq!((rate.count_at(1_000), rate.newest_ns(), rate.count_max()), (0, 0, 0));
    let mut rate = RateWindow::new(2, 100);
    for (now_ns, count) in [(7, 1), (8, 2), (9, 2)] {
        rate.push(now_ns);
        assert_eq!((rate.newest_ns(), rate.count_at(now_ns)), (now_ns, count));
    }
    rate.clear();
    assert_eq!((rate.newest_ns(), rate.count_at(9), rate.reaches(1, 9)), (0, 0, false));
    // One more than a window was made for is not taken.
    let mut rate = RateWindow::new(2, 100);
    rate.set_count_max(3);
    assert_eq!(rate.count_max(), 2);
    rate.set_count_max(0);
    assert!(!rate.has_room(1_000));
}

#[test]
fn duplicates_that_are_off_are_not_counted() {
    let mut duplicates = Duplicates::new(false, 100);
    duplicates.push(1, 1_000);
    assert_eq!(duplicates.count(1, 1_000), 0);
    assert_eq!(duplicates.mix_into(7), 7);
}

#[test]
fn duplicates_are_part_of_the_digest_once_there_are_any() {
    let mut duplicates = Duplicates::new(true, 100);
    assert_eq!(duplicates.mix_into(7), 7);
    let mut seen = vec![7];
    for (key, now_ns) in [(1, 1_000), (1, 1_001), (3, 1_001)] {
        duplicates.push(key, now_ns);
        let digest = duplicates.mix_into(7);
        assert!(!seen.contains(&digest), "{key} {now_ns}");
        seen.push(digest);
    }
}

#[test]
fn a_threshold_is_the_first_amount_that_is_so_much_of_the_limit() {
    for (limit, half, back) in [(100, 50, 40), (3, 2, 2), (1, 1, 1), (101, 51, 41), (0, 0, 0)] {
        let mut usage = Usage::new(true, None, 0);
        usage.set_account(Of::Gross, Bound { limit, soft: i128::MAX });
        let tracker = *usage.account(Of::Gross);
        assert_eq!(tracker.bounds(), (half, i128::MIN));
        let due = [half - 1, half, half + 1].map(|measured| tracker.is_due(measured));
        assert_eq!(due, [false, true, true], "{limit}");
        let mut ring = Ring::new(64, 0);
        let event = Event::new(Kind::CLOCK);
        ring.begin(event);
        if 3 < limit {
            usage.see(Of::Gross, half, &mut Emitter::new(&mut ring, &event));
            let tracker = *usage.account(Of::Gross);
            let next = limit * 3 / 4 + i128::from(limit * 3 % 4 != 0);
            assert_eq!(tracker.bounds(), (next, back));
            let due = [back - 1, back, next - 1, next].map(|measured| tracker.is_due(measured));
            assert_eq!(due, [true, false, false, true], "{limit}");
        }
    }
    // Where nothing is told, nothing is due.
    let mut usage = Usage::new(false, Some(80), 4);
    usage.set_account(Of::Gross, Bound { limit: 100, soft: i128::MAX });
    assert!(!usage.is_on() && !usage.account(Of::Gross).is_due(i128::MAX - 1));
}

#[test]
fn the_age_of_a_reference_is_set_in_milliseconds() {
    let mut limits = limits();
    for own in limits.instruments.iter_mut().flatten() {
        own.reference_age_ns_max = 5_999_999;
    }
    let key = LimitKey::ReferenceAge;
    assert_eq!(limits.value(key, 0), Some(5));
    limits.set_value(key, 0, 4);
    assert_eq!(limits.instruments[0].as_ref().unwrap().reference_age_ns_max, 4_000_000);
    assert_eq!(limits.value(key, 0), Some(4));
    // Out of range both ways: nothing wraps.
    for (value, ns, told) in [(-1, 0, 0), (i64::MAX, u64::MAX, 18_446_744_073_709)] {
        limits.set_value(key, 2, value);
        assert_eq!(limits.instruments[2].as_ref().unwrap().reference_age_ns_max, ns);
        assert_eq!(limits.value(key, 2), Some(told));
    }
}

#[test]
fn a_count_that_does_not_fit_is_the_nearest_that_does() {
    let mut limits = limits();
    for (value, kept) in [(-1, 0), (7, 7), (i64::MAX, u32::MAX)] {
        limits.set_value(LimitKey::OrdersOpen, 0, value);
        assert_eq!(limits.account.as_ref().unwrap().orders_open_max, kept);
    }
}

#[test]
fn an_order_outside_the_table_touches_no_price() {
    let mut orders = Orders::new(2, 1);
    let order = |instrument: u16| Order { id: 1, instrument, price: 7, ..Order::FREE };
    orders.touch(&order(1));
    assert_eq!(orders.own_match(1, Side::Sell, 7), None);
    orders.insert(order(0)).unwrap();
    orders.touch(&order(0));
    let met = [8, 7, 6].map(|price| orders.own_match(0, Side::Sell, price));
    assert_eq!(met, [None, Some(7), Some(7)]);
}

#[test]
fn a_table_knows_whether_any_limit_is_set() {
    let none = LimitTable::default();
    assert!(!none.is_any());
    assert!(none.clone().with(LimitKey::HoldTime, 5).is_any());
    assert_eq!(none.money(LimitKey::BatchNotional), None);
    let set = none.with(LimitKey::BatchNotional, 5);
    assert_eq!(set.money(LimitKey::BatchNotional), Some(Money::from_event(5)));
    assert_eq!(set.get(LimitKey::MessageRate), UNLIMITED);
}

#[test]
fn an_own_order_is_met_in_whichever_slot_it_is() {
    for counter in [0, 1, 63, 64, 65, 127] {
        let mut orders = Orders::new(128, 1);
        let id = ids::order_id(1, 1, counter);
        orders.insert(Order { id, price: 7, side: Side::Sell, ..Order::FREE }).unwrap();
        orders.touch(&Order { id, price: 5, side: Side::Sell, ..Order::FREE });
        let met = [4, 5, 6, 7, 8].map(|price| orders.own_match(0, Side::Buy, price));
        assert_eq!(met, [None, None, None, Some(7), Some(7)], "{counter}");
        // The bound is exact now.
        orders.remove(orders.find(id).unwrap());
        assert_eq!((orders.own_match(0, Side::Buy, 8), orders.count()), (None, 0));
    }
}

#[test]
fn a_strategy_with_limits_is_part_of_the_digest_and_one_without_is_not() {
    let limits = with_everything();
    let row = |own: &StrategyControls| Row::new(&limits.controls, own, &table(), 1_000);
    let mut free = row(&StrategyControls::default());
    assert!(!free.is_limited);
    (free.open_count, free.latch) = (1, Some(Rule::RepeatedExecution));
    assert_eq!(free.mix_into(7), 7);
    let mut seen = vec![7];
    let of = |change: &dyn Fn(&mut Row)| {
        let mut own = row(&limits.controls.strategies[0]);
        assert!(own.is_limited);
        change(&mut own);
        own.mix_into(7)
    };
    for change in [
        &(|_: &mut Row| {}) as &dyn Fn(&mut Row),
        &|own| own.open_count = 1,
        &|own| own.latch = Some(Rule::RepeatedExecution),
        &|own| own.latch = Some(Rule::StrategyLossDaily),
        &|own| own.baseline = Money(1),
        &|own| own.rate.push(5),
        &|own| own.executions.push(5),
        &|own| own.sheet.trade(0, 1000, 1),
    ] {
        let digest = of(change);
        assert!(!seen.contains(&digest));
        seen.push(digest);
    }
    // To be allowed only some instruments is a limit too.
    let own = StrategyControls { allowed: Some(vec![2]), ..StrategyControls::default() };
    let row = row(&own);
    assert!(row.is_limited);
    assert_eq!(
        [0, 1, 2, 3, 4].map(|index| row.may_trade(index)),
        [false, false, true, false, false]
    );
}

#[test]
fn the_key_of_an_order_is_never_nothing_and_stays_what_it_was() {
    let mut event = Event::new(Kind::INTENT);
    (event.source, event.instrument, event.price) = (3, 2, 1000);
    for quantity in 0..64 {
        assert_eq!(key_of(&Event { quantity, ..event }) % 2, 1);
    }
    // Journals hold hashes of it.
    event.quantity = 5;
    assert_eq!(key_of(&event), 16_817_380_568_743_416_879);
    event.flags = flags::SELL;
    assert_eq!(key_of(&event), 10_946_922_797_855_024_659);
}

#[test]
fn a_window_is_part_of_the_digest_with_its_time_and_both_ends() {
    let mut window = Window::new(1_500);
    let mut seen = vec![window.mix_into(7)];
    // A mid, a higher one, a lower one, a new piece.
    for (time_ns, mid_twice) in [(10_000, 500), (10_000, 501), (10_000, 499), (10_100, 500)] {
        window.see(time_ns, mid_twice);
        let digest = window.mix_into(7);
        assert!(!seen.contains(&digest), "{mid_twice} at {time_ns}");
        seen.push(digest);
    }
    // Between both ends it says nothing new.
    window.see(10_100, 500);
    assert!(seen.contains(&window.mix_into(7)));
}

#[test]
fn breakers_are_part_of_the_digest_while_one_is_not_normal() {
    let mut breakers = Breakers::new(3, 4);
    assert_eq!(breakers.mix_into(7), 7);
    let mut seen = vec![7];
    for scope in [Scope::All, Scope::Venue(1), Scope::Strategy(2), Scope::Instrument(3)] {
        for state in [BreakerState::Safe, BreakerState::Killed] {
            let mut event = Event::new(Kind::BREAKER);
            (event.code, event.tag) = (state.code(), scope.tag());
            breakers.follow(&event);
            let digest = breakers.mix_into(7);
            assert!(!seen.contains(&digest), "{scope:?} {state:?}");
            seen.push(digest);
            event.code = BreakerState::Normal.code();
            breakers.follow(&event);
            assert_eq!(breakers.mix_into(7), 7);
        }
    }
}

#[test]
fn every_limit_that_each_engine_needs_is_read_from_its_own_place() {
    let mut limits = limits();
    let e8 = 100_000_000;
    let told: Vec<(&str, Option<i64>)> = LimitKey::ALL
        .iter()
        .filter(|key| !key.is_tabled())
        .map(|key| (key.name(), limits.value(*key, 2)))
        .collect();
    let want = [
        ("order_quantity_max", 1_000),
        ("order_notional_max", 1_000_000 * e8),
        ("position_quantity_max", 2_000),
        ("position_notional_max", 3_000_000 * e8),
        ("collar_bps", 1_000),
        ("passive_bps", 2_000),
        ("reference_age_ms_max", 1),
        ("restricted", 0),
        ("order_rate_count_max", 1_000),
        ("orders_open_max", 64),
        ("loss_daily_max", 1_000_000 * e8),
        ("drawdown_max", 2_000_000 * e8),
        ("gross_notional_max", 9_000_000 * e8),
    ];
    assert_eq!(told, want.map(|(name, value)| (name, Some(value))));
    for key in [LimitKey::Collar, LimitKey::Restricted, LimitKey::HoldTime, LimitKey::StrategyGross]
    {
        assert_eq!(limits.value(key, 3), None, "{}", key.name());
    }
    limits.account = None;
    assert_eq!(limits.value(LimitKey::Drawdown, 0), None);
}
