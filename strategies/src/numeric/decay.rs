//! Exponential forgetting in integers: halves a value every half-life of event time.
//!
//! A half-life is cut into 64 steps; factors of the steps are a table made once. Time that does not
//! fill a step stays in the caller's anchor and is not lost. Results depend on the anchor and the
//! times asked for alone, so a replay gives the same integers.
#![expect(clippy::float_arithmetic, reason = "the table is made in floats and quantised once")]

use super::quantise::{QuantiseError, Rounding, from_integer, to_fixed};

/// Steps of a half-life. Arbitrary: one step is 1.1 %, finer than any estimate used here.
pub const STEP_COUNT: usize = 64;
/// Shortest half-life. Arbitrary; below about 100 ns the rate would not fit its integer.
pub const HALF_LIFE_NS_MIN: u64 = 1_000;
/// Longest half-life, about 11 days. Arbitrary.
pub const HALF_LIFE_NS_MAX: u64 = 1_000_000_000_000_000;
const FACTOR_BITS: u32 = 32;
/// Fraction bits of [`Decay::rate_fixed`].
pub const RATE_BITS: u32 = 40;

/// The constants of one half-life.
#[derive(Clone, Debug)]
pub struct Decay {
    step_ns: u64,
    /// 2^(-i/64) in units of 2^-32.
    factors: [u64; STEP_COUNT],
    rate_fixed: i64,
}

impl Decay {
    /// Constants of a half-life within [`HALF_LIFE_NS_MIN`] and [`HALF_LIFE_NS_MAX`].
    pub fn new(half_life_ns: u64) -> Result<Decay, QuantiseError> {
        if !(HALF_LIFE_NS_MIN..=HALF_LIFE_NS_MAX).contains(&half_life_ns) {
            return Err(QuantiseError::OutOfRange);
        }
        let step_count = u64::try_from(STEP_COUNT).expect("64 fits");
        let step_ns = half_life_ns / step_count;
        let mut factors = [0; STEP_COUNT];
        for (factor, index) in factors.iter_mut().zip(0_u32..) {
            let exact = libm::exp2(-f64::from(index) / 64.0);
            let fixed = to_fixed(exact, FACTOR_BITS, Rounding::NearestHalfEven)?;
            *factor = u64::try_from(fixed).map_err(|_| QuantiseError::OutOfRange)?;
        }
        let life_ns = i64::try_from(step_ns * step_count).map_err(|_| QuantiseError::OutOfRange)?;
        let rate = core::f64::consts::LN_2 * 1.0e9 / from_integer(life_ns);
        let rate_fixed = to_fixed(rate, RATE_BITS, Rounding::NearestHalfEven)?;
        Ok(Decay { step_ns, factors, rate_fixed })
    }

    /// Reciprocal of the mean life, per second, in units of 2^-[`RATE_BITS`]: a decayed sum times this
    /// estimates what comes in per second.
    pub fn rate_fixed(&self) -> i64 {
        self.rate_fixed
    }

    /// Whole steps between `anchor_ns` and `now_ns`; moves the anchor by as many. An anchor of zero is
    /// not set yet and becomes now; time that runs backwards counts as none.
    #[inline]
    pub fn steps(&self, anchor_ns: &mut u64, now_ns: u64) -> u64 {
        if *anchor_ns == 0 {
            *anchor_ns = now_ns;
            return 0;
        }
        let elapsed_ns = now_ns.saturating_sub(*anchor_ns);
        if elapsed_ns < self.step_ns {
            return 0;
        }
        let steps = elapsed_ns / self.step_ns;
        *anchor_ns += steps * self.step_ns;
        steps
    }

    /// `value` after `steps`, rounded towards zero. The magnitude of `value` is below 2^95.
    #[inline]
    pub fn apply(&self, value: i128, steps: u64) -> i128 {
        if steps == 0 {
            return value;
        }
        debug_assert!(value.unsigned_abs() < 1 << 95);
        let halvings = u32::try_from(steps >> 6).unwrap_or(u32::MAX);
        if 96 <= halvings {
            return 0;
        }
        let index = usize::try_from(steps & 63).expect("below 64");
        let factor = u128::from(self.factors[index]);
        let magnitude = (value.unsigned_abs() * factor) >> (FACTOR_BITS + halvings).min(127);
        let magnitude = i128::try_from(magnitude).expect("below 2^96");
        if value < 0 { -magnitude } else { magnitude }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_half_life_halves_and_no_time_is_lost_between_steps() {
        let decay = Decay::new(6_400).unwrap();
        assert_eq!(decay.apply(1_000_000, 64), 500_000);
        assert_eq!(decay.apply(-1_000_000, 128), -250_000);
        assert_eq!(decay.apply(1 << 90, 64 * 200), 0);
        let mut anchor = 0;
        assert_eq!(decay.steps(&mut anchor, 1_000), 0);
        let mut steps = 0;
        for now in (1_000..=7_400).step_by(30) {
            steps += decay.steps(&mut anchor, now);
        }
        assert_eq!((steps, anchor), (63, 7_300));
        assert_eq!(decay.steps(&mut anchor, 7_400), 1);
        assert_eq!(decay.steps(&mut anchor, 10), 0, "time that runs backwards is no time");
    }

    #[test]
    fn the_table_and_the_rate_have_their_known_integers() {
        let decay = Decay::new(1_000_000_000).unwrap();
        assert_eq!(decay.factors[0], 1 << 32);
        assert_eq!(decay.factors[32], 3_037_000_500);
        // ln 2 per second: 0.6931471805599453 x 2^40.
        assert_eq!(decay.rate_fixed(), 762_123_384_786);
        assert!(Decay::new(HALF_LIFE_NS_MIN - 1).is_err());
        assert!(Decay::new(HALF_LIFE_NS_MAX + 1).is_err());
    }

    proptest! {
        #[test]
        fn more_time_never_leaves_more(value in 0_i128..(1 << 90), steps in 0_u64..5_000) {
            let decay = Decay::new(HALF_LIFE_NS_MIN).unwrap();
            prop_assert!(decay.apply(value, steps + 1) <= decay.apply(value, steps));
            prop_assert_eq!(decay.apply(-value, steps), -decay.apply(value, steps));
        }
    }
}
