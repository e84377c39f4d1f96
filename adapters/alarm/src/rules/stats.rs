//! Rules over the stats file: what stands in no event, because it is about the engine itself.

use std::collections::BTreeMap;

use engine::stats::{CounterId, Liveness, RunState, Snapshot, ThreadState};

use super::RuleSettings;
use super::measure::{Change, Row};
use crate::catalogue::{Code, Ending};
use crate::notice::{Edge, Signal};
use crate::subject::Subject;

/// Distinct errors whose counts are followed; the stats file has 64 places.
const ERROR_COUNT_MAX: usize = 64;

/// What of a stats file the rules look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Values of the counters, by their number.
    counters: Vec<(u64, Option<u64>)>,
    /// State, age of the last beat and its limit, by thread.
    threads: Vec<(ThreadState, u64, u64)>,
    /// Code and count of the distinct errors, by code.
    errors: Vec<(u32, u64)>,
    /// It runs, and says so.
    is_running: bool,
    /// It ended by a fault.
    has_failed: bool,
    /// Its process is gone without a word.
    is_dead: bool,
}

impl Reading {
    /// What a snapshot says at `now_ns`.
    pub fn of(snapshot: &Snapshot, now_ns: u64) -> Reading {
        let liveness = snapshot.liveness(snapshot.engine.process.exists(), now_ns);
        let mut errors: Vec<(u32, u64)> = Vec::new();
        for error in &snapshot.errors {
            let count = error.count.saturating_add(error.similar_count);
            match errors.iter_mut().find(|(code, _)| *code == error.code) {
                Some((_, sum)) => *sum = sum.saturating_add(count),
                None => errors.push((error.code, count)),
            }
        }
        Reading {
            counters: snapshot.counters.iter().map(|row| (row.value, row.limit)).collect(),
            threads: snapshot
                .threads
                .iter()
                .map(|thread| {
                    let age_ns = now_ns.saturating_sub(thread.last_beat_ns);
                    (thread.state, age_ns, thread.beat_age_ns_max)
                })
                .collect(),
            errors,
            is_running: snapshot.engine.state == RunState::Running,
            has_failed: snapshot.engine.state == RunState::Failed,
            is_dead: liveness == Liveness::Dead,
        }
    }

    fn counter(&self, id: CounterId) -> u64 {
        self.counters.get(id as usize).map_or(0, |(value, _)| *value)
    }

    fn limit(&self, id: CounterId) -> Option<u64> {
        self.counters.get(id as usize).and_then(|(_, limit)| *limit)
    }
}

/// What the rules remember of earlier readings. Not saved: a restart of the engine begins a new stats file.
#[derive(Clone, Debug, Default)]
pub(super) struct StatsRules {
    behind: Row,
    lag: Row,
    stalled: Vec<Row>,
    dead: Vec<bool>,
    consumed: Option<(u64, u64)>,
    grown: Vec<Change>,
    errors: Vec<(u32, u64)>,
    is_begun: bool,
    /// What was said last of each condition: it is said again when it changes.
    said: BTreeMap<(Code, Subject), Edge>,
}

/// Totals that should not grow.
const GROWING: [(CounterId, Code); 5] = [
    (CounterId::JournalErrors, Code::JournalError),
    (CounterId::InboundFull, Code::InboundFull),
    (CounterId::OutboundFull, Code::OutboundFull),
    (CounterId::FillsLate, Code::FillsLate),
    (CounterId::FillsTooLate, Code::FillsTooLate),
];

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Raises or clears, by what is so.
fn so(code: Code, subject: Subject, is_so: bool, now_ns: u64) -> Signal {
    let at = (0, now_ns);
    if is_so { Signal::raise(code, subject, at) } else { Signal::clear(code, subject, at) }
}

impl StatsRules {
    pub(super) fn read(
        &mut self,
        settings: &RuleSettings,
        (reading, is_open): (&Reading, bool),
        now_ns: u64,
        out: &mut Vec<Signal>,
    ) {
        let mut found = vec![
            so(Code::EngineFailed, Subject::Engine, reading.has_failed, now_ns),
            so(Code::EngineDead, Subject::Engine, reading.is_dead, now_ns),
        ];
        self.growing(reading, now_ns, &mut found);
        self.errors(reading, now_ns, &mut found);
        // What stands still after the end of a session is meant to.
        let is_live = reading.is_running && !reading.is_dead && is_open;
        self.threads(settings, reading, is_live, now_ns, &mut found);
        self.core(settings, reading, is_live, now_ns, &mut found);
        self.journal(settings, reading, is_live, now_ns, &mut found);
        self.is_begun = true;
        for signal in found {
            let key = (signal.code, signal.subject);
            let is_news = signal.code.ending() != Ending::Condition
                || self.said.insert(key, signal.edge) != Some(signal.edge);
            if is_news {
                out.push(signal);
            }
        }
    }

