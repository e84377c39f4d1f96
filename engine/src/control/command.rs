//! What operators command: each command is done, refused with a reason, or waits for a second person.
//!
//! ```text
//!   COMMAND --> done here (kill, trip, approve, ..) ------------------------> ANSWER at once
//!           --> done by another stage (halt, enable, order, ..) -- settle --> ANSWER at the end of the cascade
//!           --> needs a second person --> ANSWER needs-confirm .. Confirm --> ANSWER of the command, of the Confirm
//!                                                              .. too late -> ANSWER expired
//! ```
//! Commands with the number 0 (the supervisor's own) are obeyed and not answered.

use crate::event::{
    AnswerCode, BreakerState, CommandCode, Event, Kind, NO_STRATEGY, OrderState, OrderTerms, Scope,
    TripReason, flags,
};
use crate::market::Market;
use crate::ring::Emitter;
use crate::state::{LoadError, Loader, Saver, State, mix};

use super::{Action, Control, MANUAL_TAG};

/// Most commands that wait for a second person. Arbitrary; one more is refused as not possible now.
pub(super) const WAITING_COUNT_MAX: usize = 16;
/// Strategy of a manual order that is the operator's own, in the upper half of `tag`.
const OWN_SOURCE: u16 = u16::MAX;
/// `code` of the OMS's anomaly of a cancel that names no order.
const NO_SUCH_ORDER: u16 = 122;

/// What becomes of a command, and a detail of it.
type Outcome = (AnswerCode, i64);

/// A command whose answer depends on what the other stages make of it.
#[derive(Clone, Copy, Debug)]
struct Open {
    command: Event,
    seen: Option<Outcome>,
}

/// Commands that are not answered yet.
#[derive(Debug)]
pub(super) struct Desk {
    /// Of the present cascade.
    open: Option<Open>,
    /// Waiting for a second person: the command, and when it is too late.
    waiting: Vec<(Event, u64)>,
}

impl Desk {
    pub(super) fn new() -> Desk {
        Desk { open: None, waiting: Vec::with_capacity(WAITING_COUNT_MAX) }
    }

    /// Somebody answered a command.
    pub(super) fn answered(&mut self, number: u64) {
        if self.open.is_some_and(|open| open.command.id == number) {
            self.open = None;
        }
    }

    pub(super) fn take_due(&mut self) -> Option<Event> {
        self.open.map(|open| open.command)
    }

    fn note(&mut self, outcome: Outcome) {
        if let Some(open) = &mut self.open {
            open.seen = Some(outcome);
        }
    }

    /// What another stage made of the open command.
    pub(super) fn see(&mut self, event: &Event) {
        let Some(open) = &self.open else { return };
        let (code, target) = (open.command.code, open.command.tag);
        let is_command = |wanted: CommandCode| code == wanted as u16;
        let is_told = event.tag == u32::from(code);
        let is_switch =
            is_command(CommandCode::StrategyEnable) || is_command(CommandCode::StrategyDisable);
        let is_switched =
            event.kind == Kind::STRATEGY_STATE && is_switch && u32::from(event.source) == target;
        if is_switched || (event.kind == Kind::RISK_STATE && is_told) {
            self.note((AnswerCode::Done, i64::from(event.code)));
        } else if event.kind == Kind::REFUSED {
            let is_resume =
                is_command(CommandCode::Resume) && is_told && event.source == NO_STRATEGY;
            let is_order = is_command(CommandCode::OrderNew)
                && event.has(flags::OPERATOR)
                && event.tag == MANUAL_TAG;
            if is_resume || is_order {
                self.note((AnswerCode::Refused, i64::from(event.code)));
            }
        } else if event.kind == Kind::ANOMALY
            && is_command(CommandCode::OrderCancel)
            && event.id == open.command.quantity.cast_unsigned()
        {
            let is_known = event.code != NO_SUCH_ORDER;
            let code = if is_known { AnswerCode::WrongState } else { AnswerCode::NoSuchTarget };
            if open.seen.is_none() {
                self.note((code, i64::from(event.code)));
            }
        }
    }

