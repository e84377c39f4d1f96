//! Stage 3, control: breakers, kill, flatten, what operators command, and the answers they get.
//!
//! ```text
//!   command, clock, session start -------------------> [ control ] --breaker-------------> risk, strategy, oms
//!   oms   --order, fill, anomaly-->   risk --risk state, refused, alert-->  |  --kill (progress)--> oms
//!   feed  --book state-->   reconcile --lock-->   strategy --strategy state-+  --intent (OPERATOR)--> risk
//!                                                                           +--answer, alert--> journal
//! ```
//! What a breaker does is drawn in `breaker`, how a kill goes on in `kill`, what trips in `watch`.
//!
//! **Invariant:** a scope that is killed stays so until `Rearm`: no time, no restart, no strategy lifts it.
//!
//! **Invariant:** a tripped scope recovers only after the quiet period *and* with an approval that names this
//! trip and came after it; the approval is used up by that.
//!
//! **Invariant:** a command with a number gets exactly one answer (and a second one when a second person
//! confirms it, or nobody does in time).
//!
//! **Invariant:** the stage owns its numbers: positions from `FILL`, working orders from `ORDER`. It never asks
//! another stage a question.
//!
//! **Invariant:** without configuration and without a command of this stage it decides nothing and is no part
//! of a state hash.

mod breaker;
mod command;
mod kill;
mod positions;
mod save;
mod settings;
#[cfg(test)]
mod tests;
mod watch;
mod window;

use crate::event::kind::KindSet;
use crate::event::{
    BreakerState, Event, KillPhase, Kind, NO_STRATEGY, OrderState, Scope, TripReason, flags,
};
use crate::instrument::InstrumentTable;
use crate::market::Market;
use crate::ring::Emitter;
use crate::state::mix;

pub use kill::RULES_TOO_LARGE;
pub use settings::{
    Action, COUNT_MAX, Chunk, ControlConfig, HoldLimits, KillTimes, Trigger, Triggers,
};
pub use watch::{LIMIT_HOLD_TIME, RULE_REPEATED_EXECUTION};

use breaker::Breakers;
use command::{Desk, WAITING_COUNT_MAX};
use positions::Positions;
use watch::Watch;

/// `code` of an `ALERT`: a kill or a flatten is not done in time. Measured: the time it takes; limit: the most.
pub const ALERT_KILL_LATE: u16 = 401;
/// `code` of an `ALERT`: a position was held too long and is being closed. Measured and limit, ns.
pub const ALERT_HOLD_TIME: u16 = 402;

/// `tag` of the stage's closing orders; with [`flags::OPERATOR`].
pub const CLOSE_TAG: u32 = 0x000C_105E;
/// `tag` of manual orders; with [`flags::OPERATOR`].
pub const MANUAL_TAG: u32 = 0x0004_0001;

/// State of one scope, for stats and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeStatus {
    /// Which one.
    pub scope: Scope,
    /// What it lets pass.
    pub state: BreakerState,
    /// Whether it was killed: only `Rearm` lifts that.
    pub is_latched: bool,
    /// Whether it is paused.
    pub is_paused: bool,
    /// Why it was tripped last.
    pub reason: TripReason,
    /// Number of the last trip; 0 before the first.
    pub trip: u64,
    /// Event time of the last trip.
    pub tripped_ns: u64,
    /// Whether the present trip was approved.
    pub is_approved: bool,
    /// Code of the [`crate::event::KillPhase`] of its newest kill or flatten; 0 when there was none.
    pub phase: u16,
    /// When that began.
    pub job_start_ns: u64,
    /// When it was done; 0 while it is not.
    pub job_end_ns: u64,
    /// Orders that it cancelled.
    pub orders_cancelled: u32,
    /// Orders of the scope that still work while it goes on.
    pub orders_left: u32,
}

