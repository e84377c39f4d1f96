//! Configuration of the market maker: every field with its unit and range.
#![expect(clippy::float_arithmetic, reason = "constants are computed once, before trading")]

use engine::instrument::{InstrumentIndex, InstrumentTable};

use crate::error::{Check, ConfigError};
use crate::numeric::decay::{HALF_LIFE_NS_MAX, HALF_LIFE_NS_MIN};

/// Longest duration of any field, about 11 days. Arbitrary.
const DURATION_NS_MAX: u64 = HALF_LIFE_NS_MAX;
/// Largest number of ticks in any field. Arbitrary; keeps every product far inside 128 bits.
pub(super) const TICKS_MAX: i64 = 1 << 20;
/// Largest volatility, ticks per square root of a second.
const SIGMA_MAX: f64 = 1.0e6;

/// What a [`super::MarketMaker`] is made of. The model counts prices in ticks, time in seconds and
/// inventory in multiples of `quote_quantity`, so that one set of numbers fits many instruments.
#[derive(Clone, Debug, PartialEq)]
pub struct MarketMakerConfig {
    /// Unique name within the engine.
    pub name: String,
    /// What it quotes.
    pub instrument: InstrumentIndex,
    /// Risk aversion, per tick and unit of inventory; 1e-6 to 10.
    pub gamma: f64,
    /// Decay of the fill intensity per tick of distance; 1e-6 to 100.
    pub k: f64,
    /// How far ahead inventory risk is priced (the formulas' time to go, here constant because the
    /// market has no close), ns.
    pub horizon_ns: u64,
    /// Quantity of a quote and unit of inventory, in quantity units, on lot.
    pub quote_quantity: i64,
    /// Largest position either way, fills of working quotes included; at least `quote_quantity`.
    pub inventory_max: i64,
    /// Smallest distance of bid and ask, ticks; at least 1.
    pub spread_ticks_min: i64,
    /// Largest distance of bid and ask, and largest shift by inventory, ticks.
    pub spread_ticks_max: i64,
    /// A working quote is kept while its target is nearer than this, ticks; at least 1.
    pub requote_ticks: i64,
    /// A working quote is topped up when less than this share of the target is left, percent; 0 never.
    pub requote_quantity_percent: i64,
    /// Least event time between two amendments of one side, ns; at least 1. Pulling does not wait.
    pub requote_interval_ns_min: u64,
    /// No new or changed quote for so long after the risk gate said no, ns.
    pub refusal_backoff_ns: u64,
    /// Half-life of the volatility estimate, ns.
    pub sigma_half_life_ns: u64,
    /// Moves are measured between mids at least so far apart, ns; damps the bounce of the mid.
    pub sigma_sample_ns: u64,
    /// Volatility before anything was seen, ticks per square root of a second.
    pub sigma_ticks_start: f64,
    /// Floor of the volatility.
    pub sigma_ticks_min: f64,
    /// Cap of the volatility.
    pub sigma_ticks_max: f64,
    /// No quotes before the book was live so long, ns; begins anew after every gap.
    pub warmup_ns: u64,
    /// A trade so many ticks beyond the touch is toxic; at least 1.
    pub through_ticks: i64,
    /// When a fill of ours is judged, ns after it.
    pub markout_ns: u64,
    /// The fill was toxic if the mid is then this many ticks on the wrong side of its price; at least 1.
    pub markout_ticks: i64,
    /// Each toxic event moves both quotes away by this many ticks, while it is remembered.
    pub toxic_widen_ticks: i64,
    /// This many remembered toxic events pull the quotes; 1 to 1,000.
    pub toxic_pull_points: i64,
    /// For so long, ns.
    pub toxic_pull_ns: u64,
    /// Half-life of the memory of toxic events, ns.
    pub toxic_half_life_ns: u64,
    /// One side of the touch with at least this share of both is strong; 51 to 100 percent.
    pub imbalance_percent: i64,
    /// The quote opposite to the strong side moves away by this many ticks.
    pub imbalance_widen_ticks: i64,
}

impl MarketMakerConfig {
    /// A cautious set for an instrument of which nothing but the size is known; times are for a liquid
    /// market (hundreds of events a second). Arbitrary starting points, to be tuned by backtest.
    pub fn new(
        name: &str,
        instrument: InstrumentIndex,
        quote_quantity: i64,
        inventory_max: i64,
    ) -> MarketMakerConfig {
        MarketMakerConfig {
            name: name.to_string(),
            instrument,
            gamma: 0.01,
            k: 0.5,
            horizon_ns: 10_000_000_000,
            quote_quantity,
            inventory_max,
            spread_ticks_min: 2,
            spread_ticks_max: 200,
            requote_ticks: 1,
            requote_quantity_percent: 50,
            requote_interval_ns_min: 50_000_000,
            refusal_backoff_ns: 1_000_000_000,
            sigma_half_life_ns: 30_000_000_000,
            sigma_sample_ns: 100_000_000,
            sigma_ticks_start: 5.0,
            sigma_ticks_min: 0.5,
            sigma_ticks_max: 1_000.0,
            warmup_ns: 2_000_000_000,
            through_ticks: 5,
            markout_ns: 1_000_000_000,
            markout_ticks: 5,
            toxic_widen_ticks: 2,
            toxic_pull_points: 4,
            toxic_pull_ns: 5_000_000_000,
            toxic_half_life_ns: 5_000_000_000,
            imbalance_percent: 90,
            imbalance_widen_ticks: 1,
        }
    }

