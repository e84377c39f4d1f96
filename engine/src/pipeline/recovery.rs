//! Recovery: newest valid snapshot, then the tail of the journal, then on from there.
//!
//! The same code starts an engine after a crash and after an orderly end. Decisions of the tail are
//! compared while it is replayed: an engine that would decide otherwise than it did refuses to go on.

use std::path::{Path, PathBuf};

use super::manifest::{Collector, Manifest, ManifestError};
use super::recorder::JournalRecorder;
use super::replay::{self, Build, Replay, ReplayError};
use super::{Edges, NoProbe, NoRecorder, Pipeline};
use crate::event::{Event, Kind};
use crate::gateway::NoOutlet;
use crate::state::LoadError;

/// Where a data directory keeps its snapshots.
pub fn snapshot_dir(journal_dir: &Path) -> PathBuf {
    journal_dir.join("snapshots")
}

/// Why an engine cannot be brought back to where it was.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The journal is damaged, locked or not to be read.
    #[error(transparent)]
    Journal(#[from] journal::RecoverError),
    /// The journal cannot be mapped.
    #[error(transparent)]
    Reader(#[from] journal::ReaderError),
    /// The journal cannot be written to.
    #[error(transparent)]
    Writer(#[from] journal::WriterError),
    /// A record that completes a cut cascade cannot be written.
    #[error("completing the last cascade: {0}")]
    Append(#[from] journal::AppendError),
    /// The tail cannot be replayed.
    #[error("replaying the journal: {0}")]
    Replay(#[from] ReplayError),
    /// The state does not fit the configuration of the new session.
    #[error(
        "the state of this journal does not fit the configuration ({0}); instruments and strategies \
         must be the same, or take another data directory"
    )]
    State(LoadError),
}

/// An engine as it was after the last record.
#[derive(Debug)]
pub struct Recovered {
    /// What the journal looked like.
    pub journal: journal::Recovery,
    /// The replayed pipeline and what is left over.
    pub finished: replay::Finished,
    /// Sequence of the snapshot that was used; 0 for none.
    pub snapshot_sequence: u64,
    /// Records replayed after it.
    pub replayed_count: u64,
    /// Snapshots that could not be used, with the reason.
    pub snapshots_skipped: Vec<String>,
}

/// Brings an engine back from `dir`; cuts a torn tail if the recovery table allows it.
pub fn recover(dir: &Path, build: &mut Build<'_>) -> Result<Recovered, RecoveryError> {
    replay_all(journal::recover(dir)?, build)
}

/// The same without changing anything, for tools and benches.
pub fn inspect(dir: &Path, build: &mut Build<'_>) -> Result<Recovered, RecoveryError> {
    replay_all(journal::inspect(dir), build)
}

fn replay_all(found: journal::Recovery, build: &mut Build<'_>) -> Result<Recovered, RecoveryError> {
    let reader = journal::Reader::from_recovery(found)?;
    let mut skipped = Vec::new();
    let (mut replay, snapshot_sequence) = match from_snapshot(&reader, build, &mut skipped) {
        Some((replay, sequence)) => (replay, sequence),
        None => (Replay::new(), 0),
    };
    let mut replayed_count = 0;
    for segment in reader.segments_from(snapshot_sequence + 1) {
        let events: &[Event] = bytemuck::cast_slice(segment);
        for event in events {
            replay.step(event, build)?;
        }
        replayed_count += u64::try_from(events.len()).unwrap_or(u64::MAX);
    }
    Ok(Recovered {
        journal: reader.recovery().clone(),
        finished: replay.finish(),
        snapshot_sequence,
        replayed_count,
        snapshots_skipped: skipped,
    })
}

/// A replay that starts at the newest snapshot that can be used. Whatever is wrong with a snapshot
/// costs time and nothing else: the journal has it all.
fn from_snapshot(
    reader: &journal::Reader,
    build: &mut Build<'_>,
    skipped: &mut Vec<String>,
) -> Option<(Replay, u64)> {
    let dir = snapshot_dir(&reader.recovery().dir);
    let mut sequence_max = reader.last_sequence();
    loop {
        let newest = match journal::snapshot::newest_valid(&dir, sequence_max) {
            Ok(newest) => newest,
            Err(error) => {
                skipped.push(error.to_string());
                return None;
            }
        };
        for one in &newest.skipped {
            skipped.push(format!("{}: {}", one.path.display(), one.reason));
        }
        let snapshot = newest.snapshot?;
        match load(reader, &snapshot, build) {
            Ok(replay) => return Some((replay, snapshot.sequence)),
            Err(why) => skipped.push(format!("snapshot of record {}: {why}", snapshot.sequence)),
        }
        sequence_max = snapshot.sequence.checked_sub(1)?;
    }
}

fn load(
    reader: &journal::Reader,
    snapshot: &journal::snapshot::Snapshot,
    build: &mut Build<'_>,
) -> Result<Replay, String> {
    let from = replay::snapshot_manifest_sequence(&snapshot.bytes).map_err(|e| e.to_string())?;
    let manifest = manifest_at(reader, from).map_err(|error| error.to_string())?;
    let replay =
        replay::load_snapshot(&snapshot.bytes, build(&manifest)?).map_err(|e| e.to_string())?;
    let pipeline = replay.pipeline().ok_or("it has no pipeline")?;
    if pipeline.head() != snapshot.sequence || pipeline.state_hash() != snapshot.state_hash {
        return Err("its state hash does not fit its state".to_string());
    }
    Ok(replay)
}

/// The manifest whose first record is `from`.
pub fn manifest_at(reader: &journal::Reader, from: u64) -> Result<Manifest, ManifestError> {
    let mut collector = Collector::default();
    for record in reader.records_from(from) {
        let event: &Event = bytemuck::cast_ref(record);
        if event.kind == Kind::SESSION_START {
            return collector.finish(event);
        }
        collector.take(event)?;
    }
    Err(ManifestError::Missing { sequence: from, what: "session start" })
}

/// Continues a recovered journal with `pipeline`, built for the new session: the state moves over, a
/// cascade that was cut off is completed in the journal.
pub fn resume(
    recovered: &Recovered,
    mut pipeline: Pipeline,
    options: journal::Options,
) -> Result<(Pipeline, JournalRecorder), RecoveryError> {
    let durability = options.durability;
    let dir = recovered.journal.dir.clone();
    let mut writer = journal::Writer::open(&dir, options, &recovered.journal)?;
    for event in &recovered.finished.beyond {
        writer.append(bytemuck::cast_ref(event))?;
    }
    if let Some(before) = &recovered.finished.pipeline {
        replay::take_over(before, &mut pipeline).map_err(RecoveryError::State)?;
    }
    for event in &recovered.finished.waiting {
        let mut edges =
            Edges { recorder: &mut NoRecorder, outlet: &mut NoOutlet, probe: &mut NoProbe };
        pipeline.apply(event, &mut edges).map_err(ReplayError::Fault)?;
    }
    Ok((pipeline, JournalRecorder::new(writer, durability)))
}
