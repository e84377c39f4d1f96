//! Is the engine dead, stuck, or well? A machine that sees heartbeats and the process table, and no clock.
//!
//! ```text
//!   pulse, process there?, time --look--> Working | Ended | Lost(why)
//! ```
//! Silence is counted as this machine has seen it: a beat that has not changed between two looks adds the time
//! between them, at most [`GAP_NS_MAX`]. A guard that was itself held up (a busy machine, a machine that slept)
//! therefore does not take its own absence for the engine's.
//!
//! **Invariant:** an engine that said that it ended in order is never lost.

#[cfg(test)]
mod tests;

use engine::stats::{ProcessId, Pulse, RunState, ThreadRow, ThreadState};
use serde::{Deserialize, Serialize};

/// Most silence that one look can add.
pub const GAP_NS_MAX: u64 = 50_000_000;
/// The thread that decides.
const CORE: &str = "core";
/// The thread that could still cancel.
const ORDERS: &str = "orders";

/// Which engine: survives the reuse of process ids, and tells two starts apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineId {
    /// Process id.
    pub pid: u32,
    /// Start time of the process in clock ticks since boot.
    pub start_ticks: u64,
    /// When the engine started, ns since the epoch.
    pub start_ns: u64,
}

impl EngineId {
    /// Of a stats file.
    pub fn of(pulse: &Pulse) -> EngineId {
        let ProcessId { pid, start_ticks, .. } = pulse.engine.process;
        EngineId { pid, start_ticks, start_ns: pulse.engine.start_ns }
    }
}

/// Why an engine counts as lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its process is gone without a word.
    Gone,
    /// It said that it failed.
    Failed,
    /// It ended in order and said that orders of it still work: their cancels were not confirmed in time.
    LeftOrders {
        /// How many.
        count: u64,
    },
    /// A thread has panicked.
    ThreadDead {
        /// The thread.
        thread: String,
    },
    /// A thread does not beat.
    Silent {
        /// The thread.
        thread: String,
        /// For how long.
        silent_ns: u64,
    },
}

impl Cause {
    /// Stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            Cause::Gone => "gone",
            Cause::Failed => "failed",
            Cause::LeftOrders { .. } => "left-orders",
            Cause::ThreadDead { .. } => "thread-dead",
            Cause::Silent { .. } => "stuck",
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cause::Gone => f.write_str("the engine's process is gone"),
            Cause::Failed => f.write_str("the engine ended by a fault"),
            Cause::LeftOrders { count } => {
                write!(f, "the engine has ended and {count} orders of it may still work")
            }
            Cause::ThreadDead { thread } => write!(f, "thread {thread} of the engine is dead"),
            Cause::Silent { thread, silent_ns } => {
                let silent_ms = silent_ns / 1_000_000;
                write!(f, "thread {thread} of the engine has not moved for {silent_ms} ms")
            }
        }
    }
}

/// What a look tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It works.
    Working,
    /// It ended in order.
    Ended,
    /// Somebody else must cancel.
    Lost(Cause),
}

/// A thread as it was seen last.
#[derive(Clone, Debug)]
struct Seen {
    name: String,
    beat: (u64, u64),
    silent_ns: u64,
}

/// The watchman.
#[derive(Clone, Debug)]
pub struct Watch {
    dead_ns_max: u64,
    engine: Option<EngineId>,
    look_ns: Option<u64>,
    seen: Vec<Seen>,
}

impl Watch {
    /// A watchman who bears so much silence of the core.
    pub fn new(dead_ns_max: u64) -> Watch {
        Watch { dead_ns_max, engine: None, look_ns: None, seen: Vec::new() }
    }

    /// Bears another silence from here on.
    pub fn set_dead_ns_max(&mut self, dead_ns_max: u64) {
        self.dead_ns_max = dead_ns_max;
    }

    /// Which engine was seen last.
    pub fn engine(&self) -> Option<EngineId> {
        self.engine
    }

    /// Looks. `exists` is what the process table says, `None` where it cannot know.
    pub fn look(&mut self, pulse: &Pulse, exists: Option<bool>, now_ns: u64) -> Sight {
        let engine = EngineId::of(pulse);
        if self.engine != Some(engine) {
            self.engine = Some(engine);
            self.look_ns = None;
            self.seen.clear();
        }
        let gap_ns = self.look_ns.map_or(0, |last| now_ns.saturating_sub(last).min(GAP_NS_MAX));
        self.look_ns = Some(now_ns);
        match pulse.engine.state {
            RunState::Stopped => return Sight::Ended,
            RunState::Failed => return Sight::Lost(Cause::Failed),
            RunState::Starting | RunState::Running | RunState::Foreign => {}
        }
        if exists == Some(false) {
            return Sight::Lost(Cause::Gone);
        }
        let watched =
            pulse.threads.iter().filter(|row| [CORE, ORDERS].contains(&row.name.as_str()));
        // All of them are counted, also behind the first that is late.
        let mut lost = None;
        for row in watched {
            if let Some(cause) = self.judge(row, gap_ns) {
                lost.get_or_insert(cause);
            }
        }
        lost.map_or(Sight::Working, Sight::Lost)
    }

    fn judge(&mut self, row: &ThreadRow, gap_ns: u64) -> Option<Cause> {
        match row.state {
            ThreadState::Dead => return Some(Cause::ThreadDead { thread: row.name.clone() }),
            // It has ended; the run state will say how.
            ThreadState::Stopped | ThreadState::Foreign => return None,
            ThreadState::Alive => {}
        }
        let limit_ns = if row.name == CORE {
            self.dead_ns_max
        } else {
            self.dead_ns_max.max(row.beat_age_ns_max)
        };
        let beat = (row.beat_count, row.last_beat_ns);
        let Some(seen) = self.seen.iter_mut().find(|seen| seen.name == row.name) else {
            self.seen.push(Seen { name: row.name.clone(), beat, silent_ns: 0 });
            return None;
        };
        if seen.beat != beat {
            seen.beat = beat;
            seen.silent_ns = 0;
        } else {
            seen.silent_ns = seen.silent_ns.saturating_add(gap_ns);
        }
        let silent_ns = seen.silent_ns;
        (limit_ns < silent_ns).then(|| Cause::Silent { thread: row.name.clone(), silent_ns })
    }
}
