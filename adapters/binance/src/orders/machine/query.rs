//! What became of an order: its generations are asked for, one by one, until all is known.
//!
//! ```text
//!   generation 1 --> status by id or name --found--> executions, if some were not told --> next generation
//!                        |
//!                        +--not found--> status by the name of the cancel --found--> ...
//!                                             |
//!                                             +--not found--> can it still arrive? --yes--> wait, ask again
//!                                                                   +--no--> absent
//! ```
//! Why "does not exist" may be believed in the end stands in [`crate::orders`].

use engine::event::{Event, ReportCode, Side, flags};

use crate::answer::{self, OrderRow, TradeRow};
use crate::errors::{Reason, Verdict};
use crate::orders::tracked::{Leg, LegState, Query, Tracked};

use super::answers::Outcome;
use super::{Ask, Courier, Machine};

const NO_TERMS: (i64, i64) = (0, 0);

impl Machine {
    pub(super) fn send_query(&mut self, event: &Event, now_ns: u64, courier: &mut dyn Courier) {
        let order = event.id;
        let start_ms = self.venue_ms(self.start_ns);
        let tracked = self.orders.get_or_make(order, || {
            let side = if event.has(flags::SELL) { Side::Sell } else { Side::Buy };
            let mut tracked = Tracked::new(event.instrument, side);
            tracked.learn(1, start_ms);
            tracked
        });
        // The engine does not know that it is over, or no longer: it is asked for again.
        if tracked.over {
            tracked.over = false;
            tracked.acked = true;
        }
        self.start_query(order, true, now_ns, courier);
    }

    /// Begins to ask; one query of an order at a time serves all who want it.
    pub(super) fn start_query(
        &mut self,
        order: u64,
        for_engine: bool,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        let Some(tracked) = self.orders.get_mut(order) else { return };
        if let Some(query) = &mut tracked.query {
            query.for_engine |= for_engine;
            return;
        }
        tracked.query = Some(Query {
            generation: 1,
            by_cancel: false,
            by_id: false,
            at_ns: 0,
            trades: false,
            try_count: 0,
            for_engine,
        });
        self.ask_status(order, now_ns, courier);
    }

    /// Asks for the generation at which the query stands, or for the next that is not closed.
    fn ask_status(&mut self, order: u64, now_ns: u64, courier: &mut dyn Courier) {
        let generation_max = self.rules.generation_max;
        let Some(tracked) = self.orders.get_mut(order) else { return };
        let Some(mut query) = tracked.query else { return };
        while tracked.leg(query.generation).is_some_and(Leg::is_closed) {
            query.generation += 1;
            query.by_cancel = false;
        }
        let is_known = usize::from(query.generation) <= tracked.legs.len();
        let exists = tracked.legs.iter().any(|leg| leg.state != LegState::Absent);
        let probes = tracked.learned && exists && query.generation <= generation_max;
        query.by_id = tracked.leg(query.generation).is_some_and(|leg| leg.venue_id.is_some());
        query.at_ns = 0;
        query.trades = false;
        tracked.query = Some(query);
        if !is_known && !probes {
            return self.conclude(order, now_ns, courier);
        }
        let Query { generation, by_cancel, .. } = query;
        let ask = Ask::Status { order, generation, by_cancel };
        if self.ask(ask, false, now_ns, courier).is_err() {
            self.query_failed(order, now_ns);
        }
    }

    fn next_generation(&mut self, order: u64, now_ns: u64, courier: &mut dyn Courier) {
        if let Some(query) = self.orders.get_mut(order).and_then(|o| o.query.as_mut()) {
            query.generation += 1;
            query.by_cancel = false;
            query.try_count = 0;
        }
        self.ask_status(order, now_ns, courier);
    }

    /// Nothing was learned; the engine asks again, and what is missing is looked for later.
    fn query_failed(&mut self, order: u64, now_ns: u64) {
        let later_ns = now_ns.saturating_add(self.rules.report_ns_max);
        let Some(tracked) = self.orders.get_mut(order) else { return };
        let Some(query) = tracked.query.take() else { return };
        if tracked.is_short() {
            tracked.check_at_ns = later_ns;
        }
        if query.for_engine || tracked.cancel_wanted {
            self.become_unknown(order, now_ns);
        }
    }

