//! The life of an order: placed, cancelled, replaced, and what the engine hears of it.
//!
//! ```text
//!   replace, nothing traded:  cancelReplace (STOP_ON_FAILURE, ONLY_NEW) --> next generation
//!   replace, partly traded:   cancel --> ended, all its fills told --> place the rest as the next generation
//! ```
//! [`Machine::settle`] is the one place that tells the engine how an order stands. It tells an end only
//! when all that traded was told before it, and never while a later generation may exist.

use engine::event::{Event, ReportCode, Side, flags};

use crate::answer::{self, OrderFacts, OrderRow, ReplaceRows};
use crate::errors::{Reason, Verdict, judge};

use super::answers::{Outcome, Refused};
use super::{Ask, Courier, Machine, NotSent, Sample};
use crate::orders::tracked::{End, Leg, LegState, Replace, Tracked};

/// Code that reports carry when a limit of our own held a request back: the venue's for "too many".
const CODE_LIMITED: i64 = -1015;
const NO_TERMS: (i64, i64) = (0, 0);

const fn code_of(why: NotSent) -> i64 {
    match why {
        NotSent::Limited => CODE_LIMITED,
        NotSent::Down => 0,
    }
}

impl Machine {
    // New orders.

    pub(super) fn send_new(&mut self, event: &Event, now_ns: u64, courier: &mut dyn Courier) {
        let order = event.id;
        if self.orders.contains(order) {
            // The engine never asks twice; if it did, the venue must not hear it twice.
            self.start_query(order, true, now_ns, courier);
            return;
        }
        let side = if event.has(flags::SELL) { Side::Sell } else { Side::Buy };
        let mut tracked = Tracked::new(event.instrument, side);
        tracked.terms = event.code;
        tracked.post_only = event.has(flags::POST_ONLY);
        tracked.sent_ns = now_ns;
        tracked.signal_ns = event.time_ns;
        tracked.legs.push(Leg::asked(event.price, event.quantity));
        self.orders.get_or_make(order, || tracked);
        if let Err(why) = self.ask(Ask::Place { order, generation: 1 }, false, now_ns, courier) {
            self.refuse_place((order, 1), code_of(why), now_ns, courier);
        }
    }

