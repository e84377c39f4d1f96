//! Saved states of other gates and damaged ones: what does not fit is refused by name or read past.

use crate::event::{
    BreakerState, CommandCode, Event, Kind, OrderState, Scope, Side, TripReason, session,
};
use crate::risk::breaker::Breakers;
use crate::risk::limits::DAY_NS;
use crate::risk::orders::{Order, Orders};
use crate::risk::usage::{Bound, Of, Usage};
use crate::risk::window::Window;
use crate::risk::{Gate, LimitKey, Limits, UNLIMITED, Unit};
use crate::state::{LoadError, Loader, Saver, State};

use super::changes::with_everything;
use super::desk::{Desk, ORDERS_MAX, STRATEGY_COUNT, currency, intent, limits, table};

fn saved(state: &dyn State) -> Vec<u8> {
    let mut saver = Saver::new();
    state.save(&mut saver);
    saver.into_bytes()
}

fn load(state: &mut dyn State, bytes: &[u8]) -> Result<(), LoadError> {
    let mut loader = Loader::new(bytes);
    state.load(&mut loader).and_then(|()| loader.finish())
}

fn gate(limits: Limits) -> Gate {
    Gate::new(limits, table(), STRATEGY_COUNT, ORDERS_MAX)
}

fn what(result: &Result<(), LoadError>) -> &'static str {
    match result {
        Err(LoadError::Invalid { what, .. }) => what,
        Err(LoadError::Short { .. }) => "short",
        Err(LoadError::Long { .. }) => "long",
        Ok(()) => "",
    }
}

/// A gate with orders in slots and in the spill, an approval, a change that waits and a latch.
fn busy() -> Gate {
    let mut limits = with_everything();
    limits.controls.two_person = true;
    limits.controls.capital = Some(currency(1_000_000));
    for key in LimitKey::ALL.iter().filter(|key| key.is_tabled() && key.unit() == Unit::Money) {
        (0..4).for_each(|owner| limits.set_value(*key, owner, i64::MAX - 1));
    }
    for key in [LimitKey::Spread, LimitKey::ExposureShare] {
        (0..4).for_each(|owner| limits.set_value(key, owner, 5_000));
    }
    // A large table, in which nothing can be wrong.
    limits.set_value(LimitKey::Duplicate, 0, UNLIMITED);
    let mut desk = Desk::new(limits);
    let slots = u64::try_from(ORDERS_MAX).unwrap();
    for id in [3, 3 + slots, 4] {
        let mut event = Event::new(Kind::ORDER);
        (event.id, event.code) = (id, u16::from(OrderState::Acked.code()));
        (event.instrument, event.price, event.quantity) = (0, 1000, 2);
        desk.send(event, 1);
    }
    let mut set = session::command(CommandCode::LimitSet, 21);
    (set.quantity, set.id, set.source) = (50, 7, 1);
    desk.send(set, 0);
    (set.quantity, set.id) = (60, 8);
    desk.send(set, 0);
    desk.is_cascade = true;
    assert_eq!(desk.judge(intent(2, Side::Buy, 1, 1000)).kind, Kind::APPROVED);
    desk.gate
}

#[test]
fn what_a_damaged_state_is_refused_for_is_named() {
    let bytes = saved(&busy());
    // Without the table of duplicates, which is large; every load begins anew.
    let mut gate = gate(limits());
    assert_eq!(load(&mut gate, &bytes), Ok(()));
    let mut named: Vec<&str> = Vec::new();
    for place in 0..bytes.len() {
        for change in [1, 3, 0xff] {
            let mut damaged = bytes.clone();
            damaged[place] ^= change;
            named.push(what(&load(&mut gate, &damaged)));
        }
    }
    for reason in [
        "risk state",
        "truth value",
        "number of instruments",
        "number of strategies",
        "latch",
        "list of orders",
        "order",
        "number of rules",
        "locked venues",
        "number of breakers",
        "breaker state",
        "limit key",
        "count above its limit",
        "short",
    ] {
        assert!(named.contains(&reason), "nothing is refused for: {reason}");
    }
}

#[test]
fn a_state_of_a_gate_with_another_number_of_strategies_is_refused() {
    let other = |strategy_count: usize| {
        let mut gate = Gate::new(limits(), table(), strategy_count, ORDERS_MAX);
        load(&mut gate, &saved(&Desk::new(limits()).gate))
    };
    assert_eq!(what(&other(1)), "count above its limit");
    assert_eq!(what(&other(STRATEGY_COUNT)), "");
    assert_eq!(what(&other(3)), "number of strategies");
}

#[test]
fn an_order_that_no_gate_can_have_saved_is_not_put_back() {
    let order = |id: u64| Order { id, instrument: 0, leaves: 1, ..Order::FREE };
    let mut orders = Orders::new(2, 1);
    assert!(orders.restore(order(0), false).is_err());
    assert!(orders.restore(order(1), false).is_ok());
    assert!(orders.restore(order(1), false).is_err());
    assert!(orders.restore(order(1), true).is_err());
    // Another of the same slot.
    assert!(orders.restore(order(3), false).is_err());
    assert_eq!(orders.count(), 1);
    assert!(orders.restore(order(3), true).is_ok());
    assert!(orders.restore(order(5), true).is_ok());
    assert!(orders.restore(order(7), true).is_err());
    assert_eq!((orders.count(), orders.spill().len()), (3, 2));
}

