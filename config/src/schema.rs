//! The keys of a configuration, with defaults, units in the names and one line of meaning each.

use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::alarm::AlarmsSection;
use crate::audit::AuditSection;
use crate::control::ControlSection;
use crate::guard::GuardSection;
use crate::live::LiveSection;
use crate::monitor::MonitorSection;
use crate::number::Number;
use crate::operator::{OperatorSection, OperatorSocketSection};
use crate::risk::RiskSection;
use crate::secrets::SecretsSection;
use crate::wire::WireSection;

/// A whole configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The core.
    pub engine: EngineSection,
    /// The journal.
    #[serde(default)]
    pub journal: JournalSection,
    /// The feed stage.
    #[serde(default)]
    pub feed: FeedSection,
    /// Market and orders over sockets; without it both are generated in the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wire: Option<WireSection>,
    /// Where keys and tokens are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<SecretsSection>,
    /// The paper venue.
    #[serde(default)]
    pub paper: PaperSection,
    /// The generated market.
    #[serde(default)]
    pub market: MarketSection,
    /// Risk limits. No limit means no order.
    #[serde(default)]
    pub risk: RiskSection,
    /// Breakers, kill, two persons; without it only commands trip anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<ControlSection>,
    /// The guard: who cancels when this engine cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<GuardSection>,
    /// What must be so before real orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveSection>,
    /// The post-trade monitor; without it nothing is monitored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<MonitorSection>,
    /// Signed checkpoints of the journal; without it nothing is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditSection>,
    /// Alarms; without it nobody is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarms: Option<AlarmsSection>,
    /// Instruments.
    #[serde(default)]
    pub instrument: Vec<InstrumentSection>,
    /// Strategies, in the order of their numbers.
    #[serde(default)]
    pub strategy: Vec<StrategySection>,
    /// The operator socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator_socket: Option<OperatorSocketSection>,
    /// Who may give commands, in the order of their numbers from 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operator: Vec<OperatorSection>,
}

/// `[engine]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineSection {
    /// Name of the instance, shown by `tickwheel stat`.
    pub name: String,
    /// Number of the instance, 0 to 255; part of every order id, so two engines at one venue need two.
    #[serde(default = "one")]
    pub number: u8,
    /// `backtest`, `paper`, `dry-run` or `live`. What names no mode sends nothing.
    #[serde(default = "dry_run")]
    pub mode: String,
    /// Core to pin the core thread to: `auto` (the last one), `none`, or a number.
    #[serde(default = "auto")]
    pub core: String,
    /// `auto`, `spin`, `yield` or `park`.
    #[serde(default = "auto")]
    pub idle: String,
    /// Slots of the inbound ring, a power of two.
    #[serde(default = "inbound_slots")]
    pub inbound_slots: u32,
    /// Slots of the outbound ring, a power of two.
    #[serde(default = "outbound_slots")]
    pub outbound_slots: u32,
    /// Slots of the core ring, a power of two: the longest cascade of one event.
    #[serde(default = "ring_slots")]
    pub ring_slots: u32,
    /// Slots for orders, a power of two.
    #[serde(default = "orders_max")]
    pub orders_max: u32,
    /// Pace of clock events when the market is silent, ms.
    #[serde(default = "clock_interval_ms")]
    pub clock_interval_ms: u32,
    /// Inbound events between two state hashes, a power of two.
    #[serde(default = "state_hash_interval")]
    pub state_hash_interval: u32,
}

fn one() -> u8 {
    1
}
fn dry_run() -> String {
    "dry-run".to_string()
}
fn auto() -> String {
    "auto".to_string()
}
fn inbound_slots() -> u32 {
    65_536
}
fn outbound_slots() -> u32 {
    4_096
}
fn ring_slots() -> u32 {
    4_096
}
fn orders_max() -> u32 {
    4_096
}
fn clock_interval_ms() -> u32 {
    50
}
fn state_hash_interval() -> u32 {
    65_536
}