    /// What the OMS made of a manual order or cancel.
    pub(super) fn see_order(&mut self, event: &Event, state: OrderState, before: OrderState) {
        let Some(open) = &self.open else { return };
        if open.command.code == CommandCode::OrderNew as u16 {
            if event.has(flags::OPERATOR) && event.tag == MANUAL_TAG {
                let is_over = state == OrderState::Rejected;
                let code = if is_over { AnswerCode::WrongState } else { AnswerCode::Done };
                self.note((code, event.id.cast_signed()));
            }
        } else if open.command.code == CommandCode::OrderCancel as u16
            && event.id == open.command.quantity.cast_unsigned()
            && state == OrderState::PendingCancel
        {
            let is_new = before != OrderState::PendingCancel;
            let code = if is_new { AnswerCode::Done } else { AnswerCode::AlreadySo };
            self.note((code, event.id.cast_signed()));
        }
    }

    pub(super) fn digest(&self) -> u64 {
        self.waiting
            .iter()
            .fold(0, |hash, (command, until_ns)| mix(mix(hash, command.id), *until_ns))
    }
}

impl State for Desk {
    fn save(&self, out: &mut Saver) {
        out.count(self.waiting.len());
        for (command, until_ns) in &self.waiting {
            out.event(command);
            out.u64(*until_ns);
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.open = None;
        self.waiting.clear();
        for _ in 0..from.count(WAITING_COUNT_MAX)? {
            let command = from.event()?;
            self.waiting.push((command, from.u64()?));
        }
        Ok(())
    }
}

impl Control {
    /// Obeys a command, and answers it if it has a number.
    pub(super) fn command(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        self.desk.open = (event.id != 0).then_some(Open { command: *event, seen: None });
        if event.id != 0 {
            self.is_used = true;
        }
        let Some(code) = CommandCode::from_code(event.code) else {
            return self.answer(event, (AnswerCode::OutOfRange, i64::from(event.code)), out);
        };
        let outcome = if code == CommandCode::Confirm {
            self.confirm(event, market, out)
        } else {
            self.obey(code, event, true, market, out)
        };
        if let Some(outcome) = outcome {
            self.answer(event, outcome, out);
        }
    }

    /// Does what a command asks for; `None` when another stage does it. `asks`: it may be put aside until a
    /// second person confirms it.
    fn obey(
        &mut self,
        code: CommandCode,
        event: &Event,
        asks: bool,
        market: &Market,
        out: &mut Emitter<'_>,
    ) -> Option<Outcome> {
        match code {
            CommandCode::Kill => Some(self.command_kill(event, market, out)),
            CommandCode::Trip => Some(self.command_trip(event, market, out)),
            CommandCode::Approve => Some(self.command_approve(event, asks, out)),
            CommandCode::Rearm => Some(self.command_rearm(event, asks, out)),
            CommandCode::Pause => Some(self.command_pause(event, true, out)),
            CommandCode::Continue => Some(self.command_pause(event, false, out)),
            CommandCode::Flatten => Some(self.command_flatten(event, market, out)),
            CommandCode::OrderNew => self.command_order(event, out),
            CommandCode::OrderCancel => {
                let mut cancel = Event::new(Kind::INTENT_CANCEL);
                cancel.id = event.quantity.cast_unsigned();
                cancel.flags = flags::OPERATOR | flags::LAST;
                out.emit(cancel);
                None
            }
            CommandCode::Alive => {
                self.watch.alive(out.time_ns());
                Some((AnswerCode::Done, 0))
            }
            CommandCode::Acknowledge => Some((AnswerCode::Done, event.price)),
            CommandCode::ThreadDead => {
                self.thread_dead(event, market, out);
                None
            }
            CommandCode::Halt
            | CommandCode::Reduce
            | CommandCode::Resume
            | CommandCode::CancelAll
            | CommandCode::StrategyDisable
            | CommandCode::StrategyEnable
            | CommandCode::Stop
            | CommandCode::AcceptBalances
            | CommandCode::LimitSet
            | CommandCode::Confirm => None,
        }
    }

