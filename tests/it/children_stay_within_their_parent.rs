//! Parents and children through the whole pipeline and the paper venue: what a slicer believes does not matter.

use std::collections::BTreeMap;

use engine::event::{CommandCode, Event, Kind};
use engine::pipeline::recorder::MemoryRecorder;
use engine::risk::Rule;
use engine::state::{Loader, Saver, State};
use journal::Durability;
use simulator::binary::{Running, command};
use simulator::bookkeeper::Watchdog;
use simulator::slicer::Runaway;
use simulator::world::{Nobody, WorldSettings};
use simulator::{Desk, World, scratch};

use config::Number;
use config::schema::StrategySection;

const SYMBOL: &str = "SOLUSD";

/// What the records say of one parent.
#[derive(Clone, Copy, Debug, Default)]
struct Parent {
    total: i64,
    executed: i64,
    working: i64,
    child_count: usize,
    quantity_max: i64,
    refused_count: usize,
    is_closed: bool,
}

/// Adds up the children of every parent of `source`, and checks each refusal against the sum at that record.
fn parents(events: &[Event], source: u16) -> BTreeMap<u64, Parent> {
    let mut parents: BTreeMap<u64, Parent> = BTreeMap::new();
    // By order: parent and what is left.
    let mut children: BTreeMap<u64, (u64, i64)> = BTreeMap::new();
    let at = |sequence: u64| events[usize::try_from(sequence - 1).unwrap()];
    for event in events.iter().filter(|event| event.source == source) {
        match event.kind {
            Kind::PARENT if event.quantity == 0 => {
                parents.get_mut(&event.id).unwrap().is_closed = true;
            }
            Kind::PARENT => {
                let parent = Parent { total: event.quantity, ..Parent::default() };
                parents.entry(event.id).or_insert(parent);
            }
            Kind::ORDER => {
                let cause = at(event.cause);
                let is_child = cause.kind == Kind::APPROVED && cause.id != 0;
                if is_child && !children.contains_key(&event.id) {
                    children.insert(event.id, (cause.id, 0));
                    let parent = parents.get_mut(&cause.id).unwrap();
                    parent.child_count += 1;
                    parent.quantity_max = parent.quantity_max.max(cause.quantity);
                }
                let Some((id, left)) = children.get_mut(&event.id) else { continue };
                let parent = parents.get_mut(id).unwrap();
                parent.working += event.quantity - *left;
                *left = event.quantity;
            }
            Kind::FILL => {
                if let Some((id, _)) = children.get(&event.id) {
                    parents.get_mut(id).unwrap().executed += event.quantity;
                }
            }
            Kind::REFUSED if event.code == Rule::ParentQuantity.code() => {
                let wanted = at(event.cause);
                if wanted.kind == Kind::INTENT {
                    let parent = parents.get_mut(&wanted.id).unwrap();
                    let used = parent.executed + parent.working + wanted.quantity;
                    assert_eq!((event.price, event.quantity), (used, parent.total), "{event:?}");
                    assert!(parent.total < used, "{event:?}: there was room");
                    parent.refused_count += 1;
                }
            }
            _ => {}
        }
        for parent in parents.values() {
            let used = parent.executed + parent.working;
            // Between a fill and the order's new state it is counted twice.
            assert!(event.kind != Kind::ORDER || used <= parent.total, "{event:?}: {parent:?}");
        }
    }
    parents
}

fn refused(events: &[Event], source: u16, rule: Rule) -> usize {
    let is_it = |event: &&Event| {
        (event.kind, event.source, event.code) == (Kind::REFUSED, source, rule.code())
    };
    events.iter().filter(is_it).count()
}

/// The lively desk with a slicer that runs away, as its last strategy.
fn runaway(seed: u64) -> Desk {
    Desk::lively(seed).arranged(|mut strategies, table| {
        let instrument = table.find(SYMBOL).unwrap();
        let scale = 10_i64.pow(u32::from(table.get(instrument).unwrap().quantity_scale));
        let sizes = (12 * scale, scale);
        let slicer = Runaway::new("runaway", table, instrument, sizes, 20_000_000);
        strategies.push(Box::new(slicer));
        strategies
    })
}

