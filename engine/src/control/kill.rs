//! Kill and flatten: block, cancel until none works, close in bounded orders, tell how far it is.
//!
//! ```text
//!   blocked --> cancelling --(no order works)--> flattening --(nothing can be closed)--> done
//!                 ^    |                             ^   |
//!                 +----+ every retry_ns, and         +---+ an order an instrument at a time, immediate or
//!                        when a link is up again           cancel, collared, at most what the gate takes
//!               late: told once when all that takes longer than late_ns; it goes on, and closes positions
//!                     from then on also where orders still work
//! ```
//! `KILL cancelling` is what makes the OMS cancel: a first one with `id` 0, later ones with the time elapsed.
//!
//! **Invariant:** only with a live book is a position closed; without one it waits and is told as late.

use crate::event::{
    BreakerState, Event, KillPhase, Kind, LinkCode, OrderTerms, Scope, TripReason, flags,
};
use crate::market::{InstrumentMarket, Market};
use crate::ring::Emitter;

use super::breaker::Job;
use super::positions::{SHIFT_MAX, closing_price, closing_quantity};
use super::{ALERT_KILL_LATE, CLOSE_TAG, Control};

/// Rules of the gate that say that an order is too large.
pub const RULES_TOO_LARGE: [u16; 2] = [114, 115];

impl Control {
    /// Starts a kill on a breaker that was just set to killed.
    pub(super) fn begin_kill(
        &mut self,
        index: usize,
        closes: bool,
        market: &Market,
        out: &mut Emitter<'_>,
    ) {
        self.start_job(index, (true, closes), market, out);
    }

    /// Starts a job that ends by itself: a flatten, or (`closes` false) the exit of rows that are marked.
    pub(super) fn begin_flatten(
        &mut self,
        index: usize,
        (closes, reason): (bool, TripReason),
        market: &Market,
        out: &mut Emitter<'_>,
    ) {
        // The job makes the scope blocked; it has to be told before the first cancel.
        self.breakers.get_mut(index).job.is_on = true;
        self.tell(index, reason, (0, 0), out);
        self.start_job(index, (false, closes), market, out);
    }

    fn start_job(
        &mut self,
        index: usize,
        (is_kill, closes): (bool, bool),
        market: &Market,
        out: &mut Emitter<'_>,
    ) {
        let now_ns = out.time_ns();
        let working = self.working_in(self.breakers.scope(index));
        self.breakers.get_mut(index).job = Job {
            is_on: true,
            is_kill,
            closes,
            phase: KillPhase::Cancelling,
            is_late: false,
            start_ns: now_ns,
            end_ns: 0,
            retry_at_ns: now_ns.saturating_add(self.config.kill.retry_ns),
            cancelled: 0,
            working,
        };
        if !self.jobs.contains(&index) {
            self.jobs.push(index);
        }
        self.is_used = true;
        self.last_job = index;
        self.tell_job(index, KillPhase::Blocked, out);
        self.tell_job(index, KillPhase::Cancelling, out);
        self.advance_jobs(market, out);
    }

    fn tell_job(&mut self, index: usize, phase: KillPhase, out: &mut Emitter<'_>) {
        let scope = self.breakers.scope(index);
        let job = self.breakers.get(index).job;
        let positions = self.positions_left(scope, job.closes);
        let mut event = Event::new(Kind::KILL);
        event.code = phase.code();
        event.price = i64::from(job.cancelled);
        event.quantity = i64::from(job.working).saturating_add(positions);
        event.id = out.time_ns().saturating_sub(job.start_ns);
        event.tag = scope.tag();
        event.flags = flags::LAST;
        out.emit(event);
    }

    fn covers(&self, scope: Scope, row: usize) -> bool {
        let (source, instrument) = self.positions.owner(row);
        scope.covers(self.venue_of(instrument), source, instrument)
    }

    fn working_in(&self, scope: Scope) -> u32 {
        let rows = (0..self.positions.row_count()).filter(|row| self.covers(scope, *row));
        rows.fold(0, |sum: u32, row| sum.saturating_add(self.positions.row(row).working))
    }

    /// Rows of the scope that are to be closed and can be, as far as their net position goes.
    fn positions_left(&self, scope: Scope, closes: bool) -> i64 {
        let rows = (0..self.positions.row_count()).filter(|row| self.covers(scope, *row));
        let open = rows.filter(|row| {
            let is_wanted = closes || self.positions.row(*row).is_exiting;
            is_wanted && self.positions.closable(*row).is_some()
        });
        i64::try_from(open.count()).unwrap_or(i64::MAX)
    }

    /// Counts an order that began or ended for the jobs of its scopes.
    pub(super) fn count_for_jobs(&mut self, event: &Event, is_new: bool, is_cancelled: bool) {
        let (venue, source) = (self.venue_of(event.instrument), self.row_source(event.source));
        for at in 0..self.jobs.len() {
            let index = self.jobs[at];
            if !self.breakers.scope(index).covers(venue, source, event.instrument) {
                continue;
            }
            let job = &mut self.breakers.get_mut(index).job;
            if is_new {
                job.working = job.working.saturating_add(1);
            } else {
                job.working = job.working.saturating_sub(1);
                job.cancelled = job.cancelled.saturating_add(u32::from(is_cancelled));
            }
        }
    }

