//! Stage 2, strategy: sees the market and its own orders, says what it wants.
//!
//! ```text
//!   feed --market, book state--> [ strategy host ] --signal, parent, intent, intent cancel, intent replace--> risk
//!   oms  --order, fill-->
//! ```
//!
//! **Invariant:** a strategy never sees half a depth run, never reads a clock, never touches a gateway.
//!
//! **Invariant:** a strategy that panics is disabled and its orders are cancelled; the others go on.

pub mod host;

use crate::event::{BookState, Event, Kind, OrderState, OrderTerms, Side, flags};
use crate::instrument::{InstrumentIndex, InstrumentTable};
use crate::market::Market;
use crate::state::State;

pub use host::Host;

/// Most intents and signals from one call of a strategy; more are dropped and reported as an anomaly.
pub const INTENT_COUNT_MAX: usize = 64;

/// What a strategy may look at during a call.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Event time, ns since the Unix epoch.
    pub time_ns: u64,
    /// Books and best prices.
    pub market: &'a Market,
    /// Scales, ticks, lots, fees.
    pub instruments: &'a InstrumentTable,
    /// This strategy's net position by instrument, in quantity units.
    pub positions: &'a [i64],
}

impl View<'_> {
    /// This strategy's net position in quantity units; long is above zero.
    #[inline]
    pub fn position(&self, instrument: InstrumentIndex) -> i64 {
        self.positions.get(usize::from(instrument)).copied().unwrap_or(0)
    }
}

/// What changed in the market of an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarketChange {
    /// A whole depth update or snapshot was applied.
    Book,
    /// A new best bid and offer was applied.
    Quote,
    /// Somebody traded.
    Trade {
        /// Price of the trade.
        price: i64,
        /// Quantity of the trade.
        quantity: i64,
        /// The side that took.
        aggressor: Side,
    },
    /// The quality of the book changed; anything but live means: pull quotes.
    State(BookState),
}

/// What happened to an order or an intent of the strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderUpdate {
    /// The order has a new state. The first one (`New`) tells the id given to the intent with `tag`.
    State {
        /// Id given by the OMS.
        order_id: u64,
        /// The strategy's own tag.
        tag: u32,
        /// Instrument of the order.
        instrument: InstrumentIndex,
        /// Side of the order.
        side: Side,
        /// State now.
        state: OrderState,
        /// Price of the order now.
        price: i64,
        /// Quantity still working; 0 in terminal states.
        leaves: i64,
    },
    /// Part or all of the order traded. The host has updated `View::positions` already.
    Fill {
        /// Id given by the OMS.
        order_id: u64,
        /// The strategy's own tag.
        tag: u32,
        /// Instrument of the order.
        instrument: InstrumentIndex,
        /// Side of the order.
        side: Side,
        /// Price of the fill.
        price: i64,
        /// Quantity of the fill.
        quantity: i64,
        /// Whether our order was resting.
        maker: bool,
    },
    /// The risk gate said no.
    Refused {
        /// The strategy's own tag.
        tag: u32,
        /// Order that should have been changed; 0 for a new one.
        order_id: u64,
        /// Instrument of the intent.
        instrument: InstrumentIndex,
        /// Code of the rule.
        rule: u16,
    },
}

/// A new order that a strategy wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderIntent {
    /// Instrument.
    pub instrument: InstrumentIndex,
    /// Buy or sell.
    pub side: Side,
    /// Limit price (for a market order: the price it expects), in price units, on tick.
    pub price: i64,
    /// Quantity in quantity units, on lot.
    pub quantity: i64,
    /// Type and time in force.
    pub terms: OrderTerms,
    /// Must rest.
    pub post_only: bool,
    /// May only reduce the position.
    pub reduce_only: bool,
    /// The strategy's own mark; comes back in every [`OrderUpdate`].
    pub tag: u32,
}

/// What a strategy wants to trade in all, by orders that name it. The gate lets no child through that could bring
/// more than `quantity` about, whatever the strategy believes was filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParentIntent {
    /// The strategy's own number, above 0 and above every one before it, over restarts too.
    pub id: u64,
    /// Instrument of every child.
    pub instrument: InstrumentIndex,
    /// Side of every child.
    pub side: Side,
    /// Total in quantity units. Told again it may only be less; 0 closes the parent.
    pub quantity: i64,
    /// The strategy's own mark; comes back when the gate says no.
    pub tag: u32,
}

