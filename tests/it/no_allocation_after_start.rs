//! The core path allocates nothing after start: the whole pipeline, both strategies, the journal,
//! more than a million events, proved by a counting allocator.

#![expect(clippy::unwrap_used, reason = "everything in here is a test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use engine::event::{Event, Kind};
use engine::gateway::Outlet;
use engine::pipeline::recorder::MemoryRecorder;
use engine::pipeline::{Edges, NoProbe, NoRecorder, Pipeline, Recorder};
use journal::Durability;
use simulator::world::{Nobody, WorldSettings};
use simulator::{Desk, World, scratch};

thread_local! {
    // Only this thread's: the journal's helper and the test harness may do as they like.
    static ALLOCATION_COUNT: Cell<u64> = const { Cell::new(0) };
}

fn allocation_count() -> u64 {
    ALLOCATION_COUNT.get()
}

fn count_one() {
    // While a thread ends its locals are gone; what it allocates then is not the core path's.
    let _is_counted = ALLOCATION_COUNT.try_with(|count| count.set(count.get() + 1)).is_ok();
}

struct Counting;

#[expect(unsafe_code, reason = "an allocator is unsafe by its trait")]
// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_one();
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts what leaves, and keeps nothing.
#[derive(Default)]
struct Gate {
    count: u64,
}

impl Outlet for Gate {
    fn offer(&mut self, _event: &Event) -> bool {
        self.count += 1;
        true
    }
}

/// Inbound events of a session: how they come about may allocate, so it is over before counting.
fn script(desk: &Desk, count: u64) -> (Vec<Event>, u64) {
    let settings = WorldSettings { keeps_script: true, ..WorldSettings::default() };
    let mut world = World::new(desk, desk.pipeline(), NoRecorder, settings);
    world.start(desk, 1, &mut Nobody).unwrap();
    world.run(count, &mut Nobody).unwrap();
    let hash = world.pipeline.state_hash();
    (world.script, hash)
}

/// Plays `script`; returns the allocations after the first `warm_up` events.
fn play<R: Recorder>(
    script: &[Event],
    warm_up: usize,
    pipeline: &mut Pipeline,
    recorder: &mut R,
    outlet: &mut Gate,
) -> u64 {
    let mut before = 0;
    for (index, event) in script.iter().enumerate() {
        if index == warm_up {
            before = allocation_count();
        }
        let mut edges = Edges { recorder, outlet, probe: &mut NoProbe };
        pipeline.apply(event, &mut edges).unwrap();
    }
    allocation_count() - before
}

#[test]
fn a_million_events_through_the_whole_pipeline_allocate_nothing() {
    let desk = Desk::lively(71);
    println!("seed {}", desk.config.market.seed);
    let (script, state_hash) = script(&desk, 1_200_000);
    let directory = scratch::directory();
    // Large segments, so that the helper thread has time: a late one is another scenario.
    let options = scratch::options(1 << 20, Durability::Process);
    let mut recorder = scratch::recorder(directory.path(), options);
    let mut pipeline = desk.pipeline();
    let mut outlet = Gate::default();
    let warm_up = 50_000;
    let count = play(&script, warm_up, &mut pipeline, &mut recorder, &mut outlet);
    assert_eq!(pipeline.state_hash(), state_hash);
    let fills = pipeline.oms().counters().fills;
    println!("{} events, {} sent, {fills} fills", script.len(), outlet.count);
    assert!(1_000 < outlet.count && 50 < fills, "too little happened to prove anything");
    assert!(1_000_000 < script.len() - warm_up);
    assert_eq!(count, 0, "allocations on the core path");
}

#[test]
fn the_counter_counts() {
    let desk = Desk::lively(73);
    let (script, _) = script(&desk, 2_000);
    let mut recorder = MemoryRecorder::default();
    let count = play(&script, 0, &mut desk.pipeline(), &mut recorder, &mut Gate::default());
    assert!(0 < count, "a recorder in memory has to grow");
    assert!(recorder.events.iter().any(|event| event.kind == Kind::SESSION_START));
}
