//! Answers: who is meant, how it went, and what happens when none comes.

use crate::answer::{self, Place, RefusalData, ServerTime, Usage};
use crate::errors::{Reason, Retry, Verdict, judge};
use crate::orders::tracked::LegState;
use crate::user::{self, UserEvent};

use super::{Ask, Courier, Flight, LineId, MS_NS, Machine, Sample, Way};

/// How a request went.
#[derive(Debug)]
pub(super) enum Outcome<'a> {
    /// It was done; the result stands in these bytes.
    Done(&'a [u8], Place),
    /// The venue says no, or does not know.
    Refused(Refused<'a>),
    /// Nothing was heard of it; it may have reached the venue unless this says otherwise.
    Lost { may_have_been_sent: bool },
}

/// What the venue says instead of doing it.
#[derive(Debug)]
pub(super) struct Refused<'a> {
    pub(super) code: i64,
    pub(super) verdict: Verdict,
    pub(super) data: Option<&'a RefusalData<'a>>,
}

impl Outcome<'_> {
    /// For whoever only wants to know whether it is final.
    pub(super) fn verdict(&self) -> (Verdict, i64) {
        match self {
            Outcome::Refused(refused) => (refused.verdict, refused.code),
            Outcome::Done(..) | Outcome::Lost { may_have_been_sent: true } => (Verdict::Unknown, 0),
            Outcome::Lost { may_have_been_sent: false } => (Verdict::Final(Reason::Other), 0),
        }
    }
}

impl Machine {
    /// A message on a connection.
    pub fn on_frame(
        &mut self,
        line: LineId,
        frame: &[u8],
        receive_ns: u64,
        courier: &mut dyn Courier,
    ) {
        let Ok(head) = answer::head(frame) else {
            self.counters.garbage += 1;
            return;
        };
        if head.event.is_some() {
            match user::event(frame) {
                Ok(UserEvent::Report(report)) => self.on_report(&report, receive_ns, courier),
                Ok(UserEvent::Ignored) => {}
                Ok(UserEvent::StreamTerminated) => self.on_terminated(line, receive_ns, courier),
                Ok(UserEvent::ServerShutdown) => self.renew(line, receive_ns, courier),
                Err(_) => self.counters.garbage += 1,
            }
            return;
        }
        self.observe(head.rate_limits.as_deref().unwrap_or_default(), receive_ns);
        let Some(token) = head.id else {
            // An error about the session: the key was revoked, or we sent what was no request.
            if let Some(error) = head.error {
                self.note_error(format!("session error {}: {}", error.code, error.msg.get()));
            }
            return;
        };
        let status = head.status.unwrap_or(0);
        match head.error {
            None if status == 200 => {
                self.answered(token, &Outcome::Done(frame, Place::Frame), receive_ns, courier);
            }
            Some(error) => self.refused(token, status, &error, receive_ns, courier),
            None => {
                let lost = Outcome::Lost { may_have_been_sent: true };
                self.answered(token, &lost, receive_ns, courier);
            }
        }
    }

    /// The answer to a REST request; `retry_after_s` is the header of that name.
    pub fn on_body(
        &mut self,
        token: u64,
        (status, retry_after_s): (u16, Option<u64>),
        body: &[u8],
        receive_ns: u64,
        courier: &mut dyn Courier,
    ) {
        if let Some(seconds) = retry_after_s {
            self.budget.pause(receive_ns.saturating_add(seconds.saturating_mul(1_000_000_000)));
        }
        if status == 200 {
            return self.answered(token, &Outcome::Done(body, Place::Body), receive_ns, courier);
        }
        if let Ok(error) = answer::refusal(body) {
            return self.refused(token, status, &error, receive_ns, courier);
        }
        let verdict = judge(status, 0, "");
        let refused = Refused { code: i64::from(status), verdict, data: None };
        self.answered(token, &Outcome::Refused(refused), receive_ns, courier);
    }

