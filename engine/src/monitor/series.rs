//! The window of sampled profits: volatility, value at risk, expected shortfall, swing.
//!
//! ```text
//!   samples   p0 p1 p2 .. pn        in the order of time, newest last, n at most `sample_count`
//!   changes      c1 c2 .. cn        ci = pi - p(i-1), clamped to +-2^53 (90 million of the account currency)
//!   sorted    the same, rising      the worst ceil(n / 20) stand first
//! ```
//! Formulas, all in integers of 10^-8:
//! - Realised volatility `floor(sqrt(floor(sum ci^2 / n)))`: root mean square without a mean, as realised
//!   variance is defined (Andersen, Bollerslev, Diebold, Labys 2003, "Modeling and forecasting realized
//!   volatility").
//! - Exponentially weighted variance `v = floor((d v + (10^6 - d) c^2) / 10^6)` with decay `d` in ppm, begun
//!   with the first change's square (`RiskMetrics` Technical Document, 4th ed. 1996, section 5.2; d = 0.94).
//! - Historical value at risk: the loss of rank `k = ceil(n / 20)` among the worst, that is the inverse
//!   of the empirical distribution (Hyndman and Fan 1996, type 1) at 5 %. Below zero it is told as 0.
//! - Historical expected shortfall: mean of those `k` losses, rounded up (Acerbi and Tasche 2002).
//! - Parametric: normal changes without a mean, so `1.644854 s` and `2.062713 s` of the volatility `s`,
//!   rounded up; the second factor is the normal density at the first, divided by 0.05.
//!
//! **Invariant:** nothing here wraps: squares are at most 2^106, their sums of 4,096 at most 2^118, and times
//! 10^6 at most 2^126.

use crate::state::{LoadError, Loader, Saver, State, mix};

use super::config::{PPM, SAMPLE_COUNT_MAX, SAMPLE_COUNT_MIN};

/// Largest change that is believed, 10^-8: its square times 10^6 still fits.
const CHANGE_MAX: i64 = 1 << 53;
/// Quantile of the standard normal distribution at 95 %, ppm.
const NORMAL_VAR_95_PPM: i128 = 1_644_854;
/// Density of the standard normal distribution at that quantile by 5 %, ppm.
const NORMAL_CVAR_95_PPM: i128 = 2_062_713;

/// Historical and parametric figure of the same loss, 10^-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// From the window itself.
    pub historical: i64,
    /// From its volatility.
    pub parametric: i64,
}

/// Value at risk and expected shortfall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// 5 % of the changes are worse.
    pub var_95: Loss,
    /// Mean of those.
    pub cvar_95: Loss,
}

/// Root mean square change of the window and its exponentially weighted twin, 10^-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volatility {
    /// Of the window, each change with the same weight.
    pub rolling: i64,
    /// Of everything so far, the newest with the most weight.
    pub weighted: i64,
}

/// Highest less lowest, and last less first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swing {
    /// Highest less lowest.
    pub range: i64,
    /// Last less first.
    pub change: i64,
}

/// Sampled profits, a fixed number of them.
#[derive(Debug)]
pub(super) struct Series {
    /// A ring; the oldest stands at `start`.
    samples: Box<[i64]>,
    start: usize,
    count: usize,
    /// The changes of the window, rising; the first `change_count` are in use.
    sorted: Box<[i64]>,
    square_sum: u128,
    weighted_variance: u128,
    decay_ppm: u32,
    /// Samples ever taken.
    taken_count: u64,
    hash: u64,
}

impl Series {
    pub(super) fn new(sample_count: usize, decay_ppm: u32) -> Series {
        assert!((SAMPLE_COUNT_MIN..=SAMPLE_COUNT_MAX).contains(&sample_count));
        assert!(decay_ppm < PPM);
        Series {
            samples: vec![0; sample_count + 1].into_boxed_slice(),
            start: 0,
            count: 0,
            sorted: vec![0; sample_count].into_boxed_slice(),
            square_sum: 0,
            weighted_variance: 0,
            decay_ppm,
            taken_count: 0,
            hash: 0,
        }
    }

    /// Changes in the window.
    pub(super) fn change_count(&self) -> usize {
        self.count.saturating_sub(1)
    }

    /// Samples ever taken.
    pub(super) fn taken_count(&self) -> u64 {
        self.taken_count
    }

    pub(super) fn digest(&self) -> u64 {
        self.hash
    }

    /// Takes a sample; the oldest goes when the window is full.
    pub(super) fn push(&mut self, profit_e8: i64) {
        self.taken_count += 1;
        self.hash = mix(self.hash, profit_e8.cast_unsigned());
        let last = self.count.checked_sub(1).and_then(|index| self.sample(index));
        if self.count == self.samples.len() {
            self.drop_oldest();
        }
        self.append(profit_e8);
        let Some(last) = last else { return };
        let square = square(change(last, profit_e8));
        let (decay, all) = (u128::from(self.decay_ppm), u128::from(PPM));
        self.weighted_variance = if self.taken_count == 2 {
            square
        } else {
            (decay * self.weighted_variance + (all - decay) * square) / all
        };
    }

