//! A configuration becomes an engine, as in the product; scenarios may put strategies of their own beside.
//!
//! The product does this in its binary. The golden journals and the replays by the real binary prove
//! that both build the same engine.

use std::sync::Arc;

use config::Config;
use config::risk::{InstrumentLimitsSection, RiskSection};
use config::schema::{MarketMakerSection, MomentumSection, StrategySection};
use engine::event::Mode;
use engine::instrument::InstrumentTable;
use engine::pipeline::Pipeline;
use engine::pipeline::manifest::Manifest;
use engine::strategy::Strategy;
use strategies::market_making::{MarketMaker, MarketMakerConfig};
use strategies::momentum::{Momentum, MomentumConfig};

const NS_PER_MS: u64 = 1_000_000;

/// Strategies of an engine.
pub type Strategies = Vec<Box<dyn Strategy>>;
/// Changes the strategies that the configuration asks for.
pub type Arrange = dyn Fn(Strategies, &InstrumentTable) -> Strategies + Send + Sync;

/// What engines are made of: a configuration and, where a scenario wants them, other strategies.
#[derive(Clone)]
pub struct Desk {
    /// The configuration.
    pub config: Config,
    arrange: Option<Arc<Arrange>>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Desk {
    /// The engine of this configuration.
    pub fn new(config: Config) -> Desk {
        Desk { config, arrange: None }
    }

    /// The generated profile, made livelier: strategies that need no minute to warm up, hashes often.
    pub fn lively(seed: u64) -> Desk {
        Desk::new(lively(seed))
    }

    /// The same with its strategies changed by `arrange`.
    #[must_use]
    pub fn arranged(
        self,
        arrange: impl Fn(Strategies, &InstrumentTable) -> Strategies + Send + Sync + 'static,
    ) -> Desk {
        Desk { config: self.config, arrange: Some(Arc::new(arrange)) }
    }

    /// The mode of the configuration.
    pub fn mode(&self) -> Mode {
        self.config.mode("desk").expect("the scenario's configuration is valid")
    }

    /// The instruments of the configuration.
    pub fn table(&self) -> InstrumentTable {
        self.config.instruments("desk").expect("the scenario's configuration is valid")
    }

    /// The manifest of session number `session`.
    pub fn manifest(&self, session: u64) -> Manifest {
        Manifest {
            config: self.config.to_toml(),
            build: "simulator".to_string(),
            input: format!("synthetic market, seed {}", self.config.market.seed),
            instruments: self.table(),
            session,
            mode: self.mode(),
        }
    }

    /// A pipeline for a manifest, as the product builds it.
    pub fn build(&self, manifest: &Manifest) -> Result<Pipeline, String> {
        let origin = "configuration in the journal";
        let config = Config::parse(&manifest.config, origin).map_err(|error| error.to_string())?;
        let settings = config.pipeline(origin).map_err(|error| error.to_string())?;
        let table = config.instruments(origin).map_err(|error| error.to_string())?;
        if table != manifest.instruments || settings.mode != manifest.mode {
            return Err("manifest and configuration do not say the same".to_string());
        }
        let mut strategies = strategies(&config, &table)?;
        if let Some(arrange) = &self.arrange {
            strategies = arrange(strategies, &table);
        }
        Ok(Pipeline::new(settings, table, strategies))
    }

    /// A pipeline of this desk that has seen nothing.
    pub fn pipeline(&self) -> Pipeline {
        self.build(&self.manifest(1)).expect("the scenario's configuration is valid")
    }
}

/// The generated profile with shorter memories, so that seconds of market are enough for both strategies.
pub fn lively(seed: u64) -> Config {
    let text = config::profile("generated").expect("the generated profile is built in");
    let mut config = Config::parse(text, "generated").expect("the generated profile is valid");
    config.market.seed = seed;
    config.paper.seed = seed ^ 0x5a5a;
    config.engine.state_hash_interval = 256;
    config.engine.core = "none".to_string();
    config.journal.segment_mib = 1;
    shorten_memories(&mut config);
    plain_risk(&mut config);
    if let Some(control) = &mut config.control {
        // Gamblers lose, and faults come by the dozen: what trips by itself has scenarios of its own.
        control.trip = config::control::TripSection::default();
    }
    // What the generated text says is what the manifest will say.
    Config::parse(&config.to_toml(), "lively").expect("the changes are within their ranges")
}

/// The limits that every engine needs. What is off unless configured has scenarios of its own.
fn plain_risk(config: &mut Config) {
    let risk = std::mem::take(&mut config.risk);
    let plain = |own: InstrumentLimitsSection| InstrumentLimitsSection {
        collar_trade_bps: None,
        collar_window_bps: None,
        spread_bps_max: None,
        jump_bps_max: None,
        exposure_bps_max: None,
        ..own
    };
    let instrument = risk.instrument.into_iter().map(plain).collect();
    config.risk = RiskSection { account: risk.account, instrument, ..RiskSection::default() };
}

fn shorten_memories(config: &mut Config) {
    for section in &mut config.strategy {
        match section {
            StrategySection::MarketMaker(maker) => maker.warmup_ms = Some(200),
            StrategySection::Momentum(momentum) => {
                momentum.warmup_ms = Some(500);
                momentum.fast_half_life_ms = 200;
                momentum.slow_half_life_ms = 2_000;
                momentum.entry_ticks = config::Number(2.into());
                momentum.cool_down_ms = 300;
                momentum.hold_ms_max = 2_000;
            }
        }
    }
}

/// The paper profile, which goes over sockets, with shorter memories.
pub fn lively_wire(seed: u64) -> Config {
    let text = config::profile("paper").expect("the paper profile is built in");
    let mut config = Config::parse(text, "paper").expect("the paper profile is valid");
    config.engine.state_hash_interval = 256;
    config.engine.core = "none".to_string();
    config.journal.segment_mib = 1;
    if let Some(wire) = &mut config.wire {
        wire.local.seed = seed;
        wire.local.speed_percent = 400;
    }
    // Scenarios kill engines to see what the engine makes of it; those of the guard start their own.
    config.guard = None;
    shorten_memories(&mut config);
    Config::parse(&config.to_toml(), "lively").expect("the changes are within their ranges")
}

fn strategies(config: &Config, table: &InstrumentTable) -> Result<Strategies, String> {
    config
        .strategy
        .iter()
        .map(|section| match section {
            StrategySection::MarketMaker(section) => market_maker(section, table),
            StrategySection::Momentum(section) => momentum(section, table),
        })
        .collect()
}

fn ns(ms: u32) -> u64 {
    u64::from(ms) * NS_PER_MS
}

fn float(number: config::Number) -> Result<f64, String> {
    number.to_string().parse().map_err(|_| format!("{number} is not a number"))
}

fn market_maker(
    section: &MarketMakerSection,
    table: &InstrumentTable,
) -> Result<Box<dyn Strategy>, String> {
    let index = table.find(&section.symbol).ok_or("unknown symbol")?;
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
    Ok(Box::new(MarketMaker::new(settings, table).map_err(|error| error.to_string())?))
}

fn momentum(
    section: &MomentumSection,
    table: &InstrumentTable,
) -> Result<Box<dyn Strategy>, String> {
    let index = table.find(&section.symbol).ok_or("unknown symbol")?;
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
    Ok(Box::new(Momentum::new(settings, table).map_err(|error| error.to_string())?))
}
