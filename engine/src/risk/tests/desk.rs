//! A desk for tests: a gate, a market and a toy OMS that keeps its side of the contract.

use crate::book::Book;
use crate::event::{
    BookState, BreakerState, CommandCode, Event, Kind, NO_STRATEGY, OrderState, OrderTerms, Scope,
    Side, TripReason, flags, session,
};
use crate::ids;
use crate::instrument::{Instrument, InstrumentTable, Venue};
use crate::market::{Market, Top};
use crate::money::Money;
use crate::ring::{Emitter, Ring};
use crate::risk::{AccountLimits, Gate, InstrumentLimits, Limits};
use crate::state::{Loader, Saver, State};

pub(super) const ORDERS_MAX: usize = 64;
pub(super) const STRATEGY_COUNT: usize = 2;

pub(super) fn currency(amount: i64) -> Money {
    Money(i128::from(amount) * Money::ONE.0)
}

fn instrument(symbol: &str, tick: i64, lot: i64, notional_min: i64) -> Instrument {
    Instrument {
        venue: Venue::Synthetic,
        symbol: symbol.to_string(),
        price_scale: 0,
        quantity_scale: 0,
        tick,
        lot,
        notional_min: currency(notional_min),
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    }
}

/// PLAIN (whole units of everything), STEPS (tick 5, lot 10, at least 20,000), OTHER, and BARE
/// without limits.
pub(super) fn table() -> InstrumentTable {
    InstrumentTable::new(vec![
        instrument("PLAIN", 1, 1, 0),
        instrument("STEPS", 5, 10, 20_000),
        instrument("OTHER", 1, 1, 0),
        instrument("BARE", 1, 1, 0),
    ])
    .unwrap()
}

pub(super) fn wide() -> InstrumentLimits {
    InstrumentLimits {
        order_quantity_max: 1_000,
        order_notional_max: currency(1_000_000),
        position_quantity_max: 2_000,
        position_notional_max: currency(3_000_000),
        collar_bps: 1_000,
        passive_bps: 2_000,
        reference_age_ns_max: 1_000_000,
        restricted: false,
    }
}

pub(super) fn account() -> AccountLimits {
    AccountLimits {
        order_rate_count_max: 1_000,
        order_rate_window_ns: 1_000,
        orders_open_max: 64,
        loss_daily_max: currency(1_000_000),
        drawdown_max: currency(2_000_000),
        gross_notional_max: currency(9_000_000),
        day_start_ns_utc: 0,
    }
}

pub(super) fn limits() -> Limits {
    Limits {
        instruments: vec![Some(wide()), Some(wide()), Some(wide())],
        account: Some(account()),
        ..Limits::none()
    }
}

/// An order as the toy OMS knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ToyOrder {
    pub(super) id: u64,
    pub(super) instrument: u16,
    pub(super) source: u16,
    pub(super) side: Side,
    pub(super) state: OrderState,
    pub(super) price: i64,
    pub(super) leaves: i64,
    pub(super) filled: i64,
    /// New price and total of a change under way.
    pub(super) change: Option<(i64, i64)>,
}

impl ToyOrder {
    pub(super) fn is_open(&self) -> bool {
        !self.state.is_terminal()
    }

    /// Most that can still trade.
    pub(super) fn reach(&self) -> i64 {
        let changed = self.change.map_or(0, |(_, total)| total - self.filled);
        self.leaves.max(changed)
    }
}

pub(super) struct Desk {
    pub(super) gate: Gate,
    /// Another gate that must answer the same from now on.
    pub(super) twin: Option<Gate>,
    pub(super) market: Market,
    pub(super) time_ns: u64,
    pub(super) orders: Vec<ToyOrder>,
    /// Whose the next trade is.
    pub(super) trade_source: u16,
    /// Whether everything that is sent belongs to one inbound event.
    pub(super) is_cascade: bool,
    ring: Ring,
}

pub(super) fn intent(instrument: u16, side: Side, quantity: i64, price: i64) -> Event {
    let mut event = Event::new(Kind::INTENT);
    event.instrument = instrument;
    event.source = 0;
    event.price = price;
    event.quantity = quantity;
    event.code = OrderTerms::LIMIT_GTC.code();
    event.tag = 77;
    event.flags = side.flag() | flags::LAST;
    event
}

/// A parent of strategy 0.
pub(super) fn parent(instrument: u16, side: Side, quantity: i64, id: u64) -> Event {
    let mut event = Event::new(Kind::PARENT);
    (event.instrument, event.source, event.quantity, event.id) = (instrument, 0, quantity, id);
    (event.tag, event.flags) = (78, side.flag() | flags::LAST);
    event
}