    fn threads(
        &mut self,
        settings: &RuleSettings,
        reading: &Reading,
        is_live: bool,
        now_ns: u64,
        out: &mut Vec<Signal>,
    ) {
        self.stalled.resize(reading.threads.len(), Row::default());
        self.dead.resize(reading.threads.len(), false);
        for (index, (state, age_ns, age_ns_max)) in reading.threads.iter().enumerate() {
            let subject = Subject::Thread(u16::try_from(index).unwrap_or(u16::MAX));
            let is_late = is_live && *state == ThreadState::Alive && age_ns_max < age_ns;
            let is_stalled = self.stalled[index].is_full(is_late, settings.reading_count_min);
            // Between yes and no there is nothing to say.
            if is_stalled || !is_late {
                let signal = so(Code::ThreadStalled, subject, is_stalled, now_ns);
                out.push(signal.with(signed(*age_ns), signed(*age_ns_max), 0));
            }
            let is_dead = *state == ThreadState::Dead;
            if is_dead && !self.dead[index] {
                out.push(Signal::raise(Code::ThreadDead, subject, (0, now_ns)));
            }
            self.dead[index] = is_dead;
        }
    }

    fn core(
        &mut self,
        settings: &RuleSettings,
        reading: &Reading,
        is_live: bool,
        now_ns: u64,
        out: &mut Vec<Signal>,
    ) {
        let consumed = reading.counter(CounterId::InboundConsumed);
        let since_ns = match self.consumed {
            Some((count, since_ns)) if is_live && count == consumed => since_ns,
            _ => now_ns,
        };
        self.consumed = Some((consumed, since_ns));
        let silent_ns = now_ns.saturating_sub(since_ns);
        let is_silent = settings.core_silent_ns <= silent_ns;
        let signal = so(Code::CoreSilent, Subject::Engine, is_silent, now_ns);
        out.push(signal.with(signed(silent_ns), signed(settings.core_silent_ns), 0));

        let depth = reading.counter(CounterId::InboundDepth);
        let size = reading.limit(CounterId::InboundDepth).unwrap_or(u64::MAX);
        let most = size / 100 * settings.inbound_percent_max.min(100);
        let is_deep = is_live && most < depth;
        let is_lagging = self.lag.is_full(is_deep, settings.reading_count_min);
        if is_lagging || !is_deep {
            let signal = so(Code::InboundLag, Subject::Engine, is_lagging, now_ns);
            out.push(signal.with(signed(depth), signed(most), 0));
        }
    }

    fn journal(
        &mut self,
        settings: &RuleSettings,
        reading: &Reading,
        is_live: bool,
        now_ns: u64,
        out: &mut Vec<Signal>,
    ) {
        let appended = reading.counter(CounterId::JournalAppended);
        let unsynced = appended.saturating_sub(reading.counter(CounterId::JournalSynced));
        let is_far = is_live && settings.unsynced_max < unsynced;
        let is_behind = self.behind.is_full(is_far, settings.reading_count_min);
        if is_behind || !is_far {
            let signal = so(Code::JournalBehind, Subject::Engine, is_behind, now_ns);
            out.push(signal.with(signed(unsynced), signed(settings.unsynced_max), 0));
        }
        let free = reading.counter(CounterId::JournalDiskFree);
        let least = reading.limit(CounterId::JournalDiskFree).unwrap_or(settings.disk_free_min);
        // 0 is what nobody has measured yet.
        let is_low = is_live && free != 0 && free < least;
        let signal = so(Code::DiskLow, Subject::Engine, is_low, now_ns);
        out.push(signal.with(signed(free), signed(least), 0));
    }

    fn growing(&mut self, reading: &Reading, now_ns: u64, out: &mut Vec<Signal>) {
        self.grown.resize(GROWING.len(), Change::default());
        for ((id, code), change) in GROWING.iter().zip(&mut self.grown) {
            let total = reading.counter(*id);
            if 0 < change.grown(total) {
                let signal = Signal::raise(*code, Subject::Engine, (0, now_ns));
                out.push(signal.with(signed(total), 0, 0));
            }
        }
    }

    /// Errors with a code that was not there before, or that came again.
    fn errors(&mut self, reading: &Reading, now_ns: u64, out: &mut Vec<Signal>) {
        for (code, count) in reading.errors.iter().take(ERROR_COUNT_MAX) {
            let known = self.errors.iter_mut().find(|(known, _)| known == code);
            let is_new = if let Some((_, before)) = known {
                std::mem::replace(before, *count) != *count
            } else {
                self.errors.push((*code, *count));
                self.is_begun
            };
            if is_new {
                let signal = Signal::raise(Code::EngineError, Subject::Code(*code), (0, now_ns));
                out.push(signal.with(signed(*count), 0, 0));
            }
        }
    }
}
