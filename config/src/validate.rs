//! Ranges and cross-checks, and the doors from sections to the engine's own types.

use engine::event::Mode;
use engine::feed::FeedConfig;
use engine::idle::IdlePolicy;
use engine::instrument::{FEE_RATE_SCALE, Instrument, InstrumentTable, Venue};
use engine::money::{DecimalError, Money};
use engine::pipeline::PipelineConfig;

use crate::schema::{Config, InstrumentSection};
use crate::{ConfigError, Number};

const NS_PER_MS: u64 = 1_000_000;

pub(crate) fn range(
    origin: &str,
    key: &str,
    value: impl std::fmt::Display,
    must: &str,
) -> ConfigError {
    ConfigError::Range {
        origin: origin.to_string(),
        key: key.to_string(),
        value: format!("{value}"),
        must: must.to_string(),
    }
}

pub(crate) fn conflict(origin: &str, what: String) -> ConfigError {
    ConfigError::Conflict { origin: origin.to_string(), what }
}

/// Context for turning numbers of one table into integers.
pub(crate) struct Keys<'a> {
    pub(crate) origin: &'a str,
    pub(crate) prefix: String,
}

impl Keys<'_> {
    fn error(&self, key: &str, value: Number, error: &DecimalError) -> ConfigError {
        range(self.origin, &format!("{}.{key}", self.prefix), value, &format!("exact: {error}"))
    }

    pub(crate) fn scaled(&self, key: &str, value: Number, scale: u8) -> Result<i64, ConfigError> {
        value.scaled(scale).map_err(|error| self.error(key, value, &error))
    }

    pub(crate) fn money(&self, key: &str, value: Number) -> Result<Money, ConfigError> {
        let money = value.money().map_err(|error| self.error(key, value, &error))?;
        if money < Money::ZERO {
            let key = format!("{}.{key}", self.prefix);
            return Err(range(self.origin, &key, value, "zero or more"));
        }
        Ok(money)
    }
}

impl Config {
    pub(crate) fn validate(&self, origin: &str) -> Result<(), ConfigError> {
        self.validate_engine(origin)?;
        self.validate_journal(origin)?;
        self.validate_wire(origin)?;
        // Before what live mode needs besides: a secret in the wrong place is the worse fault.
        self.validate_secrets(origin)?;
        self.validate_guard(origin)?;
        self.validate_live(origin)?;
        self.validate_operators(origin)?;
        self.validate_audit(origin)?;
        self.validate_alarms(origin)?;
        let instruments = self.instruments(origin)?;
        self.limits(&instruments, origin)?;
        self.monitor(origin)?;
        for (index, strategy) in self.strategy.iter().enumerate() {
            if instruments.find(strategy.symbol()).is_none() {
                let (name, symbol) = (strategy.name(), strategy.symbol());
                return Err(conflict(
                    origin,
                    format!("strategy {name}: no [[instrument]] has the symbol \"{symbol}\""),
                ));
            }
            if self.strategy[..index].iter().any(|other| other.name() == strategy.name()) {
                return Err(conflict(
                    origin,
                    format!("two strategies are named {}", strategy.name()),
                ));
            }
        }
        for market in &self.market.instrument {
            if instruments.find_at(Venue::Synthetic, &market.symbol).is_none() {
                let symbol = &market.symbol;
                return Err(conflict(
                    origin,
                    format!(
                        "market.instrument {symbol}: no [[instrument]] of venue synthetic has it"
                    ),
                ));
            }
        }
        Ok(())
    }

    fn validate_engine(&self, origin: &str) -> Result<(), ConfigError> {
        let engine = &self.engine;
        self.mode(origin)?;
        if engine.name.is_empty() || 40 < engine.name.len() {
            return Err(range(origin, "engine.name", &engine.name, "1 to 40 characters"));
        }
        for (key, value, min, max) in [
            ("engine.inbound_slots", engine.inbound_slots, 64, 1 << 24),
            ("engine.outbound_slots", engine.outbound_slots, 2, 1 << 20),
            ("engine.ring_slots", engine.ring_slots, 64, 1 << 20),
            ("engine.orders_max", engine.orders_max, 2, 1 << 20),
            ("engine.state_hash_interval", engine.state_hash_interval, 1, 1 << 30),
            ("journal.segment_mib", self.journal.segment_mib, 1, 1 << 10),
        ] {
            if !value.is_power_of_two() || value < min || max < value {
                let must = format!("a power of two from {min} to {max}");
                return Err(range(origin, key, value, &must));
            }
        }
        for (key, value, max) in [
            ("engine.clock_interval_ms", engine.clock_interval_ms, 60_000),
            ("feed.stale_ms_max", self.feed.stale_ms_max, 3_600_000),
            ("feed.depth_buffer_events", self.feed.depth_buffer_events, 1 << 22),
            ("market.speed_percent", self.market.speed_percent, 100_000),
        ] {
            if value == 0 || max < value {
                return Err(range(origin, key, value, &format!("1 to {max}")));
            }
        }
        let core = &engine.core;
        if core != "auto" && core != "none" && core.parse::<usize>().is_err() {
            return Err(range(origin, "engine.core", core, "auto, none or a core number"));
        }
        if engine.idle != "auto" && IdlePolicy::from_name(&engine.idle).is_none() {
            return Err(range(origin, "engine.idle", &engine.idle, "auto, spin, yield or park"));
        }
        Ok(())
    }

