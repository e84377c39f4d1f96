//! Settings of the monitor: when it samples, over how much, and at which values it raises an alert.

use crate::money::Money;

/// Most thresholds of one metric.
pub const STEP_COUNT_MAX: usize = 4;
/// Fewest changes in the window of value at risk: 5 % of them is one.
pub const SAMPLE_COUNT_MIN: usize = 20;
/// Most changes in the window. The sums of their squares fit 128 bits with this, see `series.rs`.
pub const SAMPLE_COUNT_MAX: usize = 4096;
/// Parts per million in one.
pub const PPM: u32 = 1_000_000;
/// Basis points in one.
pub const BPS: u32 = 10_000;

/// Thresholds of one metric, rising; the last one is its limit. None: no alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    values: [i64; STEP_COUNT_MAX],
    count: usize,
}

/// Why thresholds are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepsError {
    /// More than [`STEP_COUNT_MAX`].
    #[error("at most {STEP_COUNT_MAX} thresholds")]
    TooMany,
    /// Not above zero, or not above the one before.
    #[error("thresholds above zero, each above the one before")]
    NotRising,
}

impl Steps {
    /// Checked thresholds.
    pub fn new(values: &[i64]) -> Result<Steps, StepsError> {
        let mut steps = Steps::default();
        let mut before = 0;
        for value in values {
            if *value <= before {
                return Err(StepsError::NotRising);
            }
            *steps.values.get_mut(steps.count).ok_or(StepsError::TooMany)? = *value;
            steps.count += 1;
            before = *value;
        }
        Ok(steps)
    }

    /// The thresholds, rising.
    pub fn values(&self) -> &[i64] {
        &self.values[..self.count]
    }

    /// The last threshold; `None` without any.
    pub fn limit(&self) -> Option<i64> {
        self.values().last().copied()
    }
}

/// Settings of the monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitorConfig {
    /// What the account is worth at the start of its first session.
    pub capital: Money,
    /// Event time between two samples; 0: the stage is not configured and tells nothing.
    pub sample_interval_ns: u64,
    /// Changes in the window of volatility and value at risk.
    pub sample_count: usize,
    /// Weight of the past in the exponentially weighted variance, below [`PPM`].
    pub decay_ppm: u32,
    /// Changes in the window of the swing, at most `sample_count`.
    pub swing_sample_count: usize,
    /// Samples between two reports of all figures.
    pub report_sample_count: u64,
    /// Loss at which positions are assumed to be closed, in basis points of their worth.
    pub stop_bps: u32,
    /// The same for single strategies, by number; `None`: as above.
    pub strategy_stop_bps: Vec<Option<u32>>,
    /// Thresholds of the drawdown, ppm of the peak.
    pub drawdown_ppm: Steps,
    /// Thresholds of losing round trips in a row.
    pub losses_in_a_row: Steps,
    /// Thresholds of the loss of one round trip, 10^-8.
    pub loss_single_e8: Steps,
    /// Thresholds of the swing, 10^-8.
    pub swing_e8: Steps,
    /// Thresholds of the historical value at risk, 10^-8.
    pub var_95_e8: Steps,
    /// Thresholds of the portfolio heat, ppm of equity.
    pub heat_ppm: Steps,
}

impl Default for MonitorConfig {
    /// Not configured.
    fn default() -> MonitorConfig {
        MonitorConfig {
            capital: Money::ZERO,
            sample_interval_ns: 0,
            sample_count: 600,
            decay_ppm: 940_000,
            swing_sample_count: 60,
            report_sample_count: 10,
            stop_bps: 100,
            strategy_stop_bps: Vec::new(),
            drawdown_ppm: Steps::default(),
            losses_in_a_row: Steps::default(),
            loss_single_e8: Steps::default(),
            swing_e8: Steps::default(),
            var_95_e8: Steps::default(),
            heat_ppm: Steps::default(),
        }
    }
}