    /// Checks every range that needs no instrument; names field, value and range of the first that fails.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut check = Check::new(&self.name);
        check.field("name", &self.name, !self.name.is_empty(), "not empty");
        self.check_model(&mut check);
        self.check_quotes(&mut check);
        self.check_guard(&mut check);
        check.finish()
    }

    /// Checks what depends on the instrument as well.
    pub fn validate_for(&self, instruments: &InstrumentTable) -> Result<(), ConfigError> {
        self.validate()?;
        let mut check = Check::new(&self.name);
        let instrument = instruments.get(self.instrument);
        check.field(
            "instrument",
            &self.instrument,
            instrument.is_some(),
            "in the instrument table",
        );
        let lot = instrument.map_or(1, |instrument| instrument.lot);
        let on_lot = self.quote_quantity % lot == 0;
        check.field("quote_quantity", &self.quote_quantity, on_lot, "a multiple of the lot");
        check.finish()
    }

    fn check_model(&self, check: &mut Check<'_>) {
        let (gamma, k) = (self.gamma, self.k);
        check.field("gamma", &gamma, (1.0e-6..=10.0).contains(&gamma), "0.000001 to 10");
        check.field("k", &k, (1.0e-6..=100.0).contains(&k), "0.000001 to 100");
        duration(check, "horizon_ns", self.horizon_ns, 1);
        let life = self.sigma_half_life_ns;
        duration(check, "sigma_half_life_ns", life, HALF_LIFE_NS_MIN);
        duration(check, "sigma_sample_ns", self.sigma_sample_ns, 0);
        let (floor, cap) = (self.sigma_ticks_min, self.sigma_ticks_max);
        let good = (0.0..=SIGMA_MAX).contains(&floor);
        check.field("sigma_ticks_min", &floor, good, "0 to 1,000,000");
        let good = (floor.max(1.0e-3)..=SIGMA_MAX).contains(&cap);
        check.field("sigma_ticks_max", &cap, good, "max(0.001, sigma_ticks_min) to 1,000,000");
        let start = self.sigma_ticks_start;
        let good = (floor..=cap).contains(&start);
        check.field("sigma_ticks_start", &start, good, "sigma_ticks_min to sigma_ticks_max");
        duration(check, "warmup_ns", self.warmup_ns, 0);
    }

    fn check_quotes(&self, check: &mut Check<'_>) {
        let quantity = self.quote_quantity;
        check.field("quote_quantity", &quantity, (1..=1 << 53).contains(&quantity), "1 to 2^53");
        let good = (quantity..=1 << 53).contains(&self.inventory_max);
        check.field("inventory_max", &self.inventory_max, good, "quote_quantity to 2^53");
        ticks(check, "spread_ticks_min", self.spread_ticks_min, 1);
        ticks(check, "spread_ticks_max", self.spread_ticks_max, self.spread_ticks_min);
        ticks(check, "requote_ticks", self.requote_ticks, 1);
        let percent = self.requote_quantity_percent;
        check.field("requote_quantity_percent", &percent, (0..=100).contains(&percent), "0 to 100");
        duration(check, "requote_interval_ns_min", self.requote_interval_ns_min, 1);
        duration(check, "refusal_backoff_ns", self.refusal_backoff_ns, 1);
    }

    fn check_guard(&self, check: &mut Check<'_>) {
        ticks(check, "through_ticks", self.through_ticks, 1);
        duration(check, "markout_ns", self.markout_ns, 1);
        ticks(check, "markout_ticks", self.markout_ticks, 1);
        ticks(check, "toxic_widen_ticks", self.toxic_widen_ticks, 0);
        let points = self.toxic_pull_points;
        check.field("toxic_pull_points", &points, (1..=1_000).contains(&points), "1 to 1,000");
        duration(check, "toxic_pull_ns", self.toxic_pull_ns, 0);
        duration(check, "toxic_half_life_ns", self.toxic_half_life_ns, HALF_LIFE_NS_MIN);
        let percent = self.imbalance_percent;
        check.field("imbalance_percent", &percent, (51..=100).contains(&percent), "51 to 100");
        ticks(check, "imbalance_widen_ticks", self.imbalance_widen_ticks, 0);
    }

    /// Horizon in seconds.
    pub(super) fn horizon_s(&self) -> f64 {
        let ns = i64::try_from(self.horizon_ns).expect("validated to lie below 2^53");
        crate::numeric::quantise::from_integer(ns) / 1.0e9
    }
}

fn duration(check: &mut Check<'_>, field: &'static str, value: u64, least: u64) {
    let must = match least {
        0 => "0 to 10^15 ns",
        1 => "1 to 10^15 ns",
        _ => "1,000 to 10^15 ns",
    };
    check.field(field, &value, (least..=DURATION_NS_MAX).contains(&value), must);
}

fn ticks(check: &mut Check<'_>, field: &'static str, value: i64, least: i64) {
    let must = match least {
        0 => "0 to 2^20 ticks",
        1 => "1 to 2^20 ticks",
        _ => "spread_ticks_min to 2^20 ticks",
    };
    check.field(field, &value, (least..=TICKS_MAX).contains(&value), must);
}
