//! The engine under measurement: five stages with limits and one strategy that trades a fixed share.

use engine::event::{Mode, OrderTerms, Side};
use engine::feed::FeedConfig;
use engine::instrument::{Instrument, InstrumentIndex, InstrumentTable, Venue};
use engine::money::Money;
use engine::pipeline::manifest::Manifest;
use engine::pipeline::{Pipeline, PipelineConfig};
use engine::risk::limits::{AccountLimits, InstrumentLimits, Limits};
use engine::state::{LoadError, Loader, Saver, State};
use engine::strategy::{Intents, MarketChange, OrderIntent, OrderUpdate, Strategy, View};

/// Instruments of the canonical workload.
pub const INSTRUMENT_COUNT: u16 = 4;
/// One order for so many changes of a market. A turn of the market is about six events, so about one
/// event in fifty leads to an order: far more than a desk sends, so that the tail has enough samples.
pub const CHANGES_PER_ORDER: u64 = 8;

/// The instruments.
pub fn instruments() -> InstrumentTable {
    let make = |index: u16| Instrument {
        venue: Venue::Synthetic,
        symbol: format!("BENCH{index}"),
        price_scale: 2,
        quantity_scale: 4,
        tick: 1,
        lot: 1,
        notional_min: Money::ZERO,
        maker_fee_e8: 10_000,
        taker_fee_e8: 40_000,
        multiplier: 1,
    };
    InstrumentTable::new((0..INSTRUMENT_COUNT).map(make).collect()).expect("the table is sound")
}

/// Limits that let the taker trade, every one of them set.
pub fn limits() -> Limits {
    limits_of(usize::from(INSTRUMENT_COUNT))
}

/// The same for so many instruments.
pub fn limits_of(instrument_count: usize) -> Limits {
    let currency = |amount: i128| Money(amount * Money::ONE.0);
    let instrument = InstrumentLimits {
        order_quantity_max: 1_000_000,
        order_notional_max: currency(1_000_000),
        position_quantity_max: 10_000_000,
        position_notional_max: currency(10_000_000),
        collar_bps: 500,
        passive_bps: 1_000,
        reference_age_ns_max: 5_000_000_000,
        restricted: false,
    };
    Limits {
        instruments: vec![Some(instrument); instrument_count],
        account: Some(AccountLimits {
            order_rate_count_max: 100_000,
            order_rate_window_ns: 1_000_000_000,
            orders_open_max: 1_000,
            loss_daily_max: currency(100_000_000),
            drawdown_max: currency(100_000_000),
            gross_notional_max: currency(100_000_000),
            day_start_ns_utc: 0,
        }),
        ..Limits::none()
    }
}

/// Takes the touch on every so manyth change, buying and selling in turn.
#[derive(Debug)]
pub struct Taker {
    instruments: Vec<InstrumentIndex>,
    changes_per_order: u64,
    change_count: u64,
    order_count: u64,
    open_count: i64,
}

impl Taker {
    /// A taker on the first `instrument_count` instruments.
    pub fn new(instrument_count: u16, changes_per_order: u64) -> Taker {
        let instruments = (0..instrument_count).collect();
        Taker { instruments, changes_per_order, change_count: 0, order_count: 0, open_count: 0 }
    }
}

impl State for Taker {
    fn save(&self, out: &mut Saver) {
        out.u64(self.change_count);
        out.u64(self.order_count);
        out.i64(self.open_count);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.change_count = from.u64()?;
        self.order_count = from.u64()?;
        self.open_count = from.i64()?;
        Ok(())
    }
}

impl Strategy for Taker {
    fn name(&self) -> &'static str {
        "taker"
    }

    fn instruments(&self) -> &[InstrumentIndex] {
        &self.instruments
    }

    fn on_market(
        &mut self,
        view: &View<'_>,
        instrument: InstrumentIndex,
        change: MarketChange,
        intents: &mut Intents,
    ) {
        if matches!(change, MarketChange::State(_)) {
            return;
        }
        self.change_count += 1;
        if !self.change_count.is_multiple_of(self.changes_per_order) {
            return;
        }
        let Some(market) = view.market.get(instrument).filter(|market| market.is_live()) else {
            return;
        };
        // Each instrument in turn buys and sells, by its own position: nothing piles up.
        let (side, price) = if view.position(instrument) <= 0 {
            (Side::Buy, market.top.ask_price)
        } else {
            (Side::Sell, market.top.bid_price)
        };
        self.order_count += 1;
        intents.order(&OrderIntent {
            instrument,
            side,
            price,
            quantity: 100,
            terms: OrderTerms::LIMIT_IOC,
            post_only: false,
            reduce_only: false,
            tag: u32::try_from(self.order_count & 0xffff_ffff).expect("masked to 32 bits"),
        });
    }

    fn on_order(&mut self, _view: &View<'_>, update: &OrderUpdate, _intents: &mut Intents) {
        match update {
            OrderUpdate::State { state, .. } if state.is_terminal() => self.open_count -= 1,
            OrderUpdate::State { .. } | OrderUpdate::Fill { .. } => {}
            OrderUpdate::Refused { .. } => self.open_count -= 1,
        }
    }

    fn on_clock(&mut self, _view: &View<'_>, _intents: &mut Intents) {}
}

/// The whole engine: feed, strategy, risk with every limit set, OMS, ledger, gateway.
pub fn pipeline() -> Pipeline {
    let taker = Taker::new(INSTRUMENT_COUNT, CHANGES_PER_ORDER);
    Pipeline::new(config(limits()), instruments(), vec![Box::new(taker)])
}

/// The same on other instruments, with a strategy that hears every change of the first and never trades.
pub fn watching_pipeline(instruments: InstrumentTable) -> Pipeline {
    let taker = Taker::new(1, u64::MAX);
    Pipeline::new(config(Limits::none()), instruments, vec![Box::new(taker)])
}

/// The settings of every pipeline of the benches.
pub fn config(limits: Limits) -> PipelineConfig {
    PipelineConfig {
        engine: 1,
        mode: Mode::Paper,
        ring_slot_count: engine::ring::RING_SLOT_COUNT,
        feed: FeedConfig::default(),
        limits,
        control: engine::control::ControlConfig::default(),
        order_count_max: 4_096,
        outbound_pending_max: 1_024,
        query_interval_ns: engine::oms::QUERY_INTERVAL_NS,
        reconcile: engine::reconcile::ReconcileConfig::default(),
        monitor: engine::monitor::MonitorConfig::default(),
        state_hash_interval: 65_536,
    }
}

/// The manifest of a bench's session on the desk's instruments.
pub fn manifest() -> Manifest {
    manifest_of(instruments())
}

/// The manifest of a bench's session.
pub fn manifest_of(instruments: InstrumentTable) -> Manifest {
    Manifest {
        config: "# the bench desk is compiled in".to_string(),
        build: "benches".to_string(),
        input: "canonical workload".to_string(),
        instruments,
        session: 1,
        mode: Mode::Paper,
    }
}