/// `[journal]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JournalSection {
    /// `process` (survives kill -9) or `power` (orders wait for the disk).
    pub durability: String,
    /// Size of a segment, MiB, a power of two.
    pub segment_mib: u32,
    /// Records between two snapshots; 0 for none but the one at the end of a session.
    pub snapshot_interval_records: u64,
    /// How many snapshots are kept.
    pub snapshots_kept: u32,
}

impl Default for JournalSection {
    fn default() -> JournalSection {
        JournalSection {
            durability: "process".to_string(),
            segment_mib: 64,
            snapshot_interval_records: 2_000_000,
            snapshots_kept: 3,
        }
    }
}

/// `[feed]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeedSection {
    /// Silence after which a book is stale, ms.
    pub stale_ms_max: u32,
    /// Depth events kept per instrument while a snapshot is awaited.
    pub depth_buffer_events: u32,
}

impl Default for FeedSection {
    fn default() -> FeedSection {
        FeedSection { stale_ms_max: 5_000, depth_buffer_events: 32_768 }
    }
}

/// `[paper]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PaperSection {
    /// Seed of the latency jitter.
    pub seed: u64,
    /// Time from the gateway to the venue, us.
    pub latency_out_us: u32,
    /// Time from the venue to us, us.
    pub latency_in_us: u32,
    /// Most jitter on either way, us.
    pub latency_jitter_us: u32,
}

impl Default for PaperSection {
    fn default() -> PaperSection {
        PaperSection { seed: 7, latency_out_us: 500, latency_in_us: 500, latency_jitter_us: 200 }
    }
}

/// `[market]`: the generated market.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MarketSection {
    /// Seed of everything random in it.
    pub seed: u64,
    /// Per cent of the configured rates: 100 as they are, 1000 ten times as busy.
    pub speed_percent: u32,
    /// Instruments of the generated market.
    pub instrument: Vec<MarketInstrumentSection>,
}

impl Default for MarketSection {
    fn default() -> MarketSection {
        MarketSection { seed: 7, speed_percent: 100, instrument: Vec::new() }
    }
}

/// `[[market.instrument]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarketInstrumentSection {
    /// Symbol of an `[[instrument]]` at venue `synthetic`.
    pub symbol: String,
    /// First mid price.
    pub price: Number,
    /// Volatility of the mid, parts per million per square root of a second.
    pub volatility_ppm: u32,
    /// Market orders per second.
    pub trades_per_second: u32,
    /// Limit orders and cancels per second.
    pub orders_per_second: u32,
    /// Price levels per side.
    pub levels: u32,
    /// Mean quantity of a level near the touch.
    pub level_quantity: Number,
}

/// `[[instrument]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstrumentSection {
    /// `synthetic`, `binance-spot` or `binance-usdm`.
    pub venue: String,
    /// The venue's symbol.
    pub symbol: String,
    /// Decimal places of prices.
    pub price_scale: u8,
    /// Decimal places of quantities.
    pub quantity_scale: u8,
    /// Price step.
    pub tick: Number,
    /// Quantity step.
    pub lot: Number,
    /// Smallest notional of an order.
    #[serde(default)]
    pub notional_min: Number,
    /// Fee rate of resting orders, `"0.001"` is 10 bps.
    pub maker_fee: Number,
    /// Fee rate of taking orders.
    pub taker_fee: Number,
    /// Account currency per price x quantity.
    #[serde(default = "multiplier")]
    pub multiplier: u32,
}

fn multiplier() -> u32 {
    1
}

/// `[[strategy]]`; `kind` chooses which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StrategySection {
    /// Inventory market making after Avellaneda and Stoikov.
    MarketMaker(MarketMakerSection),
    /// A small momentum taker.
    Momentum(MomentumSection),
}

