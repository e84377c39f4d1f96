//! A strategy that panics is disabled and its orders are cancelled; the others go on, and a replay agrees.

use engine::event::session::strategy_state::DISABLED;
use engine::event::{Event, Kind};
use engine::pipeline::recorder::MemoryRecorder;
use engine::strategy::host::why;
use simulator::bookkeeper::Watchdog;
use simulator::gambler::Grenade;
use simulator::world::{Nobody, WorldSettings};
use simulator::{Desk, Random, World, scratch};

/// Strategy `source` panics at its `fuse`-th call.
fn desk(seed: u64, source: usize, fuse: u64) -> Desk {
    Desk::lively(seed).arranged(move |strategies, _| {
        let wrap = |(index, strategy)| -> Box<dyn engine::strategy::Strategy> {
            Box::new(Grenade::new(strategy, if index == source { fuse } else { u64::MAX }))
        };
        strategies.into_iter().enumerate().map(wrap).collect()
    })
}

fn disabled(event: &Event) -> bool {
    event.kind == Kind::STRATEGY_STATE && event.code == DISABLED && event.tag == why::PANIC
}

#[test]
fn the_others_trade_on_and_the_replay_is_the_same() {
    let mut random = Random::from_environment("fuses", 17);
    for source in [0_usize, 1, 2] {
        let fuse = 800 + random.below(4_000);
        println!("strategy {source} panics at call {fuse}");
        let desk = desk(91, source, fuse);
        let limits = desk.config.limits(&desk.table(), "desk").unwrap();
        let mut watchdog = Watchdog::new(limits);
        let recorder = MemoryRecorder::default();
        let mut world = World::new(&desk, desk.pipeline(), recorder, WorldSettings::default());
        world.start(&desk, 1, &mut watchdog).unwrap();
        world.run(40_000, &mut watchdog).unwrap();
        watchdog.books.agrees_with(&world.pipeline);

        let events = &world.recorder.inner.events;
        let at = events.iter().position(disabled).expect("the fuse is shorter than the session");
        assert_eq!(events.iter().filter(|event| disabled(event)).count(), 1);
        let panicked = u16::try_from(source).unwrap();
        assert_eq!(events[at].source, panicked);
        let wants = |event: &&Event| {
            matches!(event.kind, Kind::INTENT | Kind::INTENT_REPLACE | Kind::INTENT_CANCEL)
        };
        let after: Vec<&Event> = events[at..].iter().filter(wants).collect();
        assert!(after.iter().all(|event| event.source != panicked), "it is called no more");
        assert!(after.iter().any(|event| event.source != panicked), "the others go on");
        // Its orders end; no new one is its own.
        let oms = world.pipeline.oms();
        assert_eq!(oms.open_orders().filter(|order| order.source == panicked).count(), 0);
        let flags: Vec<bool> = world.pipeline.host().strategies().map(|(_, on, _)| on).collect();
        assert_eq!(flags.iter().filter(|on| !**on).count(), 1);

        let replayed = scratch::replay(events, &desk).unwrap();
        assert_eq!(replayed.pipeline.state_hash(), world.pipeline.state_hash());
    }
}

#[test]
fn what_a_panicking_call_asked_for_is_thrown_away() {
    let desk = desk(93, 0, 1);
    let recorder = MemoryRecorder::default();
    let mut world = World::new(&desk, desk.pipeline(), recorder, WorldSettings::default());
    world.start(&desk, 1, &mut Nobody).unwrap();
    world.run(5_000, &mut Nobody).unwrap();
    let events = &world.recorder.inner.events;
    assert!(events.iter().any(disabled));
    assert!(events.iter().all(|event| event.source != 0 || event.kind != Kind::INTENT));
}