/// Stage 3.
#[derive(Debug)]
pub struct Control {
    config: ControlConfig,
    instruments: InstrumentTable,
    strategy_count: usize,
    /// By instrument: what the gate lets pass of one order; `None` where it lets nothing pass.
    chunks: Vec<Option<Chunk>>,
    breakers: Breakers,
    positions: Positions,
    watch: Watch,
    desk: Desk,
    /// Places of the breakers with a job that is not done.
    jobs: Vec<usize>,
    /// Breakers that were last told as something else than normal.
    held_count: usize,
    /// A command or trigger of this stage did something once: from then on it is part of the state hash.
    is_used: bool,
    /// Place of the breaker that was tripped last.
    last_trip: usize,
    /// Place of the breaker with the newest kill or flatten.
    last_job: usize,
}

impl Control {
    /// Kinds that the stage looks at.
    pub const INTEREST: KindSet = KindSet::of(&[
        Kind::COMMAND,
        Kind::CLOCK,
        Kind::SESSION_START,
        Kind::SESSION_END,
        Kind::LINK,
        Kind::BOOK_STATE,
        Kind::REFUSED,
        Kind::ORDER,
        Kind::FILL,
        Kind::STRATEGY_STATE,
        Kind::RISK_STATE,
        Kind::ANOMALY,
        Kind::LOCK,
        Kind::LIMIT,
        Kind::ALERT,
        Kind::ANSWER,
    ]);

    /// A stage in which nothing ever happened. `chunks` are by instrument.
    pub fn new(
        config: ControlConfig,
        chunks: Vec<Option<Chunk>>,
        instruments: InstrumentTable,
        strategy_count: usize,
    ) -> Control {
        assert_eq!(chunks.len(), instruments.count());
        let breakers = Breakers::new(strategy_count, instruments.count());
        Control {
            jobs: Vec::with_capacity(breakers.count()),
            positions: Positions::new(strategy_count, instruments.count()),
            watch: Watch::new(&config.triggers, instruments.count()),
            desk: Desk::new(),
            is_used: config.is_configured,
            config,
            instruments,
            strategy_count,
            chunks,
            breakers,
            held_count: 0,
            last_trip: 0,
            last_job: 0,
        }
    }

    /// Handles one event.
    #[inline]
    pub fn apply(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        match event.kind {
            Kind::ORDER => self.order(event, market, out),
            Kind::FILL => self.fill(event),
            Kind::CLOCK => self.clock(event, market, out),
            Kind::COMMAND => self.command(event, market, out),
            Kind::REFUSED => self.refused(event),
            Kind::ANSWER => self.desk.answered(event.id),
            Kind::SESSION_START => self.session_start(event, market, out),
            Kind::LINK => self.link(event),
            Kind::BOOK_STATE
            | Kind::SESSION_END
            | Kind::STRATEGY_STATE
            | Kind::RISK_STATE
            | Kind::ANOMALY
            | Kind::LOCK
            | Kind::LIMIT
            | Kind::ALERT => {
                self.desk.see(event);
                self.see(event, market, out);
            }
            _ => {}
        }
    }

    /// Whether a command of the present cascade waits for its answer, and what led to it.
    #[inline]
    pub fn take_due(&mut self) -> Option<Event> {
        self.desk.take_due()
    }

    /// Trips the breaker of a scope. Says whether that changed or renewed anything.
    fn trip(
        &mut self,
        (scope, reason): (Scope, TripReason),
        action: Action,
        (measured, limit): (i64, i64),
        market: &Market,
        out: &mut Emitter<'_>,
    ) -> bool {
        let Some(index) = self.breakers.index(scope) else { return false };
        let now_ns = out.time_ns();
        let breaker = self.breakers.get_mut(index);
        breaker.bad_ns = now_ns;
        let state = match action {
            Action::Off => return false,
            Action::Safe => BreakerState::Safe,
            Action::Kill => BreakerState::Killed,
        };
        // The same cause again, not approved yet: only the quiet period begins anew.
        let is_repeated =
            breaker.state == state && breaker.reason == reason && !breaker.is_approved;
        if state < breaker.state || is_repeated || breaker.state == BreakerState::Killed {
            return false;
        }
        self.breakers.trip_count += 1;
        let trip = self.breakers.trip_count;
        self.breakers.get_mut(index).set_trip(state, reason, (trip, now_ns));
        self.last_trip = index;
        self.tell(index, reason, (measured, limit), out);
        if action == Action::Kill {
            self.begin_kill(index, true, market, out);
        }
        true
    }