    pub(super) fn on_status(
        &mut self,
        (order, generation, by_cancel): (u64, u16, bool),
        timestamp_ms: u64,
        outcome: &Outcome<'_>,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        let Some(query) = self.orders.get(order).and_then(|tracked| tracked.query) else { return };
        if (query.generation, query.by_cancel) != (generation, by_cancel) {
            return;
        }
        if let Outcome::Done(bytes, place) = outcome {
            let row = answer::result::<OrderRow<'_>>(bytes, *place, "the order");
            let Some(facts) = self.facts(order, row.ok().as_ref()) else {
                self.counters.garbage += 1;
                return self.query_failed(order, now_ns);
            };
            self.note_facts((order, generation), &facts);
            return self.after_status((order, generation), now_ns, courier);
        }
        if outcome.verdict().0 != Verdict::Final(Reason::NoSuchOrder) {
            return self.query_failed(order, now_ns);
        }
        let start_ms = self.venue_ms(self.start_ns);
        let Some(tracked) = self.orders.get_mut(order) else { return };
        let leg = tracked.leg(generation).copied();
        let by_name = !query.by_id;
        if by_name && leg.is_some_and(|leg| leg.venue_id.is_some()) {
            // A report or another answer told of it in the meantime.
            return self.ask_status(order, now_ns, courier);
        }
        let sent_ms = leg.map_or(start_ms, |leg| leg.sent_ms);
        if by_name && !by_cancel && !self.is_settled(sent_ms, timestamp_ms) {
            let at_ns = self.after_ms(self.settled_ms(sent_ms));
            // Of our own legs an answer may tell more before that.
            if let Some(query) = self.query_mut(order) {
                query.at_ns = at_ns.max(now_ns.saturating_add(1));
            }
            return;
        }
        if by_name && !by_cancel {
            if let Some(query) = self.query_mut(order) {
                query.by_cancel = true;
            }
            return self.ask_status(order, now_ns, courier);
        }
        match self.orders.get_mut(order).and_then(|tracked| tracked.leg_mut(generation)) {
            Some(leg) => leg.state = LegState::Absent,
            None => return self.conclude(order, now_ns, courier),
        }
        self.next_generation(order, now_ns, courier);
    }

    fn query_mut(&mut self, order: u64) -> Option<&mut Query> {
        self.orders.get_mut(order)?.query.as_mut()
    }

    /// A generation was found: are executions missing?
    fn after_status(
        &mut self,
        (order, generation): (u64, u16),
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        let Some(tracked) = self.orders.get_mut(order) else { return };
        let Some(leg) = tracked.leg_mut(generation) else { return };
        if leg.executed == 0 {
            leg.learned = false;
        }
        let is_complete = !leg.learned && leg.executed <= leg.told;
        if is_complete || leg.venue_id.is_none() {
            return self.next_generation(order, now_ns, courier);
        }
        self.ask_trades((order, generation), now_ns, courier);
    }

    fn ask_trades(
        &mut self,
        (order, generation): (u64, u16),
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        if let Some(query) = self.query_mut(order) {
            query.trades = true;
            query.at_ns = 0;
            query.try_count += 1;
        }
        if self.ask(Ask::Trades { order, generation }, false, now_ns, courier).is_err() {
            self.query_failed(order, now_ns);
        }
    }

