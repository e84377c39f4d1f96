//! What trips a breaker by itself: conditions that last, events that are too many, times that are too long.
//!
//! | reason | from | fires when |
//! |---|---|---|
//! | loss-daily, drawdown | `RISK_STATE` | the gate's limit is reached |
//! | reject-rate | `ORDER` rejected by a report | `count` within the window |
//! | error-rate | `ORDER` unknown, `ANOMALY` | `count` within the window |
//! | latency | `ORDER` pending until its next word | `count` times longer than `limit_ns` within the window |
//! | staleness | `BOOK_STATE` | not live for longer than `limit_ns` |
//! | reconcile | `LOCK` | locked for longer than `limit_ns` |
//! | clock | `CLOCK` | event time jumps by more than `limit_ns` |
//! | journal, thread-dead | `COMMAND` | the supervisor says so |
//! | hold-time | `FILL`, `CLOCK` | a position older than its limit; it is closed in any case |
//! | dead-man | `COMMAND Alive`, `CLOCK` | none for `limit_ns` since the session began |
//! | strategy-panic | `STRATEGY_STATE` | a strategy panicked |
//! | repeated-execution, monitor | `ALERT` | the gate or the monitor says so |
//! | restart | `SESSION_START` | the session before did not end in order |
//!
//! A condition that lasts (silence, lock, position, dead-man) fires once and keeps the quiet period from
//! beginning until it is gone.

use crate::event::{BookState, BreakerState, Event, Kind, OrderState, Scope, TripReason, flags};
use crate::instrument::VENUE_COUNT_MAX;
use crate::market::Market;
use crate::ring::Emitter;
use crate::state::{LoadError, Loader, Saver, State, mix};

use super::settings::{Trigger, Triggers};
use super::window::Window;
use super::{ALERT_HOLD_TIME, Control};

/// `code` of `LIMIT`: how long a position of an instrument may be held, ms.
pub const LIMIT_HOLD_TIME: u16 = 38;
const RULE_LOSS_DAILY: u32 = 124;
const RULE_DRAWDOWN: u32 = 125;
/// `code` of `ALERT` with which the gate tells that it disabled a strategy that traded too often.
pub const RULE_REPEATED_EXECUTION: u16 = 136;
/// First and last `code` of the post-trade monitor's alerts.
const METRICS: [u16; 2] = [301, 399];
/// `tag` of an `ALERT`: the limit is reached.
const PERCENT_REACHED: u32 = 100;
/// `tag` of `ThreadDead`: the journal's helper.
const THREAD_JOURNAL: u32 = 2;
/// `tag` of `STRATEGY_STATE`: it panicked.
const WHY_PANIC: u32 = 1;
/// Anomalies that races and repetition explain: a told execution told again, a late fill, a change or
/// cancel of what is over, a fee in a foreign asset.
const ANOMALIES_HARMLESS: [u16; 5] = [104, 107, 114, 115, 123];
/// Orders whose first answer is awaited; a newer one takes the place of an older one of the same slot.
const PENDING_SLOT_COUNT: usize = 1024;

/// A condition that lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lasting {
    /// Since when; 0 while it does not hold.
    since_ns: u64,
    has_fired: bool,
}

impl Lasting {
    fn begin(&mut self, now_ns: u64) {
        if self.since_ns == 0 {
            *self = Lasting { since_ns: now_ns.max(1), has_fired: false };
        }
    }

    fn digest(self) -> u64 {
        mix(self.since_ns, u64::from(self.has_fired))
    }

    fn save(self, out: &mut Saver) {
        out.u64(self.since_ns);
        out.bool(self.has_fired);
    }

    fn load(from: &mut Loader<'_>) -> Result<Lasting, LoadError> {
        Ok(Lasting { since_ns: from.u64()?, has_fired: from.bool()? })
    }
}

