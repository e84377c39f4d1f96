//! A strategy that does what a scenario tells it, and does it again in a replay.
//!
//! A scenario speaks through the time of a clock event: its last three digits are a move. So everything
//! that the strategy does follows from recorded inputs.

use engine::event::{OrderState, OrderTerms, Side};
use engine::instrument::InstrumentIndex;
use engine::state::{LoadError, Loader, Saver, State};
use engine::strategy::{Intents, MarketChange, OrderIntent, OrderUpdate, Strategy, View};

/// Times of clocks that say nothing are multiples of this.
pub const QUIET_NS: u64 = 1_000;
/// Where the passive order of a puppet rests: 61,790.00.
pub const PRICE: i64 = 6_179_000;
/// Where it goes with a replace: 61,789.00.
pub const PRICE_REPLACED: i64 = 6_178_900;
/// Its quantity: 0.02.
pub const QUANTITY: i64 = 2_000_000;

/// What a puppet can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Move {
    /// A passive buy.
    Buy = 101,
    /// Cancels the newest order.
    Cancel = 102,
    /// Moves the newest order.
    Replace = 103,
    /// A buy that takes at once.
    Take = 104,
    /// A sell that takes at once.
    Sell = 105,
    /// A buy far below the market that is over at once.
    Probe = 106,
}

/// See the module.
#[derive(Debug)]
pub struct Puppet {
    instruments: Vec<InstrumentIndex>,
    newest: u64,
    tag: u32,
}

impl Puppet {
    /// A puppet on instrument 0.
    pub fn new() -> Puppet {
        Puppet { instruments: vec![0], newest: 0, tag: 0 }
    }

    fn intent(&mut self, side: Side, price: i64, terms: OrderTerms) -> OrderIntent {
        self.tag += 1;
        OrderIntent {
            instrument: 0,
            side,
            price,
            quantity: QUANTITY,
            terms,
            post_only: terms == OrderTerms::LIMIT_GTC,
            reduce_only: false,
            tag: self.tag,
        }
    }
}

impl Default for Puppet {
    fn default() -> Puppet {
        Puppet::new()
    }
}

impl State for Puppet {
    fn save(&self, out: &mut Saver) {
        out.u64(self.newest);
        out.u32(self.tag);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.newest = from.u64()?;
        self.tag = from.u32()?;
        Ok(())
    }
}

impl Strategy for Puppet {
    fn name(&self) -> &'static str {
        "puppet"
    }

    fn instruments(&self) -> &[InstrumentIndex] {
        &self.instruments
    }

    fn on_market(
        &mut self,
        _view: &View<'_>,
        _instrument: InstrumentIndex,
        _change: MarketChange,
        _intents: &mut Intents,
    ) {
    }

    fn on_order(&mut self, _view: &View<'_>, update: &OrderUpdate, _intents: &mut Intents) {
        if let OrderUpdate::State { order_id, state: OrderState::New, .. } = *update {
            self.newest = order_id;
        }
    }

    fn on_clock(&mut self, view: &View<'_>, intents: &mut Intents) {
        match view.time_ns % QUIET_NS {
            101 => intents.order(&self.intent(Side::Buy, PRICE, OrderTerms::LIMIT_GTC)),
            102 => intents.cancel(0, self.newest, self.tag),
            103 => {
                let intent = self.intent(Side::Buy, PRICE_REPLACED, OrderTerms::LIMIT_GTC);
                intents.replace(self.newest, &intent);
            }
            104 => intents.order(&self.intent(Side::Buy, 6_181_000, OrderTerms::LIMIT_IOC)),
            105 => intents.order(&self.intent(Side::Sell, 6_177_000, OrderTerms::LIMIT_IOC)),
            106 => {
                let Some(market) = view.market.get(0) else { return };
                let intent = self.intent(Side::Buy, 0, OrderTerms::LIMIT_IOC);
                let price = market.top.bid_price / 1_000 * 999;
                intents.order(&OrderIntent { price, ..intent });
            }
            _ => {}
        }
    }
}
