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

fn strategies(
    config: &Config,
    table: &InstrumentTable,
) -> Result<Vec<Box<dyn Strategy>>, String> {
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
