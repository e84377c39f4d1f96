//! The snapshot follower: replays the journal on another core, behind the engine, and saves its state.
//!
//! **Invariant:** the core knows nothing of it. It reads the mapped journal; if it is slow or dies,
//! only the next start takes longer.

use std::path::{Path, PathBuf};

use super::recovery::snapshot_dir;
use super::replay::{self, Build, Replay, ReplayError};
use crate::event::Event;

/// Why the follower stopped. The engine goes on.
#[derive(Debug, thiserror::Error)]
pub enum FollowerError {
    /// The journal cannot be followed.
    #[error(transparent)]
    Tail(#[from] journal::TailError),
    /// The replay stopped; if it diverged, this build is not deterministic: an alarm.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A snapshot cannot be written.
    #[error(transparent)]
    File(#[from] journal::FileError),
}

/// Follows one journal.
#[derive(Debug)]
pub struct Follower {
    tail: journal::Tail,
    replay: Replay,
    snapshot_dir: PathBuf,
    interval_records: u64,
    kept_count: usize,
    saved_sequence: u64,
    sequence: u64,
    compared_count: u64,
}

impl Follower {
    /// Follows the journal in `dir` after `replay` (which stands at `sequence`); saves a snapshot each
    /// `interval_records` (0 for never) and keeps the newest `kept_count`.
    pub fn open(
        dir: &Path,
        replay: Replay,
        sequence: u64,
        interval_records: u64,
        kept_count: usize,
    ) -> Result<Follower, FollowerError> {
        Ok(Follower {
            tail: journal::Tail::open(dir, sequence + 1)?,
            replay,
            snapshot_dir: snapshot_dir(dir),
            interval_records,
            kept_count,
            saved_sequence: sequence,
            sequence,
            compared_count: 0,
        })
    }

    /// Sequence of the last record replayed.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Sequence of the last snapshot saved.
    pub fn saved_sequence(&self) -> u64 {
        self.saved_sequence
    }

    /// Decisions that were compared while following.
    pub fn compared_count(&self) -> u64 {
        self.compared_count
    }

    /// Replays what is new, at most one batch. Returns how many records, 0 for nothing new.
    pub fn poll(&mut self, build: &mut Build<'_>) -> Result<usize, FollowerError> {
        let records = self.tail.poll()?;
        let events: &[Event] = bytemuck::cast_slice(records);
        for event in events {
            self.replay.step(event, build)?;
            self.sequence = event.sequence;
        }
        let count = events.len();
        self.compared_count = self.replay.compared_count();
        if self.interval_records != 0
            && self.saved_sequence + self.interval_records <= self.sequence
        {
            self.save()?;
        }
        Ok(count)
    }

    /// Saves a snapshot of the present place, if the replay is between two cascades and a session
    /// has started. Returns whether it did.
    pub fn save(&mut self) -> Result<bool, FollowerError> {
        let Some(pipeline) = self.replay.pipeline() else { return Ok(false) };
        if !self.replay.is_between_cascades() || pipeline.head() != self.sequence {
            return Ok(false);
        }
        let state_hash = pipeline.state_hash();
        let Some(bytes) = replay::save_snapshot(&self.replay) else { return Ok(false) };
        journal::snapshot::save(&self.snapshot_dir, self.sequence, state_hash, &bytes)?;
        journal::snapshot::prune(&self.snapshot_dir, self.kept_count)?;
        self.saved_sequence = self.sequence;
        Ok(true)
    }
}
