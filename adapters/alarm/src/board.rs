//! The board: which alarms are on, who has seen them, and what is told of them and when.
//!
//! ```text
//!             raise                clear                    cool-down over
//!   (nothing) -----> Active -------------------> Cooling ------------------> (nothing), `cleared`
//!             `raised` | ^        raise (flap)      |
//!                      | +--------------------------+   nothing is told
//!                      +-- acknowledge: no escalation, no repeats; ends alarms of that ending
//! ```
//!
//! Code and subject are the key: what happens again while its alarm is on is a count. A condition that
//! flaps is one alarm; only when it stayed clear for the cool-down is that told, and the next one new.
//!
//! **Invariant:** pure: time comes in, notices go out, nothing else is read or written.
//!
//! **Invariant:** of one alarm at most `3 + repeat_count_max` notices are made, an acknowledgement included
//! at most one more, however often it happens.
//!
//! **Invariant:** at most `alarm_count_max` alarms and the overflow's own are kept.

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalogue::{Code, Ending, Severity};
use crate::notice::{Edge, Notice, Signal, What};
use crate::subject::Subject;

/// Times and bounds of the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoardSettings {
    /// An alarm of CRITICAL that nobody acknowledged for so long becomes a page.
    pub escalate_ns: u64,
    /// A critical one or a page that nobody acknowledged is told again after so long.
    pub repeat_ns: u64,
    /// At most so often.
    pub repeat_count_max: u32,
    /// A condition must stay clear for so long until its alarm is over.
    pub cool_down_ns: u64,
    /// What happened once and did not happen again for so long is over.
    pub quiet_ns: u64,
    /// Most alarms at once.
    pub alarm_count_max: usize,
}

impl Default for BoardSettings {
    fn default() -> BoardSettings {
        BoardSettings {
            escalate_ns: 300_000_000_000,
            repeat_ns: 900_000_000_000,
            repeat_count_max: 3,
            cool_down_ns: 60_000_000_000,
            quiet_ns: 300_000_000_000,
            // Arbitrary: more at once nobody reads.
            alarm_count_max: 256,
        }
    }
}

/// One alarm that is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// What people name it by.
    pub number: u64,
    /// Which.
    pub code: Code,
    /// About what.
    pub subject: Subject,
    /// How often it happened.
    pub count: u64,
    /// First and last time by the events.
    pub first_ns: u64,
    /// The last time.
    pub last_ns: u64,
    /// Sequence of the record that raised it.
    pub sequence: u64,
    /// Measured the last time.
    pub measured: i64,
    /// Against what.
    pub limit: i64,
    /// A reason, a state, an operator.
    pub detail: u32,
    /// Who acknowledged it.
    pub acknowledged: Option<u16>,
    /// It became a page.
    pub escalated: bool,
    /// Repeats told.
    pub repeat_count: u32,
    /// It has been told to people: it was not silenced, or is no longer.
    pub is_told: bool,
    /// The board's time when it was raised.
    pub raised_ns: u64,
    /// The board's time when it happened last.
    pub seen_ns: u64,
    /// The board's time of the last notice that people got.
    pub told_ns: u64,
    /// The board's time since when its condition is clear.
    pub clear_since_ns: Option<u64>,
}

impl Alarm {
    fn new(number: u64, signal: &Signal, now_ns: u64) -> Alarm {
        Alarm {
            number,
            code: signal.code,
            subject: signal.subject,
            count: 0,
            first_ns: signal.time_ns,
            last_ns: signal.time_ns,
            sequence: signal.sequence,
            measured: signal.measured,
            limit: signal.limit,
            detail: signal.detail,
            acknowledged: None,
            escalated: false,
            repeat_count: 0,
            is_told: false,
            raised_ns: now_ns,
            seen_ns: now_ns,
            told_ns: now_ns,
            clear_since_ns: None,
        }
    }

    fn happen(&mut self, signal: &Signal, now_ns: u64) {
        self.count = self.count.saturating_add(1);
        self.last_ns = self.last_ns.max(signal.time_ns);
        (self.measured, self.limit, self.detail) = (signal.measured, signal.limit, signal.detail);
        self.seen_ns = now_ns;
        self.clear_since_ns = None;
    }

    /// How bad it is now.
    pub fn severity(&self) -> Severity {
        if self.escalated { Severity::Page } else { self.code.severity() }
    }

    /// Somebody should look at it.
    fn is_waiting(&self) -> bool {
        self.is_told
            && self.acknowledged.is_none()
            && self.clear_since_ns.is_none()
            && Severity::Critical <= self.severity()
    }