/// What was seen, as far as a trigger needs it.
#[derive(Debug)]
pub(super) struct Watch {
    /// By venue; the first is of everything.
    rejects: Vec<Window>,
    errors: Vec<Window>,
    slow: Vec<Window>,
    /// Id and time of orders that wait for their first answer; none without a latency trigger.
    pending: Vec<(u64, u64)>,
    /// By instrument: the book is not live.
    books: Vec<Lasting>,
    /// By venue: it is locked.
    locks: [Lasting; VENUE_COUNT_MAX],
    /// Nobody said `Alive`.
    silence: Lasting,
    clock_ns: u64,
    /// No position is too old before that.
    hold_due_ns: u64,
    /// A session began and has not ended.
    is_session_open: bool,
}

impl Watch {
    pub(super) fn new(triggers: &Triggers, instrument_count: usize) -> Watch {
        let windows = |trigger: &Trigger| {
            let count = if trigger.is_on() { trigger.count } else { 0 };
            vec![Window::new(count, trigger.window_ns); VENUE_COUNT_MAX]
        };
        let slot_count = if triggers.latency.is_on() { PENDING_SLOT_COUNT } else { 0 };
        Watch {
            rejects: windows(&triggers.reject_rate),
            errors: windows(&triggers.error_rate),
            slow: windows(&triggers.latency),
            pending: vec![(0, 0); slot_count],
            books: vec![Lasting::default(); instrument_count],
            locks: [Lasting::default(); VENUE_COUNT_MAX],
            silence: Lasting::default(),
            clock_ns: 0,
            hold_due_ns: u64::MAX,
            is_session_open: false,
        }
    }

    pub(super) fn alive(&mut self, now_ns: u64) {
        self.silence = Lasting { since_ns: now_ns.max(1), has_fired: false };
    }

    pub(super) fn is_locked(&self, venue: u8) -> bool {
        self.locks.get(usize::from(venue)).is_some_and(|lock| lock.since_ns != 0)
    }

    pub(super) fn digest(&self) -> u64 {
        let mut hash = mix(u64::from(self.is_session_open), self.silence.digest());
        for windows in [&self.rejects, &self.errors, &self.slow] {
            for window in windows {
                hash = mix(hash, window.digest());
            }
        }
        for lasting in self.books.iter().chain(&self.locks) {
            hash = mix(hash, lasting.digest());
        }
        hash
    }
}

impl State for Watch {
    /// Times of orders that wait and of the last clock are left out: a session start forgets them anyhow.
    fn save(&self, out: &mut Saver) {
        for windows in [&self.rejects, &self.errors, &self.slow] {
            for window in windows {
                window.save(out);
            }
        }
        out.count(self.books.len());
        for lasting in self.books.iter().chain(&self.locks) {
            lasting.save(out);
        }
        self.silence.save(out);
        out.u64(self.clock_ns);
        out.u64(self.hold_due_ns);
        out.bool(self.is_session_open);
        out.count(self.pending.len());
        for (id, time_ns) in &self.pending {
            out.u64(*id);
            out.u64(*time_ns);
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        for windows in [&mut self.rejects, &mut self.errors, &mut self.slow] {
            for window in windows {
                window.load(from)?;
            }
        }
        if from.count(self.books.len())? != self.books.len() {
            return Err(from.invalid("number of instruments"));
        }
        for lasting in self.books.iter_mut().chain(&mut self.locks) {
            *lasting = Lasting::load(from)?;
        }
        self.silence = Lasting::load(from)?;
        self.clock_ns = from.u64()?;
        self.hold_due_ns = from.u64()?;
        self.is_session_open = from.bool()?;
        // A trigger that was switched on or off since changes how many are kept.
        for at in 0..from.count(PENDING_SLOT_COUNT)? {
            let told = (from.u64()?, from.u64()?);
            if let Some(slot) = self.pending.get_mut(at) {
                *slot = told;
            }
        }
        Ok(())
    }
}

impl Control {
    /// Fires a trigger about a scope of its own.
    fn fire(
        &mut self,
        (reason, own): (TripReason, Scope),
        told: (i64, i64),
        market: &Market,
        out: &mut Emitter<'_>,
    ) {
        let Some(trigger) = self.config.triggers.of(reason) else { return };
        let (action, scope) = (trigger.action, if trigger.is_wide { Scope::All } else { own });
        self.trip((scope, reason), action, told, market, out);
    }

