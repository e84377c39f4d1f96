//! Limits changed by command: tighter at once, looser only up to what is configured, and with a second
//! person where that is asked for.
//!
//! ```text
//!   LimitSet --tighter----------------------------------------------> LIMIT, ANSWER done
//!            --looser, configured limit at most, alone------------------> LIMIT, ANSWER done
//!            --looser, two persons--> ANSWER needs-confirm --Confirm--> LIMIT, ANSWER done (twice)
//!            --beyond the configured limit------------------------------> ANSWER above-ceiling
//! ```

use crate::event::{AnswerCode, CommandCode, Event, Kind, flags};
use crate::ring::Emitter;
use crate::state::{LoadError, Loader, Saver, State, mix};

use super::Gate;
use super::limit_key::{LimitKey, LimitOwner, UNLIMITED};

/// Most changes that may wait for a second person. Arbitrary.
const WAITING_MAX: usize = 16;
/// How long a change waits: five minutes of event time.
const WAIT_NS_MAX: u64 = 300_000_000_000;

/// One limit of one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) key: LimitKey,
    /// Instrument or strategy; 0 for the account.
    pub(super) owner: u16,
}

/// A change that waits for a second person.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// Number of its command.
    number: u64,
    /// Who gave it.
    source: u16,
    target: Target,
    value: i64,
    /// The command's own target word.
    tag: u32,
    until_ns: u64,
}

/// Changes that wait, and a trace of those that were made.
#[derive(Debug, Default)]
pub(super) struct Changes {
    waiting: Vec<Waiting>,
    /// Mixed from every change made; 0 when none was.
    trace: u64,
}

impl Changes {
    pub(super) fn new() -> Changes {
        Changes { waiting: Vec::with_capacity(WAITING_MAX), trace: 0 }
    }

    pub(super) fn note(&mut self, target: Target, value: i64) {
        let word = (u64::from(target.key.code()) << 16) + u64::from(target.owner);
        self.trace = mix(mix(self.trace, word), value.cast_unsigned());
    }

    /// `hash` as it is when no limit was ever changed: older journals hold hashes without it.
    pub(super) fn mix_into(&self, hash: u64) -> u64 {
        // Nothing waits before the first change: a limit as it is configured cannot be loosened.
        if self.trace == 0 {
            return hash;
        }
        self.waiting.iter().fold(mix(hash, self.trace), |hash, one| mix(hash, one.number))
    }
}

fn target_of(event: &Event) -> Option<Target> {
    let key = LimitKey::from_code(u16::try_from(event.tag).ok()?)?;
    let owner = match key.owner() {
        LimitOwner::Account => 0,
        LimitOwner::Instrument => event.instrument,
        LimitOwner::Strategy => u16::try_from(event.price).ok()?,
    };
    Some(Target { key, owner })
}

/// Answers a command; one without a number is not answered.
pub(super) fn answer(
    to: (u64, CommandCode, u16, u32),
    code: AnswerCode,
    detail: i64,
    out: &mut Emitter<'_>,
) {
    let (number, command, source, tag) = to;
    if number == 0 {
        return;
    }
    let mut event = Event::new(Kind::ANSWER);
    event.code = command as u16;
    event.price = i64::from(code.code());
    event.quantity = detail;
    event.id = number;
    event.source = source;
    event.tag = tag;
    event.flags = flags::LAST;
    out.emit(event);
}

impl Gate {
    /// The command `LimitSet`.
    pub(super) fn limit_set(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let to = (event.id, CommandCode::LimitSet, event.source, event.tag);
        let found = target_of(event).and_then(|target| {
            let now = self.limits.value(target.key, target.owner)?;
            let hard = self.configured.value(target.key, target.owner)?;
            // A window, or a capital, that is not configured cannot be made by a command.
            let is_there = hard != UNLIMITED || !target.key.needs_more();
            is_there.then_some((target, now, hard))
        });
        let Some((target, now, hard)) = found else {
            return answer(to, AnswerCode::NoSuchTarget, 0, out);
        };
        let (key, value) = (target.key, event.quantity);
        if value < key.least() || (key == LimitKey::Restricted && 1 < value) {
            return answer(to, AnswerCode::OutOfRange, key.least(), out);
        }
        if value == now {
            return answer(to, AnswerCode::AlreadySo, now, out);
        }
        if key.is_stricter(hard, value) {
            return answer(to, AnswerCode::AboveCeiling, hard, out);
        }
        if key.is_stricter(value, now) || !self.limits.controls.two_person {
            self.change_limit(target, value, event.id, out);
            return answer(to, AnswerCode::Done, value, out);
        }
        // Without a number nobody could confirm it.
        if event.id == 0 || self.changes.waiting.len() == WAITING_MAX {
            return answer(to, AnswerCode::WrongState, 0, out);
        }
        self.changes.waiting.push(Waiting {
            number: event.id,
            source: event.source,
            target,
            value,
            tag: event.tag,
            until_ns: event.time_ns.saturating_add(WAIT_NS_MAX),
        });
        answer(to, AnswerCode::NeedsConfirm, value, out);
    }