    fn is_over(&self, settings: &BoardSettings, now_ns: u64) -> bool {
        match self.code.ending() {
            Ending::Condition => self
                .clear_since_ns
                .is_some_and(|since_ns| since_ns.saturating_add(settings.cool_down_ns) <= now_ns),
            Ending::Quiet => self.seen_ns.saturating_add(settings.quiet_ns) <= now_ns,
            Ending::Acknowledge | Ending::Once => false,
        }
    }
}

/// What survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardState {
    /// Alarms that are on.
    pub alarms: Vec<Alarm>,
    /// The last number given.
    pub alarm_last: u64,
    /// Notices made.
    pub notice_last: u64,
    /// The board's time.
    pub now_ns: u64,
    /// Signals that found no room.
    pub overflow_count: u64,
}

/// The board. Its time never runs backwards.
#[derive(Clone, Debug)]
pub struct Board {
    settings: BoardSettings,
    alarms: BTreeMap<(Code, Subject), Alarm>,
    /// Until when each silence lasts.
    silences: BTreeMap<Code, u64>,
    alarm_last: u64,
    notice_last: u64,
    now_ns: u64,
    overflow_count: u64,
}

impl Board {
    /// An empty board, or one that goes on.
    pub fn new(settings: BoardSettings, state: BoardState) -> Board {
        assert!(0 < settings.alarm_count_max);
        let alarms = state.alarms.into_iter().map(|alarm| ((alarm.code, alarm.subject), alarm));
        Board {
            settings,
            alarms: alarms.collect(),
            silences: BTreeMap::new(),
            alarm_last: state.alarm_last,
            notice_last: state.notice_last,
            now_ns: state.now_ns,
            overflow_count: state.overflow_count,
        }
    }

    /// What a restart needs.
    pub fn state(&self) -> BoardState {
        BoardState {
            alarms: self.alarms.values().cloned().collect(),
            alarm_last: self.alarm_last,
            notice_last: self.notice_last,
            now_ns: self.now_ns,
            overflow_count: self.overflow_count,
        }
    }

    /// Alarms that are on, by code and subject.
    pub fn alarms(&self) -> impl Iterator<Item = &Alarm> {
        self.alarms.values()
    }

    /// Number of the last notice.
    pub fn notice_last(&self) -> u64 {
        self.notice_last
    }

    /// Numbers that were given elsewhere are not given again.
    pub fn skip_numbers(&mut self, alarm_last: u64, notice_last: u64) {
        self.alarm_last = self.alarm_last.max(alarm_last);
        self.notice_last = self.notice_last.max(notice_last);
    }

    /// Replaces the silences: until when each code is told to nobody. They end by themselves.
    pub fn set_silences(&mut self, silences: BTreeMap<Code, u64>) {
        self.silences = silences;
    }

    /// Takes a signal.
    pub fn signal(&mut self, signal: &Signal, now_ns: u64, out: &mut Vec<Notice>) {
        self.now_ns = self.now_ns.max(now_ns);
        match signal.edge {
            Edge::Raise => self.raise(signal, out),
            Edge::Clear => {
                let (key, now_ns) = ((signal.code, signal.subject), self.now_ns);
                if let Some(alarm) = self.alarms.get_mut(&key)
                    && alarm.code.ending() == Ending::Condition
                {
                    alarm.clear_since_ns.get_or_insert(now_ns);
                }
            }
        }
    }

    fn raise(&mut self, signal: &Signal, out: &mut Vec<Notice>) {
        let key = (signal.code, signal.subject);
        if let Some(alarm) = self.alarms.get_mut(&key) {
            alarm.happen(signal, self.now_ns);
            return;
        }
        // One place more is the overflow's.
        let has_room = self.alarms.len() < self.settings.alarm_count_max
            || signal.code == Code::AlarmsOverflow;
        if !has_room && signal.code.ending() != Ending::Once {
            return self.overflow(signal, out);
        }
        self.alarm_last += 1;
        let mut alarm = Alarm::new(self.alarm_last, signal, self.now_ns);
        alarm.happen(signal, self.now_ns);
        alarm.is_told = !self.is_silenced(signal.code);
        self.tell(&alarm, What::Raised, out);
        if signal.code.ending() != Ending::Once {
            self.alarms.insert(key, alarm);
        }
    }

