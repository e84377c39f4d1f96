//! A strategy that panics is disabled and its orders are cancelled; the others go on, and a replay agrees.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::event::session::command;
use engine::event::session::strategy_state::DISABLED;
use engine::event::{BreakerState, CommandCode, Event, KillPhase, Kind, OrderState, Scope, flags};
use engine::oms::Order;
use engine::pipeline::recorder::MemoryRecorder;
use engine::strategy::Strategy;
use engine::strategy::host::why;
use simulator::bookkeeper::Watchdog;
use simulator::gambler::Grenade;
use simulator::world::{Nobody, WorldSettings};
use simulator::{Desk, Random, World, scratch};

/// Strategy `source` panics at its `fuse`-th call.
fn desk(seed: u64, source: usize, fuse: u64) -> Desk {
    Desk::lively(seed).arranged(move |strategies, _| {
        let wrap = |(index, strategy)| -> Box<dyn Strategy> {
            Box::new(Grenade::new(strategy, if index == source { fuse } else { u64::MAX }))
        };
        strategies.into_iter().enumerate().map(wrap).collect()
    })
}

/// An engine that trades until strategy `source` has an open order, and is then killed. Strategy `source` panics at its
/// `fuse`-th call. Also how often it was called before the kill.
fn killed(source: u16, fuse: u64) -> (Desk, World<MemoryRecorder>, u64) {
    let counter = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&counter);
    let desk = Desk::lively(95).arranged(move |strategies, _| {
        let wrap = |(index, strategy)| -> Box<dyn Strategy> {
            let is_it = index == usize::from(source);
            let fuse = if is_it { fuse } else { u64::MAX };
            let counter = if is_it { Arc::clone(&told) } else { Arc::default() };
            Box::new(Grenade::counted(strategy, fuse, counter))
        };
        strategies.into_iter().enumerate().map(wrap).collect()
    });
    let recorder = MemoryRecorder::default();
    let mut world = World::new(&desk, desk.pipeline(), recorder, WorldSettings::default());
    world.start(&desk, 1, &mut Nobody).unwrap();
    world.run(20_000, &mut Nobody).unwrap();
    let is_working = |order: &Order| order.source == source && order.state == OrderState::Acked;
    for _ in 0..100_000 {
        if world.pipeline.oms().open_orders().any(is_working) {
            break;
        }
        world.step(&mut Nobody).unwrap();
    }
    assert!(world.pipeline.oms().open_orders().any(is_working), "it quotes");
    let calls = counter.load(Ordering::Relaxed);
    let mut kill = command(CommandCode::Kill, Scope::All.tag()).at(world.time_ns());
    (kill.source, kill.id, kill.quantity) = (1, 7, 1);
    world.apply(&kill, &mut Nobody).unwrap();
    (desk, world, calls)
}

#[test]
fn a_kill_ends_with_everything_cancelled_though_a_strategy_panics_under_way() {
    for source in [0, 1] {
        // The same engine without the panic says which call is the first after the kill: of its cancelled order.
        let (_, _, calls) = killed(source, u64::MAX);
        let (desk, mut world, _) = killed(source, calls + 1);
        world.run(20_000, &mut Nobody).unwrap();
        let events = &world.recorder.inner.events;
        let place = |wanted: &dyn Fn(&Event) -> bool| events.iter().position(wanted);
        let phase = |phase: KillPhase| {
            place(&|event| event.kind == Kind::KILL && event.code == phase.code())
        };
        let panicked = place(&disabled).expect("it hears of its orders also when it is killed");
        let (blocked, done) = (phase(KillPhase::Blocked), phase(KillPhase::Done));
        assert!(blocked < Some(panicked) && Some(panicked) < done, "{blocked:?} {done:?}");
        assert_eq!(events[panicked].source, source);
        assert_eq!(world.pipeline.control().state(), BreakerState::Killed);
        assert_eq!(world.pipeline.oms().open_count(), 0, "everything is cancelled");
        let job = world.pipeline.control().last_job();
        assert_eq!((job.phase, job.orders_left), (KillPhase::Done.code(), 0));
        let opens = |event: &Event| event.kind == Kind::INTENT && !event.has(flags::REDUCE_ONLY);
        assert!(!events[blocked.unwrap()..].iter().any(opens), "nothing new is wanted");
        let replayed = scratch::replay(events, &desk).unwrap();
        assert_eq!(replayed.pipeline.state_hash(), world.pipeline.state_hash());
    }
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