    fn target(&self, event: &Event) -> Option<(Scope, usize)> {
        let scope = Scope::from_tag(event.tag)?;
        Some((scope, self.breakers.index(scope)?))
    }

    fn command_kill(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) -> Outcome {
        let Some((scope, index)) = self.target(event) else {
            return (AnswerCode::NoSuchTarget, i64::from(event.tag));
        };
        let reason = match u16::try_from(event.price).ok().and_then(TripReason::from_code) {
            Some(reason) if event.source == 0 => reason,
            Some(_) | None => TripReason::Operator,
        };
        let closes = event.quantity == 1;
        let before = *self.breakers.get(index);
        if before.state == BreakerState::Killed {
            // Asked again: what works is cancelled again, and positions are closed if that is new.
            let closes = closes || (before.job.closes && before.job.is_on);
            self.begin_kill(index, closes, market, out);
            return (AnswerCode::AlreadySo, before.trip.cast_signed());
        }
        self.breakers.trip_count += 1;
        let trip = self.breakers.trip_count;
        let breaker = self.breakers.get_mut(index);
        breaker.set_trip(BreakerState::Killed, reason, (trip, out.time_ns()));
        self.last_trip = index;
        debug_assert_eq!(self.breakers.scope(index), scope);
        self.tell(index, reason, (0, 0), out);
        self.begin_kill(index, closes, market, out);
        (AnswerCode::Done, trip.cast_signed())
    }

    fn command_trip(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) -> Outcome {
        let Some((scope, index)) = self.target(event) else {
            return (AnswerCode::NoSuchTarget, i64::from(event.tag));
        };
        let of = (scope, TripReason::Operator);
        let is_new = self.trip(of, Action::Safe, (0, 0), market, out);
        let trip = self.breakers.get(index).trip.cast_signed();
        (if is_new { AnswerCode::Done } else { AnswerCode::AlreadySo }, trip)
    }

    fn command_approve(&mut self, event: &Event, asks: bool, out: &mut Emitter<'_>) -> Outcome {
        let Some((_, index)) = self.target(event) else {
            return (AnswerCode::NoSuchTarget, i64::from(event.tag));
        };
        let breaker = *self.breakers.get(index);
        let trip = breaker.trip.cast_signed();
        if breaker.state != BreakerState::Safe {
            // Also the number of a trip that has recovered: its approval was used.
            let is_used = breaker.state == BreakerState::Normal && event.price == trip && trip != 0;
            let code = if is_used { AnswerCode::WrongTrip } else { AnswerCode::WrongState };
            return (code, trip);
        }
        if event.price != trip {
            return (AnswerCode::WrongTrip, trip);
        }
        if breaker.is_approved {
            return (AnswerCode::AlreadySo, trip);
        }
        if let Some(outcome) = self.ask_second_person(event, asks, out) {
            return outcome;
        }
        self.breakers.get_mut(index).is_approved = true;
        // It recovers with the next clock after the quiet period, not here: the answer says how long that is.
        let clear_ns = out.time_ns().saturating_sub(breaker.bad_ns);
        let left_ns = self.config.quiet_ns.saturating_sub(clear_ns);
        (AnswerCode::Done, i64::try_from(left_ns).unwrap_or(i64::MAX))
    }

