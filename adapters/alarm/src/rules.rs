//! The rules: events of the journal and readings of the stats file become signals.
//!
//! ```text
//!   journal::Tail --Event--> Rules::event --+
//!   stats file ----Reading-> Rules::stats --+--> signals --> board
//!   guard.jsonl -GuardLine-> Rules::guard --+
//!   time -------------------> Rules::on_time+
//! ```
//!
//! **Invariant:** pure, and what it remembers is bounded and saved: a restart goes on where it was.

mod events;
pub mod guard;
pub mod measure;
mod orders;
pub mod stats;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::notice::Signal;
use measure::{Lasting, RateWindow};
use orders::Orders;

const SECOND_NS: u64 = 1_000_000_000;

/// Thresholds of the rules. The origin of each default is beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleSettings {
    /// Refusals of one strategy in the window; arbitrary: a strategy that hits its limits now and then is not one.
    pub refused_count_max: u32,
    /// Length of that window.
    pub refused_window_ns: u64,
    /// Rejects by the venue in the window; arbitrary.
    pub reject_count_max: u32,
    /// Length of that window.
    pub reject_window_ns: u64,
    /// How long an order may be unknown: asking takes a few seconds.
    pub order_unknown_ns: u64,
    /// How long an order may work without a word: the owner's 15 minutes.
    pub order_stale_ns: u64,
    /// How long a venue may be locked: a pull takes less than a second, a reconnection some.
    pub locked_ns: u64,
    /// How long a link, a book or a connection may be bad before that is told: a cut socket takes less than a
    /// second, and five are the most that an alarm may take.
    pub down_ns: u64,
    /// The same in the first moments of a session, when everything is being connected.
    pub start_ns: u64,
    /// Pulls that may fail in a row.
    pub pull_failed_count_max: u32,
    /// Readings of the stats file in a row that must agree, where one alone may be chance.
    pub reading_count_min: u32,
    /// Records that may be unsynced: some seconds of a busy market.
    pub unsynced_max: u64,
    /// Free bytes of the journal's file system, where the stats file has no limit of its own.
    pub disk_free_min: u64,
    /// Per cent of the inbound ring that may wait.
    pub inbound_percent_max: u64,
    /// How long the core may take no event; the clock comes every 50 ms.
    pub core_silent_ns: u64,
}

impl Default for RuleSettings {
    fn default() -> RuleSettings {
        RuleSettings {
            refused_count_max: 50,
            refused_window_ns: 10 * SECOND_NS,
            reject_count_max: 10,
            reject_window_ns: 60 * SECOND_NS,
            order_unknown_ns: 30 * SECOND_NS,
            order_stale_ns: 900 * SECOND_NS,
            locked_ns: 30 * SECOND_NS,
            down_ns: 2 * SECOND_NS,
            start_ns: 10 * SECOND_NS,
            pull_failed_count_max: 3,
            reading_count_min: 3,
            unsynced_max: 5_000_000,
            disk_free_min: 1 << 30,
            inbound_percent_max: 50,
            core_silent_ns: 3 * SECOND_NS,
        }
    }
}

/// What the rules remember of the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesState {
    /// A session is open: it began and has not ended.
    pub is_open: bool,
    /// It was told to stop: what goes down now is meant to.
    pub is_stopping: bool,
    /// When it began.
    pub start_ns: u64,
    /// Conditions that must last before they are told.
    pub(crate) lasting: Lasting,
    /// Orders that are not over.
    pub(crate) orders: Orders,
    /// Refusals by strategy.
    pub(crate) refused: Vec<(u16, RateWindow)>,
    /// Rejects by strategy.
    pub(crate) rejected: Vec<(u16, RateWindow)>,
    /// Failed pulls in a row, by venue.
    pub(crate) pulls_failed: Vec<(u8, u32)>,
    /// Numbers and operators of the newest commands.
    pub(crate) commands: Vec<(u64, u16)>,
    /// When a guard ended orders that no reconciliation has asked for since.
    #[serde(default)]
    pub(crate) guard_acted_ns: u64,
}

impl RulesState {
    /// Of rules that begin in the middle of a session.
    pub fn in_session() -> RulesState {
        RulesState { is_open: true, ..RulesState::default() }
    }
}

/// The rules. See the module.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    settings: RuleSettings,
    state: RulesState,
    stats: stats::StatsRules,
}

impl Rules {
    /// Rules that go on from `state`.
    pub fn new(settings: RuleSettings, state: RulesState) -> Rules {
        Rules { settings, state, stats: stats::StatsRules::default() }
    }

    /// What a restart needs.
    pub fn state(&self) -> &RulesState {
        &self.state
    }

    /// A reading of the stats file.
    pub fn stats(&mut self, reading: &stats::Reading, now_ns: u64, out: &mut Vec<Signal>) {
        let is_open = self.state.is_open && !self.state.is_stopping;
        self.stats.read(&self.settings, (reading, is_open), now_ns, out);
    }

    /// Time has passed: conditions that have lasted long enough.
    pub fn on_time(&mut self, now_ns: u64, out: &mut Vec<Signal>) {
        self.state.lasting.on_time(now_ns, out);
        if self.state.is_open {
            self.state.orders.on_time(&self.settings, now_ns, out);
        }
    }
}