impl Desk {
    /// A desk whose markets are all live at 999 to 1001.
    pub(super) fn new(limits: Limits) -> Desk {
        let mut desk = Desk {
            gate: Gate::new(limits, table(), STRATEGY_COUNT, ORDERS_MAX),
            twin: None,
            market: Market::new(table().count()),
            time_ns: 1_000_000_000,
            orders: Vec::new(),
            trade_source: NO_STRATEGY,
            is_cascade: false,
            ring: Ring::new(4096, 0),
        };
        for index in 0..4 {
            desk.top(index, 999, 1001);
        }
        desk
    }

    /// The market of an instrument is live at these prices, now.
    pub(super) fn top(&mut self, index: u16, bid_price: i64, ask_price: i64) {
        let market = self.market.get_mut(index).unwrap();
        market.top = Top { bid_price, bid_quantity: 1, ask_price, ask_quantity: 1, update_id: 0 };
        market.state = BookState::Live;
        market.heard_ns = self.time_ns;
        market.book.clear();
    }

    fn apply(&mut self, event: &Event) -> Vec<Event> {
        let from = self.ring.head();
        self.gate.apply(event, &self.market, &mut Emitter::new(&mut self.ring, event));
        let got: Vec<Event> =
            (from + 1..=self.ring.head()).map(|sequence| *self.ring.get(sequence)).collect();
        if let Some(twin) = &mut self.twin {
            let mut ring = self.ring.clone_after(from);
            twin.apply(event, &self.market, &mut Emitter::new(&mut ring, event));
            let same: Vec<Event> =
                (from + 1..=ring.head()).map(|sequence| *ring.get(sequence)).collect();
            assert_eq!(got, same, "the loaded gate answers differently to {event:?}");
            assert_eq!(self.gate.digest(), twin.digest(), "after {event:?}");
        }
        got
    }

    /// Sends an event that has a cause (0: none) and returns what the gate emitted.
    pub(super) fn send(&mut self, event: Event, cause: u64) -> Vec<Event> {
        let event = event.at(self.time_ns);
        let sequence = if self.is_cascade { self.ring.push(event) } else { self.ring.begin(event) };
        let event = self.ring.get(sequence).caused_by(cause);
        self.apply(&event)
    }

    /// A fresh inbound sequence, as the cause of what the OMS says next.
    fn inbound(&mut self) -> u64 {
        let event = Event::new(Kind::REPORT).at(self.time_ns);
        if self.is_cascade { self.ring.push(event) } else { self.ring.begin(event) }
    }

    pub(super) fn clock(&mut self) -> Vec<Event> {
        self.send(session::clock(), 0)
    }

    /// The venue of every instrument is locked or unlocked.
    pub(super) fn lock(&mut self, is_locked: bool) {
        let mut event = Event::new(Kind::LOCK);
        (event.code, event.time_ns) = (u16::from(is_locked), self.time_ns);
        for venue in Venue::ALL {
            event.tag = u32::from(venue as u8);
            assert_eq!(self.apply(&event), []);
        }
    }

    /// A breaker changes its state; `detail` is its `quantity`. Returns what the gate says.
    pub(super) fn breaker(
        &mut self,
        scope: Scope,
        state: BreakerState,
        reason: TripReason,
        detail: i64,
    ) -> Vec<Event> {
        let mut event = Event::new(Kind::BREAKER);
        (event.code, event.tag) = (state.code(), scope.tag());
        (event.source, event.quantity) = (reason.code(), detail);
        self.send(event, 0)
    }

    pub(super) fn command(&mut self, code: CommandCode) -> Vec<Event> {
        self.send(session::command(code, 0), 0)
    }

    /// Sends an intent; the verdict and what came before it.
    pub(super) fn judge(&mut self, intent: Event) -> Event {
        *self.send(intent, 0).last().expect("every intent gets a verdict")
    }

    /// The OMS makes an order of an approval and acknowledges it. Returns its index.
    pub(super) fn bind(&mut self, approved: &Event) -> usize {
        let counter = u64::try_from(self.orders.len()).unwrap() + 1;
        self.orders.push(ToyOrder {
            id: ids::order_id(1, 1, counter),
            instrument: approved.instrument,
            source: approved.source,
            side: approved.side(),
            state: OrderState::New,
            price: approved.price,
            leaves: approved.quantity,
            filled: 0,
            change: None,
        });
        let index = self.orders.len() - 1;
        self.tell(index, OrderState::New, approved.sequence);
        self.tell(index, OrderState::Pending, approved.sequence);
        index
    }