    /// Moves every job on as far as what is known allows.
    #[inline]
    pub(super) fn advance_jobs(&mut self, market: &Market, out: &mut Emitter<'_>) {
        let is_due = self.jobs.iter().any(|index| {
            let job = &self.breakers.get(*index).job;
            job.working == 0 || job.is_late
        });
        if is_due {
            self.advance_due(market, out);
        }
    }

    fn advance_due(&mut self, market: &Market, out: &mut Emitter<'_>) {
        for at in 0..self.jobs.len() {
            let index = self.jobs[at];
            let job = self.breakers.get(index).job;
            if job.working == 0 && job.phase == KillPhase::Cancelling {
                self.breakers.get_mut(index).job.phase = KillPhase::Flattening;
                if self.positions_left(self.breakers.scope(index), job.closes) != 0 {
                    self.tell_job(index, KillPhase::Flattening, out);
                }
                self.mark_rows(index);
            }
        }
        self.close_lanes(market, out);
        // From the end: a job that is done leaves the list.
        for at in (0..self.jobs.len()).rev() {
            let index = self.jobs[at];
            let job = self.breakers.get(index).job;
            let is_over = job.phase == KillPhase::Flattening
                && job.working == 0
                && !self.can_close(self.breakers.scope(index), market);
            if is_over {
                self.end_job(at, out);
            }
        }
    }

    /// Marks what the job has to close.
    pub(super) fn mark_rows(&mut self, index: usize) {
        if !self.breakers.get(index).job.closes {
            return;
        }
        let scope = self.breakers.scope(index);
        for row in 0..self.positions.row_count() {
            if self.covers(scope, row) && self.positions.row(row).position != 0 {
                self.positions.set_exiting(row, true);
            }
        }
    }

    /// Takes back what is marked in a scope.
    pub(super) fn unmark_rows(&mut self, scope: Scope) {
        for row in 0..self.positions.row_count() {
            if self.covers(scope, row) {
                self.positions.set_exiting(row, false);
            }
        }
    }

    fn end_job(&mut self, at: usize, out: &mut Emitter<'_>) {
        let index = self.jobs.remove(at);
        let job = &mut self.breakers.get_mut(index).job;
        (job.phase, job.end_ns) = (KillPhase::Done, out.time_ns());
        self.tell_job(index, KillPhase::Done, out);
        self.unmark_rows(self.breakers.scope(index));
        let breaker = self.breakers.get_mut(index);
        breaker.job.is_on = false;
        if breaker.told != breaker.effective() {
            self.tell(index, TripReason::Operator, (0, 0), out);
        }
    }

    /// Whether something in the scope is being closed, or could be once its book is live again.
    fn can_close(&self, scope: Scope, market: &Market) -> bool {
        (0..self.positions.row_count()).any(|row| {
            if !self.covers(scope, row) || !self.positions.row(row).is_exiting {
                return false;
            }
            let (_, instrument) = self.positions.owner(row);
            let lane = &self.positions.lanes[usize::from(instrument)];
            let is_live = market.get(instrument).is_some_and(InstrumentMarket::is_live);
            let is_open = self.positions.closable(row).is_some();
            // What is too small for the venue is left, and counted; without a price nobody knows that.
            lane.is_busy || (is_open && (!is_live || self.closing_order(row, market).is_some()))
        })
    }

    /// The order that brings a row nearer to zero; `None` when there is none that the venue takes.
    fn closing_order(&self, row: usize, market: &Market) -> Option<Event> {
        let (side, wanted) = self.positions.closable(row)?;
        let (source, index) = self.positions.owner(row);
        let instrument = self.instruments.get(index)?;
        let chunk = self.chunks.get(usize::from(index))?.as_ref()?;
        let known = market.get(index).filter(|market| market.is_live())?;
        let bps = i64::from(self.config.kill.collar_bps).min(chunk.collar_bps);
        let price = closing_price(instrument, side, known.top.mid_twice()?, bps)?;
        let shift = self.positions.lanes[usize::from(index)].shift;
        let quantity = closing_quantity(instrument, chunk, wanted, price, shift)?;
        let mut intent = Event::new(Kind::INTENT);
        intent.instrument = index;
        intent.source = source;
        intent.price = price;
        intent.quantity = quantity;
        intent.code = OrderTerms::LIMIT_IOC.code();
        intent.tag = CLOSE_TAG;
        intent.flags = side.flag() | flags::REDUCE_ONLY | flags::OPERATOR | flags::LAST;
        Some(intent)
    }

    /// Sends what closes positions, one order an instrument.
    pub(super) fn close_lanes(&mut self, market: &Market, out: &mut Emitter<'_>) {
        if self.positions.exiting_count == 0 {
            return;
        }
        let now_ns = out.time_ns();
        for row in 0..self.positions.row_count() {
            let (_, instrument) = self.positions.owner(row);
            let lane = self.positions.lanes[usize::from(instrument)];
            let may = self.positions.row(row).is_exiting
                && !lane.is_busy
                && lane.not_before_ns <= now_ns
                && !self.watch.is_locked(self.venue_of(instrument))
                && self.may_close(row);
            if !may {
                continue;
            }
            if let Some(intent) = self.closing_order(row, market) {
                let lane = &mut self.positions.lanes[usize::from(instrument)];
                (lane.is_busy, lane.has_traded) = (true, false);
                out.emit(intent);
            }
        }
    }