    /// Tells what a scope lets pass now, and why.
    fn tell(
        &mut self,
        index: usize,
        reason: TripReason,
        (measured, limit): (i64, i64),
        out: &mut Emitter<'_>,
    ) {
        self.is_used = true;
        let scope = self.breakers.scope(index);
        let breaker = self.breakers.get_mut(index);
        let (before, now) = (breaker.told, breaker.effective());
        breaker.told = now;
        let mut event = Event::new(Kind::BREAKER);
        event.code = now.code() | (before.code() << 8);
        event.source = reason.code();
        event.price = measured;
        event.quantity = limit;
        event.id = breaker.trip;
        event.tag = scope.tag();
        if let Scope::Instrument(instrument) = scope {
            event.instrument = instrument;
        }
        event.flags = flags::LAST;
        let sequence = out.emit(event);
        if before < now {
            breaker.told_sequence = sequence;
        }
        match (before == BreakerState::Normal, now == BreakerState::Normal) {
            (true, false) => self.held_count += 1,
            (false, true) => self.held_count = self.held_count.saturating_sub(1),
            (true, true) | (false, false) => {}
        }
    }

    fn venue_of(&self, instrument: u16) -> u8 {
        self.instruments.get(instrument).map_or(0, |instrument| instrument.venue as u8)
    }

    fn order(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        let [state, before] = event.code.to_le_bytes();
        let (Some(state), Some(before)) =
            (OrderState::from_code(state), OrderState::from_code(before))
        else {
            return;
        };
        self.desk.see_order(event, state, before);
        let Some(index) = self.positions.index(event.source, event.instrument) else { return };
        let is_over = state.is_terminal() && !before.is_terminal();
        if event.has(flags::OPERATOR) && event.tag == CLOSE_TAG {
            if is_over {
                self.closer_over(event.instrument, out.time_ns());
            }
            return self.advance_jobs(market, out);
        }
        let is_new = state == OrderState::New;
        let row = self.positions.row_mut(index);
        if is_new {
            row.working = row.working.saturating_add(1);
        } else if is_over {
            row.working = row.working.saturating_sub(1);
        }
        self.watch_order(event, (state, before), market, out);
        if self.held_count == 0 {
            return;
        }
        if state == OrderState::Pending && before == OrderState::New {
            self.cancel_overtaken(event, out);
        }
        if !(is_new || is_over) {
            return;
        }
        self.count_for_jobs(event, is_new, state == OrderState::Cancelled);
        if is_new && !event.has(flags::OPERATOR) {
            self.reopen(index, out.time_ns());
        }
        if is_over {
            self.advance_jobs(market, out);
        }
    }

    /// An order whose intent stood before the trip in the same cascade was judged before the gate heard of it.
    fn cancel_overtaken(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let intent = out.get(event.cause).cause;
        let source = self.row_source(event.source);
        let is_overtaken = self.breakers_of(source, event.instrument).any(|index| {
            let breaker = self.breakers.get(index);
            let is_held = match breaker.told {
                BreakerState::Normal => false,
                BreakerState::Safe => !event.has(flags::REDUCE_ONLY),
                BreakerState::Killed => true,
            };
            is_held && intent < breaker.told_sequence
        });
        if is_overtaken && !event.has(flags::OPERATOR) {
            let mut cancel = Event::new(Kind::INTENT_CANCEL);
            cancel.instrument = event.instrument;
            cancel.id = event.id;
            cancel.source = NO_STRATEGY;
            cancel.flags = flags::OPERATOR | flags::LAST;
            out.emit(cancel);
        }
    }

