//! The stage in a small world: orders that are always approved, cancels that the test answers, one line an event.

use crate::control::{Chunk, Control, ControlConfig, settings::Trigger};
use crate::event::order::report;
use crate::event::session::{clock, command, session_start};
use crate::event::{
    AnswerCode, BookState, BreakerState, CommandCode, Event, KillPhase, Kind, LockReason, Mode,
    OrderState, OrderTerms, ReportCode, Scope, Side, TripReason, flags,
};
use crate::instrument::{Instrument, InstrumentTable, Venue};
use crate::market::Market;
use crate::money::Money;
use crate::ring::{Emitter, Ring};
use crate::state::{Loader, Saver, State};

pub(super) const S_NS: u64 = 1_000_000_000;
pub(super) const MS_NS: u64 = 1_000_000;
pub(super) const OWN: u16 = 2;

fn instrument(symbol: &str, venue: Venue) -> Instrument {
    Instrument {
        venue,
        symbol: symbol.to_string(),
        price_scale: 2,
        quantity_scale: 3,
        tick: 5,
        lot: 10,
        notional_min: Money(Money::ONE.0 * 10),
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    }
}

/// Instruments 0 and 1 at Binance Spot, 2 at Binance USD-M. Strategies 0 and 1.
pub(super) fn table() -> InstrumentTable {
    InstrumentTable::new(vec![
        instrument("AAA", Venue::BinanceSpot),
        instrument("BBB", Venue::BinanceSpot),
        instrument("CCC", Venue::BinanceUsdm),
    ])
    .unwrap()
}

pub(super) fn chunk() -> Chunk {
    Chunk { quantity_max: 1_000, notional_max: 100_000 * Money::ONE.0, collar_bps: 100 }
}

/// A trigger of everything with every number set.
pub(super) fn trigger(action: crate::control::Action) -> Trigger {
    Trigger { action, is_wide: false, count: 3, window_ns: 10 * S_NS, limit_ns: 5 * S_NS }
}

/// An order of the small world.
#[derive(Clone, Copy, Debug)]
pub(super) struct Working {
    pub(super) order: Event,
    pub(super) state: OrderState,
    pub(super) leaves: i64,
}

pub(super) struct Desk {
    pub(super) control: Control,
    ring: Ring,
    pub(super) market: Market,
    pub(super) time_ns: u64,
    pub(super) orders: Vec<Working>,
    next_id: u64,
    pub(super) number: u64,
    /// The rule with which the gate refuses every intent; `None` approves all.
    pub(super) refuses: Option<u16>,
    /// Neither gate nor order stage says anything of an intent: the test does.
    pub(super) is_silent: bool,
    /// The order stage has no room: what is approved is rejected.
    pub(super) is_full: bool,
    /// Cancels that left, of the last inbound event.
    pub(super) cancels: Vec<u64>,
    /// The last cascade.
    pub(super) cascade: Vec<Event>,
}

impl Desk {
    pub(super) fn new(config: ControlConfig) -> Desk {
        let mut desk = Desk {
            control: Control::new(config, vec![Some(chunk()); 3], table(), 2),
            ring: Ring::new(4_096, 0),
            market: Market::new(3),
            time_ns: 1_000 * S_NS,
            orders: Vec::new(),
            next_id: 1,
            number: 0,
            refuses: None,
            is_silent: false,
            is_full: false,
            cancels: Vec::new(),
            cascade: Vec::new(),
        };
        for index in 0..3 {
            desk.quote(index, 9_990, 10_010);
        }
        desk.hear(session_start(1, Mode::Paper));
        for index in 0..3 {
            desk.book(index, BookState::Live);
        }
        desk
    }

    pub(super) fn quote(&mut self, index: u16, bid: i64, ask: i64) {
        let market = self.market.get_mut(index).unwrap();
        market.state = BookState::Live;
        market.top.bid_price = bid;
        market.top.ask_price = ask;
        (market.top.bid_quantity, market.top.ask_quantity) = (1, 1);
    }

    /// An inbound event and everything that follows; returns what the stage told, a line an event.
    pub(super) fn hear(&mut self, event: Event) -> Vec<String> {
        self.hear_and(event, &[])
    }