#[test]
fn a_window_of_another_length_begins_anew() {
    let mut window = Window::new(1_500);
    window.see(10_000, 500);
    let span = window.see(10_100, 700);
    let bytes = saved(&window);
    let mut same = Window::new(1_500);
    assert_eq!(load(&mut same, &bytes), Ok(()));
    assert_eq!(same.see(10_100, 700), span);
    assert_eq!((span.low_twice, span.high_twice), (500, 700));
    assert_eq!(same.mix_into(1), window.mix_into(1));
    let mut other = Window::new(3_000);
    assert_eq!(load(&mut other, &bytes), Ok(()));
    assert_eq!(other.mix_into(1), Window::new(3_000).mix_into(1));
    let fresh = other.see(10_100, 600);
    assert_eq!((fresh.low_twice, fresh.high_twice), (600, 600));
}

#[test]
fn what_was_saved_with_controls_is_read_past_without_them() {
    let bytes = saved(&busy());
    let mut bare = gate(limits());
    assert_eq!(load(&mut bare, &bytes), Ok(()));
    assert_eq!(bare.orders_open_count(), 4);
    // And the other way round.
    let mut full = gate(with_everything());
    assert_eq!(load(&mut full, &saved(&gate(limits()))), Ok(()));
}

#[test]
fn levels_of_other_thresholds_are_told_anew() {
    let tell = |usage: &mut Usage| {
        let mut ring = crate::ring::Ring::new(64, 0);
        let event = Event::new(Kind::CLOCK).at(DAY_NS);
        ring.begin(event);
        usage.set_account(Of::Gross, Bound { limit: 100, soft: i128::MAX });
        usage.set_instrument(0, [Bound { limit: 100, soft: i128::MAX }; 2]);
        let before = ring.head();
        let mut out = crate::ring::Emitter::new(&mut ring, &event);
        usage.see(Of::Gross, 60, &mut out);
        usage.see_instrument(0, [60, 60], &mut out);
        ring.head() - before
    };
    let mut usage = Usage::new(true, None, 1);
    assert_eq!((tell(&mut usage), tell(&mut usage)), (3, 0));
    let bytes = saved(&usage);
    for (soft_percent, instrument_count, want) in [(None, 1, 0), (Some(80), 1, 3), (None, 0, 0)] {
        let mut loaded = Usage::new(true, soft_percent, instrument_count);
        assert_eq!(load(&mut loaded, &bytes), Ok(()));
        assert_eq!(tell(&mut loaded), want, "{soft_percent:?} {instrument_count}");
    }
    let mut off = Usage::new(false, None, 1);
    assert_eq!(load(&mut off, &bytes), Ok(()));
    assert_eq!(tell(&mut off), 0);
    assert_eq!(off.mix_into(7), 7);
}

#[test]
fn breakers_of_another_number_of_strategies_or_instruments_are_refused() {
    let bytes = saved(&Breakers::new(3, 4));
    assert_eq!(what(&load(&mut Breakers::new(3, 4), &bytes)), "");
    assert_eq!(what(&load(&mut Breakers::new(4, 4), &bytes)), "number of breakers");
    assert_eq!(what(&load(&mut Breakers::new(3, 5), &bytes)), "number of breakers");
    assert_eq!(what(&load(&mut Breakers::new(2, 4), &bytes)), "count above its limit");
}

#[test]
fn a_load_replaces_whatever_was_there() {
    let mut limits = with_everything();
    limits.controls.alerts = true;
    let bytes = saved(&gate(limits.clone()));
    let mut desk = Desk::new(limits);
    desk.judge(intent(0, Side::Buy, 1, 1000));
    let approved = desk.judge(intent(0, Side::Buy, 2, 1000));
    let order = desk.bind(&approved);
    desk.fill(order, 1, 1000);
    desk.clock();
    desk.command(CommandCode::Halt);
    desk.lock(true);
    desk.breaker(Scope::All, BreakerState::Safe, TripReason::Operator, 0);
    let lived = saved(&desk.gate);
    assert_ne!(lived, bytes);
    assert_eq!(load(&mut desk.gate, &bytes), Ok(()));
    assert!(saved(&desk.gate) == bytes);
    assert_eq!(desk.gate.exposure(0).unwrap().working_buy, 0);
    assert_eq!(load(&mut desk.gate, &lived), Ok(()));
    assert_eq!(load(&mut desk.gate, &lived), Ok(()));
    assert!(saved(&desk.gate) == lived);
}

#[test]
fn a_saved_order_of_no_instrument_or_of_a_parent_that_is_not_its_own_is_refused() {
    let load = |change: fn(&mut Order)| {
        let mut desk = Desk::new(limits());
        let got = desk.judge(intent(0, Side::Buy, 3, 1000));
        let index = desk.bind(&got);
        let place = desk.gate.orders.find(desk.orders[index].id).unwrap();
        change(desk.gate.orders.get_mut(place));
        let mut saver = Saver::new();
        desk.gate.save(&mut saver);
        let bytes = saver.into_bytes();
        let mut gate = Gate::new(limits(), table(), STRATEGY_COUNT, ORDERS_MAX);
        gate.load(&mut Loader::new(&bytes)).is_ok()
    };
    assert!(load(|_| {}));
    assert!(load(|order| order.instrument = 3), "the last of four");
    assert!(!load(|order| order.instrument = 4));
    assert!(!load(|order| order.parent = 1), "nobody has declared a parent");
}
