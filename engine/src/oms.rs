//! Stage 4, OMS: the life of orders, their ids, and what the venue's reports mean for them.
//!
//! ```text
//!   risk  --approved, approved cancel, approved replace-->  +-----+  --order, fill, fee-->   everyone
//!   venue --report, report detail----------------------->   | OMS |  --send new, cancel,
//!   gateway --withheld--> session --session start------->   +-----+    replace, query-->     gateway
//! ```
//! The transition table is [`table`]; what follows from it is `Oms::advance`. Decisions of one input
//! leave in this order: `FILL`, `FEE`, `ORDER`, `SEND_*`; anomalies stand where they were noticed. An `ORDER` leaves whenever state,
//! price or leaves of an order changed; a refused cancel or replace of a live order tells it once more,
//! so that whoever reserved something for it can let it go.
//!
//! **Invariant:** a terminal order stays terminal; a late fill is booked (`FILL` with `LATE`) and the
//! order stays what it was, because its leaves are zero either way.
//!
//! **Invariant:** every execution told once is booked once, also for orders that we do not know
//! (`NO_STRATEGY`): positions follow the venue, not our opinion of it.
//!
//! **Invariant:** an order whose fate is not known is asked for, and asked for again every second of
//! event time (`query_interval_ns`) while the link is not down; it is never assumed to be gone.

pub mod anomaly;
mod booking;
mod executions;
mod halt;
mod order;
mod pull;
mod save;
mod slab;
pub mod table;
#[cfg(test)]
mod tests;

use crate::event::kind::KindSet;
use crate::event::order::{Execution, execution};
use crate::event::session::strategy_state::DISABLED;
use crate::event::{
    CommandCode, Event, FeeCode, KillPhase, Kind, NO_STRATEGY, OrderState, OrderTerms, ReportCode,
    flags,
};
use crate::ids;
use crate::instrument::{InstrumentTable, VENUE_COUNT_MAX, Venue};
use crate::ring::Emitter;
use crate::state::mix;

pub use executions::EXECUTION_COUNT_MAX;
pub use order::Order;

use executions::Executions;
use order::note;
use pull::Pull;
use slab::Slab;
use table::{Input, Next};

/// Most live orders at once. A session start asks for each of them and tells its new state: two events
/// an order, which must stay well below the core ring's 4,096.
pub const LIVE_COUNT_MAX: usize = 1024;
/// Event time between two queries for the orders whose fate is unknown, unless configured otherwise.
pub const QUERY_INTERVAL_NS: u64 = 1_000_000_000;
/// Most producers that may stand between the two halves of a fill report. Arbitrary.
pub const HALF_COUNT_MAX: usize = 16;
/// `code` of `RISK_STATE`: nothing may be open.
const RISK_HALTED: u16 = 3;

/// How long the OMS waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OmsTimes {
    /// Event time between two queries for the orders whose fate is unknown.
    pub query_interval_ns: u64,
    /// A live order without a word for that long is asked for, then cancelled; 0 for never.
    pub stale_order_ns: u64,
    /// Event time between two searches for such orders.
    pub sweep_interval_ns: u64,
}

impl Default for OmsTimes {
    /// Queries every second, no search for stale orders.
    fn default() -> OmsTimes {
        OmsTimes { query_interval_ns: QUERY_INTERVAL_NS, stale_order_ns: 0, sweep_interval_ns: 0 }
    }
}

/// What an OMS is made of.
#[derive(Clone, Debug)]
pub struct OmsConfig {
    /// Number of this engine; part of every order id.
    pub engine: u8,
    /// Orders that are remembered, live and over; a power of two.
    pub orders_max: usize,
    /// Strategies 0 to `strategy_count - 1` may have orders.
    pub strategy_count: usize,
    /// What can be traded.
    pub instruments: InstrumentTable,
    /// How long to wait for what.
    pub times: OmsTimes,
}

/// What happened so far, for reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Orders that got an id.
    pub orders: u64,
    /// Fills that were booked.
    pub fills: u64,
    /// Those of them that came after their order was over.
    pub late_fills: u64,
    /// Those of them that belong to no order that we know.
    pub stranger_fills: u64,
    /// Executions that were told again and dropped.
    pub duplicate_executions: u64,
    /// Inputs that the table refused.
    pub refusals: u64,
    /// Queries sent.
    pub queries: u64,
    /// Anomalies reported.
    pub anomalies: u64,
}

/// The first half of a fill report, waiting for the second one.
#[derive(Clone, Copy, Debug)]
struct Half {
    source: u16,
    report: Event,
}