    /// The same; other stages decide `then` because of it.
    pub(super) fn hear_and(&mut self, event: Event, then: &[Event]) -> Vec<String> {
        self.time_ns += 1;
        self.cancels.clear();
        let first = self.ring.begin(event.at(self.time_ns));
        let cause = *self.ring.get(first);
        for decision in then {
            self.emit(&cause, *decision);
        }
        let mut at = first;
        loop {
            while at <= self.ring.head() {
                let event = *self.ring.get(at);
                let mut out = Emitter::new(&mut self.ring, &event);
                if Control::INTEREST.contains(event.kind) {
                    self.control.apply(&event, &self.market, &mut out);
                }
                self.world(&event);
                at += 1;
            }
            let Some(due) = self.control.take_due() else { break };
            self.control.settle(&mut Emitter::new(&mut self.ring, &due));
        }
        self.cascade = (first..=self.ring.head()).map(|at| *self.ring.get(at)).collect();
        self.cascade.iter().filter_map(line).collect()
    }

    /// What gate and order stage make of an event.
    fn world(&mut self, event: &Event) {
        match event.kind {
            Kind::INTENT if self.is_silent => {}
            Kind::INTENT => {
                if let Some(rule) = self.refuses {
                    let refused = Event { kind: Kind::REFUSED, code: rule, ..*event };
                    self.emit(event, refused);
                    return;
                }
                let approved = Event { kind: Kind::APPROVED, ..*event };
                let approved = self.emit(event, approved);
                self.create(&approved);
            }
            Kind::INTENT_CANCEL => {
                if self.orders.iter().any(|order| order.order.id == event.id) {
                    self.cancel(event, event.id);
                } else {
                    let mut anomaly = Event::new(Kind::ANOMALY);
                    (anomaly.code, anomaly.id) = (122, event.id);
                    self.emit(event, anomaly);
                }
            }
            Kind::KILL if event.code == KillPhase::Cancelling.code() => {
                let scope = Scope::from_tag(event.tag).unwrap();
                let table = table();
                let is_again = event.id != 0;
                let wanted: Vec<u64> = self
                    .orders
                    .iter()
                    .filter(|order| {
                        let venue = table.get(order.order.instrument).unwrap().venue as u8;
                        let is_closer = order.order.tag == super::super::CLOSE_TAG;
                        !(is_again && is_closer)
                            && scope.covers(venue, order.order.source, order.order.instrument)
                    })
                    .map(|order| order.order.id)
                    .collect();
                for id in wanted {
                    self.cancel(event, id);
                }
            }
            _ => {}
        }
    }

    fn emit(&mut self, cause: &Event, event: Event) -> Event {
        let sequence = Emitter::new(&mut self.ring, cause).emit(event);
        *self.ring.get(sequence)
    }

    fn create(&mut self, approved: &Event) {
        let id = self.next_id;
        self.next_id += 1;
        let order = Event { kind: Kind::ORDER, id, ..*approved };
        self.orders.push(Working { order, state: OrderState::New, leaves: order.quantity });
        if self.is_full {
            return self.tell(approved, id, OrderState::Rejected, OrderState::New);
        }
        self.tell(approved, id, OrderState::New, OrderState::New);
        self.tell(approved, id, OrderState::Pending, OrderState::New);
    }

    fn tell(&mut self, cause: &Event, id: u64, state: OrderState, before: OrderState) {
        let Some(at) = self.orders.iter().position(|order| order.order.id == id) else { return };
        let working = &mut self.orders[at];
        working.state = state;
        let mut order = working.order;
        order.quantity = working.leaves;
        order.code = u16::from(state.code()) | (u16::from(before.code()) << 8);
        if state.is_terminal() {
            self.orders.remove(at);
        }
        self.emit(cause, order);
    }

    fn cancel(&mut self, cause: &Event, id: u64) {
        let state = self.orders.iter().find(|order| order.order.id == id).unwrap().state;
        self.cancels.push(id);
        if state == OrderState::PendingCancel {
            self.tell(cause, id, state, state);
        } else {
            self.tell(cause, id, OrderState::PendingCancel, state);
        }
    }

    /// A working order of a strategy; returns its id.
    pub(super) fn order(&mut self, source: u16, index: u16, side: Side, quantity: i64) -> u64 {
        let id = self.send(source, index, side, quantity);
        self.state(id, OrderState::Acked);
        id
    }

    /// An order of which the venue has not said anything yet.
    pub(super) fn order_unanswered(&mut self, source: u16, index: u16) -> u64 {
        self.send(source, index, Side::Buy, 10)
    }