impl StrategySection {
    /// Name of the strategy.
    pub fn name(&self) -> &str {
        match self {
            StrategySection::MarketMaker(section) => &section.name,
            StrategySection::Momentum(section) => &section.name,
        }
    }

    /// Symbol that it trades.
    pub fn symbol(&self) -> &str {
        match self {
            StrategySection::MarketMaker(section) => &section.symbol,
            StrategySection::Momentum(section) => &section.symbol,
        }
    }
}

/// `[[strategy]]` of kind `market-maker`. Distances are in ticks; what is left out has the default of
/// `docs/STRATEGIES.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarketMakerSection {
    /// Unique name.
    pub name: String,
    /// Symbol of an `[[instrument]]`.
    pub symbol: String,
    /// Risk aversion, per tick and quote of inventory.
    pub gamma: Number,
    /// Decay of the fill intensity per tick of distance.
    pub k: Number,
    /// Horizon of the inventory risk, ms.
    pub horizon_ms: u32,
    /// Quantity of each quote.
    pub quote_quantity: Number,
    /// Most inventory.
    pub inventory_max: Number,
    /// Narrowest spread.
    pub spread_ticks_min: u32,
    /// Widest spread.
    pub spread_ticks_max: u32,
    /// A quote is moved when its target is at least so far away.
    pub requote_ticks: u32,
    /// Least time between two changes of a quote, ms.
    pub requote_interval_ms_min: u32,
    /// Half-life of the volatility estimate, ms.
    pub volatility_half_life_ms: Option<u32>,
    /// Volatility before anything was seen, ticks per square root of a second.
    pub volatility_ticks_start: Option<Number>,
    /// Cap of the volatility.
    pub volatility_ticks_max: Option<Number>,
    /// No quotes before the book was live so long, ms.
    pub warmup_ms: Option<u32>,
    /// A trade so far beyond the touch is toxic.
    pub through_ticks: Option<u32>,
    /// When a fill is judged, ms after it.
    pub markout_ms: Option<u32>,
    /// A fill was toxic if the mid is then so far on the wrong side.
    pub markout_ticks: Option<u32>,
    /// Each toxic event moves both quotes away by so much.
    pub toxic_widen_ticks: Option<u32>,
}

/// `[[strategy]]` of kind `momentum`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MomentumSection {
    /// Unique name.
    pub name: String,
    /// Symbol of an `[[instrument]]`.
    pub symbol: String,
    /// Half-life of the fast average, ms.
    pub fast_half_life_ms: u32,
    /// Half-life of the slow average, ms.
    pub slow_half_life_ms: u32,
    /// Distance of the averages at which it enters, ticks.
    pub entry_ticks: Number,
    /// Quantity of an entry.
    pub quantity: Number,
    /// Most quantity of one order; what is more is declared as a parent and worked in children. Off by default.
    pub child_quantity_max: Option<Number>,
    /// Most position.
    pub position_max: Number,
    /// How far beyond the touch it may pay, ticks.
    pub slip_ticks: u32,
    /// Loss at which it leaves, ticks from the average entry price.
    pub stop_ticks: u32,
    /// Longest time in a position, ms.
    pub hold_ms_max: u32,
    /// Pause after an order, ms.
    pub cool_down_ms: u32,
    /// Least lean of the touch to its side, percent; -100 switches it off.
    pub imbalance_percent_min: Option<i32>,
    /// No entries before the book was live so long, ms.
    pub warmup_ms: Option<u32>,
}

impl Config {
    /// Reads and validates a configuration; `origin` names the file or profile in errors.
    pub fn parse(text: &str, origin: &str) -> Result<Config, ConfigError> {
        let config: Config = toml::from_str(text).map_err(|error| ConfigError::Parse {
            origin: origin.to_string(),
            message: error.to_string().trim_end().to_string(),
        })?;
        config.validate(origin)?;
        Ok(config)
    }

    /// The configuration as TOML that [`Config::parse`] reads back to the same.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration has only types that TOML knows")
    }
}