    /// Places of the breakers that concern what a strategy does in an instrument.
    fn breakers_of(&self, source: u16, instrument: u16) -> impl Iterator<Item = usize> + use<> {
        let scopes = [
            Scope::All,
            Scope::Venue(self.venue_of(instrument)),
            Scope::Strategy(source),
            Scope::Instrument(instrument),
        ];
        scopes.map(|scope| self.breakers.index(scope)).into_iter().flatten()
    }

    fn fill(&mut self, event: &Event) {
        let Some(index) = self.positions.index(event.source, event.instrument) else { return };
        let signed = event.side().sign().saturating_mul(event.quantity);
        self.positions.fill(index, signed, event.time_ns);
        if event.tag == CLOSE_TAG
            && let Some(lane) = self.positions.lanes.get_mut(usize::from(event.instrument))
        {
            lane.has_traded |= lane.is_busy;
        } else if self.held_count != 0 {
            self.reopen(index, event.time_ns);
        }
        self.watch_position(index);
    }

    /// Number of the row's strategy: strangers and the operator share the one after the last.
    fn row_source(&self, source: u16) -> u16 {
        source.min(u16::try_from(self.strategy_count).unwrap_or(u16::MAX))
    }

    /// Every scope that was ever tripped, paused, killed or flattened, and the one of everything.
    pub fn scopes(&self) -> impl Iterator<Item = ScopeStatus> {
        self.breakers
            .iter()
            .filter(|(scope, breaker)| *scope == Scope::All || **breaker != breaker::Breaker::NEW)
            .map(|(scope, breaker)| status(scope, breaker))
    }

    /// State of everything.
    pub fn state(&self) -> BreakerState {
        self.breakers.get(0).effective()
    }

    /// The scope that was tripped last, with reason, number and time; number 0: none ever was.
    pub fn last_trip(&self) -> ScopeStatus {
        status(self.breakers.scope(self.last_trip), self.breakers.get(self.last_trip))
    }

    /// The scope of the newest kill or flatten.
    pub fn last_job(&self) -> ScopeStatus {
        status(self.breakers.scope(self.last_job), self.breakers.get(self.last_job))
    }

    /// How many scopes are SAFE and how many are KILLED.
    pub fn held_counts(&self) -> (u64, u64) {
        if self.held_count == 0 {
            return (0, 0);
        }
        self.breakers.iter().fold((0, 0), |(safe, killed), (_, breaker)| {
            match breaker.effective() {
                BreakerState::Normal => (safe, killed),
                BreakerState::Safe => (safe + 1, killed),
                BreakerState::Killed => (safe, killed + 1),
            }
        })
    }

    /// Rows (a strategy's position in an instrument) that are not flat.
    pub fn positions_open_count(&self) -> usize {
        let rows = 0..self.positions.row_count();
        rows.filter(|index| self.positions.row(*index).position != 0).count()
    }

    /// Whether the stage is part of the state hash.
    pub fn is_active(&self) -> bool {
        self.is_used
    }

    /// Hash of everything that later decisions depend on.
    pub fn digest(&self) -> u64 {
        let mut hash = mix(self.breakers.digest(), self.positions.digest());
        hash = mix(mix(hash, self.watch.digest()), self.desk.digest());
        mix(hash, u64::try_from(self.last_trip).unwrap_or(u64::MAX))
    }
}

fn status(scope: Scope, breaker: &breaker::Breaker) -> ScopeStatus {
    let job = &breaker.job;
    let was_job = job.start_ns != 0 || job.is_on;
    ScopeStatus {
        scope,
        state: breaker.effective(),
        is_latched: breaker.state == BreakerState::Killed,
        is_paused: breaker.is_paused,
        reason: breaker.reason,
        trip: breaker.trip,
        tripped_ns: breaker.tripped_ns,
        is_approved: breaker.is_approved,
        phase: match (was_job, job.is_on && job.is_late) {
            (false, _) => 0,
            (true, true) => KillPhase::Late.code(),
            (true, false) => job.phase.code(),
        },
        job_start_ns: job.start_ns,
        job_end_ns: job.end_ns,
        orders_cancelled: job.cancelled,
        orders_left: job.working,
    }
}

const _: () = assert!(0 < WAITING_COUNT_MAX);
