//! The composition root: a configuration becomes strategies, a pipeline, a manifest.

use config::Config;
use config::schema::{MarketMakerSection, MomentumSection, StrategySection};
use engine::event::Mode;
use engine::instrument::{InstrumentIndex, InstrumentTable};
use engine::pipeline::Pipeline;
use engine::pipeline::manifest::Manifest;
use engine::strategy::Strategy;
use strategies::market_making::{MarketMaker, MarketMakerConfig};
use strategies::momentum::{Momentum, MomentumConfig};

/// Version of the engine.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Commit that it was built from.
pub(crate) const COMMIT: &str = env!("TICKWHEEL_COMMIT");
/// Both, for `--version`.
pub(crate) const VERSION_TEXT: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (", env!("TICKWHEEL_COMMIT"), ")");

/// Nanoseconds in a millisecond.
const NS_PER_MS: u64 = 1_000_000;

/// A pipeline for a manifest: the one door for new sessions, replay and recovery alike.
pub(crate) fn pipeline(manifest: &Manifest) -> Result<Pipeline, String> {
    let origin = "configuration in the journal";
    let config = Config::parse(&manifest.config, origin).map_err(|error| error.to_string())?;
    let settings = config.pipeline(origin).map_err(|error| error.to_string())?;
    let table = config.instruments(origin).map_err(|error| error.to_string())?;
    if table != manifest.instruments {
        return Err("the instruments beside the configuration are not those in it".to_string());
    }
    if settings.mode != manifest.mode {
        return Err("the mode of the session is not the one in its configuration".to_string());
    }
    let strategies = strategies(&config, &table)?;
    Ok(Pipeline::new(settings, table, strategies))
}

/// The manifest of a session.
pub(crate) fn manifest(
    config: &Config,
    mode: Mode,
    input: &str,
    session: u64,
) -> Result<Manifest, config::ConfigError> {
    Ok(Manifest {
        config: config.to_toml(),
        build: format!("tickwheel {VERSION} {COMMIT}"),
        input: input.to_string(),
        instruments: config.instruments("configuration")?,
        session,
        mode,
    })
}

fn strategies(config: &Config, table: &InstrumentTable) -> Result<Vec<Box<dyn Strategy>>, String> {
    config
        .strategy
        .iter()
        .map(|section| {
            let index = table
                .find(section.symbol())
                .ok_or_else(|| format!("strategy {}: unknown symbol", section.name()))?;
            let strategy: Result<Box<dyn Strategy>, String> = match section {
                StrategySection::MarketMaker(section) => market_maker(section, index, table),
                StrategySection::Momentum(section) => momentum(section, index, table),
            };
            strategy.map_err(|error| format!("strategy {}: {error}", section.name()))
        })
        .collect()
}

fn ns(ms: u32) -> u64 {
    u64::from(ms) * NS_PER_MS
}

/// A parameter of a model. What a strategy makes of it is quantised again before it is a price.
fn float(number: config::Number) -> Result<f64, String> {
    number.to_string().parse().map_err(|_| format!("{number} is not a number"))
}

fn market_maker(
    section: &MarketMakerSection,
    index: InstrumentIndex,
    table: &InstrumentTable,
) -> Result<Box<dyn Strategy>, String> {
    let scale = table.get(index).ok_or("unknown instrument")?.quantity_scale;
    let quantity = |number: config::Number| number.scaled(scale).map_err(|e| e.to_string());
    let quote_quantity = quantity(section.quote_quantity)?;
    let inventory_max = quantity(section.inventory_max)?;
    let base = MarketMakerConfig::new(&section.name, index, quote_quantity, inventory_max);
    let ticks = |value: Option<u32>, default: i64| value.map_or(default, i64::from);
    let sigma = |value: Option<config::Number>, default: f64| value.map_or(Ok(default), float);
    let settings = MarketMakerConfig {
        gamma: float(section.gamma)?,
        k: float(section.k)?,
        horizon_ns: ns(section.horizon_ms),
        spread_ticks_min: i64::from(section.spread_ticks_min),
        spread_ticks_max: i64::from(section.spread_ticks_max),
        requote_ticks: i64::from(section.requote_ticks),
        requote_interval_ns_min: ns(section.requote_interval_ms_min),
        sigma_half_life_ns: section.volatility_half_life_ms.map_or(base.sigma_half_life_ns, ns),
        sigma_ticks_start: sigma(section.volatility_ticks_start, base.sigma_ticks_start)?,
        sigma_ticks_max: sigma(section.volatility_ticks_max, base.sigma_ticks_max)?,
        warmup_ns: section.warmup_ms.map_or(base.warmup_ns, ns),
        through_ticks: ticks(section.through_ticks, base.through_ticks),
        markout_ns: section.markout_ms.map_or(base.markout_ns, ns),
        markout_ticks: ticks(section.markout_ticks, base.markout_ticks),
        toxic_widen_ticks: ticks(section.toxic_widen_ticks, base.toxic_widen_ticks),
        ..base
    };
    let strategy = MarketMaker::new(settings, table).map_err(|error| error.to_string())?;
    Ok(Box::new(strategy))
}

fn momentum(
    section: &MomentumSection,
    index: InstrumentIndex,
    table: &InstrumentTable,
) -> Result<Box<dyn Strategy>, String> {
    let scale = table.get(index).ok_or("unknown instrument")?.quantity_scale;
    let quantity = |number: config::Number| number.scaled(scale).map_err(|e| e.to_string());
    let position_max = quantity(section.position_max)?;
    let base = MomentumConfig::new(&section.name, index, quantity(section.quantity)?, position_max);
    let settings = MomentumConfig {
        fast_half_life_ns: ns(section.fast_half_life_ms),
        slow_half_life_ns: ns(section.slow_half_life_ms),
        entry_ticks: float(section.entry_ticks)?,
        slip_ticks: i64::from(section.slip_ticks),
        stop_ticks: i64::from(section.stop_ticks),
        hold_ns_max: ns(section.hold_ms_max),
        cooldown_ns: ns(section.cool_down_ms),
        child_quantity_max: section.child_quantity_max.map_or(Ok(0), quantity)?,
        imbalance_percent_min: section
            .imbalance_percent_min
            .map_or(base.imbalance_percent_min, i64::from),
        warmup_ns: section.warmup_ms.map_or(base.warmup_ns, ns),
        ..base
    };
    let strategy = Momentum::new(settings, table).map_err(|error| error.to_string())?;
    Ok(Box::new(strategy))
}