    fn command_rearm(&mut self, event: &Event, asks: bool, out: &mut Emitter<'_>) -> Outcome {
        let Some((_, index)) = self.target(event) else {
            return (AnswerCode::NoSuchTarget, i64::from(event.tag));
        };
        let breaker = *self.breakers.get(index);
        let trip = breaker.trip.cast_signed();
        if breaker.state != BreakerState::Killed {
            return (AnswerCode::WrongState, trip);
        }
        if event.price != trip {
            return (AnswerCode::WrongTrip, trip);
        }
        if self.is_job_young(index) {
            return (AnswerCode::NotClear, i64::from(breaker.job.working));
        }
        if let Some(outcome) = self.ask_second_person(event, asks, out) {
            return outcome;
        }
        self.drop_job(index);
        self.breakers.get_mut(index).clear();
        let begins_peak = i64::from(event.quantity == 1);
        self.tell(index, TripReason::Rearmed, (0, begins_peak), out);
        (AnswerCode::Done, trip)
    }

    fn command_pause(&mut self, event: &Event, pauses: bool, out: &mut Emitter<'_>) -> Outcome {
        let Some((_, index)) = self.target(event) else {
            return (AnswerCode::NoSuchTarget, i64::from(event.tag));
        };
        let breaker = self.breakers.get_mut(index);
        if breaker.is_paused == pauses {
            return (AnswerCode::AlreadySo, 0);
        }
        breaker.is_paused = pauses;
        self.tell(index, TripReason::Paused, (i64::from(pauses), 0), out);
        (AnswerCode::Done, 0)
    }

    fn command_flatten(
        &mut self,
        event: &Event,
        market: &Market,
        out: &mut Emitter<'_>,
    ) -> Outcome {
        let Some((_, index)) = self.target(event) else {
            return (AnswerCode::NoSuchTarget, i64::from(event.tag));
        };
        let breaker = self.breakers.get(index);
        if breaker.job.is_on && breaker.job.closes {
            return (AnswerCode::AlreadySo, 0);
        }
        if breaker.state == BreakerState::Killed {
            // The latch stays; what the kill left open is closed now.
            self.begin_kill(index, true, market, out);
        } else {
            self.begin_flatten(index, (true, TripReason::Flatten), market, out);
        }
        (AnswerCode::Done, 0)
    }

    fn command_order(&mut self, event: &Event, out: &mut Emitter<'_>) -> Option<Outcome> {
        let (low, high) = (event.tag & 0xffff, event.tag >> 16);
        let (terms, owner) = (u16::try_from(low).ok()?, u16::try_from(high).ok()?);
        let own = u16::try_from(self.strategy_count).unwrap_or(u16::MAX);
        let source = if owner == OWN_SOURCE { own } else { owner };
        if own < source || self.instruments.get(event.instrument).is_none() {
            return Some((AnswerCode::NoSuchTarget, i64::from(source)));
        }
        if OrderTerms::from_code(terms).is_none() || event.price <= 0 || event.quantity <= 0 {
            return Some((AnswerCode::OutOfRange, i64::from(terms)));
        }
        let mut intent = Event::new(Kind::INTENT);
        intent.instrument = event.instrument;
        intent.source = source;
        intent.price = event.price;
        intent.quantity = event.quantity;
        intent.code = terms;
        intent.tag = MANUAL_TAG;
        let kept = flags::SELL | flags::POST_ONLY | flags::REDUCE_ONLY;
        intent.flags = (event.flags & kept) | flags::OPERATOR | flags::LAST;
        out.emit(intent);
        None
    }

    /// Puts a command aside until another person confirms it, where that is configured.
    fn ask_second_person(
        &mut self,
        event: &Event,
        asks: bool,
        out: &Emitter<'_>,
    ) -> Option<Outcome> {
        // Commands without a number are the supervisor's: nobody could confirm them.
        if !asks || !self.config.is_two_person || event.id == 0 {
            return None;
        }
        if WAITING_COUNT_MAX <= self.desk.waiting.len() {
            return Some((AnswerCode::WrongState, 0));
        }
        let until_ns = out.time_ns().saturating_add(self.config.confirm_ns_max);
        self.desk.waiting.push((*event, until_ns));
        Some((AnswerCode::NeedsConfirm, i64::try_from(until_ns).unwrap_or(i64::MAX)))
    }

