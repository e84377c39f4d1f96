//! Variance of the mid per second, estimated in integers from squared moves.
#![expect(clippy::float_arithmetic, reason = "floor, cap and start are computed once")]

use engine::state::{LoadError, Loader, Saver, State};

use crate::numeric::decay::{Decay, RATE_BITS};
use crate::numeric::quantise::{QuantiseError, Rounding, to_fixed};

use super::config::{MarketMakerConfig, TICKS_MAX};

/// Fraction bits of variances, in ticks squared per second.
pub(super) const VARIANCE_BITS: u32 = 20;
/// Fraction bits of one move, in ticks; half of the variance's.
const MOVE_BITS: u32 = 10;
const SUM_MAX: i128 = 1 << 62;

/// Decayed sum of squared moves; times the reciprocal of its mean life it is the variance per second.
#[derive(Clone, Debug)]
pub(super) struct Volatility {
    decay: Decay,
    floor: i64,
    cap: i64,
    sample_ns: u64,
    tick: i64,
    /// Ticks squared in units of 2^-20.
    sum: i128,
    anchor_ns: u64,
    /// Twice the last sampled mid; 0 for none.
    mid_twice: i64,
    sampled_ns: u64,
}

impl Volatility {
    pub(super) fn new(config: &MarketMakerConfig, tick: i64) -> Result<Volatility, QuantiseError> {
        let decay = Decay::new(config.sigma_half_life_ns)?;
        let fixed = |sigma: f64| to_fixed(sigma * sigma, VARIANCE_BITS, Rounding::Up);
        let (floor, cap) = (fixed(config.sigma_ticks_min)?, fixed(config.sigma_ticks_max)?);
        let start = i128::from(fixed(config.sigma_ticks_start)?) << RATE_BITS;
        let rate = i128::from(decay.rate_fixed()).max(1);
        let sum = (start / rate).min(SUM_MAX);
        let sample_ns = config.sigma_sample_ns;
        Ok(Volatility {
            decay,
            floor,
            cap,
            sample_ns,
            tick,
            sum,
            anchor_ns: 0,
            mid_twice: 0,
            sampled_ns: 0,
        })
    }

    #[inline]
    pub(super) fn on_mid(&mut self, now_ns: u64, mid_twice: i64) {
        let steps = self.decay.steps(&mut self.anchor_ns, now_ns);
        self.sum = self.decay.apply(self.sum, steps);
        if self.mid_twice == 0 {
            (self.mid_twice, self.sampled_ns) = (mid_twice, now_ns);
            return;
        }
        if now_ns.saturating_sub(self.sampled_ns) < self.sample_ns {
            return;
        }
        self.sampled_ns = now_ns;
        if mid_twice == self.mid_twice {
            return;
        }
        let twice = i128::from(mid_twice) - i128::from(self.mid_twice);
        let limit = i128::from(TICKS_MAX) << MOVE_BITS;
        let moved = ((twice << MOVE_BITS) / (2 * i128::from(self.tick))).clamp(-limit, limit);
        self.sum = (self.sum + moved * moved).min(SUM_MAX);
        self.mid_twice = mid_twice;
    }

    /// What happens while the book is not live is no move.
    pub(super) fn forget_mid(&mut self) {
        self.mid_twice = 0;
    }

    /// Ticks squared per second in units of 2^-20, between floor and cap.
    #[inline]
    pub(super) fn variance(&self) -> i64 {
        let variance = (self.sum * i128::from(self.decay.rate_fixed())) >> RATE_BITS;
        i64::try_from(variance).unwrap_or(i64::MAX).clamp(self.floor, self.cap)
    }
}

impl State for Volatility {
    fn save(&self, out: &mut Saver) {
        out.i128(self.sum);
        out.u64(self.anchor_ns);
        out.i64(self.mid_twice);
        out.u64(self.sampled_ns);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.sum = from.i128()?;
        if !(0..=SUM_MAX).contains(&self.sum) {
            return Err(from.invalid("sum of squared moves"));
        }
        self.anchor_ns = from.u64()?;
        self.mid_twice = from.i64()?;
        self.sampled_ns = from.u64()?;
        Ok(())
    }
}