/// Collects what a strategy wants during one call. Nothing leaves before the call returns; what a
/// panicking call collected is thrown away.
#[derive(Debug)]
pub struct Intents {
    events: Vec<Event>,
    dropped_count: u32,
}

impl Default for Intents {
    fn default() -> Intents {
        Intents::new()
    }
}

impl Intents {
    /// An empty collector with all the room it will ever use.
    pub fn new() -> Intents {
        Intents { events: Vec::with_capacity(INTENT_COUNT_MAX), dropped_count: 0 }
    }

    fn push(&mut self, event: Event) {
        if self.events.len() < INTENT_COUNT_MAX {
            self.events.push(event);
        } else {
            self.dropped_count += 1;
        }
    }

    /// Asks for a new order.
    pub fn order(&mut self, intent: &OrderIntent) {
        let mut event = Event::new(Kind::INTENT);
        event.instrument = intent.instrument;
        event.price = intent.price;
        event.quantity = intent.quantity;
        event.code = intent.terms.code();
        event.tag = intent.tag;
        event.flags = intent.side.flag() | flags::LAST;
        if intent.post_only {
            event.flags |= flags::POST_ONLY;
        }
        if intent.reduce_only {
            event.flags |= flags::REDUCE_ONLY;
        }
        self.push(event);
    }

    /// Declares a parent, makes it smaller, or closes it.
    pub fn parent(&mut self, parent: &ParentIntent) {
        let mut event = Event::new(Kind::PARENT);
        event.instrument = parent.instrument;
        event.quantity = parent.quantity;
        event.id = parent.id;
        event.tag = parent.tag;
        event.flags = parent.side.flag() | flags::LAST;
        self.push(event);
    }

    /// Asks for a new order as a child of the parent with that id.
    pub fn child(&mut self, parent_id: u64, intent: &OrderIntent) {
        self.order(intent);
        if let Some(event) = self.events.last_mut().filter(|_| self.dropped_count == 0) {
            event.id = parent_id;
        }
    }

    /// Asks for the cancel of one of its orders.
    pub fn cancel(&mut self, instrument: InstrumentIndex, order_id: u64, tag: u32) {
        let mut event = Event::new(Kind::INTENT_CANCEL);
        event.instrument = instrument;
        event.id = order_id;
        event.tag = tag;
        event.flags = flags::LAST;
        self.push(event);
    }

    /// Asks for another price and total quantity of one of its orders; `side` is the order's.
    pub fn replace(&mut self, order_id: u64, intent: &OrderIntent) {
        self.order(intent);
        if let Some(event) = self.events.last_mut().filter(|_| self.dropped_count == 0) {
            event.kind = Kind::INTENT_REPLACE;
            event.id = order_id;
        }
    }

    /// Records what the strategy saw; `values` are its own and land in price, quantity and id.
    pub fn signal(&mut self, instrument: InstrumentIndex, code: u16, values: [i64; 3], tag: u32) {
        let mut event = Event::new(Kind::SIGNAL);
        event.instrument = instrument;
        event.code = code;
        event.price = values[0];
        event.quantity = values[1];
        event.id = values[2].cast_unsigned();
        event.tag = tag;
        event.flags = flags::LAST;
        self.push(event);
    }

    /// What was collected, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How many were dropped because there were too many.
    pub fn dropped_count(&self) -> u32 {
        self.dropped_count
    }

    /// Forgets everything, keeps the room.
    pub fn clear(&mut self) {
        self.events.clear();
        self.dropped_count = 0;
    }
}

/// A strategy. Calls are made on the core thread: no blocking, no allocation after the first events,
/// no clock, no randomness. `save` and `load` hold everything that later decisions depend on.
pub trait Strategy: State + Send {
    /// Unique name within the engine, from configuration.
    fn name(&self) -> &str;
    /// Instruments whose market it wants to see.
    fn instruments(&self) -> &[InstrumentIndex];
    /// The market of one of its instruments changed.
    fn on_market(
        &mut self,
        view: &View<'_>,
        instrument: InstrumentIndex,
        change: MarketChange,
        intents: &mut Intents,
    );
    /// Something happened to one of its orders.
    fn on_order(&mut self, view: &View<'_>, update: &OrderUpdate, intents: &mut Intents);
    /// Time passed (at least every configured interval, also when the market is silent).
    fn on_clock(&mut self, view: &View<'_>, intents: &mut Intents);
}
