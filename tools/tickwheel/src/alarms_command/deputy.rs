//! The deputy: tells what a guard did when the engine's own alarm thread holds the alarms and does not move.
//!
//! ```text
//!   alarms/guard.jsonl grows, alarms/state.json does not follow for 2 s --> a watch in alarms/deputy-TIME
//!                                       it follows again, or is free    --> that watch ends
//! ```
//! An engine that stands still as a whole (SIGSTOP, a debugger, a frozen container) keeps the lock of its alarms.

use std::path::{Path, PathBuf};

use alarm::channel::Parts;
use alarm::rules::guard::GUARD_FILE;
use alarm::store::saved_guard_offset;
use alarm::{Watch, WatchSettings};
use engine::clock::Clock;
use engine::stats::{CounterId, StatsReader};

use super::END_NS_MAX;

/// How long the holder may leave lines of the guard unread; it reads them ten times a second.
const IDLE_NS_MAX: u64 = 2_000_000_000;

/// Whether a deputy is needed, and it.
#[derive(Debug, Default)]
pub(super) struct Deputy {
    behind_since_ns: Option<u64>,
    watch: Option<Watch>,
}

impl Deputy {
    /// Looks once while another process holds the alarms of `settings.dir`; `channels` are made when they are needed.
    pub(super) fn look(
        &mut self,
        settings: &WatchSettings,
        channels: impl FnOnce() -> anyhow::Result<Vec<Parts>>,
        clock: &Clock,
    ) -> anyhow::Result<()> {
        let now_ns = clock.now_ns();
        let Some(offset) = unread(&settings.dir) else { return self.end(clock) };
        let since_ns = *self.behind_since_ns.get_or_insert(now_ns);
        if self.watch.is_none() && IDLE_NS_MAX <= now_ns.saturating_sub(since_ns) {
            eprintln!("the engine does not tell what its guard did: telling it from here");
            let settings = WatchSettings {
                dir: place(&settings.dir, now_ns),
                guard_dir: Some(settings.dir.clone()),
                guard_offset: Some(offset),
                first_sequence: next_sequence(&settings.stats_path),
                names: alarm::Names {
                    instance: format!("{} (deputy)", settings.names.instance),
                    ..settings.names.clone()
                },
                ..settings.clone()
            };
            self.watch = Some(Watch::open(settings, channels()?, clock)?);
        }
        if let Some(watch) = &mut self.watch {
            while 0 < watch.turn(clock.now_ns()) {}
        }
        Ok(())
    }

    /// Nothing is left to tell for others.
    pub(super) fn end(&mut self, clock: &Clock) -> anyhow::Result<()> {
        self.behind_since_ns = None;
        if let Some(watch) = self.watch.take() {
            watch.close(END_NS_MAX, clock)?;
        }
        Ok(())
    }
}

/// Where lines of the guard begin that the holder has not read.
fn unread(dir: &Path) -> Option<u64> {
    let size = std::fs::metadata(dir.join(GUARD_FILE)).ok()?.len();
    // Without a state the holder has only begun.
    let offset = saved_guard_offset(dir).ok().flatten()?;
    (offset < size).then_some(offset)
}

/// A directory of its own for each time, so that nothing old is told again.
fn place(dir: &Path, now_ns: u64) -> PathBuf {
    dir.join(format!("deputy-{now_ns}"))
}

/// The record after the last one of the engine's journal: what is there is past.
pub(super) fn next_sequence(stats_path: &Path) -> u64 {
    StatsReader::open(stats_path)
        .and_then(|stats| stats.snapshot())
        .map_or(1, |it| it.counter(CounterId::JournalAppended) + 1)
}