    /// The condition still holds: the quiet period of what it tripped cannot begin.
    fn keep(&mut self, reason: TripReason, own: Scope, now_ns: u64) {
        let is_wide = self.config.triggers.of(reason).is_none_or(|trigger| trigger.is_wide);
        let scope = if is_wide { Scope::All } else { own };
        if let Some(index) = self.breakers.index(scope) {
            self.breakers.get_mut(index).bad_ns = now_ns;
        }
    }

    /// Events of other stages that are a trigger by themselves, or begin a condition.
    pub(super) fn see(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        match event.kind {
            Kind::BOOK_STATE => self.see_book(event),
            Kind::LOCK => self.see_lock(event),
            Kind::LIMIT if event.code == LIMIT_HOLD_TIME => self.see_hold_limit(event),
            Kind::SESSION_END => self.watch.is_session_open = false,
            Kind::RISK_STATE => {
                let reason = match event.tag {
                    RULE_LOSS_DAILY => TripReason::LossDaily,
                    RULE_DRAWDOWN => TripReason::Drawdown,
                    _ => return,
                };
                self.fire((reason, Scope::All), (event.price, event.quantity), market, out);
            }
            Kind::STRATEGY_STATE if event.tag == WHY_PANIC => {
                let of = (TripReason::StrategyPanic, Scope::Strategy(event.source));
                self.fire(of, (0, 0), market, out);
            }
            Kind::ANOMALY => {
                let is_counted = !ANOMALIES_HARMLESS.contains(&event.code);
                if is_counted && self.config.triggers.error_rate.is_on() {
                    self.count_event(TripReason::ErrorRate, event, market, out);
                }
            }
            Kind::ALERT => self.see_alert(event, market, out),
            _ => {}
        }
    }

    fn see_alert(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        let told = (event.price, event.quantity);
        let [first, last] = METRICS;
        if event.tag != PERCENT_REACHED {
            return;
        }
        if event.code == RULE_REPEATED_EXECUTION {
            let of = (TripReason::RepeatedExecution, Scope::Strategy(event.source));
            self.fire(of, told, market, out);
        } else if first <= event.code && event.code <= last {
            self.fire((TripReason::Monitor, Scope::All), told, market, out);
        }
    }

    /// A command set how long a position may be held; the gate has said that it may.
    fn see_hold_limit(&mut self, event: &Event) {
        let Some(lane) = self.positions.lanes.get_mut(usize::from(event.instrument)) else {
            return;
        };
        let ms = u64::try_from(event.quantity).unwrap_or(0);
        lane.hold_ns = ms.saturating_mul(1_000_000);
        self.watch.hold_due_ns = 0;
    }

    fn see_book(&mut self, event: &Event) {
        let now_ns = event.time_ns;
        let Some(book) = self.watch.books.get_mut(usize::from(event.instrument)) else { return };
        if event.code == u16::from(BookState::Live.code()) {
            *book = Lasting::default();
        } else {
            book.begin(now_ns);
        }
    }

    fn see_lock(&mut self, event: &Event) {
        let venue = usize::try_from(event.tag).unwrap_or(usize::MAX);
        let Some(lock) = self.watch.locks.get_mut(venue) else { return };
        if event.code == 0 {
            *lock = Lasting::default();
        } else {
            lock.begin(event.time_ns);
        }
    }