    pub(super) fn on_trades(
        &mut self,
        (order, generation): (u64, u16),
        outcome: &Outcome<'_>,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        let try_count_max = self.rules.retry_count_max;
        let retry_at_ns = now_ns.saturating_add(self.rules.retry_ns);
        let is_current = self
            .query_mut(order)
            .is_some_and(|query| query.trades && query.generation == generation);
        if !is_current {
            return;
        }
        let Outcome::Done(bytes, place) = outcome else {
            return self.query_failed(order, now_ns);
        };
        let Ok(mut rows) = answer::result::<Vec<TradeRow<'_>>>(bytes, *place, "the trades") else {
            self.counters.garbage += 1;
            return self.query_failed(order, now_ns);
        };
        rows.sort_unstable_by_key(|row| row.id);
        self.tell_trades((order, generation), &rows, now_ns);
        let Some(tracked) = self.orders.get_mut(order) else { return };
        let is_short = tracked.leg(generation).is_some_and(|leg| leg.told < leg.executed);
        let Some(query) = &mut tracked.query else { return };
        if !is_short {
            return self.next_generation(order, now_ns, courier);
        }
        // The venue tells the state before it tells the trades.
        if query.try_count < try_count_max {
            query.at_ns = retry_at_ns;
        } else {
            self.query_failed(order, now_ns);
        }
    }

    /// All trades of a leg from its first, in order.
    fn tell_trades(&mut self, (order, generation): (u64, u16), rows: &[TradeRow<'_>], now_ns: u64) {
        let Some(tracked) = self.orders.get_mut(order) else { return };
        let Some(index) = self.listings.iter().position(|l| l.instrument == tracked.instrument)
        else {
            return;
        };
        let (price_scale, quantity_scale) =
            (self.listings[index].price_scale, self.listings[index].quantity_scale);
        let instrument = tracked.instrument;
        let Some(leg) = tracked.leg_mut(generation) else { return };
        let Some(venue_id) = leg.venue_id else { return };
        // What was told of a leg that was found underway is counted anew, now from its beginning.
        let recounts = std::mem::take(&mut leg.learned);
        if recounts {
            leg.told = 0;
        }
        let mut total = 0i64;
        for row in rows {
            match row.facts(price_scale, quantity_scale) {
                Ok(trade) if row.order_id == venue_id => {
                    total = total.saturating_add(trade.quantity);
                    let was_told = self.trades_seen.contains((instrument, trade.trade_id));
                    let leg = self.orders.get_mut(order).and_then(|o| o.leg_mut(generation));
                    if let Some(leg) = leg.filter(|_| was_told && recounts) {
                        leg.told = leg.told.saturating_add(trade.quantity);
                    }
                    self.tell_fill((order, generation), index, &trade, now_ns);
                }
                Ok(_) => {}
                Err(_) => self.counters.garbage += 1,
            }
        }
        // A fill that a report told may be missing in an older answer that was counted; this one has it.
        if let Some(leg) = self.orders.get_mut(order).and_then(|o| o.leg_mut(generation)) {
            leg.told = leg.told.max(total);
        }
    }

    /// All generations are known.
    fn conclude(&mut self, order: u64, now_ns: u64, courier: &mut dyn Courier) {
        let Some(tracked) = self.orders.get_mut(order) else { return };
        let for_engine = tracked.query.take().is_some_and(|query| query.for_engine);
        if for_engine {
            // Whoever asks is in doubt of the terms too; they are told again.
            tracked.engine_legs = 1;
        }
        // Of an earlier life it is not known whether a replace was on its way; no later generation was found.
        tracked.replace_doubt |= std::mem::take(&mut tracked.learned) && for_engine;
        // Whoever finds it knows that it was accepted.
        tracked.acked = true;
        let told = tracked.told();
        let state =
            tracked.current().and_then(|g| tracked.leg(g)).map(|leg| (leg.state, leg.price));
        match state {
            None => {
                if !tracked.over {
                    self.tell(order, ReportCode::NotFound, 0, NO_TERMS, now_ns);
                    self.finish(order);
                }
            }
            Some((LegState::Working, price)) => {
                let wants_cancel = tracked.cancel_wanted;
                let generation = tracked.current().unwrap_or(1);
                let doubt = std::mem::take(&mut tracked.replace_doubt);
                let is_newer = tracked.engine_legs < usize::from(generation);
                if doubt && !is_newer {
                    self.tell(order, ReportCode::ReplaceRejected, 0, NO_TERMS, now_ns);
                }
                self.settle(order, now_ns, courier);
                if for_engine || doubt || wants_cancel {
                    self.tell(order, ReportCode::Working, 0, (price, told), now_ns);
                }
            }
            Some((LegState::Ended(_), _)) => {
                // A full fill of which nothing is left to tell would otherwise be no answer.
                tracked.replace_doubt |= for_engine;
                self.settle(order, now_ns, courier);
            }
            Some((LegState::Asked | LegState::Absent, _)) => self.become_unknown(order, now_ns),
        }
    }

    // Deadlines of orders.

    /// Queries that wait, cancels to try again, executions that did not come.
    pub(super) fn watch_orders(&mut self, now_ns: u64, courier: &mut dyn Courier) {
        for order in self.orders.due(now_ns) {
            let Some(tracked) = self.orders.get_mut(order) else { continue };
            if let Some(query) = &mut tracked.query
                && query.at_ns != 0
                && query.at_ns <= now_ns
            {
                let (generation, trades) = (query.generation, query.trades);
                query.at_ns = 0;
                if trades {
                    self.ask_trades((order, generation), now_ns, courier);
                } else {
                    self.ask_status(order, now_ns, courier);
                }
                continue;
            }
            if tracked.cancel_at_ns != 0 && tracked.cancel_at_ns <= now_ns {
                tracked.cancel_at_ns = 0;
                self.cancel_now(order, now_ns, courier);
            }
            let Some(tracked) = self.orders.get_mut(order) else { continue };
            if tracked.check_at_ns != 0 && tracked.check_at_ns <= now_ns {
                tracked.check_at_ns = 0;
                self.start_query(order, false, now_ns, courier);
            }
        }
    }

    pub(super) fn order_deadline_ns(&mut self) -> Option<u64> {
        Some(self.orders.due_ns()).filter(|due_ns| *due_ns != u64::MAX)
    }
}