    pub(super) fn on_placed(
        &mut self,
        (order, generation): (u64, u16),
        outcome: &Outcome<'_>,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        if let Outcome::Done(bytes, place) = outcome {
            let row = answer::result::<OrderRow<'_>>(bytes, *place, "the new order");
            if let Some(facts) = self.facts(order, row.ok().as_ref()) {
                return self.leg_told((order, generation), &facts, now_ns, courier);
            }
            self.counters.garbage += 1;
        }
        match outcome.verdict() {
            // Somebody has that name: an order of ours that we believe lost.
            (Verdict::Final(Reason::Duplicate) | Verdict::Unknown, _) => {
                self.become_unknown(order, now_ns);
            }
            (Verdict::Final(_) | Verdict::Transient(_), code) => {
                self.refuse_place((order, generation), code, now_ns, courier);
            }
        }
    }

    /// The venue certainly has no such leg.
    fn refuse_place(
        &mut self,
        (order, generation): (u64, u16),
        code: i64,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        let Some(tracked) = self.orders.get_mut(order) else { return };
        let Some(leg) = tracked.leg_mut(generation) else { return };
        if leg.state != LegState::Asked {
            return;
        }
        leg.state = LegState::Absent;
        if generation == 1 && !tracked.over {
            self.tell(order, ReportCode::Rejected, code, NO_TERMS, now_ns);
            self.finish(order);
        } else {
            self.settle(order, now_ns, courier);
        }
    }

    /// What is said of an order in units of its instrument.
    pub(super) fn facts(&self, order: u64, row: Option<&OrderRow<'_>>) -> Option<OrderFacts> {
        let index = self.listing_of(self.orders.get(order)?.instrument)?;
        let listing = &self.listings[index];
        row?.facts(listing.price_scale, listing.quantity_scale).ok()
    }

    /// Outcome unknown: only a query may say what became of it.
    pub(super) fn become_unknown(&mut self, order: u64, now_ns: u64) {
        let Some(tracked) = self.orders.get_mut(order) else { return };
        if tracked.over {
            return;
        }
        let later_asked = tracked.legs.iter().skip(1).any(|leg| leg.state == LegState::Asked);
        if tracked.replace.take().is_some() || later_asked {
            tracked.replace_doubt = true;
        }
        tracked.cancel_wanted = false;
        tracked.cancel_at_ns = 0;
        self.counters.unknowns += 1;
        self.tell(order, ReportCode::OutcomeUnknown, 0, NO_TERMS, now_ns);
    }

    // Cancels.

    pub(super) fn send_cancel(&mut self, event: &Event, now_ns: u64, courier: &mut dyn Courier) {
        let order = event.id;
        let start_ms = self.venue_ms(self.start_ns);
        let side = if event.has(flags::SELL) { Side::Sell } else { Side::Buy };
        let tracked = self.orders.get_or_make(order, || {
            let mut tracked = Tracked::new(event.instrument, side);
            tracked.learn(1, start_ms);
            tracked
        });
        if tracked.over {
            return self.tell_end_again(order, now_ns);
        }
        tracked.cancel_wanted = true;
        tracked.cancel_try_count = 0;
        let learns = tracked.learned && tracked.query.is_none();
        if tracked.replace.take().is_some() {
            // Its cancel is on its way and serves.
            self.tell(order, ReportCode::ReplaceRejected, 0, NO_TERMS, now_ns);
        } else if learns {
            self.start_query(order, false, now_ns, courier);
        } else {
            self.cancel_now(order, now_ns, courier);
        }
    }

    /// Sends the cancel that is wanted, unless something must be known first.
    pub(super) fn cancel_now(&mut self, order: u64, now_ns: u64, courier: &mut dyn Courier) {
        let tries_max = self.rules.retry_count_max;
        if self.is_in_doubt(order) {
            // What is to be cancelled must be known first; whoever asks goes on with the cancel.
            return self.start_query(order, false, now_ns, courier);
        }
        let Some(tracked) = self.orders.get_mut(order) else { return };
        let Some(generation) = tracked.current() else { return };
        let is_new = tracked.legs[usize::from(generation) - 1].state == LegState::Asked;
        let waits = tracked.query.is_some() || (is_new && 1 < generation);
        if tracked.over || !tracked.cancel_wanted || 0 < tracked.cancel_flights || waits {
            return;
        }
        if tries_max <= tracked.cancel_try_count {
            return self.cancel_refused(order, 0, now_ns);
        }
        tracked.cancel_at_ns = 0;
        tracked.cancel_try_count += 1;
        tracked.cancel_flights += 1;
        if let Err(why) = self.ask(Ask::Cancel { order, generation }, false, now_ns, courier) {
            self.cancel_failed(order, why, now_ns);
        }
    }

    /// Whether its last generation was asked for by a replace, and nobody waits for the answer any more.
    pub(super) fn is_in_doubt(&self, order: u64) -> bool {
        let Some(tracked) = self.orders.get(order).filter(|tracked| !tracked.over) else {
            return false;
        };
        let Some(last) = tracked.current().filter(|generation| 1 < *generation) else {
            return false;
        };
        let (place, replace) =
            (Ask::Place { order, generation: last }, Ask::Replace { order, generation: last });
        let asks = |ask: &Ask| *ask == place || *ask == replace;
        tracked.leg(last).is_some_and(|leg| leg.state == LegState::Asked)
            && !self.flights.values().any(|flight| !flight.overdue && asks(&flight.ask))
            && !self.clock_waiters.iter().any(|(ask, _)| asks(ask))
    }

    fn cancel_failed(&mut self, order: u64, why: NotSent, now_ns: u64) {
        let Some(tracked) = self.orders.get_mut(order) else { return };
        tracked.cancel_flights = tracked.cancel_flights.saturating_sub(1);
        match why {
            NotSent::Limited => {
                tracked.cancel_at_ns = now_ns.saturating_add(self.rules.retry_ns);
            }
            NotSent::Down => self.cancel_refused(order, 0, now_ns),
        }
    }

    /// The cancel did not go, for whatever reason it was sent.
    fn cancel_refused(&mut self, order: u64, code: i64, now_ns: u64) {
        let Some(tracked) = self.orders.get_mut(order) else { return };
        if tracked.over {
            return;
        }
        let wanted = std::mem::take(&mut tracked.cancel_wanted);
        tracked.cancel_at_ns = 0;
        if tracked.replace.take().is_some() {
            self.tell(order, ReportCode::ReplaceRejected, code, NO_TERMS, now_ns);
        }
        if wanted {
            self.tell(order, ReportCode::CancelRejected, code, NO_TERMS, now_ns);
        }
    }

    pub(super) fn on_cancelled(
        &mut self,
        (order, generation): (u64, u16),
        outcome: &Outcome<'_>,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        let retry_at_ns = now_ns.saturating_add(self.rules.retry_ns);
        let Some(tracked) = self.orders.get_mut(order) else { return };
        tracked.cancel_flights = tracked.cancel_flights.saturating_sub(1);
        if let Outcome::Done(bytes, place) = outcome {
            let row = answer::result::<OrderRow<'_>>(bytes, *place, "the cancelled order");
            if let Some(facts) = self.facts(order, row.ok().as_ref()) {
                return self.leg_told((order, generation), &facts, now_ns, courier);
            }
            self.counters.garbage += 1;
        }
        let Some(tracked) = self.orders.get_mut(order) else { return };
        let is_ended = |leg: &Leg| matches!(leg.state, LegState::Ended(_));
        if tracked.over || tracked.leg(generation).is_some_and(is_ended) {
            // A report told the end before; what it leaves to do is done by whoever settles.
            return self.settle(order, now_ns, courier);
        }
        match outcome.verdict() {
            (Verdict::Final(Reason::NoSuchOrder), code) => {
                if tracked.replace.take().is_some() {
                    self.tell(order, ReportCode::ReplaceRejected, code, NO_TERMS, now_ns);
                }
                self.start_query(order, false, now_ns, courier);
            }
            (Verdict::Final(_), code) => self.cancel_refused(order, code, now_ns),
            (Verdict::Transient(_), code) => {
                if tracked.cancel_wanted {
                    tracked.cancel_at_ns = retry_at_ns;
                } else {
                    self.cancel_refused(order, code, now_ns);
                }
            }
            (Verdict::Unknown, _) => self.become_unknown(order, now_ns),
        }
    }

    /// The engine asks about what it was told already, perhaps before it heard it.
    fn tell_end_again(&mut self, order: u64, now_ns: u64) {
        let Some(tracked) = self.orders.get(order) else { return };
        let told = tracked.told();
        let ended = tracked.current().and_then(|generation| tracked.leg(generation));
        let (code, terms) = match ended.map(|leg| leg.state) {
            Some(LegState::Ended(end)) => match end.report() {
                Some(code) => (code, NO_TERMS),
                // It is filled at its terms, also if the engine waits for others.
                None => (ReportCode::ReplaceRejected, NO_TERMS),
            },
            Some(LegState::Asked | LegState::Working) => (ReportCode::Working, (0, told)),
            Some(LegState::Absent) | None => (ReportCode::Rejected, NO_TERMS),
        };
        self.tell(order, code, 0, terms, now_ns);
    }

    // Replaces.

    pub(super) fn send_replace(&mut self, event: &Event, now_ns: u64, courier: &mut dyn Courier) {
        let order = event.id;
        let start_ms = self.venue_ms(self.start_ns);
        let tracked = self.orders.get_or_make(order, || {
            let side = if event.has(flags::SELL) { Side::Sell } else { Side::Buy };
            let mut tracked = Tracked::new(event.instrument, side);
            tracked.learn(1, start_ms);
            tracked
        });
        let generation = tracked.current().unwrap_or(0);
        let can = tracked.leg(generation).is_some_and(|leg| leg.state == LegState::Working)
            && generation < self.rules.generation_max
            && tracked.terms != 0
            && !tracked.over
            && !tracked.cancel_wanted
            && tracked.replace.is_none()
            && tracked.query.is_none()
            && tracked.told() < event.quantity;
        if !can {
            return self.tell(order, ReportCode::ReplaceRejected, 0, NO_TERMS, now_ns);
        }
        let has_traded = tracked.legs.iter().any(|leg| leg.executed != 0);
        if has_traded {
            self.replace_slowly(order, (event.price, event.quantity), now_ns, courier);
            return;
        }
        tracked.legs.truncate(usize::from(generation));
        tracked.legs.push(Leg::asked(event.price, event.quantity));
        let ask = Ask::Replace { order, generation: generation + 1 };
        if let Err(why) = self.ask(ask, false, now_ns, courier) {
            self.replace_refused((order, generation + 1), code_of(why), now_ns);
        }
    }

    /// Cancel, wait for the end, place the rest.
    fn replace_slowly(
        &mut self,
        order: u64,
        (price, quantity): (i64, i64),
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        let Some(tracked) = self.orders.get_mut(order) else { return };
        let Some(generation) = tracked.current() else { return };
        tracked.replace = Some(Replace { price, quantity });
        tracked.cancel_flights += 1;
        if let Err(why) = self.ask(Ask::Cancel { order, generation }, false, now_ns, courier) {
            if let Some(tracked) = self.orders.get_mut(order) {
                tracked.cancel_flights = tracked.cancel_flights.saturating_sub(1);
            }
            self.cancel_refused(order, code_of(why), now_ns);
        }
    }

    /// The later generation was certainly not made, and nothing else was done.
    fn replace_refused(&mut self, (order, generation): (u64, u16), code: i64, now_ns: u64) {
        let Some(tracked) = self.orders.get_mut(order) else { return };
        if let Some(leg) = tracked.leg_mut(generation)
            && leg.state == LegState::Asked
        {
            leg.state = LegState::Absent;
        }
        if !tracked.over {
            self.tell(order, ReportCode::ReplaceRejected, code, NO_TERMS, now_ns);
        }
    }

    pub(super) fn on_replaced(
        &mut self,
        (order, generation): (u64, u16),
        outcome: &Outcome<'_>,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        let before = generation - 1;
        match outcome {
            Outcome::Done(bytes, place) => {
                let rows = answer::result::<ReplaceRows<'_>>(bytes, *place, "the replaced order");
                let both = rows.ok().and_then(|rows| {
                    let old = self.facts(order, Some(&rows.cancel_response))?;
                    Some((old, self.facts(order, Some(&rows.new_order_response))?))
                });
                let Some((old, new)) = both else {
                    self.counters.garbage += 1;
                    return self.become_unknown(order, now_ns);
                };
                self.leg_told((order, before), &old, now_ns, courier);
                self.leg_told((order, generation), &new, now_ns, courier);
            }
            Outcome::Refused(refused) => {
                self.replace_half((order, generation), refused, now_ns, courier);
            }
            Outcome::Lost { may_have_been_sent: true } => self.become_unknown(order, now_ns),
            Outcome::Lost { may_have_been_sent: false } => {
                self.replace_refused((order, generation), 0, now_ns);
                self.cancel_now(order, now_ns, courier);
            }
        }
    }

    /// A cancel-replace that did not go as a whole.
    fn replace_half(
        &mut self,
        (order, generation): (u64, u16),
        refused: &Refused<'_>,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        let word =
            |half: fn(&answer::RefusalData<'_>) -> Option<String>| refused.data.and_then(half);
        let cancelled = word(|data| data.cancel_result.as_ref().map(|text| text.get().to_string()));
        let placed = word(|data| data.new_order_result.as_ref().map(|text| text.get().to_string()));
        let code_of_half = |row: Option<&OrderRow<'_>>| {
            let row = row?;
            Some((row.code?, row.msg.as_ref().map_or("", |text| text.get()).to_string()))
        };
        if cancelled.as_deref() == Some("SUCCESS") && placed.as_deref() != Some("SUCCESS") {
            let row = refused.data.and_then(|data| data.cancel_response.as_ref());
            let new = code_of_half(refused.data.and_then(|data| data.new_order_response.as_ref()));
            let verdict = new.as_ref().map(|(code, text)| judge(400, *code, text));
            let (Some(old), Some(Verdict::Final(_) | Verdict::Transient(_))) =
                (self.facts(order, row), verdict)
            else {
                return self.become_unknown(order, now_ns);
            };
            self.leg_told((order, generation - 1), &old, now_ns, courier);
            let code = new.map_or(refused.code, |(code, _)| code);
            return self.refuse_place((order, generation), code, now_ns, courier);
        }
        let half = Verdict::Final(Reason::ReplaceHalf);
        if refused.verdict == Verdict::Unknown || refused.verdict == half {
            return self.become_unknown(order, now_ns);
        }
        let why = code_of_half(refused.data.and_then(|data| data.cancel_response.as_ref()));
        let why = why.map(|(code, text)| (code, judge(400, code, &text)));
        let (code, verdict) = why.unwrap_or((refused.code, refused.verdict));
        let terms = self.orders.get(order).and_then(|o| o.leg(generation)).copied();
        let wants_cancel = self.orders.get(order).is_some_and(|o| o.cancel_wanted);
        if let (Verdict::Final(Reason::Restricted), Some(terms), false) =
            (verdict, terms, wants_cancel)
        {
            // It traded in the meantime: the other way.
            if let Some(leg) = self.orders.get_mut(order).and_then(|o| o.leg_mut(generation)) {
                leg.state = LegState::Absent;
            }
            return self.replace_slowly(order, (terms.price, terms.quantity), now_ns, courier);
        }
        self.replace_refused((order, generation), code, now_ns);
        match verdict {
            // It ended, or -2022 does not say what became of it.
            Verdict::Final(Reason::NoSuchOrder | Reason::ReplaceNone) => {
                self.start_query(order, false, now_ns, courier);
            }
            Verdict::Final(_) | Verdict::Transient(_) | Verdict::Unknown => {
                self.cancel_now(order, now_ns, courier);
            }
        }
    }

    // Telling.

    /// An answer says how a leg stands.
    pub(super) fn leg_told(
        &mut self,
        (order, generation): (u64, u16),
        facts: &OrderFacts,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        self.note_facts((order, generation), facts);
        self.settle(order, now_ns, courier);
    }

    /// Writes down what is said of a leg. Ends are never taken back: what says otherwise is older.
    pub(super) fn note_facts(&mut self, (order, generation): (u64, u16), facts: &OrderFacts) {
        let start_ms = self.venue_ms(self.start_ns);
        let Some(tracked) = self.orders.get_mut(order) else { return };
        let leg = tracked.learn(generation, start_ms);
        leg.venue_id = Some(facts.venue_id);
        if leg.learned {
            leg.price = facts.price.unwrap_or(leg.price);
            leg.quantity = facts.quantity.unwrap_or(leg.quantity);
        }
        leg.executed = leg.executed.max(facts.executed.unwrap_or(0));
        let learned_side = facts.side.filter(|_| leg.learned);
        let ended = facts.status.and_then(End::from_status);
        let mut revived = false;
        match (leg.state, ended) {
            (LegState::Ended(_), _) | (LegState::Working, None) => {}
            (_, Some(end)) => leg.state = LegState::Ended(end),
            (LegState::Asked | LegState::Absent, None) => {
                leg.state = LegState::Working;
                // The engine believes it gone: it must hear of it, so that it can cancel.
                revived = true;
            }
        }
        tracked.side = learned_side.unwrap_or(tracked.side);
        if revived && tracked.over {
            (tracked.over, tracked.acked) = (false, false);
        }
        self.venue_ids.insert((tracked.instrument, facts.venue_id), (order, generation));
    }

    /// Tells the engine what is certain and was not told.
    pub(super) fn settle(&mut self, order: u64, now_ns: u64, courier: &mut dyn Courier) {
        let report_at_ns = now_ns.saturating_add(self.rules.report_ns_max);
        let Some(tracked) = self.orders.get_mut(order) else { return };
        if tracked.is_short() {
            if tracked.check_at_ns == 0 {
                tracked.check_at_ns = report_at_ns;
            }
        } else {
            tracked.check_at_ns = 0;
        }
        let Some(generation) = tracked.current().filter(|_| !tracked.over) else { return };
        if tracked.learned {
            // Neither its generations nor what traded before are known: only a query tells all of it.
            return self.start_query(order, false, now_ns, courier);
        }
        let leg = tracked.legs[usize::from(generation) - 1];
        if leg.state == LegState::Asked {
            return;
        }
        if !tracked.acked && leg.state != LegState::Ended(End::Rejected) {
            tracked.acked = true;
            let sent_ns = tracked.sent_ns;
            if sent_ns != 0 {
                self.sample(Sample::OrderToAck(now_ns.saturating_sub(sent_ns)));
            }
            self.tell(order, ReportCode::Acked, 0, NO_TERMS, now_ns);
        }
        self.settle_terms(order, generation, now_ns);
        let Some(tracked) = self.orders.get_mut(order) else { return };
        match leg.state {
            LegState::Ended(end) if !tracked.is_short() => {
                self.settle_end(order, end, now_ns, courier);
            }
            LegState::Ended(_) => {}
            LegState::Working | LegState::Asked | LegState::Absent => {
                self.cancel_now(order, now_ns, courier);
            }
        }
    }

    /// The engine hears the terms of a generation that it does not know.
    pub(super) fn settle_terms(&mut self, order: u64, generation: u16, now_ns: u64) {
        let Some(tracked) = self.orders.get_mut(order) else { return };
        let count = usize::from(generation);
        if count <= tracked.engine_legs {
            return;
        }
        tracked.engine_legs = count;
        tracked.replace = None;
        tracked.replace_doubt = false;
        let leg = tracked.legs[count - 1];
        let quantity = tracked.told_before(generation).saturating_add(leg.quantity);
        self.tell(order, ReportCode::Replaced, 0, (leg.price, quantity), now_ns);
    }

    /// The last generation is over and all of its fills were told.
    fn settle_end(&mut self, order: u64, end: End, now_ns: u64, courier: &mut dyn Courier) {
        let Some(tracked) = self.orders.get_mut(order) else { return };
        if let Some(replace) = tracked.replace.take() {
            let rest = replace.quantity.saturating_sub(tracked.told());
            if end == End::Cancelled && 0 < rest {
                let generation = tracked.current().map_or(1, |last| last.saturating_add(1));
                tracked.legs.truncate(usize::from(generation) - 1);
                tracked.legs.push(Leg::asked(replace.price, rest));
                let ask = Ask::Place { order, generation };
                if let Err(why) = self.ask(ask, false, now_ns, courier) {
                    self.refuse_place((order, generation), code_of(why), now_ns, courier);
                }
                return;
            }
            self.tell(order, ReportCode::ReplaceRejected, 0, NO_TERMS, now_ns);
        }
        let Some(tracked) = self.orders.get_mut(order) else { return };
        let doubt = std::mem::take(&mut tracked.replace_doubt);
        match end.report() {
            Some(code) => self.tell(order, code, 0, NO_TERMS, now_ns),
            None => {
                // The fills tell it, unless a replace made the engine expect more of the order.
                if doubt {
                    self.tell(order, ReportCode::ReplaceRejected, 0, NO_TERMS, now_ns);
                }
            }
        }
        self.finish(order);
    }
}