    /// There is no room: one alarm for all that have none.
    fn overflow(&mut self, signal: &Signal, out: &mut Vec<Notice>) {
        self.overflow_count = self.overflow_count.saturating_add(1);
        let count = i64::try_from(self.overflow_count).unwrap_or(i64::MAX);
        let limit = i64::try_from(self.settings.alarm_count_max).unwrap_or(i64::MAX);
        let at = (signal.sequence, signal.time_ns);
        let overflow = Signal::raise(Code::AlarmsOverflow, Subject::Engine, at);
        self.raise(&overflow.with(count, limit, u32::from(signal.code.number())), out);
    }

    /// There is room again.
    fn end_overflow(&mut self) {
        let others = self.alarms.keys().filter(|(code, _)| *code != Code::AlarmsOverflow).count();
        let now_ns = self.now_ns;
        if let Some(alarm) = self.alarms.get_mut(&(Code::AlarmsOverflow, Subject::Engine))
            && others < self.settings.alarm_count_max
        {
            alarm.clear_since_ns.get_or_insert(now_ns);
        }
    }

    fn is_silenced(&self, code: Code) -> bool {
        self.silences.get(&code).is_some_and(|until_ns| self.now_ns < *until_ns)
    }

    /// A person has seen that alarm. False when there is none of that number, or it was seen before.
    pub fn acknowledge(
        &mut self,
        number: u64,
        operator: u16,
        now_ns: u64,
        out: &mut Vec<Notice>,
    ) -> bool {
        self.now_ns = self.now_ns.max(now_ns);
        let found = self.alarms.iter_mut().find(|(_, alarm)| alarm.number == number);
        let Some((&key, alarm)) = found else { return false };
        if alarm.acknowledged.is_some() {
            return false;
        }
        alarm.acknowledged = Some(operator);
        let alarm = alarm.clone();
        self.tell(&alarm, What::Acknowledged, out);
        if alarm.code.ending() == Ending::Acknowledge {
            self.alarms.remove(&key);
        }
        true
    }

    /// Time has passed: ends, escalations, repeats, silences that are over.
    pub fn on_time(&mut self, now_ns: u64, out: &mut Vec<Notice>) {
        self.now_ns = self.now_ns.max(now_ns);
        self.end_overflow();
        let keys: Vec<(Code, Subject)> = self.alarms.keys().copied().collect();
        for key in keys {
            let Some(mut alarm) = self.alarms.remove(&key) else { continue };
            if alarm.is_over(&self.settings, self.now_ns) {
                self.tell(&alarm, What::Cleared, out);
                continue;
            }
            if let Some(what) = self.due(&alarm) {
                match what {
                    What::Raised => alarm.is_told = true,
                    What::Escalated => alarm.escalated = true,
                    What::Repeated => alarm.repeat_count += 1,
                    What::Acknowledged | What::Cleared => {}
                }
                alarm.told_ns = self.now_ns;
                self.tell(&alarm, what, out);
            }
            self.alarms.insert(key, alarm);
        }
    }

    /// What is to be told of it now.
    fn due(&self, alarm: &Alarm) -> Option<What> {
        let passed = |since_ns: u64, ns: u64| since_ns.saturating_add(ns) <= self.now_ns;
        if self.is_silenced(alarm.code) {
            return None;
        }
        if !alarm.is_told {
            // Its silence is over and it is still on.
            return (alarm.clear_since_ns.is_none()).then_some(What::Raised);
        }
        if !alarm.is_waiting() {
            return None;
        }
        if alarm.severity() == Severity::Critical
            && passed(alarm.raised_ns, self.settings.escalate_ns)
        {
            return Some(What::Escalated);
        }
        let may_repeat = alarm.repeat_count < self.settings.repeat_count_max;
        (may_repeat && passed(alarm.told_ns, self.settings.repeat_ns)).then_some(What::Repeated)
    }

    fn tell(&mut self, alarm: &Alarm, what: What, out: &mut Vec<Notice>) {
        self.notice_last += 1;
        // The end of what was never told is nobody's business either.
        let silenced = !alarm.is_told || self.is_silenced(alarm.code);
        out.push(Notice {
            notice: self.notice_last,
            what,
            alarm: alarm.number,
            code: alarm.code,
            name: alarm.code.name().to_string(),
            severity: alarm.severity(),
            subject: alarm.subject,
            about: String::new(),
            count: alarm.count,
            first_ns: alarm.first_ns,
            last_ns: alarm.last_ns,
            told_ns: self.now_ns,
            sequence: alarm.sequence,
            measured: alarm.measured,
            limit: alarm.limit,
            detail: alarm.detail,
            operator: alarm.acknowledged,
            silenced,
            text: String::new(),
            runbook: format!("docs/runbooks/{}", alarm.code.runbook()),
        });
    }
}