    /// Orders: rejects, doubts, and how long the first word took.
    pub(super) fn watch_order(
        &mut self,
        event: &Event,
        (state, before): (OrderState, OrderState),
        market: &Market,
        out: &mut Emitter<'_>,
    ) {
        let triggers = &self.config.triggers;
        let (rejects, errors) = (triggers.reject_rate.is_on(), triggers.error_rate.is_on());
        if state == OrderState::Pending {
            self.await_answer(event);
        } else if before == OrderState::Pending {
            self.answered_after(event, market, out);
        }
        if state == before {
            return;
        }
        if state == OrderState::Rejected && rejects && out.get(event.cause).kind == Kind::REPORT {
            self.count_event(TripReason::RejectRate, event, market, out);
        }
        // A new session knows nothing of any order: that is no error.
        let is_doubt = state == OrderState::Unknown
            && errors
            && out.get(event.cause).kind != Kind::SESSION_START;
        if is_doubt {
            self.count_event(TripReason::ErrorRate, event, market, out);
        }
    }

    fn pending_slot(&mut self, id: u64) -> Option<&mut (u64, u64)> {
        let number = usize::try_from(id).ok()?;
        self.watch.pending.get_mut(number % PENDING_SLOT_COUNT)
    }

    fn await_answer(&mut self, event: &Event) {
        let told = (event.id, event.time_ns);
        if let Some(slot) = self.pending_slot(event.id) {
            *slot = told;
        }
    }

    fn answered_after(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        let limit_ns = self.config.triggers.latency.limit_ns;
        let Some(slot) = self.pending_slot(event.id) else { return };
        let (id, sent_ns) = *slot;
        if id != event.id || out.get(event.cause).kind != Kind::REPORT {
            return;
        }
        *slot = (0, 0);
        if limit_ns < event.time_ns.saturating_sub(sent_ns) {
            self.count_event(TripReason::Latency, event, market, out);
        }
    }

    /// Counts an event in the window of its venue, or of everything; a full one fires.
    fn count_event(
        &mut self,
        reason: TripReason,
        event: &Event,
        market: &Market,
        out: &mut Emitter<'_>,
    ) {
        let venue = self.venue_of(event.instrument);
        let windows = if reason == TripReason::RejectRate {
            &mut self.watch.rejects
        } else if reason == TripReason::Latency {
            &mut self.watch.slow
        } else {
            &mut self.watch.errors
        };
        let Some(trigger) = self.config.triggers.of(reason) else { return };
        let at = if trigger.is_wide { 0 } else { usize::from(venue) };
        let Some(window) = windows.get_mut(at) else { return };
        let limit = i64::from(trigger.count);
        if window.push(event.time_ns) {
            // An anomaly of no instrument concerns no venue: then it is everything.
            let own = if venue == 0 { Scope::All } else { Scope::Venue(venue) };
            self.fire((reason, own), (limit, limit), market, out);
        }
    }

    pub(super) fn thread_dead(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        let is_journal = event.tag == THREAD_JOURNAL;
        let reason = if is_journal { TripReason::Journal } else { TripReason::ThreadDead };
        self.fire((reason, Scope::All), (i64::from(event.tag), 0), market, out);
    }

    /// A position changed: when it may become too old.
    #[inline]
    pub(super) fn watch_position(&mut self, index: usize) {
        if let Some(due_ns) = self.positions.row(index).due_ns(self.hold_limit(index)) {
            self.watch.hold_due_ns = self.watch.hold_due_ns.min(due_ns);
        }
    }

    #[inline]
    fn hold_limit(&self, index: usize) -> u64 {
        let (source, instrument) = self.positions.owner(index);
        let (source, instrument) = (usize::from(source), usize::from(instrument));
        let changed = self.positions.lanes.get(instrument).map_or(0, |lane| lane.hold_ns);
        self.config.hold.of(source, instrument, changed)
    }