    /// A REST request failed on its way.
    pub fn on_body_lost(
        &mut self,
        token: u64,
        may_have_been_sent: bool,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        self.answered(token, &Outcome::Lost { may_have_been_sent }, now_ns, courier);
    }

    /// The venue says how much of its limits is used.
    pub fn observe(&mut self, usages: &[Usage], now_ns: u64) {
        for usage in usages {
            self.budget.observe(usage, now_ns);
        }
    }

    fn refused(
        &mut self,
        token: u64,
        status: u16,
        error: &answer::Refusal<'_>,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        let verdict = judge(status, error.code, error.msg.get());
        let data = error.data.as_ref();
        if let Some(retry_ms) = data.and_then(|data| data.retry_after) {
            self.budget.pause(self.after_ms(retry_ms));
        }
        if verdict == Verdict::Final(Reason::Authorization) {
            self.note_error(format!("refused with {}: {}", error.code, error.msg.get()));
        }
        let refused = Refused { code: error.code, verdict, data };
        self.answered(token, &Outcome::Refused(refused), now_ns, courier);
    }

    fn answered(
        &mut self,
        token: u64,
        outcome: &Outcome<'_>,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        let Some(flight) = self.flights.remove(&token) else {
            self.counters.unasked += 1;
            return;
        };
        if !matches!(outcome, Outcome::Lost { .. }) {
            let took_ns = now_ns.saturating_sub(flight.sent_ns);
            self.sample(match flight.way {
                Way::Line(_) => Sample::RoundTrip(took_ns),
                Way::Rest => Sample::RestRoundTrip(took_ns),
            });
        }
        if let Outcome::Refused(refused) = outcome
            && refused.verdict == Verdict::Transient(Retry::Clock)
            && !flight.again
            && !flight.overdue
            && flight.ask.line().is_none()
            && self.clock_waiters.len() < self.rules.flight_count_max
            && self.ask_time(now_ns, courier)
        {
            // Refused for its timestamp: certainly not accepted, so it may be written once more.
            let until_ns = now_ns.saturating_add(self.rules.ping_ns_max);
            self.clock_waiters.push((flight.ask, until_ns));
            return;
        }
        self.dispatch(&flight, outcome, now_ns, courier);
    }

    fn dispatch(
        &mut self,
        flight: &Flight,
        outcome: &Outcome<'_>,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        let timestamp_ms = flight.timestamp_ms;
        match flight.ask {
            Ask::Time { line } => self.on_clock(line, flight, outcome, now_ns, courier),
            Ask::Logon { line } => self.on_logged_on(line, outcome, now_ns, courier),
            Ask::Subscribe { line } => self.on_subscribed(line, outcome, now_ns, courier),
            Ask::Place { order, generation } => {
                self.on_placed((order, generation), outcome, now_ns, courier);
            }
            Ask::Cancel { order, generation } => {
                self.on_cancelled((order, generation), outcome, now_ns, courier);
            }
            Ask::Replace { order, generation } => {
                self.on_replaced((order, generation), outcome, now_ns, courier);
            }
            Ask::Status { order, generation, by_cancel } => {
                let asked = (order, generation, by_cancel);
                self.on_status(asked, timestamp_ms, outcome, now_ns, courier);
            }
            Ask::Trades { order, generation } => {
                self.on_trades((order, generation), outcome, now_ns, courier);
            }
            Ask::PullOpen { pull }
            | Ask::PullTrades { pull, .. }
            | Ask::PullOrders { pull, .. }
            | Ask::PullAccount { pull } => {
                self.on_pulled(pull, flight.ask, outcome, now_ns, courier);
            }
        }
    }

    fn on_clock(
        &mut self,
        line: LineId,
        flight: &Flight,
        outcome: &Outcome<'_>,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        let Outcome::Done(bytes, place) = outcome else {
            return self.on_mute(line, now_ns, courier);
        };
        let Ok(time) = answer::result::<ServerTime>(bytes, *place, "the clock") else {
            self.counters.garbage += 1;
            return self.on_mute(line, now_ns, courier);
        };
        // The venue's clock was read between sending and receiving, and cut to a millisecond.
        let trip_ns = now_ns.saturating_sub(flight.sent_ns);
        let middle_ns = flight.sent_ns.saturating_add(trip_ns >> 1);
        let venue_ns = time.server_time.saturating_mul(MS_NS).saturating_add(MS_NS >> 1);
        let offset = i128::from(venue_ns) - i128::from(middle_ns);
        self.offset_ns = i64::try_from(offset).unwrap_or(i64::MAX);
        self.is_measured = true;
        self.on_measured(line, now_ns, courier);
        for (ask, _) in std::mem::take(&mut self.clock_waiters) {
            if !self.is_wanted(ask) {
                continue;
            }
            if self.ask(ask, true, now_ns, courier).is_err() {
                self.fail(ask, false, now_ns, courier);
            }
        }
    }

    /// Whether what a request would make is still waited for; a query may have told otherwise.
    fn is_wanted(&self, ask: Ask) -> bool {
        let (Ask::Place { order, generation } | Ask::Replace { order, generation }) = ask else {
            return true;
        };
        let tracked = self.orders.get(order).filter(|tracked| !tracked.over);
        let leg = tracked.and_then(|tracked| tracked.leg(generation));
        leg.is_some_and(|leg| leg.state == LegState::Asked)
    }

    /// A request of which nothing more is heard.
    pub(super) fn fail(
        &mut self,
        ask: Ask,
        may_have_been_sent: bool,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        let flight = Flight {
            ask,
            way: Way::Rest,
            sent_ns: now_ns,
            deadline_ns: now_ns,
            timestamp_ms: 0,
            overdue: false,
            again: true,
        };
        self.dispatch(&flight, &Outcome::Lost { may_have_been_sent }, now_ns, courier);
    }

    /// The way of some requests ended: their outcome is unknown.
    pub(super) fn lose_line(&mut self, line: LineId, now_ns: u64, courier: &mut dyn Courier) {
        let lost = |(_, flight): &(&u64, &Flight)| flight.way == Way::Line(line);
        let tokens: Vec<u64> = self.flights.iter().filter(lost).map(|(token, _)| *token).collect();
        for token in tokens {
            let Some(flight) = self.flights.remove(&token) else { continue };
            let tells = !flight.overdue && !matches!(flight.ask, Ask::Time { .. });
            if tells && flight.ask.line().is_none() {
                self.fail(flight.ask, true, now_ns, courier);
            }
        }
    }

    /// Deadlines of requests.
    pub(super) fn expire_flights(&mut self, now_ns: u64, courier: &mut dyn Courier) {
        let due = |(_, flight): &(&u64, &Flight)| flight.deadline_ns <= now_ns;
        let tokens: Vec<u64> = self.flights.iter().filter(due).map(|(token, _)| *token).collect();
        for token in tokens {
            let Some(mut flight) = self.flights.remove(&token) else { continue };
            if flight.overdue {
                continue;
            }
            if flight.ask.acts() {
                // A late answer still says what became of it.
                let late = Flight {
                    overdue: true,
                    deadline_ns: now_ns.saturating_add(self.rules.overdue_ns_max),
                    ..flight
                };
                self.flights.insert(token, late);
            }
            flight.overdue = true;
            let lost = Outcome::Lost { may_have_been_sent: true };
            self.dispatch(&flight, &lost, now_ns, courier);
        }
        let waiting = std::mem::take(&mut self.clock_waiters);
        for (ask, until_ns) in waiting {
            if now_ns < until_ns {
                self.clock_waiters.push((ask, until_ns));
            } else {
                self.fail(ask, false, now_ns, courier);
            }
        }
    }

    /// When the next request or waiter is overdue.
    pub(super) fn flight_deadline_ns(&self) -> Option<u64> {
        let flights = self.flights.values().map(|flight| flight.deadline_ns);
        flights.chain(self.clock_waiters.iter().map(|(_, until_ns)| *until_ns)).min()
    }
}
