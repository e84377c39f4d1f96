//! Journals in temporary directories, and replays of them.

use std::path::Path;

use engine::event::Event;
use engine::pipeline::Pipeline;
use engine::pipeline::recorder::JournalRecorder;
use engine::pipeline::replay::{Replay, ReplayError};
use journal::Durability;
use tempfile::TempDir;

use crate::compose::Desk;

/// A directory that is gone at the end of the scenario.
pub fn directory() -> TempDir {
    tempfile::Builder::new()
        .prefix("tickwheel-it-")
        .tempdir()
        .expect("the place for temporary files is writable")
}

/// Options of a journal with small segments.
pub fn options(segment_records: u64, durability: Durability) -> journal::Options {
    journal::Options {
        durability,
        segment_records,
        block_records: 64,
        journal_id: *b"simulator-journa",
        created_ns: crate::world::START_NS,
        engine_version: "0.1.0".to_string(),
        git_commit: "simulator".to_string(),
        // A machine that is busy with other tests may be late with a segment.
        roll_yields_max: u32::MAX,
        ..journal::Options::default()
    }
}

/// A new journal in `dir` as a recorder.
pub fn recorder(dir: &Path, options: journal::Options) -> JournalRecorder {
    let durability = options.durability;
    let writer = journal::Writer::create(dir, options).expect("an empty directory takes a journal");
    JournalRecorder::new(writer, durability)
}

/// Every record of the journal in `dir`.
pub fn events_of(dir: &Path) -> Vec<Event> {
    let reader = journal::Reader::open(dir).expect("a journal that can be read");
    reader.records_from(1).map(|record| *bytemuck::cast_ref::<_, Event>(record)).collect()
}

/// What a replay of records came to.
#[derive(Debug)]
pub struct Replayed {
    /// The pipeline at the end.
    pub pipeline: Pipeline,
    /// Decisions that were compared.
    pub compared_count: u64,
    /// Decisions beyond the last record.
    pub beyond: Vec<Event>,
}

/// Replays `events` with engines of `desk`.
pub fn replay(events: &[Event], desk: &Desk) -> Result<Replayed, ReplayError> {
    let mut replay = Replay::new();
    let mut build = |manifest: &_| desk.build(manifest);
    for event in events {
        replay.step(event, &mut build)?;
    }
    let compared_count = replay.compared_count();
    let finished = replay.finish();
    let pipeline = finished.pipeline.expect("a session has started");
    Ok(Replayed { pipeline, compared_count, beyond: finished.beyond })
}