    fn send(&mut self, source: u16, index: u16, side: Side, quantity: i64) -> u64 {
        let mut approved = Event::new(Kind::APPROVED);
        (approved.source, approved.instrument) = (source, index);
        (approved.price, approved.quantity) = (10_000, quantity);
        approved.code = OrderTerms::LIMIT_GTC.code();
        approved.flags = side.flag() | flags::LAST;
        let id = self.next_id;
        self.inject(approved, Desk::create);
        id
    }

    /// An event that some other stage decides because of a report (of the order with that id).
    fn inject(&mut self, event: Event, then: impl FnOnce(&mut Desk, &Event)) -> Vec<String> {
        self.time_ns += 1;
        self.cancels.clear();
        let cause = report(0, 0, ReportCode::Acked, 0).at(self.time_ns);
        let first = self.ring.begin(cause);
        let cause = *self.ring.get(first);
        let event = if event.kind == Kind(0) { cause } else { self.emit(&cause, event) };
        then(self, &event);
        let mut at = first;
        while at <= self.ring.head() {
            let event = *self.ring.get(at);
            let mut out = Emitter::new(&mut self.ring, &event);
            if Control::INTEREST.contains(event.kind) {
                self.control.apply(&event, &self.market, &mut out);
            }
            self.world(&event);
            at += 1;
        }
        self.cascade = (first..=self.ring.head()).map(|at| *self.ring.get(at)).collect();
        self.cascade.iter().filter_map(line).collect()
    }

    /// An intent, then (before anybody has judged it) the panic of a strategy with that number and reason.
    pub(super) fn overtake(&mut self, intent: Event, (source, tag): (u16, u32)) -> Vec<String> {
        let mut panic = Event::new(Kind::STRATEGY_STATE);
        (panic.source, panic.tag) = (source, tag);
        self.inject(intent, |desk, intent| {
            desk.emit(intent, panic);
        })
    }

    /// A decision of another stage.
    pub(super) fn decide(&mut self, event: Event) -> Vec<String> {
        self.inject(event, |_, _| {})
    }

    /// A decision that follows from another one.
    pub(super) fn decide_because(&mut self, cause: Event, event: Event) -> Vec<String> {
        self.inject(cause, |desk, cause| {
            desk.emit(cause, event);
        })
    }

    /// The venue says where an order is.
    pub(super) fn state(&mut self, id: u64, state: OrderState) -> Vec<String> {
        let before = self.orders.iter().find(|order| order.order.id == id).unwrap().state;
        self.inject(Event::new(Kind(0)), |desk, cause| desk.tell(cause, id, state, before))
    }

    /// The venue says that an order traded, all of it or a part.
    pub(super) fn trade(&mut self, id: u64, quantity: i64) -> Vec<String> {
        let at = self.orders.iter().position(|order| order.order.id == id).unwrap();
        self.orders[at].leaves -= quantity;
        let Working { order, state, leaves } = self.orders[at];
        let mut fill = Event { kind: Kind::FILL, quantity, ..order };
        fill.flags = order.side().flag() | flags::LAST;
        self.inject(Event::new(Kind(0)), |desk, cause| {
            desk.emit(cause, fill);
            if leaves == 0 {
                desk.tell(cause, id, OrderState::Filled, state);
            }
        })
    }

    /// A strategy has that position, from an order that traded at once.
    pub(super) fn hold(&mut self, source: u16, index: u16, position: i64) {
        let side = if position < 0 { Side::Sell } else { Side::Buy };
        let id = self.order(source, index, side, position.abs());
        self.trade(id, position.abs());
    }

    /// A strategy gets that position by a fill of an order that is over.
    pub(super) fn hold_late(&mut self, source: u16, index: u16, position: i64) {
        let mut fill = Event::new(Kind::FILL);
        (fill.source, fill.instrument) = (source, index);
        (fill.price, fill.quantity) = (10_000, position.abs());
        fill.flags = if position < 0 { flags::SELL } else { 0 } | flags::LATE | flags::LAST;
        self.decide(fill);
    }

    /// The only closing order that works.
    #[track_caller]
    pub(super) fn closer(&self) -> Working {
        let closers: Vec<&Working> =
            self.orders.iter().filter(|order| order.order.tag == super::super::CLOSE_TAG).collect();
        assert_eq!(closers.len(), 1, "{closers:?}");
        *closers[0]
    }