    /// A row waits until the orders of its scope are gone, unless that takes too long.
    fn may_close(&self, row: usize) -> bool {
        let mut jobs =
            self.jobs.iter().filter(|index| self.covers(self.breakers.scope(**index), row));
        jobs.all(|index| {
            let job = &self.breakers.get(*index).job;
            job.is_late || job.phase != KillPhase::Cancelling
        })
    }

    /// A closing order is over.
    pub(super) fn closer_over(&mut self, instrument: u16, now_ns: u64) {
        let Some(lane) = self.positions.lanes.get_mut(usize::from(instrument)) else { return };
        let wait_ns = if lane.has_traded { 0 } else { self.config.kill.pace_ns };
        lane.not_before_ns = now_ns.saturating_add(wait_ns);
        (lane.is_busy, lane.has_traded) = (false, false);
    }

    /// The gate refused something.
    pub(super) fn refused(&mut self, event: &Event) {
        self.desk.see(event);
        if !event.has(flags::OPERATOR) || event.tag != CLOSE_TAG {
            return;
        }
        self.closer_over(event.instrument, event.time_ns);
        if RULES_TOO_LARGE.contains(&event.code)
            && let Some(lane) = self.positions.lanes.get_mut(usize::from(event.instrument))
        {
            // A limit was tightened since the start: smaller orders from now on, without a pause.
            lane.shift = (lane.shift + 1).min(SHIFT_MAX);
        }
    }

    /// A link is up again: what could not be cancelled is cancelled with the next clock.
    pub(super) fn link(&mut self, event: &Event) {
        if event.code != LinkCode::Up as u16 {
            return;
        }
        for index in &self.jobs {
            self.breakers.get_mut(*index).job.retry_at_ns = event.time_ns;
        }
    }

    /// Time has passed for the jobs.
    pub(super) fn drive_jobs(&mut self, market: &Market, out: &mut Emitter<'_>) {
        let now_ns = out.time_ns();
        let kill = self.config.kill;
        for at in 0..self.jobs.len() {
            let index = self.jobs[at];
            let job = self.breakers.get(index).job;
            if 0 < job.working && job.retry_at_ns <= now_ns {
                self.breakers.get_mut(index).job.retry_at_ns = now_ns.saturating_add(kill.retry_ns);
                self.tell_job(index, KillPhase::Cancelling, out);
            }
            let elapsed_ns = now_ns.saturating_sub(job.start_ns);
            if !job.is_late && kill.late_ns <= elapsed_ns {
                self.breakers.get_mut(index).job.is_late = true;
                self.tell_job(index, KillPhase::Late, out);
                self.alert_late(index, elapsed_ns, out);
                self.mark_rows(index);
            }
        }
        self.advance_jobs(market, out);
        self.close_lanes(market, out);
    }

    fn alert_late(&self, index: usize, elapsed_ns: u64, out: &mut Emitter<'_>) {
        let mut alert = Event::new(Kind::ALERT);
        alert.code = ALERT_KILL_LATE;
        alert.price = i64::try_from(elapsed_ns).unwrap_or(i64::MAX);
        alert.quantity = i64::try_from(self.config.kill.late_ns).unwrap_or(i64::MAX);
        alert.id = u64::from(self.breakers.scope(index).tag());
        alert.tag = 100;
        alert.flags = flags::LAST;
        out.emit(alert);
    }

    /// Something new in a row whose scope was killed and done: the kill goes on.
    pub(super) fn reopen(&mut self, row: usize, now_ns: u64) {
        let (source, instrument) = self.positions.owner(row);
        for index in self.breakers_of(source, instrument) {
            let scope = self.breakers.scope(index);
            let breaker = self.breakers.get(index);
            if breaker.state != BreakerState::Killed || breaker.job.is_on {
                continue;
            }
            let working = self.working_in(scope);
            let job = &mut self.breakers.get_mut(index).job;
            (job.is_on, job.is_late, job.phase) = (true, false, KillPhase::Cancelling);
            (job.end_ns, job.working) = (0, working);
            job.retry_at_ns = now_ns.saturating_add(self.config.kill.retry_ns);
            self.jobs.push(index);
        }
    }

    /// Stops the job of a scope that is lifted by hand.
    pub(super) fn drop_job(&mut self, index: usize) {
        self.jobs.retain(|job| *job != index);
        self.breakers.get_mut(index).job.is_on = false;
        self.unmark_rows(self.breakers.scope(index));
    }

    /// Whether a kill of that scope goes on and is not late.
    pub(super) fn is_job_young(&self, index: usize) -> bool {
        let breaker = self.breakers.get(index);
        breaker.job.is_on && !breaker.job.is_late && breaker.state == BreakerState::Killed
    }
}
