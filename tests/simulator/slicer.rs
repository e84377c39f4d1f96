//! A slicer that no one should run: it never asks what was filled. What stops it is the gate.

use engine::event::{BookState, OrderState, OrderTerms, Side};
use engine::instrument::{InstrumentIndex, InstrumentTable};
use engine::risk::Rule;
use engine::state::{LoadError, Loader, Saver, State};
use engine::strategy::{
    Intents, MarketChange, OrderIntent, OrderUpdate, ParentIntent, Strategy, View,
};

/// Refusals after which it turns to the next parent.
const REFUSED_COUNT_MAX: u32 = 20;

/// Declares a parent and sends children for it for ever: to take, to rest, to change into more. When it was refused often
/// enough it declares the next one, on the other side, and leaves the one before it open.
#[derive(Debug)]
pub struct Runaway {
    name: String,
    instruments: [InstrumentIndex; 1],
    tick: i64,
    total: i64,
    child: i64,
    /// Least time between two children, ns.
    pace_ns: u64,
    side: Side,
    parent: u64,
    is_declared: bool,
    refused_count: u32,
    /// Child that rests, or 0.
    resting: u64,
    next_ns: u64,
    tag: u32,
}

impl Runaway {
    /// One that wants `total` of `instrument` and sends `child` at a time.
    pub fn new(
        name: &str,
        table: &InstrumentTable,
        instrument: InstrumentIndex,
        (total, child): (i64, i64),
        pace_ns: u64,
    ) -> Runaway {
        Runaway {
            name: name.to_string(),
            instruments: [instrument],
            tick: table.get(instrument).expect("an instrument of the table").tick,
            total,
            child,
            pace_ns,
            side: Side::Buy,
            parent: 1,
            is_declared: false,
            refused_count: 0,
            resting: 0,
            next_ns: 0,
            tag: 0,
        }
    }

    fn declare(&self, quantity: i64, intents: &mut Intents) {
        let [instrument] = self.instruments;
        let (id, side, tag) = (self.parent, self.side, self.tag);
        intents.parent(&ParentIntent { id, instrument, side, quantity, tag });
    }

    fn order(&self, view: &View<'_>, rests: bool) -> Option<OrderIntent> {
        let [instrument] = self.instruments;
        let market = view.market.get(instrument).filter(|market| market.is_live())?;
        let own = market.top.price(self.side)?;
        let other = market.top.price(self.side.opposite())?;
        let through = other + self.side.sign() * 2 * self.tick;
        Some(OrderIntent {
            instrument,
            side: self.side,
            price: if rests { own } else { through },
            quantity: self.child,
            terms: if rests { OrderTerms::LIMIT_GTC } else { OrderTerms::LIMIT_IOC },
            post_only: false,
            reduce_only: false,
            tag: self.tag,
        })
    }

    fn run_away(&mut self, view: &View<'_>, intents: &mut Intents) {
        if view.time_ns < self.next_ns {
            return;
        }
        let Some(order) = self.order(view, self.tag % 5 == 2) else { return };
        self.next_ns = view.time_ns + self.pace_ns;
        self.tag = self.tag.wrapping_add(1);
        if !self.is_declared {
            self.is_declared = true;
            self.declare(self.total, intents);
        }
        match self.tag % 5 {
            // More than it may ever have.
            0 if self.resting != 0 => {
                let quantity = self.total + self.child;
                intents.replace(self.resting, &OrderIntent { quantity, ..order });
            }
            1 => self.declare(2 * self.total, intents),
            _ => intents.child(self.parent, &order),
        }
    }

    fn turn(&mut self, intents: &mut Intents) {
        if self.resting != 0 {
            intents.cancel(self.instruments[0], self.resting, self.tag);
        }
        self.side = self.side.opposite();
        self.parent += 1;
        (self.is_declared, self.refused_count, self.resting) = (false, 0, 0);
    }
}

impl State for Runaway {
    fn save(&self, out: &mut Saver) {
        out.bool(self.side == Side::Sell);
        out.u64(self.parent);
        out.bool(self.is_declared);
        out.u32(self.refused_count);
        out.u64(self.resting);
        out.u64(self.next_ns);
        out.u32(self.tag);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.side = if from.bool()? { Side::Sell } else { Side::Buy };
        self.parent = from.u64()?;
        self.is_declared = from.bool()?;
        self.refused_count = from.u32()?;
        self.resting = from.u64()?;
        self.next_ns = from.u64()?;
        self.tag = from.u32()?;
        Ok(())
    }
}

impl Strategy for Runaway {
    fn name(&self) -> &str {
        &self.name
    }

    fn instruments(&self) -> &[InstrumentIndex] {
        &self.instruments
    }

    fn on_market(
        &mut self,
        view: &View<'_>,
        _instrument: InstrumentIndex,
        change: MarketChange,
        intents: &mut Intents,
    ) {
        if change != MarketChange::State(BookState::Empty) {
            self.run_away(view, intents);
        }
    }

    fn on_order(&mut self, _view: &View<'_>, update: &OrderUpdate, intents: &mut Intents) {
        match *update {
            OrderUpdate::State { order_id, side, state, .. } => {
                if state == OrderState::Acked && side == self.side {
                    self.resting = order_id;
                } else if state.is_terminal() && self.resting == order_id {
                    self.resting = 0;
                }
            }
            OrderUpdate::Refused { order_id: 0, rule, .. }
                if rule == Rule::ParentQuantity.code() =>
            {
                self.refused_count += 1;
                if self.refused_count == REFUSED_COUNT_MAX {
                    self.turn(intents);
                }
            }
            OrderUpdate::Refused { .. } | OrderUpdate::Fill { .. } => {}
        }
    }

    fn on_clock(&mut self, view: &View<'_>, intents: &mut Intents) {
        self.run_away(view, intents);
    }
}