/// Stage 4.
#[derive(Debug)]
pub struct Oms {
    engine: u8,
    strategy_count: usize,
    instruments: InstrumentTable,
    live_max: usize,
    session: u64,
    /// Counter of the newest id of this session.
    counter: u64,
    slab: Slab,
    executions: Executions,
    halves: [Option<Half>; HALF_COUNT_MAX],
    /// By [`Venue::index`]: the pull that is going on, and whether the link is down.
    pulls: [Pull; VENUE_COUNT_MAX],
    times: OmsTimes,
    /// Event time of the next search for stale orders; 0 before the first clock.
    sweep_at_ns: u64,
    /// Event time of the next round of queries, while an order is unknown.
    query_at_ns: u64,
    counters: Counters,
}

/// Terms of inputs that have none.
const NO_TERMS: (i64, i64) = (0, 0);

impl Oms {
    /// Kinds that the OMS looks at.
    pub const INTEREST: KindSet = KindSet::of(&[
        Kind::REPORT,
        Kind::REPORT_DETAIL,
        Kind::CLOCK,
        Kind::COMMAND,
        Kind::SESSION_START,
        Kind::APPROVED,
        Kind::APPROVED_CANCEL,
        Kind::APPROVED_REPLACE,
        Kind::WITHHELD,
        Kind::STRATEGY_STATE,
        Kind::RISK_STATE,
        Kind::BREAKER,
        Kind::KILL,
        Kind::LINK,
        Kind::VENUE_ORDER,
    ]);

    /// An OMS without orders, in session 0.
    pub fn new(config: OmsConfig) -> Oms {
        Oms {
            engine: config.engine,
            strategy_count: config.strategy_count,
            instruments: config.instruments,
            live_max: config.orders_max.min(LIVE_COUNT_MAX),
            session: 0,
            counter: 0,
            slab: Slab::new(config.orders_max),
            executions: Executions::new(),
            halves: [None; HALF_COUNT_MAX],
            pulls: [Pull::default(); VENUE_COUNT_MAX],
            times: config.times,
            sweep_at_ns: 0,
            query_at_ns: 0,
            counters: Counters::default(),
        }
    }

    /// Orders that are not over, in slot order.
    pub fn open_orders(&self) -> impl Iterator<Item = &Order> {
        self.slab.iter().filter(|order| order.is_live())
    }

