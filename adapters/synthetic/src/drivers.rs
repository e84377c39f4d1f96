//! What moves the market: fair values, volatility, drift and bursts, on a grid of 10 ms of event time.
//!
//! ```text
//!   d ln(fair)  = drift dt + sigma (rho dM + sqrt(1 - rho^2) dW)       M is common to all instruments
//!   sigma       = volatility * exp(x - var(x))                         so that its square has the right mean
//!   dx          = -x / 30 s dt + ...     sd 0.6                        calm and nervous half-minutes
//!   d drift     = -drift / 20 s dt + ... sd 0.3 sigma / sqrt(20 s)     slow, so that momentum exists
//!   bursts      come every 60 s in the mean, last 2 s, order flow 5 times as busy, sigma doubled
//! ```
//! The drift moves the price over its own life by a third of what volatility does: enough for a slow
//! average to see it in the best of times, too little to make returns of a second predictable.

use crate::number::seconds;
use crate::random::Random;

/// Event time between two steps of the drivers, ns.
pub const STEP_NS: u64 = 10_000_000;

/// Share of the common factor in an instrument's shocks. Arbitrary; large coins have about this.
const RHO: f64 = 0.6;
const X_SECONDS: f64 = 30.0;
const X_DEVIATION: f64 = 0.6;
const DRIFT_SECONDS: f64 = 20.0;
const DRIFT_SHARE: f64 = 0.3;
const SPREAD_SECONDS: f64 = 5.0;
const SPREAD_DEVIATION: f64 = 0.35;
const BURST_EVERY_SECONDS: f64 = 60.0;
const BURST_SECONDS: f64 = 2.0;
const BURST_RATE: f64 = 5.0;
const BURST_SIGMA: f64 = 2.0;
/// The fair price stays within a factor of e^3 of where it began: a random walk is no reason for a
/// price of nothing, however long a session lasts.
const LOG_PRICE_SPAN: f64 = 3.0;

/// The common factor.
#[derive(Debug)]
pub(crate) struct Common {
    random: Random,
}

impl Common {
    pub(crate) fn new(seed: u64) -> Common {
        Common { random: Random::new(seed, 0) }
    }

    /// Shock of one step, variance 1.
    pub(crate) fn step(&mut self) -> f64 {
        self.random.normal()
    }
}

/// Drivers of one instrument.
#[derive(Debug)]
pub(crate) struct Drivers {
    random: Random,
    /// Volatility per square root of a second, as a fraction.
    volatility: f64,
    /// Logarithm of fair price over first price.
    log_price: f64,
    fair_start: f64,
    x: f64,
    drift: f64,
    spread: f64,
    burst_steps_left: u64,
}

impl Drivers {
    pub(crate) fn new(seed: u64, stream: u64, fair_start: f64, volatility_ppm: u32) -> Drivers {
        let mut random = Random::new(seed, stream);
        let x = X_DEVIATION * random.normal();
        let spread = SPREAD_DEVIATION * random.normal();
        Drivers {
            random,
            volatility: f64::from(volatility_ppm) * 1e-6,
            log_price: 0.0,
            fair_start,
            x,
            drift: 0.0,
            spread,
            burst_steps_left: 0,
        }
    }

    /// One step of [`STEP_NS`]; `common` is the shock that all instruments share.
    pub(crate) fn step(&mut self, common: f64) {
        let dt = seconds(STEP_NS);
        self.x = self.revert(self.x, X_SECONDS, X_DEVIATION);
        self.spread = self.revert(self.spread, SPREAD_SECONDS, SPREAD_DEVIATION);
        let drift_deviation = DRIFT_SHARE * self.volatility / libm::sqrt(DRIFT_SECONDS);
        self.drift = self.revert(self.drift, DRIFT_SECONDS, drift_deviation);
        self.burst_steps_left = self.burst_steps_left.saturating_sub(1);
        if self.random.happens(dt / BURST_EVERY_SECONDS) {
            let length = BURST_SECONDS * self.random.exponential();
            self.burst_steps_left = crate::number::span_ns(length) / STEP_NS;
        }
        let own = libm::sqrt(1.0 - RHO * RHO) * self.random.normal();
        let shock = RHO * common + own;
        let moved = self.log_price + self.drift * dt + self.sigma() * libm::sqrt(dt) * shock;
        self.log_price = moved.clamp(-LOG_PRICE_SPAN, LOG_PRICE_SPAN);
    }

    /// One exact step of an Ornstein-Uhlenbeck process around 0.
    fn revert(&mut self, value: f64, time_constant: f64, deviation: f64) -> f64 {
        let keep = libm::exp(-seconds(STEP_NS) / time_constant);
        keep * value + deviation * libm::sqrt(1.0 - keep * keep) * self.random.normal()
    }

    fn is_burst(&self) -> bool {
        0 < self.burst_steps_left
    }

    fn sigma(&self) -> f64 {
        let burst = if self.is_burst() { BURST_SIGMA } else { 1.0 };
        burst * self.volatility * libm::exp(self.x - X_DEVIATION * X_DEVIATION)
    }

    /// Fair price, in the unit of the first one.
    pub(crate) fn fair(&self) -> f64 {
        self.fair_start * libm::exp(self.log_price)
    }

    /// By how much half the spread is wider or narrower than usual; follows volatility.
    pub(crate) fn spread_factor(&self) -> f64 {
        libm::exp(self.spread + 0.5 * self.x)
    }

    /// By how much order flow is busier than in calm times; 1 in the mean over time.
    pub(crate) fn rate_factor(&self) -> f64 {
        let share = BURST_SECONDS / BURST_EVERY_SECONDS;
        let mean = 1.0 + share * (BURST_RATE - 1.0);
        if self.is_burst() { BURST_RATE / mean } else { 1.0 / mean }
    }
}
