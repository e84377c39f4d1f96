//! The measures of rules: rate in a window, row of agreeing readings, condition that lasts, change.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::notice::Signal;

/// Conditions that wait; one more is told at once. Arbitrary, above all instruments, venues and connections.
const LASTING_COUNT_MAX: usize = 2_048;

/// How many times of a window are kept at most, whatever the limit is.
const WINDOW_COUNT_MAX: usize = 4_096;

/// Counts what happened in a rolling window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateWindow {
    times: VecDeque<u64>,
}

impl RateWindow {
    /// It happened at `time_ns`: how often it did in the window that ends now, and no more than needed to
    /// know that it is above `count_max`.
    pub fn add(&mut self, time_ns: u64, window_ns: u64, count_max: u32) -> usize {
        while self.times.front().is_some_and(|first| first.saturating_add(window_ns) <= time_ns) {
            self.times.pop_front();
        }
        let kept_max = usize::try_from(count_max).unwrap_or(usize::MAX).min(WINDOW_COUNT_MAX);
        if kept_max < self.times.len() {
            self.times.pop_front();
        }
        self.times.push_back(time_ns);
        self.times.len()
    }
}

/// Readings that agree in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    count: u32,
}

impl Row {
    /// Takes a reading: true when this many in a row said yes.
    pub fn is_full(&mut self, yes: bool, count_min: u32) -> bool {
        self.count = if yes { self.count.saturating_add(1) } else { 0 };
        count_min <= self.count
    }
}

/// A total that should not grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    last: Option<u64>,
}

impl Change {
    /// By how much it grew since the last reading. The first reading is no change, and a smaller one is that of
    /// another engine: all of it is new.
    pub fn grown(&mut self, total: u64) -> u64 {
        let grown = match self.last {
            Some(last) if last <= total => total - last,
            Some(_) => total,
            None => 0,
        };
        self.last = Some(total);
        grown
    }
}

/// A condition that waits or has been told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Waiting {
    signal: SavedSignal,
    due_ns: u64,
    is_told: bool,
}

/// A signal as it is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SavedSignal {
    code: crate::catalogue::Code,
    subject: crate::subject::Subject,
    time_ns: u64,
    sequence: u64,
    measured: i64,
    limit: i64,
    detail: u32,
}

impl SavedSignal {
    fn of(signal: &Signal) -> SavedSignal {
        let Signal { code, subject, time_ns, sequence, measured, limit, detail, .. } = *signal;
        SavedSignal { code, subject, time_ns, sequence, measured, limit, detail }
    }

    fn raise(&self) -> Signal {
        Signal::raise(self.code, self.subject, (self.sequence, self.time_ns)).with(
            self.measured,
            self.limit,
            self.detail,
        )
    }
}

/// Conditions that are told only when they last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lasting {
    waiting: Vec<Waiting>,
}

impl Lasting {
    /// A condition began, or is still there in another form: its clock goes on.
    pub fn begin(&mut self, signal: Signal, due_ns: u64, out: &mut Vec<Signal>) {
        let found = self.find(&signal);
        if let Some(index) = found {
            let waiting = &mut self.waiting[index];
            let begun_ns = waiting.signal.time_ns;
            waiting.signal = SavedSignal { time_ns: begun_ns, ..SavedSignal::of(&signal) };
            waiting.due_ns = waiting.due_ns.min(due_ns);
            return;
        }
        if LASTING_COUNT_MAX <= self.waiting.len() || due_ns <= signal.time_ns {
            out.push(signal);
        }
        if self.waiting.len() < LASTING_COUNT_MAX {
            let is_told = due_ns <= signal.time_ns;
            self.waiting.push(Waiting { signal: SavedSignal::of(&signal), due_ns, is_told });
        }
    }

    /// A condition is over.
    pub fn end(&mut self, clear: Signal, out: &mut Vec<Signal>) {
        if let Some(index) = self.find(&clear) {
            self.waiting.swap_remove(index);
        }
        // Also when it was not waiting: an alarm of an earlier life may be on.
        out.push(clear);
    }

    /// All conditions are over, because their session is.
    pub fn end_all(&mut self, at: (u64, u64), out: &mut Vec<Signal>) {
        for waiting in self.waiting.drain(..) {
            out.push(Signal::clear(waiting.signal.code, waiting.signal.subject, at));
        }
    }

    /// Tells those whose time has come.
    pub fn on_time(&mut self, now_ns: u64, out: &mut Vec<Signal>) {
        for waiting in self.waiting.iter_mut().filter(|waiting| !waiting.is_told) {
            if waiting.due_ns <= now_ns {
                waiting.is_told = true;
                out.push(waiting.signal.raise());
            }
        }
    }

    fn find(&self, signal: &Signal) -> Option<usize> {
        self.waiting.iter().position(|waiting| {
            waiting.signal.code == signal.code && waiting.signal.subject == signal.subject
        })
    }
}
