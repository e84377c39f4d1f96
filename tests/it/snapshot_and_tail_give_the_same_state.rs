//! Snapshot plus tail equals the whole journal, wherever the snapshot was made.

use engine::event::Event;
use engine::pipeline::follower::Follower;
use engine::pipeline::recorder::MemoryRecorder;
use engine::pipeline::recovery;
use engine::pipeline::replay::{self, Replay};
use journal::Durability;
use simulator::trouble::Troubles;
use simulator::world::{Nobody, WorldSettings};
use simulator::{Desk, Random, World, scratch};

fn records(desk: &Desk, session_count: u64, events: u64) -> (Vec<Event>, u64) {
    let troubles = Troubles { lost: 10, doubled: 20, late: 20 };
    let settings = WorldSettings { troubles, ..WorldSettings::default() };
    let mut world = World::new(desk, desk.pipeline(), MemoryRecorder::default(), settings);
    for session in 1..=session_count {
        world.start(desk, session, &mut Nobody).unwrap();
        world.run(events, &mut Nobody).unwrap();
    }
    (world.recorder.inner.events, world.pipeline.state_hash())
}

/// Replays `events` with a snapshot, saved and loaded, at each place of `cuts`.
fn replay_with_snapshots(desk: &Desk, events: &[Event], cuts: &[usize]) -> (u64, usize) {
    let mut build = |manifest: &_| desk.build(manifest);
    let mut replay = Replay::new();
    let mut made = 0;
    let mut cuts = cuts.iter().peekable();
    for (index, event) in events.iter().enumerate() {
        replay.step(event, &mut build).unwrap();
        while cuts.next_if(|cut| **cut <= index).is_some() {
            // In the middle of a cascade there is no snapshot: the follower waits, too.
            if replay.is_between_cascades()
                && let Some(bytes) = replay::save_snapshot(&replay)
            {
                let before = replay.pipeline().unwrap().state_hash();
                replay = replay::load_snapshot(&bytes, desk.pipeline()).unwrap();
                assert_eq!(replay.pipeline().unwrap().state_hash(), before);
                assert_eq!(replay::save_snapshot(&replay).unwrap(), bytes, "at {index}");
                made += 1;
            }
        }
    }
    (replay.pipeline().unwrap().state_hash(), made)
}

#[test]
fn a_snapshot_at_any_place_changes_nothing() {
    let mut random = Random::from_environment("snapshot places", 3);
    let desk = Desk::lively(51);
    let (events, state_hash) = records(&desk, 2, 15_000);
    let count = u64::try_from(events.len()).unwrap();
    // One snapshot each on the way of a replay of its own, then many on one way.
    for _ in 0..12 {
        let cut = usize::try_from(random.below(count)).unwrap();
        assert_eq!(replay_with_snapshots(&desk, &events, &[cut]).0, state_hash, "cut {cut}");
    }
    let mut cuts: Vec<usize> =
        (0..300).map(|_| usize::try_from(random.below(count)).unwrap()).collect();
    cuts.sort_unstable();
    let (hash, made) = replay_with_snapshots(&desk, &events, &cuts);
    assert_eq!(hash, state_hash);
    assert!(100 < made, "only {made} of 300 places were between cascades");
}

#[test]
fn recovery_uses_what_the_follower_saved_and_replays_the_rest() {
    let desk = Desk::lively(53);
    let directory = scratch::directory();
    let dir = directory.path();
    let recorder = scratch::recorder(dir, scratch::options(4096, Durability::Process));
    let mut world = World::new(&desk, desk.pipeline(), recorder, WorldSettings::default());
    let mut follower = Follower::open(dir, Replay::new(), 0, 5_000, 3).unwrap();
    let mut build = |manifest: &_| desk.build(manifest);
    world.start(&desk, 1, &mut Nobody).unwrap();
    for _ in 0..30 {
        world.run(1_000, &mut Nobody).unwrap();
        while 0 < follower.poll(&mut build).unwrap() {}
    }
    let saved = follower.saved_sequence();
    assert!(5_000 < saved);
    assert!(0 < follower.compared_count());
    drop(follower);
    world.run(2_500, &mut Nobody).unwrap();
    let (state_hash, head) = (world.pipeline.state_hash(), world.pipeline.head());
    drop(world); // Nobody closes the journal.

    let recovered = recovery::recover(dir, &mut build).unwrap();
    assert_eq!(recovered.snapshot_sequence, saved);
    assert_eq!(recovered.snapshots_skipped, [] as [String; 0]);
    assert_eq!(recovered.replayed_count, head - saved);
    assert_eq!(recovered.finished.pipeline.unwrap().state_hash(), state_hash);

    // A snapshot with one wrong byte costs time and nothing else.
    let newest = std::fs::read_dir(recovery::snapshot_dir(dir)).unwrap();
    let newest = newest.map(|entry| entry.unwrap().path()).max().unwrap();
    let mut bytes = std::fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&newest, bytes).unwrap();
    let recovered = recovery::recover(dir, &mut build).unwrap();
    assert!(recovered.snapshot_sequence < saved);
    assert_eq!(recovered.snapshots_skipped.len(), 1);
    assert_eq!(recovered.finished.pipeline.unwrap().state_hash(), state_hash);

    // Without any snapshot the journal has it all.
    std::fs::remove_dir_all(recovery::snapshot_dir(dir)).unwrap();
    let recovered = recovery::recover(dir, &mut build).unwrap();
    assert_eq!((recovered.snapshot_sequence, recovered.replayed_count), (0, head));
    assert_eq!(recovered.finished.pipeline.unwrap().state_hash(), state_hash);
}