    fn validate_journal(&self, origin: &str) -> Result<(), ConfigError> {
        let durability = &self.journal.durability;
        if durability != "process" && durability != "power" {
            return Err(range(origin, "journal.durability", durability, "process or power"));
        }
        if self.journal.snapshots_kept == 0 {
            return Err(range(origin, "journal.snapshots_kept", 0, "at least 1"));
        }
        Ok(())
    }

    /// Mode of the session.
    pub fn mode(&self, origin: &str) -> Result<Mode, ConfigError> {
        [Mode::Backtest, Mode::Paper, Mode::DryRun, Mode::Live]
            .into_iter()
            .find(|mode| mode.name() == self.engine.mode)
            .ok_or_else(|| {
                let must = "backtest, paper, dry-run or live";
                range(origin, "engine.mode", &self.engine.mode, must)
            })
    }

    /// The instrument table.
    pub fn instruments(&self, origin: &str) -> Result<InstrumentTable, ConfigError> {
        let instruments: Result<Vec<Instrument>, ConfigError> =
            self.instrument.iter().map(|section| instrument(section, origin)).collect();
        InstrumentTable::new(instruments?).map_err(|error| conflict(origin, error.to_string()))
    }

    /// Settings of the core.
    pub fn pipeline(&self, origin: &str) -> Result<PipelineConfig, ConfigError> {
        let table = self.instruments(origin)?;
        let size = |value: u32| usize::try_from(value).expect("32 bits fit a usize");
        let limits = self.limits(&table, origin)?;
        let mut control = self.control(&table, origin)?;
        crate::risk::hold_times(&mut control, &limits);
        Ok(PipelineConfig {
            engine: self.engine.number,
            mode: self.mode(origin)?,
            ring_slot_count: size(self.engine.ring_slots),
            feed: FeedConfig {
                stale_ns_max: u64::from(self.feed.stale_ms_max) * NS_PER_MS,
                buffer_event_count_max: size(self.feed.depth_buffer_events),
            },
            limits,
            control,
            order_count_max: size(self.engine.orders_max),
            outbound_pending_max: size(self.engine.outbound_slots),
            query_interval_ns: self.query_interval_ns(),
            reconcile: self.reconcile(&table, origin)?,
            monitor: self.monitor(origin)?,
            state_hash_interval: u64::from(self.engine.state_hash_interval),
        })
    }
}

fn instrument(section: &InstrumentSection, origin: &str) -> Result<Instrument, ConfigError> {
    let keys = Keys { origin, prefix: format!("instrument {}", section.symbol) };
    let venue = Venue::from_name(&section.venue).ok_or_else(|| {
        let key = format!("{}.venue", keys.prefix);
        range(origin, &key, &section.venue, "synthetic, binance-spot or binance-usdm")
    })?;
    for (key, scale) in
        [("price_scale", section.price_scale), ("quantity_scale", section.quantity_scale)]
    {
        if engine::money::SCALE_MAX < scale {
            return Err(range(origin, &format!("{}.{key}", keys.prefix), scale, "0 to 12"));
        }
    }
    let instrument = Instrument {
        venue,
        symbol: section.symbol.clone(),
        price_scale: section.price_scale,
        quantity_scale: section.quantity_scale,
        tick: keys.scaled("tick", section.tick, section.price_scale)?,
        lot: keys.scaled("lot", section.lot, section.quantity_scale)?,
        notional_min: keys.money("notional_min", section.notional_min)?,
        maker_fee_e8: keys.scaled("maker_fee", section.maker_fee, FEE_RATE_SCALE)?,
        taker_fee_e8: keys.scaled("taker_fee", section.taker_fee, FEE_RATE_SCALE)?,
        multiplier: i64::from(section.multiplier),
    };
    instrument.check().map_err(|error| conflict(origin, error.to_string()))?;
    Ok(instrument)
}
