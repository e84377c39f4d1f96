//! The snapshot thread: follows the journal, saves the state now and then and at the end.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use config::schema::JournalSection;
use engine::pipeline::follower::{Follower, FollowerError};
use engine::pipeline::replay::Replay;

use crate::compose;

/// Pause when there is nothing new: snapshots are not urgent, and the core's neighbour is.
const PAUSE: Duration = Duration::from_millis(20);

/// What the thread tells.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    stop: AtomicBool,
    /// Sequence of the newest snapshot.
    pub(crate) saved_sequence: AtomicU64,
    /// Turns of the loop, for the watch.
    pub(crate) turns: AtomicU64,
}

/// The running thread.
#[derive(Debug)]
pub(crate) struct Snapshots {
    pub(crate) shared: Arc<Shared>,
    thread: JoinHandle<Result<u64, FollowerError>>,
}

impl Snapshots {
    pub(crate) fn start(
        dir: &Path,
        replay: Replay,
        sequence: u64,
        journal: &JournalSection,
    ) -> anyhow::Result<Snapshots> {
        let kept = usize::try_from(journal.snapshots_kept)?;
        let mut follower =
            Follower::open(dir, replay, sequence, journal.snapshot_interval_records, kept)?;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("tw-snapshot".to_string())
            .spawn(move || follow(&mut follower, &theirs))?;
        Ok(Snapshots { shared, thread })
    }

    /// Whether the thread ended though nobody told it to.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Lets it catch up, save a last snapshot and end. The error is what stopped it.
    pub(crate) fn finish(self) -> Result<u64, String> {
        self.shared.stop.store(true, Ordering::Release);
        match self.thread.join() {
            Ok(Ok(sequence)) => Ok(sequence),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the snapshot thread panicked".to_string()),
        }
    }
}

fn follow(follower: &mut Follower, shared: &Shared) -> Result<u64, FollowerError> {
    let mut build = compose::pipeline;
    loop {
        let stop = shared.stop.load(Ordering::Acquire);
        let count = follower.poll(&mut build)?;
        shared.saved_sequence.store(follower.saved_sequence(), Ordering::Relaxed);
        shared.turns.fetch_add(1, Ordering::Relaxed);
        if count == 0 {
            if stop {
                follower.save()?;
                return Ok(follower.saved_sequence());
            }
            std::thread::park_timeout(PAUSE);
        }
    }
}