    /// Every order that is remembered, in slot order.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.slab.iter()
    }

    /// The order with that id, if it is remembered.
    pub fn order(&self, id: u64) -> Option<&Order> {
        self.slab.find(id).map(|slot| self.slab.get(slot))
    }

    /// How many orders are not over.
    pub fn open_count(&self) -> usize {
        self.slab.live_count()
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Session number that goes into new ids.
    pub fn session(&self) -> u64 {
        self.session
    }

    /// Hash of orders, ids, executions and halves; a few multiplications, whatever the table's size.
    pub fn digest(&self) -> u64 {
        let mut hash = mix(self.slab.digest(), self.executions.digest());
        hash = mix(hash, self.session);
        hash = mix(hash, self.counter);
        hash = mix(hash, self.query_at_ns);
        hash = mix(hash, self.counters.anomalies);
        if self.sweep_at_ns != 0 {
            hash = mix(hash, self.sweep_at_ns);
        }
        for pull in self.pulls.iter().filter(|pull| **pull != Pull::default()) {
            hash = mix(mix(hash, pull.number), u64::from(pull.is_link_down));
        }
        for half in self.halves.iter().flatten() {
            hash = mix(hash, u64::from(half.source));
            hash = mix(hash, half.report.id ^ half.report.quantity.cast_unsigned());
        }
        hash
    }

    /// Handles one event.
    #[inline]
    pub fn apply(&mut self, event: &Event, out: &mut Emitter<'_>) {
        match event.kind {
            Kind::APPROVED => self.create(event, out),
            Kind::APPROVED_CANCEL | Kind::APPROVED_REPLACE => self.change(event, out),
            Kind::REPORT => self.report(event, out),
            Kind::REPORT_DETAIL => self.detail(event, out),
            Kind::WITHHELD => self.withheld(event, out),
            Kind::CLOCK => self.clock(event, out),
            Kind::LINK => self.link(event, out),
            Kind::VENUE_ORDER => self.venue_order(event, out),
            Kind::SESSION_START => self.session_start(event, out),
            Kind::STRATEGY_STATE if event.code == DISABLED => {
                self.cancel_where(|order| order.source == event.source, false, out);
            }
            Kind::RISK_STATE if event.code == RISK_HALTED => {
                self.cancel_where(|_| true, false, out);
            }
            Kind::BREAKER => self.breaker(event, out),
            Kind::KILL if event.code == KillPhase::Cancelling.code() => self.kill(event, out),
            // An operator who asks twice means it: cancels on their way are sent again.
            Kind::COMMAND
                if event.code == CommandCode::CancelAll as u16
                    || event.code == CommandCode::Stop as u16 =>
            {
                self.cancel_where(|_| true, true, out);
            }
            _ => {}
        }
    }

    // Intents of risk.

    fn create(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let Some(counter) = self.next_counter() else {
            let order = Order::from_approval(0, event);
            refuse_new(&order, out);
            let measured = self.counter.cast_signed();
            self.anomaly(anomaly::IDS_EXHAUSTED, (measured, 0), &order, out);
            return;
        };
        self.counter = counter;
        self.counters.orders += 1;
        let order = Order::from_approval(ids::order_id(self.engine, self.session, counter), event);
        // The row after the last strategy is the operator's own.
        let own = usize::from(event.has(flags::OPERATOR));
        let is_order = usize::from(order.source) < self.strategy_count + own
            && self.instruments.get(order.instrument).is_some()
            && OrderTerms::from_code(order.terms).is_some()
            && 0 < order.quantity;
        if !is_order {
            refuse_new(&order, out);
            self.anomaly(anomaly::BAD_APPROVAL, (order.quantity, 0), &order, out);
            return;
        }
        if self.live_max <= self.slab.live_count() {
            refuse_new(&order, out);
            let told = (signed(self.slab.live_count()), signed(self.live_max));
            self.anomaly(anomaly::TABLE_FULL, told, &order, out);
            return;
        }
        out.emit(order.transition(OrderState::New));
        let mut pending = order;
        pending.enter(OrderState::Pending);
        out.emit(pending.transition(OrderState::New));
        let mut send = pending.event(Kind::SEND_NEW);
        send.code = pending.terms;
        send.price = pending.price;
        send.quantity = pending.quantity;
        out.emit(send);
        self.slab.put(self.slab.slot(counter), pending);
    }

    /// The next counter whose slot no live order holds; the next one at all when every slot is held.
    fn next_counter(&self) -> Option<u64> {
        if ids::COUNTER_MAX <= self.counter {
            return None;
        }
        let next = self.counter + 1;
        if self.live_max <= self.slab.live_count() {
            return Some(next);
        }
        let last = self.counter.saturating_add(unsigned(self.slab.slot_count()));
        let mut free = next..=last.min(ids::COUNTER_MAX);
        free.find(|counter| !self.slab.get(self.slab.slot(*counter)).is_live())
    }

    fn change(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let found = if event.has(flags::OPERATOR) {
            // Who cancels by hand names the order, not what it is in.
            self.slab.find(event.id)
        } else {
            self.find(event)
        };
        let Some(slot) = found else {
            let measured = i64::from(event.kind.0);
            return self.stranger(anomaly::NO_SUCH_ORDER, (measured, 0), event, out);
        };
        let order = *self.slab.get(slot);
        if event.source != order.source && event.source != NO_STRATEGY {
            let told = (i64::from(event.source), i64::from(order.source));
            return self.refuse_change(anomaly::NOT_YOURS, told, &order, out);
        }
        let input = if event.kind == Kind::APPROVED_CANCEL {
            Input::ApprovedCancel
        } else {
            Input::ApprovedReplace
        };
        if let Next::Refuse(code) = table::next(order.state, input) {
            return self.refuse_change(code, refusal(order.state, input), &order, out);
        }
        if input == Input::ApprovedReplace && event.quantity <= order.filled {
            let told = (event.quantity, order.filled);
            return self.refuse_change(anomaly::BAD_REPLACE, told, &order, out);
        }
        self.advance(slot, input, (event.price, event.quantity), out);
    }

    /// Tells the order as it is once more, and why nothing was sent.
    fn refuse_change(&mut self, code: u16, told: (i64, i64), order: &Order, out: &mut Emitter<'_>) {
        if order.is_live() {
            out.emit(order.transition(order.state));
        }
        self.refuse(code, told, order, out);
    }

    /// Cancels the order in a slot, whatever risk thinks of it.
    fn cancel(&mut self, slot: usize, out: &mut Emitter<'_>) {
        self.advance(slot, Input::ApprovedCancel, NO_TERMS, out);
    }

    fn cancel_where(
        &mut self,
        wanted: impl Fn(&Order) -> bool,
        again: bool,
        out: &mut Emitter<'_>,
    ) {
        if self.slab.live_count() == 0 {
            return;
        }
        for slot in 0..self.slab.slot_count() {
            let order = self.slab.get(slot);
            if !order.is_live() || !wanted(order) {
                continue;
            }
            if order.state != OrderState::PendingCancel {
                self.advance(slot, Input::ApprovedCancel, NO_TERMS, out);
            } else if again {
                out.emit(order.event(Kind::SEND_CANCEL));
            }
        }
    }

    // Reports of venues.

    fn report(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let Some(code) = ReportCode::from_code(event.code) else {
            let measured = i64::from(event.code);
            return self.stranger(anomaly::BAD_REPORT, (measured, 0), event, out);
        };
        let Some(input) = Input::from_report(code) else {
            return self.first_half(event, out);
        };
        let Some(slot) = self.find(event) else {
            let measured = i64::from(event.code);
            return self.stranger(anomaly::UNKNOWN_ORDER, (measured, 0), event, out);
        };
        if input != Input::Working && input != Input::OutcomeUnknown {
            self.slab.hear(slot, event.time_ns);
        }
        let order = *self.slab.get(slot);
        if matches!(input, Input::Replaced | Input::Completed) && event.quantity <= 0 {
            return self.anomaly(anomaly::BAD_REPORT, (event.quantity, 0), &order, out);
        }
        self.advance(slot, input, (event.price, event.quantity), out);
        if !order.is_live() {
            return;
        }
        let is_sum = matches!(input, Input::Working | Input::Completed);
        if is_sum && event.quantity != order.filled {
            let told = (event.quantity, order.filled);
            self.anomaly(anomaly::CUMULATIVE_MISMATCH, told, &order, out);
            self.traded_more(slot, &order, event.quantity, out);
        }
        let same_terms = (event.price, event.quantity) == (order.price, order.quantity);
        if input == Input::Replaced && !order.has(note::REPLACING) && !same_terms {
            let told = (event.quantity, order.quantity);
            self.anomaly(anomaly::UNASKED_TERMS, told, &order, out);
        }
    }

    fn first_half(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let half = Half { source: event.source, report: *event };
        let same = |half: &Option<Half>| half.is_some_and(|half| half.source == event.source);
        let place = self
            .halves
            .iter()
            .position(same)
            .or_else(|| self.halves.iter().position(Option::is_none));
        let lost = match place {
            Some(index) => self.halves[index].replace(half).map(|lost| lost.report),
            None => Some(*event),
        };
        if let Some(lost) = lost {
            self.half_lost(&lost, out);
        }
    }

    /// Something traded, but how much of it was never said: the order must be asked for.
    fn half_lost(&mut self, report: &Event, out: &mut Emitter<'_>) {
        self.stranger(anomaly::HALF_LOST, (report.quantity, 0), report, out);
        if let Some(slot) = self.find(report) {
            self.advance(slot, Input::OutcomeUnknown, NO_TERMS, out);
        }
    }

    fn detail(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let ours = |half: &Option<Half>| {
            half.is_some_and(|half| {
                half.source == event.source && half.report.instrument == event.instrument
            })
        };
        let half = self.halves.iter().position(ours).and_then(|index| self.halves[index].take());
        let Some(half) = half else {
            let measured = i64::from(event.source);
            return self.stranger(anomaly::ORPHAN_DETAIL, (measured, 0), event, out);
        };
        let fee = FeeCode::from_code(event.code).unwrap_or(FeeCode::Foreign);
        self.fill(&half.report, &execution(&half.report, event), fee, out);
    }

    fn fill(&mut self, report: &Event, told: &Execution, fee: FeeCode, out: &mut Emitter<'_>) {
        if told.quantity <= 0 || self.instruments.get(report.instrument).is_none() {
            return self.stranger(anomaly::BAD_FILL, (told.quantity, 0), report, out);
        }
        if !self.executions.remember(report.instrument, told.order_id, told.execution_id) {
            self.counters.duplicate_executions += 1;
            let measured = (told.quantity, 0);
            return self.stranger(anomaly::DUPLICATE_EXECUTION, measured, report, out);
        }
        self.counters.fills += 1;
        let known = self.find(report).filter(|slot| self.slab.get(*slot).side() == told.side);
        let Some(slot) = known else {
            self.counters.stranger_fills += 1;
            let mut stranger = Order { id: told.order_id, ..Order::NONE };
            stranger.instrument = report.instrument;
            stranger.source = NO_STRATEGY;
            stranger.flags = told.side.flag();
            self.emit_fill(&stranger, told, fee, 0, out);
            return self.anomaly(anomaly::STRANGER_FILL, (told.quantity, 0), &stranger, out);
        };
        let before = *self.slab.get(slot);
        let mut order = Order { heard_ns: report.time_ns, ..before };
        order.filled = order.filled.saturating_add(told.quantity);
        let input = if order.is_complete() { Input::FullFill } else { Input::PartFill };
        let late = table::next(before.state, input) == Next::Late;
        self.emit_fill(&before, told, fee, if late { flags::LATE } else { 0 }, out);
        self.slab.put(slot, order);
        if late {
            self.counters.late_fills += 1;
            self.anomaly(anomaly::LATE_FILL, (told.quantity, 0), &before, out);
        } else {
            self.advance_from(&before, slot, input, NO_TERMS, out);
        }
        if order.quantity_bound() < order.filled {
            let told = (order.filled, order.quantity_bound());
            self.anomaly(anomaly::OVER_FILL, told, &order, out);
        }
        if told.cumulative_quantity != order.filled {
            let told = (told.cumulative_quantity, order.filled);
            self.anomaly(anomaly::CUMULATIVE_MISMATCH, told, &order, out);
        }
    }

    // Gateway, clock and session.

    fn withheld(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let Some(slot) = self.find(event) else {
            let measured = i64::from(event.code);
            return self.stranger(anomaly::UNKNOWN_ORDER, (measured, 0), event, out);
        };
        let sent = |kind: Kind| event.code == u16::from(kind.0);
        let input = if sent(Kind::SEND_NEW) {
            Input::NewWithheld
        } else if sent(Kind::SEND_CANCEL) {
            Input::CancelWithheld
        } else if sent(Kind::SEND_REPLACE) {
            Input::ReplaceWithheld
        } else if sent(Kind::SEND_QUERY) {
            return;
        } else {
            let measured = i64::from(event.code);
            return self.stranger(anomaly::BAD_REPORT, (measured, 0), event, out);
        };
        self.advance(slot, input, NO_TERMS, out);
    }

    #[inline]
    fn clock(&mut self, event: &Event, out: &mut Emitter<'_>) {
        if self.times.stale_order_ns != 0 && self.sweep_at_ns <= event.time_ns {
            self.sweep(event.time_ns, out);
        }
        if self.slab.unknown_count() == 0 || event.time_ns < self.query_at_ns {
            return;
        }
        self.query_at_ns = event.time_ns.saturating_add(self.times.query_interval_ns);
        for slot in 0..self.slab.slot_count() {
            let order = *self.slab.get(slot);
            if order.state == OrderState::Unknown && !self.is_link_down(&order) {
                self.query(&order, out);
            }
        }
    }

    fn session_start(&mut self, event: &Event, out: &mut Emitter<'_>) {
        // A half that the last session left will never be completed; the queries bring what it said.
        self.halves = [None; HALF_COUNT_MAX];
        for venue in Venue::ALL {
            self.forget_pull(venue);
        }
        self.pulls = [Pull::default(); VENUE_COUNT_MAX];
        if self.session < event.id && event.id <= ids::SESSION_MAX {
            self.session = event.id;
            self.counter = 0;
        } else {
            let told = (event.id.cast_signed(), self.session.cast_signed());
            self.stranger(anomaly::BAD_SESSION, told, &Event { id: 0, ..*event }, out);
        }
        for slot in 0..self.slab.slot_count() {
            if self.slab.get(slot).is_live() {
                self.advance(slot, Input::SessionStart, NO_TERMS, out);
            }
        }
    }

    // The one way by which an order moves.

    #[inline]
    fn advance(&mut self, slot: usize, input: Input, terms: (i64, i64), out: &mut Emitter<'_>) {
        let before = *self.slab.get(slot);
        self.advance_from(&before, slot, input, terms, out);
    }

    /// Moves the order in `slot`, which looked like `before` when it was last told, by `input`.
    fn advance_from(
        &mut self,
        before: &Order,
        slot: usize,
        input: Input,
        terms: (i64, i64),
        out: &mut Emitter<'_>,
    ) {
        let mut order = *self.slab.get(slot);
        let told = refusal(order.state, input);
        let worked = order.has(note::ACKED);
        let gone = if worked { OrderState::Cancelled } else { OrderState::Rejected };
        let next = table::next(order.state, input);
        let asked = order.has(note::DOUBTFUL);
        order.note(input, terms.0, terms.1);
        let state = match next {
            Next::To(state) => state,
            Next::Stay | Next::Late => order.state,
            Next::Rest => order.rest(),
            Next::Gone => gone,
            Next::Complete if terms.1 == order.filled => OrderState::Filled,
            Next::Complete => OrderState::Unknown,
            Next::GoneIfAsked if asked => gone,
            Next::RejectedOrDoubt if !worked => OrderState::Rejected,
            Next::RejectedOrDoubt | Next::Doubt => {
                self.anomaly(anomaly::CONTRADICTION, told, before, out);
                OrderState::Unknown
            }
            Next::Zombie => {
                out.emit(before.event(Kind::SEND_CANCEL));
                return self.anomaly(anomaly::ZOMBIE, told, before, out);
            }
            Next::GoneIfAsked => return self.refuse(anomaly::UNEXPECTED_REPORT, told, before, out),
            Next::Refuse(code) => return self.refuse(code, told, before, out),
        };
        order.enter(state);
        self.slab.put(slot, order);
        self.tell(before, &order, input, out);
    }

    fn refuse(&mut self, code: u16, told: (i64, i64), order: &Order, out: &mut Emitter<'_>) {
        self.counters.refusals += 1;
        self.anomaly(code, told, order, out);
    }

    /// What the move from `before` to `order` makes the others hear.
    fn tell(&mut self, before: &Order, order: &Order, input: Input, out: &mut Emitter<'_>) {
        let seen = |order: &Order| (order.state, order.price, order.leaves());
        if seen(before) != seen(order) {
            out.emit(order.transition(before.state));
        }
        let entered = |state| order.state == state && before.state != state;
        if input == Input::ApprovedReplace {
            let mut send = order.event(Kind::SEND_REPLACE);
            send.price = order.asked_price;
            send.quantity = order.asked_quantity;
            out.emit(send);
        }
        if entered(OrderState::PendingCancel) {
            out.emit(order.event(Kind::SEND_CANCEL));
        }
        if entered(OrderState::Unknown) {
            if self.slab.unknown_count() == 1 {
                self.query_at_ns = out.time_ns().saturating_add(self.times.query_interval_ns);
            }
            self.query(order, out);
        } else if order.state == OrderState::Unknown && input == Input::SessionStart {
            self.query(order, out);
        }
    }

    fn query(&mut self, order: &Order, out: &mut Emitter<'_>) {
        self.counters.queries += 1;
        out.emit(order.event(Kind::SEND_QUERY));
    }

    /// Slot of the order that an event means: id and instrument must both be ours.
    #[inline]
    fn find(&self, event: &Event) -> Option<usize> {
        let slot = self.slab.find(event.id)?;
        (self.slab.get(slot).instrument == event.instrument).then_some(slot)
    }

    /// An anomaly about an order of ours; `told` is what was measured and what was expected.
    fn anomaly(&mut self, code: u16, told: (i64, i64), order: &Order, out: &mut Emitter<'_>) {
        self.counters.anomalies += 1;
        let mut event = Event::new(Kind::ANOMALY);
        event.code = code;
        event.instrument = order.instrument;
        event.source = order.source;
        event.id = order.id;
        event.price = told.0;
        event.quantity = told.1;
        event.flags = flags::LAST;
        out.emit(event);
    }

    /// An anomaly about an event that belongs to no order of ours, or to none for certain.
    fn stranger(&mut self, code: u16, told: (i64, i64), event: &Event, out: &mut Emitter<'_>) {
        let order = Order {
            id: event.id,
            instrument: event.instrument,
            source: NO_STRATEGY,
            ..Order::NONE
        };
        self.anomaly(code, told, &order, out);
    }
}

/// An order that ends before anybody but us has seen it.
fn refuse_new(order: &Order, out: &mut Emitter<'_>) {
    out.emit(order.transition(OrderState::New));
    let mut rejected = *order;
    rejected.enter(OrderState::Rejected);
    out.emit(rejected.transition(OrderState::New));
}

/// What an anomaly tells of a refused input: the input's number and the state's number.
fn refusal(state: OrderState, input: Input) -> (i64, i64) {
    (i64::from(input as u8), i64::from(state.code()))
}

fn unsigned(count: usize) -> u64 {
    u64::try_from(count).expect("a count fits 64 bits")
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).expect("the counts of a table fit 63 bits")
}