    /// A session begins: nothing is known of books, answers and hands at the dead-man's handle.
    pub(super) fn session_start(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        let now_ns = event.time_ns;
        let was_cut = self.watch.is_session_open;
        self.watch.is_session_open = true;
        self.watch.clock_ns = 0;
        self.watch.pending.fill((0, 0));
        let windows =
            [&mut self.watch.rejects, &mut self.watch.errors, &mut self.watch.slow].into_iter();
        windows.flatten().for_each(Window::clear);
        self.watch.books.fill(Lasting { since_ns: now_ns.max(1), has_fired: false });
        self.watch.alive(now_ns);
        // Limits may be others than in the session before.
        self.watch.hold_due_ns = 0;
        self.expire_waiting(true, out);
        for index in 0..self.breakers.count() {
            let breaker = self.breakers.get_mut(index);
            let reason = if breaker.state == BreakerState::Normal && breaker.is_paused {
                TripReason::Paused
            } else {
                breaker.reason
            };
            if breaker.effective() != BreakerState::Normal {
                // Whether the cause is gone is not known: all must be clear for the whole period again.
                breaker.bad_ns = now_ns;
                breaker.job.retry_at_ns = now_ns;
                self.tell(index, reason, (0, 0), out);
            }
        }
        if was_cut {
            let trigger = self.config.triggers.restart;
            let of = (Scope::All, TripReason::Restart);
            self.trip(of, trigger.action, (0, 0), market, out);
        }
    }

    /// Time has passed.
    pub(super) fn clock(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        let now_ns = event.time_ns;
        if self.config.is_configured {
            self.watch_clock(now_ns, market, out);
            self.watch_books(now_ns, market, out);
            self.watch_locks(now_ns, market, out);
            self.watch_silence(now_ns, market, out);
        }
        if self.watch.hold_due_ns < now_ns {
            self.watch_holds(now_ns, market, out);
        }
        if self.held_count != 0 {
            self.recover(now_ns, out);
            self.drive_jobs(market, out);
        }
        self.expire_waiting(false, out);
    }

    fn watch_clock(&mut self, now_ns: u64, market: &Market, out: &mut Emitter<'_>) {
        let limit_ns = self.config.triggers.clock.limit_ns;
        let before_ns = std::mem::replace(&mut self.watch.clock_ns, now_ns);
        let step_ns = now_ns.saturating_sub(before_ns);
        if before_ns != 0 && self.config.triggers.clock.is_on() && limit_ns < step_ns {
            self.fire((TripReason::Clock, Scope::All), told(step_ns, limit_ns), market, out);
        }
    }

    fn watch_books(&mut self, now_ns: u64, market: &Market, out: &mut Emitter<'_>) {
        let trigger = self.config.triggers.staleness;
        if !trigger.is_on() {
            return;
        }
        for instrument in 0..self.watch.books.len() {
            let own = Scope::Instrument(u16::try_from(instrument).unwrap_or(u16::MAX));
            let book = &mut self.watch.books[instrument];
            let lasts = lasts(book, now_ns, trigger.limit_ns);
            self.lasting((TripReason::Staleness, own), lasts, trigger.limit_ns, market, out);
        }
    }

    fn watch_locks(&mut self, now_ns: u64, market: &Market, out: &mut Emitter<'_>) {
        let trigger = self.config.triggers.reconcile;
        if !trigger.is_on() {
            return;
        }
        for venue in 1..VENUE_COUNT_MAX {
            let own = Scope::Venue(u8::try_from(venue).unwrap_or(u8::MAX));
            let lasts = lasts(&mut self.watch.locks[venue], now_ns, trigger.limit_ns);
            self.lasting((TripReason::Reconcile, own), lasts, trigger.limit_ns, market, out);
        }
    }

    fn watch_silence(&mut self, now_ns: u64, market: &Market, out: &mut Emitter<'_>) {
        let trigger = self.config.triggers.dead_man;
        if !trigger.is_on() {
            return;
        }
        let lasts = lasts(&mut self.watch.silence, now_ns, trigger.limit_ns);
        let of = (TripReason::DeadMan, Scope::All);
        self.lasting(of, lasts, trigger.limit_ns, market, out);
    }

