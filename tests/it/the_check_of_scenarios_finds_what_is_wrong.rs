//! The invariant of the scenarios is worth something: a venue or a journal that is wrong in one thing is found.

use engine::event::{Event, Kind};
use simulator::wire_rig::check::{Given, check};
use simulator::wire_rig::puppet::Move;
use simulator::wire_rig::{BOUND_NS, Ended, Rig, RigConfig};
use venue::Side;
use venue::exchange::Inspection;
use venue::money::ONE;
use venue::order::Status;

/// An order that filled in parts and was cancelled, and one that was taken in full.
fn ended() -> Ended {
    let mut rig = Rig::start(RigConfig::puppet(140));
    rig.until_ready().unwrap();
    rig.puppet(Move::Buy);
    rig.until("it rests", BOUND_NS, |rig| rig.newest_state().is_some_and(|s| s.name() == "acked"))
        .unwrap();
    for _ in 0..2 {
        assert_eq!(rig.take(Side::Sell, 61_790 * ONE, ONE / 200), ONE / 200);
    }
    rig.puppet(Move::Take);
    rig.until("both are booked", BOUND_NS, |rig| rig.engine().pipeline.oms().counters().fills == 3)
        .unwrap();
    rig.end().unwrap()
}

#[test]
fn one_wrong_thing_is_found_whatever_it_is() {
    type Change = fn(&mut Inspection, &mut Vec<Event>);
    let changes: &[(&str, Change)] = &[
        ("filled here", |view, _| view.orders[0].executed -= 1),
        ("doubled", |view, _| {
            let again = view.orders[0].clone();
            view.orders.push(again);
        }),
        ("we do not know", |view, _| {
            let mut more = view.orders[0].clone();
            more.client_id_first = "tw01000010000000ff".to_string();
            view.orders.push(more);
        }),
        ("None there", |view, _| drop(view.orders.pop())),
        ("is cancelled here", |view, _| view.orders[0].status = Status::PartiallyFilled),
        ("is not the venue's", |view, _| drop(view.fills.pop())),
        ("500001) there", |view, _| view.fills[0].quantity += 1),
        ("booked twice", |_, events| {
            let place = events.iter().position(|event| event.kind == Kind::FILL).unwrap();
            let fee = events.iter().position(|event| event.kind == Kind::FEE).unwrap();
            let again = [events[place], events[fee]];
            events.extend(again);
        }),
        ("BTC: position", |view, _| view.accounts[0].balances[0].free += 1),
        ("USDT: cash", |view, _| {
            let balances = &mut view.accounts[0].balances;
            balances.iter_mut().find(|b| b.asset == "USDT").unwrap().free -= 100;
        }),
        ("intents, but", |_, events| {
            let intent = *events.iter().find(|event| event.kind == Kind::INTENT).unwrap();
            events.push(intent);
        }),
        ("approved, but", |_, events| events.retain(|event| event.kind != Kind::SEND_NEW)),
    ];
    let ended = ended();
    let verdict = |view: &Inspection, events: &[Event]| {
        let (pipeline, before) = (&ended.pipeline, &ended.before);
        check(&Given { events, pipeline, before, after: view })
    };
    let summary = verdict(&ended.after, &ended.events).unwrap();
    assert_eq!((summary.order_count, summary.fill_count), (2, 3), "{summary:?}");
    for (wanted, change) in changes {
        let (mut view, mut events) = (ended.after.clone(), ended.events.clone());
        change(&mut view, &mut events);
        let told = verdict(&view, &events).unwrap_err();
        assert!(told.contains(wanted), "{wanted:?} not in:\n{told}");
    }
}
