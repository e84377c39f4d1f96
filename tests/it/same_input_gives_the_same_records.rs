//! What the engine does is a function of its inputs: never of batch size, thread timing or idle policy.

use engine::event::{Event, Kind};
use engine::idle::IdlePolicy;
use engine::pipeline::core_thread::Ending;
use engine::pipeline::recorder::MemoryRecorder;
use journal::Durability;
use simulator::threads::{self, Threading};
use simulator::world::{Nobody, WorldSettings};
use simulator::{Desk, World, scratch};

const EVENT_COUNT: u64 = 60_000;

struct Session {
    script: Vec<Event>,
    records: Vec<Event>,
    state_hash: u64,
}

fn session(desk: &Desk) -> Session {
    println!("seed {}", desk.config.market.seed);
    let settings = WorldSettings { keeps_script: true, ..WorldSettings::default() };
    let mut world = World::new(desk, desk.pipeline(), MemoryRecorder::default(), settings);
    world.start(desk, 1, &mut Nobody).unwrap();
    world.run(EVENT_COUNT, &mut Nobody).unwrap();
    world.end(1, &mut Nobody).unwrap();
    Session {
        script: world.script,
        state_hash: world.pipeline.state_hash(),
        records: world.recorder.inner.events,
    }
}

fn count(records: &[Event], kind: Kind) -> usize {
    records.iter().filter(|event| event.kind == kind).count()
}

#[track_caller]
fn assert_same(one: &[Event], other: &[Event]) {
    let differs = one.iter().zip(other).find(|(one, other)| !one.says_the_same_as(other));
    assert_eq!(differs, None);
    assert_eq!(one.len(), other.len());
}

#[test]
fn the_same_seed_gives_the_same_session_and_another_seed_another() {
    let (one, two) = (session(&Desk::lively(11)), session(&Desk::lively(11)));
    assert_same(&one.records, &two.records);
    assert_eq!(one.state_hash, two.state_hash);
    let other = session(&Desk::lively(12));
    assert_ne!(one.state_hash, other.state_hash);
    // A session in which nothing is decided would prove nothing.
    for source in 0..3 {
        let orders = one.records.iter().filter(|e| e.kind == Kind::SEND_NEW && e.source == source);
        assert!(3 < orders.count(), "strategy {source} did not trade");
    }
    assert!(10 < count(&one.records, Kind::FILL));
    assert!(10 < count(&one.records, Kind::SEND_CANCEL) + count(&one.records, Kind::SEND_REPLACE));
}

#[test]
fn batch_size_ring_size_and_idle_policy_change_nothing() {
    let desk = Desk::lively(21);
    let wanted = session(&desk);
    let sent: Vec<Event> =
        wanted.records.iter().filter(|event| event.kind.is_outbound()).copied().collect();
    let (spin, give, park) = (IdlePolicy::Spin, IdlePolicy::Yield, IdlePolicy::Park);
    for (inbound_slots, outbound_slots, batch_count_max, idle, pause_every) in [
        (65_536, 4096, 256, give, 0),
        (64, 1024, 1, give, 0),
        (256, 16, 7, park, 1_999),
        (1024, 64, 64, spin, 9_001),
        (65_536, 4096, u64::MAX, park, 503),
    ] {
        let threading =
            Threading { inbound_slots, outbound_slots, batch_count_max, idle, pause_every };
        println!("{threading:?}");
        let directory = scratch::directory();
        let options = scratch::options(16_384, Durability::Process);
        let recorder = scratch::recorder(&directory.path().join("journal"), options);
        let stats = directory.path().join("stats.tws");
        let (end, left) =
            threads::play(&wanted.script, desk.pipeline(), recorder, &stats, threading);
        assert_eq!(end.ending, Ending::Session);
        assert_eq!(end.pipeline.state_hash(), wanted.state_hash);
        end.recorder.into_writer().close().unwrap();
        assert_same(&scratch::events_of(&directory.path().join("journal")), &wanted.records);
        assert_same(&left, &sent);
    }
}
