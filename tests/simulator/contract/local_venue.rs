//! The local exchange as the other end of the Binance doubles: started still, stirred and troubled.

use std::collections::BTreeMap;

use engine::clock::Clock;
use venue::fault::{Action, Fault, FaultId};
use venue::money::ONE;
use venue::serve::{RunningVenue, Venue, VenueConfig};
use venue::{FlowId, FlowKind, FlowOrder, Side, SymbolIndex};

use super::feed::Levels;
use super::{MS_NS, Stop};

/// The symbol that is traded.
pub const SYMBOL: SymbolIndex = SymbolIndex(0);
/// Best bid of the still market.
pub const BID: i64 = 61_780 * ONE;
/// Best ask of the still market.
pub const ASK: i64 = 61_801 * ONE;
/// The venue's units in a unit of price of the doubles' instrument, and of quantity.
pub const PRICE_UNIT: i64 = ONE / 100;
/// See there.
pub const QUANTITY_UNIT: i64 = ONE / 100_000;
/// Between two changes of the market.
const STIR_INTERVAL_NS: u64 = 3 * MS_NS;
/// Places that are stirred, below the bid.
const STIRRED_COUNT: i64 = 7;

/// A venue with a thin book that moves when it is told to.
#[derive(Debug)]
pub struct LocalVenue {
    /// The venue.
    pub running: RunningVenue,
    /// Time.
    pub clock: Clock,
    stir_ns: u64,
    step: i64,
    stirred: Option<FlowId>,
    /// The newest fault that waits for its match.
    fault: Option<FaultId>,
}

impl LocalVenue {
    /// A venue whose book has one bid and one ask.
    pub fn start(seed: u64) -> Result<LocalVenue, Stop> {
        let mut config = VenueConfig::local(seed).still();
        config.exchange.limits.orders_10s_max = 100_000;
        config.exchange.limits.weight_1m_max = 1_000_000;
        config.streams.depth_fast_ns = 5 * MS_NS;
        config.streams.messages_1s_max = 1_000;
        let running = Venue::start(config)
            .map_err(|error| Stop::Broken(format!("the local venue: {error}")))?;
        let clock = Clock::new();
        let mut venue =
            LocalVenue { running, clock, stir_ns: 0, step: 0, stirred: None, fault: None };
        for (side, price) in [(Side::Buy, BID), (Side::Sell, ASK)] {
            venue.submit(side, price, 50 * ONE, FlowKind::Limit);
        }
        Ok(venue)
    }

    /// An order of a participant; its id while it rests.
    pub fn submit(
        &mut self,
        side: Side,
        price: i64,
        quantity: i64,
        kind: FlowKind,
    ) -> Option<FlowId> {
        let order = FlowOrder { side, price, quantity, kind };
        let handle = &self.running.handle;
        handle.with_exchange(|exchange, now_ns| exchange.submit(SYMBOL, &order, now_ns).id)
    }

    /// One change far below the best bid, unless the last was a moment ago.
    pub fn stir(&mut self) {
        let now_ns = self.clock.now_ns();
        if now_ns < self.stir_ns {
            return;
        }
        self.stir_ns = now_ns + STIR_INTERVAL_NS;
        if let Some(id) = self.stirred.take() {
            let handle = &self.running.handle;
            handle.with_exchange(|exchange, now_ns| exchange.cancel_flow(id, now_ns));
        }
        self.step += 1;
        let price = BID - (10 + self.step % STIRRED_COUNT) * ONE;
        self.stirred = self.submit(Side::Buy, price, ONE * (1 + self.step % 3), FlowKind::Limit);
    }

    /// The book in units of the doubles' instrument.
    pub fn levels(&self) -> Levels {
        let view = self.running.handle.inspect();
        let depth = &view.markets[SYMBOL.0].depth;
        [&depth.bids, &depth.asks].map(|levels| {
            let units = |(price, quantity): &(i64, i64)| {
                (price.div_euclid(PRICE_UNIT), quantity.div_euclid(QUANTITY_UNIT))
            };
            levels.iter().map(units).collect::<BTreeMap<i64, i64>>()
        })
    }

    /// The next match of a fault.
    pub fn fault(&mut self, fault: Fault) {
        self.fault = Some(self.running.handle.add_fault(fault));
    }

    /// Whether the newest fault has found its match.
    pub fn has_happened(&self) -> bool {
        self.fault.is_none_or(|id| 0 < self.running.handle.fired(id))
    }

    /// Something happens now.
    pub fn affect(&self, action: &Action) {
        self.running.handle.affect(action);
    }
}
