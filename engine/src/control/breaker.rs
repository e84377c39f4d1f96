//! Breakers: one a scope, with what tripped it, the approval that may lift it, and the kill that runs on it.
//!
//! ```text
//!             trigger, Trip                     trigger, Kill
//!   [ NORMAL ] ------------> [ SAFE ] -----------------------------> [ KILLED ]
//!       ^                      |  ^ |                                    |
//!       +-- quiet period and --+  +-+ fires again: the quiet period      |
//!       |   approval of this trip     begins anew, an approval is void   |
//!       +--------------------- Rearm, never by time --------------------+
//! ```
//! A pause makes a scope SAFE as well. A flatten and a forced exit block their scope as a kill does, because
//! what strategies send meanwhile would compete with the closing orders; when they are done the scope is what
//! it was. None of these is a trip, and none is latched.
//!
//! **Invariant:** reason, time and number of a trip are set together, in one place, and told in one event.

use crate::event::{BreakerState, KillPhase, Scope, TripReason};
use crate::instrument::VENUE_COUNT_MAX;
use crate::state::{LoadError, Loader, Saver, State, mix};

/// A kill or a flatten under way, or done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four facts that do not depend on each other")]
pub(super) struct Job {
    /// Whether it still has something to do.
    pub(super) is_on: bool,
    /// It latches; a flatten does not.
    pub(super) is_kill: bool,
    /// Positions are closed as well.
    pub(super) closes: bool,
    pub(super) phase: KillPhase,
    pub(super) is_late: bool,
    pub(super) start_ns: u64,
    /// When it was done; 0 while it is not.
    pub(super) end_ns: u64,
    /// When what still works is cancelled once more.
    pub(super) retry_at_ns: u64,
    /// Orders of the scope that ended as cancelled since the start.
    pub(super) cancelled: u32,
    /// Orders of the scope that still work, closing orders not counted.
    pub(super) working: u32,
}

impl Job {
    pub(super) const NONE: Job = Job {
        is_on: false,
        is_kill: false,
        closes: false,
        phase: KillPhase::Done,
        is_late: false,
        start_ns: 0,
        end_ns: 0,
        retry_at_ns: 0,
        cancelled: 0,
        working: 0,
    };
}

/// The state of one scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Breaker {
    /// What trips have left it in.
    pub(super) state: BreakerState,
    pub(super) is_paused: bool,
    /// Why it was tripped last.
    pub(super) reason: TripReason,
    /// Number of the last trip; 0 before the first.
    pub(super) trip: u64,
    pub(super) tripped_ns: u64,
    /// When a cause was last seen; the quiet period begins there.
    pub(super) bad_ns: u64,
    /// The present trip was approved.
    pub(super) is_approved: bool,
    /// What was told last.
    pub(super) told: BreakerState,
    /// Sequence of the event that told it.
    pub(super) told_sequence: u64,
    pub(super) job: Job,
}

impl Breaker {
    pub(super) const NEW: Breaker = Breaker {
        state: BreakerState::Normal,
        is_paused: false,
        reason: TripReason::Operator,
        trip: 0,
        tripped_ns: 0,
        bad_ns: 0,
        is_approved: false,
        told: BreakerState::Normal,
        told_sequence: 0,
        job: Job::NONE,
    };

    /// What the scope lets pass: the strictest of trip, pause and flatten.
    pub(super) fn effective(&self) -> BreakerState {
        if self.job.is_on {
            return BreakerState::Killed;
        }
        let held = if self.is_paused { BreakerState::Safe } else { BreakerState::Normal };
        self.state.max(held)
    }

    /// Takes a trip over: everything that belongs to it at once.
    pub(super) fn set_trip(&mut self, state: BreakerState, reason: TripReason, of: (u64, u64)) {
        (self.state, self.reason) = (state, reason);
        (self.trip, self.tripped_ns) = of;
        self.bad_ns = of.1;
        self.is_approved = false;
    }

    /// Back to normal; the approval is used up. Number, reason and time stay for who asks what was.
    pub(super) fn clear(&mut self) {
        self.state = BreakerState::Normal;
        self.is_approved = false;
    }

    pub(super) fn digest(&self) -> u64 {
        let mut hash = mix(u64::from(self.state.code()), u64::from(self.is_paused));
        hash = mix(hash, u64::from(self.reason.code()) | (u64::from(self.told.code()) << 16));
        hash = mix(mix(hash, self.trip), self.tripped_ns);
        hash = mix(mix(hash, self.bad_ns), u64::from(self.is_approved));
        hash = mix(hash, self.told_sequence);
        let job = &self.job;
        let bits = u64::from(job.is_on)
            | (u64::from(job.is_kill) << 1)
            | (u64::from(job.closes) << 2)
            | (u64::from(job.is_late) << 3)
            | (u64::from(job.phase.code()) << 8);
        hash = mix(mix(hash, bits), job.start_ns);
        hash = mix(hash, job.end_ns);
        mix(mix(hash, job.retry_at_ns), u64::from(job.cancelled) << 32 | u64::from(job.working))
    }
}