#[test]
fn a_slicer_that_never_asks_what_was_filled_is_stopped_at_its_parent() {
    let desk = runaway(57);
    let source = u16::try_from(desk.pipeline().host().count() - 1).unwrap();
    let limits = desk.config.limits(&desk.table(), "desk").unwrap();
    let mut watchdog = Watchdog::new(limits);
    let settings = WorldSettings::default();
    let mut world = World::new(&desk, desk.pipeline(), MemoryRecorder::default(), settings);
    world.start(&desk, 1, &mut watchdog).unwrap();
    world.run(40_000, &mut watchdog).unwrap();

    // What a snapshot holds is all that the future depends on, in the middle of a parent too.
    let mut saver = Saver::new();
    world.pipeline.save(&mut saver);
    let bytes = saver.into_bytes();
    let mut loaded = desk.pipeline();
    let mut loader = Loader::new(&bytes);
    loaded.load(&mut loader).unwrap();
    loader.finish().unwrap();
    assert_eq!(loaded.state_hash(), world.pipeline.state_hash());
    world.pipeline = loaded;

    world.start(&desk, 2, &mut watchdog).unwrap();
    world.run(20_000, &mut watchdog).unwrap();
    world.command(CommandCode::CancelAll, 0, &mut watchdog).unwrap();
    world.end(2, &mut watchdog).unwrap();
    watchdog.books.agrees_with(&world.pipeline);

    let events = &world.recorder.inner.events;
    let parents = parents(events, source);
    println!("{parents:#?}");
    let stopped: Vec<&Parent> =
        parents.values().filter(|parent| parent.refused_count != 0).collect();
    assert!(2 <= stopped.len(), "both sides are tried");
    assert!(
        stopped.iter().any(|parent| parent.executed == parent.total),
        "one was filled to the end"
    );
    // More of an order and more of a parent were asked for too.
    let asks = |kind: Kind| {
        events.iter().filter(|event| event.kind == kind && event.source == source).count()
    };
    assert!(parents.len() < asks(Kind::PARENT) && 0 < asks(Kind::INTENT_REPLACE));
    assert_eq!(refused(events, source, Rule::ParentUnknown), 0);

    let replayed = scratch::replay(events, &desk).unwrap();
    assert_eq!(replayed.pipeline.state_hash(), world.pipeline.state_hash());
}

#[test]
fn a_momentum_taker_works_a_large_change_in_children_and_closes_every_parent() {
    let mut desk = Desk::lively(58);
    let source = desk.config.strategy.iter_mut().position(|section| match section {
        StrategySection::Momentum(momentum) => {
            momentum.child_quantity_max = Some(Number(3.into()));
            true
        }
        StrategySection::MarketMaker(_) => false,
    });
    let source = u16::try_from(source.expect("the profile has a taker")).unwrap();
    let limits = desk.config.limits(&desk.table(), "desk").unwrap();
    let mut watchdog = Watchdog::new(limits);
    let settings = WorldSettings::default();
    let mut world = World::new(&desk, desk.pipeline(), MemoryRecorder::default(), settings);
    world.start(&desk, 1, &mut watchdog).unwrap();
    world.run(60_000, &mut watchdog).unwrap();
    watchdog.books.agrees_with(&world.pipeline);

    let events = &world.recorder.inner.events;
    let parents = parents(events, source);
    println!("{parents:#?}");
    let newest = *parents.keys().next_back().expect("it trades");
    assert!(parents.iter().all(|(id, parent)| parent.is_closed || *id == newest));
    assert!(parents.values().any(|parent| 2 <= parent.child_count));
    assert!(parents.values().any(|parent| parent.executed == parent.total));
    let child_max = parents.values().map(|parent| parent.quantity_max).max().unwrap();
    assert!(parents.values().all(|parent| child_max < parent.total));
    for rule in [Rule::ParentUnknown, Rule::ParentQuantity, Rule::ParentsOpen] {
        assert_eq!(refused(events, source, rule), 0, "{}", rule.name());
    }
    let replayed = scratch::replay(events, &desk).unwrap();
    assert_eq!(replayed.pipeline.state_hash(), world.pipeline.state_hash());
}

#[test]
fn a_refused_child_and_a_refused_parent_are_explained_in_words() {
    let desk = runaway(59);
    let directory = scratch::directory();
    let recorder = scratch::recorder(
        &directory.path().join("journal"),
        scratch::options(4096, Durability::Process),
    );
    let mut world = World::new(&desk, desk.pipeline(), recorder, WorldSettings::default());
    world.start(&desk, 1, &mut Nobody).unwrap();
    world.run(10_000, &mut Nobody).unwrap();
    world.end(1, &mut Nobody).unwrap();
    drop(world);

    let events = scratch::events_of(&directory.path().join("journal"));
    let refused_by = |kind: Kind| {
        let is_it = |event: &&Event| {
            let cause = |sequence: u64| events[usize::try_from(sequence - 1).unwrap()].kind;
            let is_refused = event.kind == Kind::REFUSED;
            is_refused && event.code == Rule::ParentQuantity.code() && cause(event.cause) == kind
        };
        format!("#{}", events.iter().find(is_it).unwrap().sequence)
    };
    let why = |what: &str, more: &[&str]| {
        let mut command = command(&["ctl", "why", what]);
        command.args(more).arg("--data-dir").arg(directory.path());
        Running::start(&mut command).end().expect(0)
    };
    let child = refused_by(Kind::INTENT);
    let told = why(&child, &["--json"]).json();
    assert_eq!((&told["rule"], &told["parent"]), (&"parent-quantity".into(), &1.into()));
    assert_eq!((&told["unit"], &told["limit"]), (&"quantity".into(), &"12".into()));
    assert!(told["would_pass"].as_str().unwrap().contains("less would have passed"), "{told}");
    let text = why(&child, &[]).stdout;
    assert!(text.contains("a child of parent 1") && text.contains("limit 12"), "{text}");

    let parent = refused_by(Kind::PARENT);
    let told = why(&parent, &["--json"]).json();
    assert_eq!(told["wanted"], "declare parent 1: buy 24 in all");
    assert!(told["would_pass"].is_null() && told["parent"].is_null(), "{told}");
}
