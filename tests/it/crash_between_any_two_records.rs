//! A journal that ends after any record whatsoever is completed and continued as if nothing had happened.

use engine::event::{Event, Kind};
use engine::gateway::NoOutlet;
use engine::pipeline::recorder::{MemoryRecorder, Recorder as _};
use engine::pipeline::recovery;
use engine::pipeline::{Edges, NoProbe, Pipeline};
use journal::Durability;
use simulator::world::{Nobody, WorldSettings};
use simulator::{Desk, Random, World, scratch};

struct Whole {
    desk: Desk,
    script: Vec<Event>,
    records: Vec<Event>,
    state_hash: u64,
}

fn whole(seed: u64, count: u64) -> Whole {
    let desk = Desk::lively(seed);
    let settings = WorldSettings { keeps_script: true, ..WorldSettings::default() };
    let mut world = World::new(&desk, desk.pipeline(), MemoryRecorder::default(), settings);
    world.start(&desk, 1, &mut Nobody).unwrap();
    world.run(count, &mut Nobody).unwrap();
    world.end(1, &mut Nobody).unwrap();
    let state_hash = world.pipeline.state_hash();
    Whole { desk, script: world.script, records: world.recorder.inner.events, state_hash }
}

fn play(
    pipeline: &mut Pipeline,
    recorder: &mut engine::pipeline::recorder::JournalRecorder,
    script: &[Event],
) {
    for event in script {
        let mut edges = Edges { recorder, outlet: &mut NoOutlet, probe: &mut NoProbe };
        pipeline.apply(event, &mut edges).unwrap();
    }
}

/// Cuts the journal after `kept` records, recovers, plays the rest of the inputs.
fn crash_and_go_on(whole: &Whole, kept: usize) {
    let directory = scratch::directory();
    let dir = directory.path();
    let options = || scratch::options(4096, Durability::Process);
    let mut recorder = scratch::recorder(dir, options());
    for event in &whole.records[..kept] {
        assert!(recorder.record(event));
    }
    drop(recorder); // As the journal of a killed engine: not closed.

    let mut build = |manifest: &_| whole.desk.build(manifest);
    let recovered = recovery::recover(dir, &mut build).unwrap();
    let heard = whole.records[..kept].iter().filter(|event| event.kind.is_inbound()).count();
    let (mut pipeline, mut recorder) =
        recovery::resume(&recovered, whole.desk.pipeline(), options()).unwrap();
    play(&mut pipeline, &mut recorder, &whole.script[heard..]);
    assert_eq!(pipeline.state_hash(), whole.state_hash, "cut after {kept}");
    recorder.into_writer().close().unwrap();
    let events = scratch::events_of(dir);
    assert_eq!(events.len(), whole.records.len());
    for (event, wanted) in events.iter().zip(&whole.records) {
        assert!(event.says_the_same_as(wanted), "cut after {kept}: {event:?} for {wanted:?}");
    }
}

#[test]
fn the_rest_of_a_cut_cascade_is_written_and_the_session_goes_on() {
    let mut random = Random::from_environment("cuts", 9);
    let whole = whole(61, 6_000);
    let count = u64::try_from(whole.records.len()).unwrap();
    // Inside cascades, where it hurts: after each record of the first orders and fills.
    let mut cuts: Vec<usize> = Vec::new();
    for kind in [Kind::APPROVED, Kind::SEND_NEW, Kind::FILL, Kind::FEE, Kind::SIGNAL, Kind::DEPTH] {
        cuts.extend(whole.records.iter().positions_of(kind).into_iter().map(|index| index + 1));
    }
    cuts.extend((0..20).map(|_| usize::try_from(random.below(count)).unwrap()));
    let slow = if simulator::is_slow_wanted() { 2_000 } else { 0 };
    cuts.extend((0..slow).map(|_| usize::try_from(random.below(count)).unwrap()));
    for cut in cuts {
        crash_and_go_on(&whole, cut);
    }
}

#[test]
fn a_crash_inside_the_first_manifest_leaves_a_journal_that_starts_again() {
    let whole = whole(63, 2_000);
    let start = whole.records.iter().position(|event| event.kind == Kind::SESSION_START).unwrap();
    for kept in [0, 1, 2, start / 2, start - 1, start, start + 1] {
        crash_and_go_on(&whole, kept);
    }
}

trait PositionsOf {
    /// The first, a middle and the last place of `kind`.
    fn positions_of(self, kind: Kind) -> Vec<usize>;
}

impl<'a, I: Iterator<Item = &'a Event>> PositionsOf for I {
    fn positions_of(self, kind: Kind) -> Vec<usize> {
        let all: Vec<usize> = self
            .enumerate()
            .filter(|(_, event)| event.kind == kind)
            .map(|(index, _)| index)
            .collect();
        assert!(!all.is_empty(), "no {} in the session", kind.name());
        vec![all[0], all[all.len() / 2], all[all.len() - 1]]
    }
}