impl State for Breaker {
    fn save(&self, out: &mut Saver) {
        out.u16(self.state.code());
        out.bool(self.is_paused);
        out.u16(self.reason.code());
        out.u64(self.trip);
        out.u64(self.tripped_ns);
        out.u64(self.bad_ns);
        out.bool(self.is_approved);
        out.u16(self.told.code());
        out.u64(self.told_sequence);
        let job = &self.job;
        out.bool(job.is_on);
        out.bool(job.is_kill);
        out.bool(job.closes);
        out.u16(job.phase.code());
        out.bool(job.is_late);
        out.u64(job.start_ns);
        out.u64(job.end_ns);
        out.u64(job.retry_at_ns);
        out.u32(job.cancelled);
        out.u32(job.working);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        let state = |code| BreakerState::from_code(code);
        self.state = state(from.u16()?).ok_or_else(|| from.invalid("state of a breaker"))?;
        self.is_paused = from.bool()?;
        self.reason = TripReason::from_code(from.u16()?)
            .ok_or_else(|| from.invalid("reason of a breaker"))?;
        self.trip = from.u64()?;
        self.tripped_ns = from.u64()?;
        self.bad_ns = from.u64()?;
        self.is_approved = from.bool()?;
        self.told = state(from.u16()?).ok_or_else(|| from.invalid("told state of a breaker"))?;
        self.told_sequence = from.u64()?;
        self.job = Job {
            is_on: from.bool()?,
            is_kill: from.bool()?,
            closes: from.bool()?,
            phase: KillPhase::from_code(from.u16()?)
                .ok_or_else(|| from.invalid("phase of a kill"))?,
            is_late: from.bool()?,
            start_ns: from.u64()?,
            end_ns: from.u64()?,
            retry_at_ns: from.u64()?,
            cancelled: from.u32()?,
            working: from.u32()?,
        };
        Ok(())
    }
}

/// One breaker a scope: everything, each venue, each strategy (and the operator's own), each instrument.
#[derive(Debug)]
pub(super) struct Breakers {
    all: Box<[Breaker]>,
    strategy_count: usize,
    instrument_count: usize,
    /// Number of the newest trip.
    pub(super) trip_count: u64,
}

const STRATEGY_FIRST: usize = 1 + VENUE_COUNT_MAX;

/// Most trips that saved state can tell. Every trip is an event of a journal: a million a second reach this after nine
/// years. Numbers from here on still count up, and fit the signed field of an answer.
pub(super) const TRIP_COUNT_MAX: u64 = 1 << 48;

impl Breakers {
    pub(super) fn new(strategy_count: usize, instrument_count: usize) -> Breakers {
        let count = STRATEGY_FIRST + strategy_count + 1 + instrument_count;
        Breakers {
            all: vec![Breaker::NEW; count].into_boxed_slice(),
            strategy_count,
            instrument_count,
            trip_count: 0,
        }
    }

    /// Place of a scope; `None` for what does not exist.
    #[inline]
    pub(super) fn index(&self, scope: Scope) -> Option<usize> {
        let instrument_first = STRATEGY_FIRST + self.strategy_count + 1;
        match scope {
            Scope::All => Some(0),
            Scope::Venue(number) => {
                let number = usize::from(number);
                (0 < number && number < VENUE_COUNT_MAX).then_some(1 + number)
            }
            Scope::Strategy(number) => {
                let number = usize::from(number);
                (number <= self.strategy_count).then_some(STRATEGY_FIRST + number)
            }
            Scope::Instrument(number) => {
                let number = usize::from(number);
                (number < self.instrument_count).then_some(instrument_first + number)
            }
        }
    }

    /// The scope at a place.
    pub(super) fn scope(&self, index: usize) -> Scope {
        let instrument_first = STRATEGY_FIRST + self.strategy_count + 1;
        let number = |first: usize| u16::try_from(index - first).unwrap_or(u16::MAX);
        if index == 0 {
            Scope::All
        } else if index < STRATEGY_FIRST {
            Scope::Venue(u8::try_from(index - 1).unwrap_or(u8::MAX))
        } else if index < instrument_first {
            Scope::Strategy(number(STRATEGY_FIRST))
        } else {
            Scope::Instrument(number(instrument_first))
        }
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> &Breaker {
        &self.all[index]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, index: usize) -> &mut Breaker {
        &mut self.all[index]
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Scope, &Breaker)> {
        self.all.iter().enumerate().map(|(index, breaker)| (self.scope(index), breaker))
    }

    pub(super) fn digest(&self) -> u64 {
        let mut hash = mix(0, self.trip_count);
        for (index, breaker) in (0..).zip(&self.all) {
            if *breaker != Breaker::NEW {
                hash = mix(mix(hash, index), breaker.digest());
            }
        }
        hash
    }
}

impl State for Breakers {
    fn save(&self, out: &mut Saver) {
        out.u64(self.trip_count);
        out.count(self.all.len());
        for breaker in &self.all {
            breaker.save(out);
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.trip_count = from.u64()?;
        // Counted up by the next trip, which may be a kill: the last number there is would end the engine there.
        if TRIP_COUNT_MAX < self.trip_count {
            return Err(from.invalid("number of trips"));
        }
        if from.count(self.all.len())? != self.all.len() {
            return Err(from.invalid("number of breakers"));
        }
        for breaker in &mut self.all {
            breaker.load(from)?;
            // A number that comes again would let an approval of the old trip lift the new one.
            if self.trip_count < breaker.trip {
                return Err(from.invalid("number of a trip"));
            }
        }
        Ok(())
    }
}
