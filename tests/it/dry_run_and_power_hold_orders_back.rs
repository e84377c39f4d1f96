//! Dry-run sends nothing; with power durability nothing leaves before the disk has it.

use std::sync::Arc;

use engine::event::{Event, Kind};
use engine::pipeline::recorder::MemoryRecorder;
use engine::pipeline::{Pipeline, Recorder as _};
use journal::{Durability, Faults};
use simulator::world::{Observer, WorldSettings};
use simulator::{Desk, World, scratch};

/// Counts what leaves.
#[derive(Default)]
struct Counter {
    left: Vec<u64>,
}

impl Observer for Counter {
    fn after(&mut self, _pipeline: &Pipeline, _cascade: &[Event], outbound: &[Event]) {
        self.left.extend(outbound.iter().map(|event| event.sequence));
    }
}

fn outbound(events: &[Event]) -> usize {
    events.iter().filter(|event| event.kind.is_outbound()).count()
}

#[test]
fn dry_run_decides_everything_and_sends_nothing() {
    let mut desk = Desk::lively(101);
    desk.config.engine.mode = "dry-run".to_string();
    let mut counter = Counter::default();
    let recorder = MemoryRecorder::default();
    let mut world = World::new(&desk, desk.pipeline(), recorder, WorldSettings::default());
    world.start(&desk, 1, &mut counter).unwrap();
    world.run(20_000, &mut counter).unwrap();
    world.end(1, &mut counter).unwrap();
    let events = &world.recorder.inner.events;
    let withheld = events.iter().filter(|event| event.kind == Kind::WITHHELD).count();
    assert!(10 < withheld);
    assert_eq!(outbound(events), withheld, "each one that would have left was withheld");
    assert_eq!(counter.left, [] as [u64; 0]);
    assert_eq!(world.pipeline.gateway().released_count(), 0);
    assert!(events.iter().all(|event| event.kind != Kind::FILL));
    assert_eq!(world.venue.counters().orders, 0);
}

/// Waits for the helper thread, for a bounded time.
fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if done() {
            return;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(1));
    }
    panic!("{what} did not happen within 10 s");
}

#[test]
fn with_power_durability_orders_wait_for_the_disk() {
    let desk = Desk::lively(103);
    let directory = scratch::directory();
    let faults = Arc::new(Faults::default());
    let options = journal::Options {
        faults: Arc::clone(&faults),
        ..scratch::options(1 << 16, Durability::Power)
    };
    let recorder = scratch::recorder(directory.path(), options);
    let mut counter = Counter::default();
    let mut world = World::new(&desk, desk.pipeline(), recorder, WorldSettings::default());
    faults.set_helper_stalls(true);
    // The helper may be in the middle of a turn: what it does now must not count.
    world.start(&desk, 1, &mut counter).unwrap();
    world.run(8_000, &mut counter).unwrap();
    let waiting = world.pipeline.gateway().pending_count();
    assert!(0 < waiting, "somebody wanted to trade");
    let synced = world.recorder.inner.durable();
    assert!(counter.left.iter().all(|sequence| *sequence <= synced));
    assert!(synced < world.pipeline.head());
    let held = counter.left.len();

    faults.set_helper_stalls(false);
    let head = world.pipeline.head();
    wait_for("the sync", || head <= world.recorder.inner.durable());
    let left = world.release_pending().unwrap();
    assert_eq!(left.len(), waiting);
    assert!(left.iter().all(|event| event.sequence <= world.recorder.inner.durable()));
    assert_eq!(world.pipeline.gateway().pending_count(), 0);
    assert!(held < held + left.len());
}

#[test]
fn after_a_failed_sync_nothing_leaves_any_more() {
    let desk = Desk::lively(107);
    let directory = scratch::directory();
    let faults = Arc::new(Faults::default());
    let options = journal::Options {
        faults: Arc::clone(&faults),
        ..scratch::options(1 << 16, Durability::Power)
    };
    let recorder = scratch::recorder(directory.path(), options);
    let mut counter = Counter::default();
    let mut world = World::new(&desk, desk.pipeline(), recorder, WorldSettings::default());
    faults.set_sync_errno(5);
    world.start(&desk, 1, &mut counter).unwrap();
    wait_for("the failed sync", || world.recorder.inner.writer().status().faulted);
    let synced = world.recorder.inner.durable();
    // Either the journal refuses the next record or it goes on recording; nothing leaves in any case.
    let _outcome = world.run(8_000, &mut counter);
    faults.set_sync_errno(0);
    assert_eq!(world.recorder.inner.durable(), synced);
    assert!(counter.left.iter().all(|sequence| *sequence <= synced));
}