    /// Puts a sample behind the others, where there is room; window sums only.
    fn append(&mut self, profit_e8: i64) {
        let last = self.count.checked_sub(1).and_then(|index| self.sample(index));
        let slot = (self.start + self.count) % self.samples.len();
        self.samples[slot] = profit_e8;
        self.count += 1;
        let Some(last) = last else { return };
        let change = change(last, profit_e8);
        let used = self.change_count() - 1;
        let place = self.sorted[..used].partition_point(|other| *other < change);
        self.sorted.copy_within(place..used, place + 1);
        self.sorted[place] = change;
        self.square_sum += square(change);
    }

    fn drop_oldest(&mut self) {
        let (Some(oldest), Some(second)) = (self.sample(0), self.sample(1)) else { return };
        let change = change(oldest, second);
        let used = self.change_count();
        let place = self.sorted[..used].partition_point(|other| *other < change);
        self.sorted.copy_within(place + 1..used, place);
        self.square_sum -= square(change);
        self.start = (self.start + 1) % self.samples.len();
        self.count -= 1;
    }

    /// The sample `index` places after the oldest.
    fn sample(&self, index: usize) -> Option<i64> {
        if self.count <= index {
            return None;
        }
        self.samples.get((self.start + index) % self.samples.len()).copied()
    }

    /// `None` before the second sample.
    pub(super) fn volatility(&self) -> Option<Volatility> {
        let count = u128::try_from(self.change_count()).ok().filter(|count| *count != 0)?;
        Some(Volatility {
            rolling: root(self.square_sum / count),
            weighted: root(self.weighted_variance),
        })
    }

    /// `None` before the window has [`SAMPLE_COUNT_MIN`] changes: 5 % of fewer is less than one.
    pub(super) fn tail(&self) -> Option<Tail> {
        let count = self.change_count();
        if count < SAMPLE_COUNT_MIN {
            return None;
        }
        let worst = &self.sorted[..count.div_ceil(20)];
        let rank = i128::try_from(worst.len()).ok()?;
        let lost: i128 = worst.iter().map(|change| -i128::from(*change)).sum();
        let mean = -(-lost).div_euclid(rank);
        let sigma = i128::from(self.volatility()?.rolling);
        let parametric = |factor: i128| {
            let scaled = -(-(sigma * factor)).div_euclid(i128::from(PPM));
            i64::try_from(scaled).unwrap_or(i64::MAX)
        };
        Some(Tail {
            var_95: Loss {
                historical: worst.last()?.saturating_neg().max(0),
                parametric: parametric(NORMAL_VAR_95_PPM),
            },
            cvar_95: Loss {
                historical: i64::try_from(mean).unwrap_or(i64::MAX).max(0),
                parametric: parametric(NORMAL_CVAR_95_PPM),
            },
        })
    }

    /// Over the last `change_count` changes, or as many as there are; nothing before the first sample.
    pub(super) fn swing(&self, change_count: usize) -> Swing {
        let first = self.count.saturating_sub(change_count.saturating_add(1));
        let from = self.start + first;
        let (length, until) = (self.samples.len(), self.start + self.count);
        // The ring from `from` on in at most two pieces.
        let (front, back) = if length <= from {
            (from - length..until - length, 0..0)
        } else {
            (from..until.min(length), 0..until.saturating_sub(length))
        };
        let (front, back) = (&self.samples[front], &self.samples[back]);
        let ends = front.first().zip(back.last().or(front.last()));
        let lowest = front.iter().chain(back).min();
        let highest = front.iter().chain(back).max();
        let (Some((from, to)), Some(low), Some(high)) = (ends, lowest, highest) else {
            return Swing::default();
        };
        Swing { range: high.saturating_sub(*low), change: to.saturating_sub(*from) }
    }
}

#[inline]
fn change(from: i64, to: i64) -> i64 {
    to.saturating_sub(from).clamp(-CHANGE_MAX, CHANGE_MAX)
}

#[inline]
fn square(change: i64) -> u128 {
    let magnitude = u128::from(change.unsigned_abs());
    magnitude * magnitude
}

#[inline]
fn root(variance: u128) -> i64 {
    i64::try_from(variance.isqrt()).unwrap_or(i64::MAX)
}

impl State for Series {
    fn save(&self, out: &mut Saver) {
        out.count(self.count);
        for index in 0..self.count {
            out.i64(self.sample(index).unwrap_or(0));
        }
        out.i128(i128::try_from(self.weighted_variance).unwrap_or(i128::MAX));
        out.u64(self.taken_count);
        out.u64(self.hash);
    }

    /// Of a longer window the newest samples are taken over.
    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        (self.start, self.count, self.square_sum) = (0, 0, 0);
        let count = from.count(SAMPLE_COUNT_MAX + 1)?;
        for _ in 0..count {
            if self.count == self.samples.len() {
                self.drop_oldest();
            }
            self.append(from.i64()?);
        }
        self.weighted_variance = u128::try_from(from.i128()?)
            .ok()
            .filter(|variance| *variance <= square(CHANGE_MAX))
            .ok_or_else(|| from.invalid("variance"))?;
        self.taken_count = from.u64()?;
        if self.taken_count == u64::MAX {
            return Err(from.invalid("number of samples"));
        }
        self.hash = from.u64()?;
        Ok(())
    }
}
