//! What is told: a signal of the rules comes in, notices of the board go out to files and people.

use serde::{Deserialize, Serialize};

use crate::catalogue::{Code, Severity};
use crate::subject::{Names, Subject};

/// Whether a condition began (or happened again), or is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// It is so, or it happened.
    Raise,
    /// It is no longer so.
    Clear,
}

/// What a rule found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Which alarm.
    pub code: Code,
    /// About what.
    pub subject: Subject,
    /// Began or over.
    pub edge: Edge,
    /// When, by the event or the reading that said so.
    pub time_ns: u64,
    /// Journal sequence of the event; 0 for readings of the stats file.
    pub sequence: u64,
    /// What was measured; its meaning depends on the alarm.
    pub measured: i64,
    /// Against what.
    pub limit: i64,
    /// A small code that says more: a reason, a state, an operator.
    pub detail: u32,
}

impl Signal {
    /// A condition that began at an event or a reading.
    pub const fn raise(code: Code, subject: Subject, (sequence, time_ns): (u64, u64)) -> Signal {
        let edge = Edge::Raise;
        Signal { code, subject, edge, time_ns, sequence, measured: 0, limit: 0, detail: 0 }
    }

    /// A condition that is over.
    pub const fn clear(code: Code, subject: Subject, at: (u64, u64)) -> Signal {
        Signal { edge: Edge::Clear, ..Signal::raise(code, subject, at) }
    }

    /// The same with its numbers.
    #[must_use]
    pub const fn with(self, measured: i64, limit: i64, detail: u32) -> Signal {
        Signal { measured, limit, detail, ..self }
    }
}

/// What of an alarm is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// It began.
    Raised,
    /// Nobody acknowledged it for the escalation time: it is a page now.
    Escalated,
    /// It is still there and nobody acknowledged it.
    Repeated,
    /// A person has seen it.
    Acknowledged,
    /// It is over and stayed so for the cool-down.
    Cleared,
}

impl What {
    /// Word in messages.
    pub const fn name(self) -> &'static str {
        match self {
            What::Raised => "raised",
            What::Escalated => "escalated",
            What::Repeated => "repeated",
            What::Acknowledged => "acknowledged",
            What::Cleared => "cleared",
        }
    }
}

/// One line of the history, and what channels send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Number of the notice, rising by one: the key by which a receiver drops a second telling.
    pub notice: u64,
    /// What of the alarm is told.
    pub what: What,
    /// Number of the alarm: what is acknowledged.
    pub alarm: u64,
    /// Its code.
    pub code: Code,
    /// Its name.
    pub name: String,
    /// How bad it is now: an escalated one is a page.
    pub severity: Severity,
    /// About what.
    pub subject: Subject,
    /// The same in words.
    pub about: String,
    /// How often it happened so far.
    pub count: u64,
    /// When it happened first.
    pub first_ns: u64,
    /// When it happened last.
    pub last_ns: u64,
    /// When this was told.
    pub told_ns: u64,
    /// Sequence of the journal's record that raised it; 0: seen in the stats file.
    pub sequence: u64,
    /// What was measured last.
    pub measured: i64,
    /// Against what.
    pub limit: i64,
    /// A reason, a state, an operator.
    pub detail: u32,
    /// Who acknowledged it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<u16>,
    /// Kept in the history only: the alarm is silenced.
    pub silenced: bool,
    /// In words.
    pub text: String,
    /// What to do.
    pub runbook: String,
}

impl Notice {
    /// Fills in the words.
    pub fn word(&mut self, names: &Names) {
        self.about = names.subject(self.subject);
        self.text = crate::words::text(self, names);
    }

    /// One line for people.
    pub fn line(&self) -> String {
        let Notice { alarm, name, about, text, runbook, .. } = self;
        let severity = self.severity.name();
        let what = if self.what == What::Raised { "" } else { self.what.name() };
        let space = if what.is_empty() { "" } else { " " };
        let times = match self.count {
            0 | 1 => String::new(),
            count => format!(", {count} times"),
        };
        let help = match self.what {
            What::Raised | What::Escalated | What::Repeated => format!(" -> {runbook}"),
            What::Acknowledged | What::Cleared => String::new(),
        };
        format!("[{severity}] {what}{space}alarm {alarm} {name} ({about}): {text}{times}{help}")
    }
}