    /// A second person confirms; `None` when the command is not one that waits here.
    fn confirm(
        &mut self,
        event: &Event,
        market: &Market,
        out: &mut Emitter<'_>,
    ) -> Option<Outcome> {
        let number = event.price.cast_unsigned();
        let at = self.desk.waiting.iter().position(|(command, _)| command.id == number)?;
        let (command, _) = self.desk.waiting[at];
        if event.source == command.source {
            return Some((AnswerCode::SamePerson, i64::from(event.source)));
        }
        if event.source == 0 {
            return Some((AnswerCode::NotPermitted, 0));
        }
        self.desk.waiting.remove(at);
        let code = CommandCode::from_code(command.code)?;
        // What was possible when it was given may not be any more: it is judged anew.
        let outcome = self.obey(code, &command, false, market, out)?;
        self.answer(&command, outcome, out);
        Some((AnswerCode::Done, event.price))
    }

    /// Commands that waited too long for a second person.
    pub(super) fn expire_waiting(&mut self, is_every: bool, out: &mut Emitter<'_>) {
        let now_ns = out.time_ns();
        while let Some(at) =
            self.desk.waiting.iter().position(|(_, until_ns)| is_every || *until_ns <= now_ns)
        {
            let (command, _) = self.desk.waiting.remove(at);
            self.answer(&command, (AnswerCode::Expired, 0), out);
        }
    }

    /// Everything that follows from the open command is known: it is answered.
    #[cold]
    pub fn settle(&mut self, out: &mut Emitter<'_>) {
        let Some(open) = self.desk.open.take() else { return };
        let command = open.command;
        let outcome = open.seen.unwrap_or_else(|| self.unseen(&command));
        self.answer(&command, outcome, out);
    }

    /// What becomes of a command of which no other stage said anything.
    fn unseen(&self, command: &Event) -> Outcome {
        let Some(code) = CommandCode::from_code(command.code) else {
            return (AnswerCode::OutOfRange, i64::from(command.code));
        };
        match code {
            CommandCode::Halt | CommandCode::Reduce | CommandCode::Resume => {
                (AnswerCode::AlreadySo, 0)
            }
            CommandCode::CancelAll
            | CommandCode::Stop
            | CommandCode::AcceptBalances
            | CommandCode::ThreadDead => (AnswerCode::Done, 0),
            CommandCode::StrategyDisable | CommandCode::StrategyEnable => {
                let known = u32::try_from(self.strategy_count).unwrap_or(u32::MAX);
                let is_known = command.tag < known;
                // It panicked: only a new process, with a state from before, may trust it again.
                let code = if is_known { AnswerCode::WrongState } else { AnswerCode::NoSuchTarget };
                (code, i64::from(command.tag))
            }
            CommandCode::OrderCancel | CommandCode::Confirm => (AnswerCode::NoSuchTarget, 0),
            CommandCode::Kill
            | CommandCode::Trip
            | CommandCode::Approve
            | CommandCode::Rearm
            | CommandCode::Pause
            | CommandCode::Continue
            | CommandCode::LimitSet
            | CommandCode::OrderNew
            | CommandCode::Flatten
            | CommandCode::Acknowledge
            | CommandCode::Alive => (AnswerCode::WrongState, 0),
        }
    }

    fn answer(&mut self, command: &Event, (code, detail): Outcome, out: &mut Emitter<'_>) {
        self.desk.answered(command.id);
        if command.id == 0 {
            return;
        }
        let mut answer = Event::new(Kind::ANSWER);
        answer.code = command.code;
        answer.price = i64::from(code.code());
        answer.quantity = detail;
        answer.id = command.id;
        answer.tag = command.tag;
        answer.instrument = command.instrument;
        answer.flags = flags::LAST;
        out.emit(answer);
    }
}
