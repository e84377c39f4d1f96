//! Replay: the same inputs through the same code, every decision compared with what was recorded.
//!
//! Recovery, the snapshot follower and `tickwheel replay` are all this one loop. Records come one by
//! one; an inbound record is applied, what the pipeline decides is kept aside, and each recorded
//! decision must be the next of those. The first that is not ends the replay.

use std::collections::VecDeque;

use super::manifest::{Collector, Manifest, ManifestError};
use super::probe::NoProbe;
use super::{Edges, Fault, Pipeline, Recorder};
use crate::event::{Event, Kind};
use crate::gateway::NoOutlet;
use crate::state::{LoadError, Loader, Saver, State};

/// Builds a pipeline for a manifest; the error says in words why it cannot.
pub type Build<'b> = dyn FnMut(&Manifest) -> Result<Pipeline, String> + 'b;

/// Where a replay and its journal differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// Sequence of the first record that differs.
    pub sequence: u64,
    /// What the journal has there; `None` when it has an input where a decision was due.
    pub recorded: Option<Event>,
    /// What this engine decides there; `None` when it decides nothing.
    pub decided: Option<Event>,
}

/// Why a replay cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Decisions differ.
    #[error("replay and journal differ from record {} on", .0.sequence)]
    Diverged(Box<Divergence>),
    /// The records do not start with a manifest.
    #[error("record {sequence}: no session has started")]
    NoSession {
        /// The first record that needs one.
        sequence: u64,
    },
    /// Sequences do not follow each other.
    #[error("record {found} where {expected} was due")]
    OutOfSequence {
        /// What was due.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// The manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The engine of that manifest cannot be built.
    #[error("session at record {sequence}: {why}")]
    Build {
        /// The session start.
        sequence: u64,
        /// In words.
        why: String,
    },
    /// The state of the session before does not fit the configuration of this one.
    #[error("session at record {sequence}: the state before it does not fit: {error}")]
    State {
        /// The session start.
        sequence: u64,
        /// What does not fit.
        error: LoadError,
    },
    /// The core stops at this point, as it did then.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Keeps decisions aside, lets inputs pass.
#[derive(Debug, Default)]
struct Decided {
    events: VecDeque<Event>,
}

impl Recorder for Decided {
    #[inline]
    fn record(&mut self, event: &Event) -> bool {
        if !event.kind.is_inbound() {
            self.events.push_back(*event);
        }
        true
    }

    #[inline]
    fn durable(&self) -> u64 {
        u64::MAX
    }
}

/// A replay in progress.
#[derive(Debug, Default)]
pub struct Replay {
    pipeline: Option<Pipeline>,
    collector: Collector,
    /// Records of the first manifest, which no pipeline has applied yet.
    waiting: Vec<Event>,
    decided: Decided,
    manifest_sequence: u64,
    compared_count: u64,
    session: u64,
}

/// Most records before the first session start; a manifest is far smaller.
const WAITING_COUNT_MAX: usize = 1 << 20;

impl Replay {
    /// From the first record.
    pub fn new() -> Replay {
        Replay::default()
    }

    /// From a snapshot: `pipeline` has the state after its last record.
    pub fn resume(pipeline: Pipeline, manifest_sequence: u64, session: u64) -> Replay {
        Replay { pipeline: Some(pipeline), manifest_sequence, session, ..Replay::default() }
    }

    /// The pipeline, once a session has started.
    pub fn pipeline(&self) -> Option<&Pipeline> {
        self.pipeline.as_ref()
    }

    /// First record of the manifest in force.
    pub fn manifest_sequence(&self) -> u64 {
        self.manifest_sequence
    }

    /// Number of the last session that started; 0 before the first.
    pub fn session(&self) -> u64 {
        self.session
    }

    /// Recorded decisions that were compared.
    pub fn compared_count(&self) -> u64 {
        self.compared_count
    }

    /// Whether everything that was decided is recorded: not in the middle of a cascade.
    pub fn is_between_cascades(&self) -> bool {
        self.decided.events.is_empty()
    }

    /// Takes the next record.
    #[inline]
    pub fn step(&mut self, record: &Event, build: &mut Build<'_>) -> Result<(), ReplayError> {
        if !record.kind.is_inbound() {
            return self.compare(record);
        }
        if let Some(decided) = self.decided.events.front() {
            let decided = Some(*decided);
            let divergence =
                Divergence { sequence: record.sequence, recorded: Some(*record), decided };
            return Err(ReplayError::Diverged(Box::new(divergence)));
        }
        match record.kind {
            Kind::TEXT | Kind::INSTRUMENT => self.collector.take(record)?,
            Kind::SESSION_START => self.start_session(record, build)?,
            _ => {}
        }
        let Some(pipeline) = &mut self.pipeline else {
            if self.waiting.len() == WAITING_COUNT_MAX || record.kind == Kind::DEPTH {
                return Err(ReplayError::NoSession { sequence: record.sequence });
            }
            self.waiting.push(*record);
            return Ok(());
        };
        apply(pipeline, record, &mut self.decided)
    }

    #[inline]
    fn compare(&mut self, record: &Event) -> Result<(), ReplayError> {
        let decided = self.decided.events.pop_front();
        if let Some(event) = &decided
            && event.says_the_same_as(record)
        {
            self.compared_count += 1;
            return Ok(());
        }
        let divergence = Divergence { sequence: record.sequence, recorded: Some(*record), decided };
        Err(ReplayError::Diverged(Box::new(divergence)))
    }

    /// A new session: a pipeline of its configuration takes over the state of the one before.
    fn start_session(&mut self, record: &Event, build: &mut Build<'_>) -> Result<(), ReplayError> {
        let sequence = record.sequence;
        let manifest = self.collector.finish(record)?;
        let mut next = build(&manifest).map_err(|why| ReplayError::Build { sequence, why })?;
        if let Some(before) = &self.pipeline {
            take_over(before, &mut next).map_err(|error| ReplayError::State { sequence, error })?;
        }
        for waiting in std::mem::take(&mut self.waiting) {
            apply(&mut next, &waiting, &mut self.decided)?;
        }
        self.manifest_sequence = self.collector.first_sequence();
        self.session = manifest.session;
        self.pipeline = Some(next);
        Ok(())
    }

    /// Ends the replay: the pipeline, what it decided beyond the last record (the rest of a cascade
    /// that a crash cut off), and the records of an unfinished first manifest.
    pub fn finish(self) -> Finished {
        Finished {
            pipeline: self.pipeline,
            beyond: self.decided.events.into(),
            waiting: self.waiting,
            session: self.session,
        }
    }
}

/// What is left at the end of a replay.
#[derive(Debug)]
pub struct Finished {
    /// The pipeline after the last record; `None` when no session ever started.
    pub pipeline: Option<Pipeline>,
    /// Decisions that follow from the recorded inputs but are not recorded.
    pub beyond: Vec<Event>,
    /// Records of a first manifest that never became a session.
    pub waiting: Vec<Event>,
    /// Number of the last session that started.
    pub session: u64,
}

#[inline]
fn apply(
    pipeline: &mut Pipeline,
    record: &Event,
    decided: &mut Decided,
) -> Result<(), ReplayError> {
    let expected = pipeline.head() + 1;
    if record.sequence != expected {
        return Err(ReplayError::OutOfSequence { expected, found: record.sequence });
    }
    let mut edges = Edges { recorder: decided, outlet: &mut NoOutlet, probe: &mut NoProbe };
    pipeline.apply(record, &mut edges)?;
    Ok(())
}

/// Brings the state of `before` into `next`, through the same bytes as a snapshot.
pub fn take_over(before: &Pipeline, next: &mut Pipeline) -> Result<(), LoadError> {
    let mut saver = Saver::new();
    before.save(&mut saver);
    let bytes = saver.into_bytes();
    let mut loader = Loader::new(&bytes);
    next.load(&mut loader)?;
    loader.finish()
}

/// The bytes of a snapshot: which manifest and session are in force, then the pipeline. `None` before
/// the first session, and in the middle of a manifest: its first half is in no pipeline's state.
pub fn save_snapshot(replay: &Replay) -> Option<Vec<u8>> {
    let pipeline = replay.pipeline().filter(|_| !replay.collector.is_open())?;
    let mut saver = Saver::new();
    saver.u64(replay.manifest_sequence);
    saver.u64(replay.session);
    pipeline.save(&mut saver);
    Some(saver.into_bytes())
}

/// First record of the manifest that a snapshot was made under.
pub fn snapshot_manifest_sequence(bytes: &[u8]) -> Result<u64, LoadError> {
    Loader::new(bytes).u64()
}

/// A replay that continues after a snapshot; `pipeline` was built for the manifest in force.
pub fn load_snapshot(bytes: &[u8], mut pipeline: Pipeline) -> Result<Replay, LoadError> {
    let mut loader = Loader::new(bytes);
    let manifest_sequence = loader.u64()?;
    let session = loader.u64()?;
    pipeline.load(&mut loader)?;
    loader.finish()?;
    Ok(Replay::resume(pipeline, manifest_sequence, session))
}