    /// The command `Confirm`; about anything but a change of a limit it is for others.
    pub(super) fn confirm(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let number = event.price.cast_unsigned();
        let Some(index) = self.changes.waiting.iter().position(|one| one.number == number) else {
            return;
        };
        let to = (event.id, CommandCode::Confirm, event.source, event.tag);
        let waiting = self.changes.waiting[index];
        if waiting.source == event.source || event.source == 0 {
            return answer(to, AnswerCode::SamePerson, event.price, out);
        }
        self.changes.waiting.remove(index);
        self.change_limit(waiting.target, waiting.value, number, out);
        let asked = (number, CommandCode::LimitSet, waiting.source, waiting.tag);
        answer(asked, AnswerCode::Done, waiting.value, out);
        answer(to, AnswerCode::Done, event.price, out);
    }

    /// Changes that nobody confirmed in time are dropped and say so.
    pub(super) fn expire_changes(&mut self, time_ns: u64, out: &mut Emitter<'_>) {
        while let Some(index) = self.changes.waiting.iter().position(|one| one.until_ns <= time_ns)
        {
            let one = self.changes.waiting.remove(index);
            let asked = (one.number, CommandCode::LimitSet, one.source, one.tag);
            answer(asked, AnswerCode::Expired, one.value, out);
        }
    }

    fn change_limit(&mut self, target: Target, value: i64, number: u64, out: &mut Emitter<'_>) {
        let before = self.limits.value(target.key, target.owner).unwrap_or(0);
        self.limits.set_value(target.key, target.owner, value);
        self.changes.note(target, value);
        self.limits_changed();
        let mut event = Event::new(Kind::LIMIT);
        event.code = target.key.code();
        event.price = before;
        event.quantity = value;
        event.id = number;
        event.flags = flags::LAST;
        match target.key.owner() {
            LimitOwner::Account => {}
            LimitOwner::Instrument => event.instrument = target.owner,
            LimitOwner::Strategy => event.source = target.owner,
        }
        out.emit(event);
    }

    /// Every limit that a command could have changed.
    fn targets(&self) -> impl Iterator<Item = Target> + use<> {
        let instrument_count = self.instrument_count();
        let strategy_count = self.strategy_count;
        LimitKey::ALL.iter().flat_map(move |key| {
            let count = match key.owner() {
                LimitOwner::Account => 1,
                LimitOwner::Instrument => instrument_count,
                LimitOwner::Strategy => strategy_count,
            };
            (0..u16::try_from(count).unwrap_or(u16::MAX))
                .map(move |owner| Target { key: *key, owner })
        })
    }

    /// Saves what differs from the configuration.
    pub(super) fn save_changes(&self, out: &mut Saver) {
        let (mut limits, mut configured) = (self.limits.clone(), self.configured.clone());
        let changed: Vec<(Target, i64)> = self
            .targets()
            .filter_map(|target| {
                let now = limits.value(target.key, target.owner)?;
                let hard = configured.value(target.key, target.owner)?;
                (now != hard).then_some((target, now))
            })
            .collect();
        out.count(changed.len());
        for (target, value) in changed {
            out.u16(target.key.code());
            out.u16(target.owner);
            out.i64(value);
        }
        self.changes.save(out);
    }

    /// Brings changed limits back, as far as they are stricter than what is configured now.
    pub(super) fn load_changes(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.limits = self.configured.clone();
        let count_max = self.targets().count();
        for _ in 0..from.count(count_max)? {
            let key = LimitKey::from_code(from.u16()?).ok_or_else(|| from.invalid("limit key"))?;
            let (owner, value) = (from.u16()?, from.i64()?);
            let hard = self.configured.value(key, owner);
            if hard.is_some_and(|hard| key.is_stricter(value, hard)) {
                self.limits.set_value(key, owner, value);
            }
        }
        self.changes.load(from)?;
        self.limits_changed();
        Ok(())
    }
}

impl State for Changes {
    fn save(&self, out: &mut Saver) {
        out.u64(self.trace);
        out.count(self.waiting.len());
        for one in &self.waiting {
            out.u64(one.number);
            out.u16(one.source);
            out.u16(one.target.key.code());
            out.u16(one.target.owner);
            out.i64(one.value);
            out.u32(one.tag);
            out.u64(one.until_ns);
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.trace = from.u64()?;
        self.waiting.clear();
        for _ in 0..from.count(WAITING_MAX)? {
            let (number, source) = (from.u64()?, from.u16()?);
            let key = LimitKey::from_code(from.u16()?).ok_or_else(|| from.invalid("limit key"))?;
            let target = Target { key, owner: from.u16()? };
            self.waiting.push(Waiting {
                number,
                source,
                target,
                value: from.i64()?,
                tag: from.u32()?,
                until_ns: from.u64()?,
            });
        }
        Ok(())
    }
}
