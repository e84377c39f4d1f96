//! `[monitor]`: the post-trade monitor. Without the section it is not there.

use engine::monitor::config::{BPS, SAMPLE_COUNT_MAX, SAMPLE_COUNT_MIN};
use engine::monitor::{MonitorConfig, Steps};
use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::number::Number;
use crate::schema::Config;
use crate::validate::{Keys, conflict, range};

const NS_PER_MS: u64 = 1_000_000;
/// Parts per million in one percent.
const PPM_PER_PERCENT: i64 = 10_000;

/// `[monitor]`. Thresholds rise; the last one of each list is the limit (100 % in alerts), an empty list raises
/// no alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorSection {
    /// What the account is worth before its first session. As `risk.capital`, where that is given.
    pub capital: Number,
    /// Time between two samples, ms.
    #[serde(default = "sample_interval_ms")]
    pub sample_interval_ms: u32,
    /// Changes from sample to sample in the window of volatility and value at risk.
    #[serde(default = "samples")]
    pub samples: u32,
    /// Weight of the past in the exponentially weighted volatility, ppm.
    #[serde(default = "decay_ppm")]
    pub decay_ppm: u32,
    /// Changes in the window of the swing, at most `samples`.
    #[serde(default = "swing_samples")]
    pub swing_samples: u32,
    /// Samples between two reports of all figures.
    #[serde(default = "report_samples")]
    pub report_samples: u32,
    /// Loss at which positions are assumed to be closed, basis points of their worth; for the portfolio heat.
    #[serde(default = "stop_bps")]
    pub stop_bps: u32,
    /// Thresholds of the drawdown, percent of the peak.
    #[serde(default)]
    pub drawdown_percent: Vec<u32>,
    /// Thresholds of losing round trips of a strategy in a row.
    #[serde(default)]
    pub losses_in_a_row: Vec<u32>,
    /// Thresholds of the loss of one round trip.
    #[serde(default)]
    pub loss_single: Vec<Number>,
    /// Thresholds of the swing of equity.
    #[serde(default)]
    pub swing: Vec<Number>,
    /// Thresholds of the value at risk (95 %, historical).
    #[serde(default)]
    pub var_95: Vec<Number>,
    /// Thresholds of the portfolio heat, percent of equity.
    #[serde(default)]
    pub heat_percent: Vec<u32>,
    /// Stop distances of single strategies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strategy: Vec<MonitorStrategySection>,
}

/// `[[monitor.strategy]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorStrategySection {
    /// Name of a `[[strategy]]`.
    pub name: String,
    /// Its stop distance, basis points.
    pub stop_bps: u32,
}

fn sample_interval_ms() -> u32 {
    1_000
}
fn samples() -> u32 {
    600
}
fn decay_ppm() -> u32 {
    940_000
}
fn swing_samples() -> u32 {
    60
}
fn report_samples() -> u32 {
    10
}
fn stop_bps() -> u32 {
    100
}

impl Config {
    /// Settings of the monitor; inactive ones without a section.
    pub(crate) fn monitor(&self, origin: &str) -> Result<MonitorConfig, ConfigError> {
        let Some(section) = &self.monitor else { return Ok(MonitorConfig::default()) };
        section.check_ranges(origin)?;
        if let Some(capital) = self.risk.capital.filter(|capital| *capital != section.capital) {
            let what = format!("monitor.capital = {}: risk.capital is {capital}", section.capital);
            return Err(conflict(origin, what));
        }
        let keys = Keys { origin, prefix: "monitor".to_string() };
        let size = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
        let mut strategy_stop_bps = vec![None; self.strategy.len()];
        for stop in &section.strategy {
            let named = self.strategy.iter().position(|one| one.name() == stop.name);
            let Some(slot) = named.and_then(|index| strategy_stop_bps.get_mut(index)) else {
                let what = format!("monitor.strategy: no [[strategy]] is named {}", stop.name);
                return Err(conflict(origin, what));
            };
            *slot = Some(stop.stop_bps);
        }
        let percents = |key: &str, values: &[u32]| {
            let ppm: Vec<i64> = values.iter().map(|v| i64::from(*v) * PPM_PER_PERCENT).collect();
            steps(&keys, key, &ppm)
        };
        let counts: Vec<i64> = section.losses_in_a_row.iter().map(|v| i64::from(*v)).collect();
        Ok(MonitorConfig {
            capital: keys.money("capital", section.capital)?,
            sample_interval_ns: u64::from(section.sample_interval_ms) * NS_PER_MS,
            sample_count: size(section.samples),
            decay_ppm: section.decay_ppm,
            swing_sample_count: size(section.swing_samples),
            report_sample_count: u64::from(section.report_samples),
            stop_bps: section.stop_bps,
            strategy_stop_bps,
            drawdown_ppm: percents("drawdown_percent", &section.drawdown_percent)?,
            losses_in_a_row: steps(&keys, "losses_in_a_row", &counts)?,
            loss_single_e8: amounts(&keys, "loss_single", &section.loss_single)?,
            swing_e8: amounts(&keys, "swing", &section.swing)?,
            var_95_e8: amounts(&keys, "var_95", &section.var_95)?,
            heat_ppm: percents("heat_percent", &section.heat_percent)?,
        })
    }
}

impl MonitorSection {
    fn check_ranges(&self, origin: &str) -> Result<(), ConfigError> {
        let count = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let mut ranges = vec![
            ("monitor.sample_interval_ms", self.sample_interval_ms, 1, 3_600_000),
            ("monitor.samples", self.samples, count(SAMPLE_COUNT_MIN), count(SAMPLE_COUNT_MAX)),
            ("monitor.decay_ppm", self.decay_ppm, 0, 999_999),
            ("monitor.swing_samples", self.swing_samples, 1, self.samples),
            ("monitor.report_samples", self.report_samples, 1, 1_000_000),
            ("monitor.stop_bps", self.stop_bps, 1, BPS),
        ];
        for stop in &self.strategy {
            ranges.push(("monitor.strategy.stop_bps", stop.stop_bps, 1, BPS));
        }
        for (key, value, min, max) in ranges {
            if value < min || max < value {
                return Err(range(origin, key, value, &format!("{min} to {max}")));
            }
        }
        Ok(())
    }
}

fn steps(keys: &Keys<'_>, key: &str, values: &[i64]) -> Result<Steps, ConfigError> {
    Steps::new(values)
        .map_err(|error| conflict(keys.origin, format!("{}.{key}: {error}", keys.prefix)))
}

/// Amounts of money, in 10^-8.
fn amounts(keys: &Keys<'_>, key: &str, values: &[Number]) -> Result<Steps, ConfigError> {
    let amounts: Result<Vec<i64>, ConfigError> =
        values.iter().map(|value| Ok(keys.money(key, *value)?.to_event())).collect();
    steps(keys, key, &amounts?)
}
