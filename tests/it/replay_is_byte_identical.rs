//! A journal's inputs, run again, lead to the same decisions; a journal that was changed is caught.

use engine::event::{Event, Kind};
use engine::pipeline::recorder::MemoryRecorder;
use engine::pipeline::replay::ReplayError;
use journal::Durability;
use simulator::trouble::Troubles;
use simulator::world::{Nobody, WorldSettings};
use simulator::{Desk, Random, World, scratch};

#[test]
fn a_journal_replays_to_the_same_state_through_all_its_sessions() {
    let desk = Desk::lively(31);
    let directory = scratch::directory();
    let options = scratch::options(4096, Durability::Process);
    let recorder = scratch::recorder(directory.path(), options);
    let troubles = Troubles { lost: 10, doubled: 20, late: 20 };
    let settings = WorldSettings { troubles, reject_per_million: 20_000, ..Default::default() };
    let mut world = World::new(&desk, desk.pipeline(), recorder, settings);
    for session in 1..=3 {
        world.start(&desk, session, &mut Nobody).unwrap();
        world.run(20_000, &mut Nobody).unwrap();
        if session != 2 {
            // The second session just stops, as after a crash.
            world.end(session, &mut Nobody).unwrap();
        }
    }
    let state_hash = world.pipeline.state_hash();
    let head = world.pipeline.head();
    world.recorder.inner.into_writer().close().unwrap();

    let events = scratch::events_of(directory.path());
    assert_eq!(u64::try_from(events.len()).unwrap(), head);
    let replayed = scratch::replay(&events, &desk).unwrap();
    assert_eq!(replayed.pipeline.state_hash(), state_hash);
    assert_eq!(replayed.beyond, []);
    let decisions = events.iter().filter(|event| !event.kind.is_inbound()).count();
    assert_eq!(replayed.compared_count, u64::try_from(decisions).unwrap());
    assert!(1_000 < decisions);
}

fn records(seed: u64) -> (Desk, Vec<Event>) {
    let desk = Desk::lively(seed);
    let settings = WorldSettings::default();
    let mut world = World::new(&desk, desk.pipeline(), MemoryRecorder::default(), settings);
    world.start(&desk, 1, &mut Nobody).unwrap();
    world.run(12_000, &mut Nobody).unwrap();
    (desk, world.recorder.inner.events)
}

/// Where a replay of `events` stops.
fn divergence(events: &[Event], desk: &Desk) -> Option<u64> {
    match scratch::replay(events, desk) {
        Ok(_) => None,
        Err(ReplayError::Diverged(found)) => Some(found.sequence),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_changed_decision_is_found_at_its_place() {
    let mut random = Random::from_environment("changed decisions", 5);
    let (desk, events) = records(41);
    assert_eq!(divergence(&events, &desk), None);
    let decisions: Vec<usize> =
        (0..events.len()).filter(|index| !events[*index].kind.is_inbound()).collect();
    for _ in 0..12 {
        let place = decisions[usize::try_from(random.below(decisions.len() as u64)).unwrap()];
        let mut changed = events.clone();
        match random.below(4) {
            0 => changed[place].price ^= 1,
            1 => changed[place].quantity ^= 1 << 20,
            2 => changed[place].code ^= 1,
            _ => changed[place].cause ^= 1,
        }
        assert_eq!(divergence(&changed, &desk), Some(events[place].sequence));
    }
}

#[test]
fn a_changed_input_is_found_at_a_decision_behind_it() {
    let (desk, events) = records(43);
    let fill = events.iter().position(|event| event.kind == Kind::REPORT && event.price != 0);
    let place = fill.expect("somebody traded");
    let mut changed = events.clone();
    changed[place].price += 1;
    let found = divergence(&changed, &desk).expect("a fill at another price is another fill");
    assert!(events[place].sequence < found);
}