    pub(super) fn book(&mut self, index: u16, state: BookState) -> Vec<String> {
        self.market.get_mut(index).unwrap().state = state;
        let mut event = Event::new(Kind::BOOK_STATE);
        (event.instrument, event.code) = (index, u16::from(state.code()));
        self.decide(event)
    }

    pub(super) fn lock(&mut self, venue: Venue, reason: LockReason) -> Vec<String> {
        let mut event = Event::new(Kind::LOCK);
        event.code = u16::from(reason != LockReason::None);
        event.price = i64::from(reason.code());
        event.tag = u32::from(venue as u8);
        self.decide(event)
    }

    pub(super) fn clock(&mut self) -> Vec<String> {
        self.hear(clock())
    }

    /// A clock so many ns after the last event.
    pub(super) fn after(&mut self, ns: u64) -> Vec<String> {
        // Hearing takes one.
        self.time_ns += ns - 1;
        self.clock()
    }

    /// A command of operator 1 with a number of its own.
    pub(super) fn command(&mut self, code: CommandCode, scope: Scope) -> Vec<String> {
        self.command_of(1, code, scope, (0, 0))
    }

    pub(super) fn command_of(
        &mut self,
        source: u16,
        code: CommandCode,
        scope: Scope,
        (price, quantity): (i64, i64),
    ) -> Vec<String> {
        let mut event = command(code, scope.tag());
        (event.source, event.price, event.quantity) = (source, price, quantity);
        self.number += 1;
        event.id = self.number;
        self.hear(event)
    }

    /// The same state in a new stage, by its saved bytes.
    pub(super) fn restart(&mut self, config: ControlConfig, ends_in_order: bool) -> Vec<String> {
        if ends_in_order {
            self.hear(crate::event::session::session_end(1));
        }
        let mut saver = Saver::new();
        self.control.save(&mut saver);
        let bytes = saver.into_bytes();
        let mut next = Control::new(config, vec![Some(chunk()); 3], table(), 2);
        let mut loader = Loader::new(&bytes);
        next.load(&mut loader).unwrap();
        loader.finish().unwrap();
        assert_eq!(next.digest(), self.control.digest());
        self.control = next;
        self.hear(session_start(2, Mode::Paper))
    }
}

/// One line for what the stage told; nothing for the rest.
fn line(event: &Event) -> Option<String> {
    let scope = |tag| match Scope::from_tag(tag) {
        Some(Scope::All) => "all".to_string(),
        Some(Scope::Venue(number)) => format!("venue {number}"),
        Some(Scope::Strategy(number)) => format!("strategy {number}"),
        Some(Scope::Instrument(number)) => format!("instrument {number}"),
        None => format!("scope {tag:#x}"),
    };
    let state = |code: u8| BreakerState::from_code(u16::from(code)).unwrap().name();
    let text = match event.kind {
        Kind::BREAKER => {
            let [now, before] = event.code.to_le_bytes();
            let reason = TripReason::from_code(event.source).unwrap().name();
            let numbers = match (event.price, event.quantity) {
                (0, 0) => String::new(),
                (measured, limit) => format!(" {measured}/{limit}"),
            };
            let (before, now) = (state(before), state(now));
            format!("{} {before}>{now} {reason} #{}{numbers}", scope(event.tag), event.id)
        }
        Kind::KILL => {
            let phase = KillPhase::from_code(event.code).unwrap().name();
            let (cancelled, left) = (event.price, event.quantity);
            format!("{} {phase}: {cancelled} cancelled, {left} left", scope(event.tag))
        }
        Kind::ANSWER => {
            let code = u16::try_from(event.price).unwrap();
            let answer = AnswerCode::from_code(code).unwrap().name();
            format!("#{} {answer} {}", event.id, event.quantity)
        }
        Kind::INTENT => {
            let side = event.side().name();
            let by = if event.has(flags::REDUCE_ONLY) { " to reduce" } else { "" };
            let (price, quantity) = (event.price, event.quantity);
            format!("{side} {quantity} @ {price} of {} for {}{by}", event.instrument, event.source)
        }
        Kind::INTENT_CANCEL => format!("cancel {}", event.id),
        Kind::ALERT => format!("alert {} {}/{}", event.code, event.price, event.quantity),
        _ => return None,
    };
    Some(text)
}