    /// The OMS tells the state of an order.
    pub(super) fn tell(&mut self, index: usize, state: OrderState, cause: u64) {
        let order = &mut self.orders[index];
        let before = order.state;
        order.state = state;
        if state.is_terminal() {
            order.leaves = 0;
            order.change = None;
        }
        let mut event = Event::new(Kind::ORDER);
        event.id = order.id;
        event.instrument = order.instrument;
        event.source = order.source;
        event.flags = order.side.flag() | flags::LAST;
        event.price = order.price;
        event.quantity = order.leaves;
        event.code = u16::from(state.code()) | (u16::from(before.code()) << 8);
        self.send(event, cause);
    }

    /// The venue says something about an order, the OMS believes it.
    pub(super) fn report(&mut self, index: usize, state: OrderState) {
        let cause = self.inbound();
        self.tell(index, state, cause);
    }

    /// A fill with its fee, and the order's new state. Only the fill when the order is over.
    pub(super) fn fill(&mut self, index: usize, quantity: i64, price: i64) -> Vec<Event> {
        let cause = self.inbound();
        let order = &mut self.orders[index];
        let (instrument, side, id) = (order.instrument, order.side, order.id);
        self.trade_source = order.source;
        let open = order.is_open();
        if open {
            order.leaves -= quantity;
            order.filled += quantity;
        }
        let mut got = self.trade(instrument, side, [quantity, price, 0], (id, cause));
        if open {
            let order = &self.orders[index];
            let waiting = [OrderState::PendingReplace, OrderState::PendingCancel];
            let state = if order.leaves == 0 {
                OrderState::Filled
            } else if waiting.contains(&order.state) {
                order.state
            } else {
                OrderState::PartiallyFilled
            };
            self.tell(index, state, cause);
        }
        got.retain(|event| event.kind != Kind::ORDER);
        got
    }

    /// A fill event and its fee event: `[quantity, price, fee_e8]`.
    pub(super) fn trade(
        &mut self,
        instrument: u16,
        side: Side,
        [quantity, price, fee_e8]: [i64; 3],
        (id, cause): (u64, u64),
    ) -> Vec<Event> {
        let mut event = Event::new(Kind::FILL);
        event.instrument = instrument;
        event.flags = side.flag();
        event.price = price;
        event.quantity = quantity;
        event.id = id;
        event.source = self.trade_source;
        let mut got = self.send(event, cause);
        let mut fee = Event::new(Kind::FEE);
        fee.source = self.trade_source;
        fee.instrument = instrument;
        fee.quantity = fee_e8;
        got.extend(self.send(fee, cause));
        got
    }

    /// The intent to change an order.
    pub(super) fn change(&self, index: usize, quantity: i64, price: i64) -> Event {
        let order = &self.orders[index];
        let mut event = intent(order.instrument, order.side, quantity, price);
        event.kind = Kind::INTENT_REPLACE;
        event.source = order.source;
        event.id = order.id;
        event.code = 0;
        event
    }

    /// The OMS sends an approved change.
    pub(super) fn bind_change(&mut self, index: usize, approved: &Event) {
        self.orders[index].change = Some((approved.price, approved.quantity));
        self.tell(index, OrderState::PendingReplace, approved.sequence);
    }

    /// The venue answers a change.
    pub(super) fn change_outcome(&mut self, index: usize, done: bool) {
        let order = &mut self.orders[index];
        let Some((price, total)) = order.change.take() else { return };
        if done && order.filled < total {
            order.price = price;
            order.leaves = total - order.filled;
        }
        let working =
            if order.filled == 0 { OrderState::Acked } else { OrderState::PartiallyFilled };
        self.report(index, working);
    }

    /// Saves the gate and lets a fresh one load it.
    pub(super) fn split(&mut self, limits: Limits) {
        let mut saver = Saver::new();
        self.gate.save(&mut saver);
        let bytes = saver.into_bytes();
        let mut twin = Gate::new(limits, table(), STRATEGY_COUNT, ORDERS_MAX);
        let mut loader = Loader::new(&bytes);
        twin.load(&mut loader).unwrap();
        loader.finish().unwrap();
        assert_eq!(twin.digest(), self.gate.digest());
        let mut again = Saver::new();
        twin.save(&mut again);
        assert!(bytes == again.into_bytes(), "a loaded gate saves the same bytes");
        self.twin = Some(twin);
    }
}
