//! A desk for tests: a monitor, a market, and a short way to make both hear something.

use crate::event::{BreakerState, Event, Kind, Scope, Side, flags, session};
use crate::instrument::{Instrument, InstrumentTable, Venue};
use crate::market::{Market, Top};
use crate::money::Money;
use crate::monitor::{Figures, Metric, Monitor, MonitorConfig, Steps};
use crate::ring::{Emitter, Ring};
use crate::state::{LoadError, Loader, Saver, State};

/// Time between two samples of [`config`].
pub(super) const INTERVAL_NS: u64 = 1_000;
/// One unit of the account currency in events.
pub(super) const ONE_E8: i64 = 100_000_000;

pub(super) fn currency(amount: i64) -> Money {
    Money(i128::from(amount) * Money::ONE.0)
}

fn instrument(symbol: &str, price_scale: u8, quantity_scale: u8, lot: i64) -> Instrument {
    Instrument {
        venue: Venue::Synthetic,
        symbol: symbol.to_string(),
        price_scale,
        quantity_scale,
        tick: 1,
        lot,
        notional_min: Money::ZERO,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    }
}

/// PLAIN: whole units of everything. LOTS: the same in lots of ten. FINE: cents and hundred-thousandths.
pub(super) fn table() -> InstrumentTable {
    InstrumentTable::new(vec![
        instrument("PLAIN", 0, 0, 1),
        instrument("LOTS", 0, 0, 10),
        instrument("FINE", 2, 5, 10),
    ])
    .unwrap()
}

pub(super) fn steps(values: &[i64]) -> Steps {
    Steps::new(values).unwrap()
}

/// A small window, a report with every tenth sample, no thresholds.
pub(super) fn config() -> MonitorConfig {
    MonitorConfig {
        capital: currency(1_000),
        sample_interval_ns: INTERVAL_NS,
        sample_count: 40,
        swing_sample_count: 4,
        report_sample_count: 10,
        ..MonitorConfig::default()
    }
}

pub(super) fn fill(source: u16, instrument: u16, signed: i64, price: i64) -> Event {
    let mut event = Event::new(Kind::FILL);
    event.source = source;
    event.instrument = instrument;
    event.price = price;
    event.quantity = signed.saturating_abs();
    let side = if signed < 0 { Side::Sell } else { Side::Buy };
    event.flags = side.flag() | flags::LAST;
    event
}

pub(super) fn in_kind(source: u16, instrument: u16, signed: i64, price: i64) -> Event {
    let mut event = fill(source, instrument, signed, price);
    event.flags |= flags::IN_KIND;
    event
}

pub(super) fn fee(source: u16, instrument: u16, fee_e8: i64) -> Event {
    let mut event = Event::new(Kind::FEE);
    event.source = source;
    event.instrument = instrument;
    event.quantity = fee_e8;
    event.flags = flags::LAST;
    event
}

pub(super) fn breaker(scope: Scope, state: BreakerState, before: BreakerState) -> Event {
    let mut event = Event::new(Kind::BREAKER);
    event.code = state.code() | (before.code() << 8);
    event.tag = scope.tag();
    event.flags = flags::LAST;
    event
}

/// A figure or an alert in one word: `drawdown 5/6`, `drawdown! 5/6 50%`, with whose it is where it is somebody's.
pub(super) fn words(event: &Event) -> String {
    let metric = Metric::from_code(event.code).unwrap();
    let whose = match (event.instrument, event.source) {
        (u16::MAX, u16::MAX) => String::new(),
        (u16::MAX, source) => format!(" s{source}"),
        (instrument, u16::MAX) => format!(" i{instrument}"),
        (instrument, source) => format!(" s{source} i{instrument}"),
    };
    let (name, value, second) = (metric.name(), event.price, event.quantity);
    match event.kind {
        Kind::MONITOR => format!("{name} {value}/{second}{whose}"),
        Kind::ALERT => format!("{name}! {value}/{second} {}%{whose}", event.tag),
        _ => panic!("a monitor does not say {event:?}"),
    }
}

pub(super) struct Desk {
    pub(super) monitor: Monitor,
    pub(super) market: Market,
    pub(super) time_ns: u64,
}

impl Desk {
    pub(super) fn new(config: MonitorConfig) -> Desk {
        let market = Market::new(table().count());
        Desk { monitor: Monitor::new(config, table(), 2), market, time_ns: 0 }
    }

    /// What the monitor says to an event.
    pub(super) fn hear(&mut self, event: Event) -> Vec<Event> {
        let mut ring = Ring::new(64, 0);
        let event = ring.begin_at(&event, self.time_ns);
        self.monitor.apply(&event, &self.market, &mut Emitter::new(&mut ring, &event));
        assert!(!ring.overflowed());
        let said: Vec<Event> = (2..=ring.head()).map(|sequence| *ring.get(sequence)).collect();
        assert!(said.len() <= crate::monitor::TOLD_COUNT_MAX);
        for event in &said {
            assert_eq!((event.cause, event.time_ns), (1, self.time_ns));
            assert!(event.has(flags::LAST));
        }
        said
    }

    /// The same in words.
    pub(super) fn told(&mut self, event: Event) -> Vec<String> {
        self.hear(event).iter().map(words).collect()
    }

    /// A fill and its fee.
    pub(super) fn trade(&mut self, source: u16, instrument: u16, signed: i64, price: i64) {
        self.trade_for(fill(source, instrument, signed, price), 0);
    }

    /// A fill and its fee in 10^-8; what was said.
    pub(super) fn trade_for(&mut self, event: Event, fee_e8: i64) -> Vec<String> {
        assert!(self.hear(event).is_empty(), "a fill alone tells nothing");
        self.told(fee(event.source, event.instrument, fee_e8))
    }

    /// The market says that the mid is `mid`; with less than 2 it says nothing.
    pub(super) fn mark(&mut self, instrument: u16, mid: i64) {
        let entry = self.market.get_mut(instrument).unwrap();
        entry.top = Top::default();
        if 2 <= mid {
            let (bid_price, ask_price) = (mid - 1, mid + 1);
            entry.top =
                Top { bid_price, bid_quantity: 1, ask_price, ask_quantity: 1, update_id: 1 };
        }
    }

    /// The next sample; what was said.
    pub(super) fn sample(&mut self) -> Vec<String> {
        self.time_ns = (self.time_ns / INTERVAL_NS + 1) * INTERVAL_NS;
        self.told(session::clock())
    }

    /// Moves equity by a mark of PLAIN, of which one unit is held, and samples.
    pub(super) fn equity(&mut self, mid: i64) -> Vec<String> {
        self.mark(0, mid);
        self.sample()
    }

    pub(super) fn figures(&self) -> Figures {
        *self.monitor.figures().unwrap()
    }

    pub(super) fn save(&self) -> Vec<u8> {
        let mut saver = Saver::new();
        self.monitor.save(&mut saver);
        saver.into_bytes()
    }

    /// A desk of `config` with that saved state.
    pub(super) fn load(config: MonitorConfig, bytes: &[u8]) -> Result<Desk, LoadError> {
        let mut desk = Desk::new(config);
        let mut loader = Loader::new(bytes);
        desk.monitor.load(&mut loader)?;
        loader.finish()?;
        Ok(desk)
    }
}
