//! The formulas of Avellaneda and Stoikov, "High-frequency trading in a limit order book" (2008).
//!
//! Plain floats, used when a strategy is built and in tests of the integer form; `ln` and `exp` are
//! those of `libm`, the same bits everywhere.
#![expect(
    clippy::float_arithmetic,
    reason = "formulas in floats; they leave through the door only"
)]

/// What the formulas need of the market and the trader. Any consistent units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Model {
    /// Risk aversion, above zero.
    pub gamma: f64,
    /// Decay of the fill intensity with distance, above zero.
    pub k: f64,
    /// Volatility, price per square root of time.
    pub sigma: f64,
    /// Fill intensity at distance zero, per time.
    pub intensity: f64,
}

impl Model {
    /// Price at which the trader is indifferent to one unit more or less, with `remaining` time to go.
    pub fn reservation_price(&self, mid: f64, inventory: f64, remaining: f64) -> f64 {
        mid - inventory * self.gamma * self.sigma * self.sigma * remaining
    }

    /// Distance between the optimal ask and bid, with `remaining` time to go.
    pub fn spread(&self, remaining: f64) -> f64 {
        self.gamma * self.sigma * self.sigma * remaining
            + 2.0 * base_half_spread(self.gamma, self.k)
    }

    /// Optimal bid and ask.
    pub fn quotes(&self, mid: f64, inventory: f64, remaining: f64) -> (f64, f64) {
        let reservation = self.reservation_price(mid, inventory, remaining);
        let half = self.spread(remaining) / 2.0;
        (reservation - half, reservation + half)
    }

    /// Fills per time of a quote at `distance` from the mid.
    pub fn intensity(&self, distance: f64) -> f64 {
        self.intensity * libm::exp(-self.k * distance)
    }
}

/// The part of half the spread that does not depend on volatility: `(1/gamma) ln(1 + gamma/k)`.
pub fn base_half_spread(gamma: f64, k: f64) -> f64 {
    libm::log1p(gamma / k) / gamma
}

/// What inventory costs per unit and variance: `gamma x horizon`, the factor of the price shift.
pub fn risk_factor(gamma: f64, horizon: f64) -> f64 {
    gamma * horizon
}

#[cfg(test)]
mod tests;