    fn lasting(
        &mut self,
        of: (TripReason, Scope),
        lasts: Option<(u64, bool)>,
        limit_ns: u64,
        market: &Market,
        out: &mut Emitter<'_>,
    ) {
        let Some((lasts_ns, is_first)) = lasts else { return };
        if is_first {
            self.fire(of, told(lasts_ns, limit_ns), market, out);
        } else {
            self.keep(of.0, of.1, out.time_ns());
        }
    }

    /// Positions that were held too long are closed; nobody else is asked.
    fn watch_holds(&mut self, now_ns: u64, market: &Market, out: &mut Emitter<'_>) {
        self.watch.hold_due_ns = u64::MAX;
        for index in 0..self.positions.row_count() {
            self.watch_position(index);
            let (row, limit_ns) = (*self.positions.row(index), self.hold_limit(index));
            if row.due_ns(limit_ns).is_none_or(|due_ns| now_ns <= due_ns) {
                continue;
            }
            let held_ns = now_ns.saturating_sub(row.since_ns);
            let (source, _) = self.positions.owner(index);
            let own = Scope::Strategy(source);
            if row.is_exiting || self.positions.closable(index).is_none() {
                self.keep(TripReason::HoldTime, own, now_ns);
                continue;
            }
            self.force_exit(index, (held_ns, limit_ns), market, out);
            self.fire((TripReason::HoldTime, own), told(held_ns, limit_ns), market, out);
        }
    }

    fn force_exit(
        &mut self,
        index: usize,
        (held_ns, limit_ns): (u64, u64),
        market: &Market,
        out: &mut Emitter<'_>,
    ) {
        let (source, instrument) = self.positions.owner(index);
        let (measured, limit) = told(held_ns, limit_ns);
        let mut alert = Event::new(Kind::ALERT);
        alert.code = ALERT_HOLD_TIME;
        alert.instrument = instrument;
        alert.source = source;
        alert.price = measured;
        alert.quantity = limit;
        alert.tag = PERCENT_REACHED;
        alert.flags = flags::LAST;
        out.emit(alert);
        self.positions.set_exiting(index, true);
        let Some(breaker) = self.breakers.index(Scope::Strategy(source)) else { return };
        let is_killed = self.breakers.get(breaker).state == BreakerState::Killed;
        if !is_killed && !self.breakers.get(breaker).job.is_on {
            self.begin_flatten(breaker, (false, TripReason::HoldTime), market, out);
        }
    }

    /// Scopes whose quiet period is over and whose present trip was approved.
    fn recover(&mut self, now_ns: u64, out: &mut Emitter<'_>) {
        for index in 0..self.breakers.count() {
            let breaker = self.breakers.get_mut(index);
            let is_quiet = self.config.quiet_ns <= now_ns.saturating_sub(breaker.bad_ns);
            if breaker.state == BreakerState::Safe && breaker.is_approved && is_quiet {
                breaker.clear();
                self.tell(index, TripReason::Recovered, (0, 0), out);
            }
        }
    }
}

/// Measured and limit as events tell them.
fn told(measured_ns: u64, limit_ns: u64) -> (i64, i64) {
    let signed = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
    (signed(measured_ns), signed(limit_ns))
}

/// For how long a condition lasts beyond its limit, and whether that is told for the first time.
fn lasts(lasting: &mut Lasting, now_ns: u64, limit_ns: u64) -> Option<(u64, bool)> {
    let lasts_ns = now_ns.saturating_sub(lasting.since_ns);
    if lasting.since_ns == 0 || lasts_ns <= limit_ns {
        return None;
    }
    let is_first = !lasting.has_fired;
    lasting.has_fired = true;
    Some((lasts_ns, is_first))
}
