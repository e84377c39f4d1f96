//! The single door from floats (and finer fixed point) to integer prices, quantities and constants.
//!
//! Every function states its rounding; nothing saturates, nothing wraps: what does not fit is an error.
#![expect(clippy::float_arithmetic, reason = "this is the door through which floats leave")]

use std::cmp::Ordering;

use engine::event::Side;

/// Which neighbour is taken when a value lies between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Towards minus infinity.
    Down,
    /// Towards plus infinity.
    Up,
    /// To the nearer one; from the middle to the even one.
    NearestHalfEven,
    /// Away from the market of an order on this side: a buy down, a sell up.
    Passive(Side),
}

/// Why a value cannot pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantiseError {
    /// NaN or infinite.
    #[error("the value is not a finite number")]
    NotFinite,
    /// The integer has no room for it.
    #[error("the value is out of range")]
    OutOfRange,
    /// A step below one.
    #[error("the step is below one")]
    Step,
}

/// A multiple of `step` next to `value` (in the same units).
pub fn to_step(value: f64, step: i64, rounding: Rounding) -> Result<i64, QuantiseError> {
    if !value.is_finite() {
        return Err(QuantiseError::NotFinite);
    }
    let floor = libm::floor(value);
    // -2^63 and 2^63 are floats: the first is the least `i64`, the second is just above the greatest.
    let start = from_integer(i64::MIN);
    if !(start..-start).contains(&floor) {
        return Err(QuantiseError::OutOfRange);
    }
    // Exact: a float and its floor differ by a number that has no more digits than the float.
    let fraction = value - floor;
    #[expect(clippy::cast_possible_truncation, reason = "integral and checked to lie in i64")]
    let whole = floor as i64;
    let rest = match (fraction == 0.0, fraction.total_cmp(&0.5)) {
        (true, _) => Rest::None,
        (false, Ordering::Less) => Rest::BelowHalf,
        (false, Ordering::Equal) => Rest::Half,
        (false, Ordering::Greater) => Rest::AboveHalf,
    };
    round(i128::from(whole), rest, step, rounding)
}

/// `value` in units of 2^-`bits`.
pub fn to_fixed(value: f64, bits: u32, rounding: Rounding) -> Result<i64, QuantiseError> {
    if 62 < bits {
        return Err(QuantiseError::OutOfRange);
    }
    // Exact, because it is a power of two, unless it overflows.
    let scaled = value * from_integer(1_i64 << bits);
    if value.is_finite() && !scaled.is_finite() {
        return Err(QuantiseError::OutOfRange);
    }
    to_step(scaled, 1, rounding)
}

/// An order's price in price units, on tick, above zero.
pub fn to_price(value: f64, tick: i64, rounding: Rounding) -> Result<i64, QuantiseError> {
    let price = to_step(value, tick, rounding)?;
    if 0 < price { Ok(price) } else { Err(QuantiseError::OutOfRange) }
}

/// An order's quantity in quantity units, on lot, zero or more.
pub fn to_quantity(value: f64, lot: i64, rounding: Rounding) -> Result<i64, QuantiseError> {
    let quantity = to_step(value, lot, rounding)?;
    if 0 <= quantity { Ok(quantity) } else { Err(QuantiseError::OutOfRange) }
}

/// The multiple of `step` next to `value` units of 2^-`bits`: the door for fixed point, all integers.
#[inline]
pub fn fixed_to_step(
    value: i128,
    bits: u32,
    step: i64,
    rounding: Rounding,
) -> Result<i64, QuantiseError> {
    if 62 < bits {
        return Err(QuantiseError::OutOfRange);
    }
    let fraction = value & ((1_i128 << bits) - 1);
    let rest = match (fraction, (fraction << 1).cmp(&(1_i128 << bits))) {
        (0, _) => Rest::None,
        (_, Ordering::Less) => Rest::BelowHalf,
        (_, Ordering::Equal) => Rest::Half,
        (_, Ordering::Greater) => Rest::AboveHalf,
    };
    round(value >> bits, rest, step, rounding)
}

/// The float of an integer, exact up to 2^53 and the nearest one beyond.
#[expect(
    clippy::cast_precision_loss,
    reason = "said in the contract; inputs are durations and ticks"
)]
pub fn from_integer(value: i64) -> f64 {
    value as f64
}

/// What stands behind the point of a value, as far as rounding cares.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    None,
    BelowHalf,
    Half,
    AboveHalf,
}

#[inline]
fn round(floor: i128, rest: Rest, step: i64, rounding: Rounding) -> Result<i64, QuantiseError> {
    if step < 1 {
        return Err(QuantiseError::Step);
    }
    let floor = i64::try_from(floor).map_err(|_| QuantiseError::OutOfRange)?;
    let (index, remainder) = (floor.div_euclid(step), floor.rem_euclid(step));
    let between = remainder != 0 || rest != Rest::None;
    let up = match rounding {
        Rounding::Down | Rounding::Passive(Side::Buy) => false,
        Rounding::Up | Rounding::Passive(Side::Sell) => between,
        Rounding::NearestHalfEven => match half(remainder, rest, step) {
            Ordering::Less => false,
            Ordering::Equal => index.rem_euclid(2) == 1,
            Ordering::Greater => true,
        },
    };
    let index = if up { index.checked_add(1) } else { Some(index) };
    index.and_then(|index| index.checked_mul(step)).ok_or(QuantiseError::OutOfRange)
}

/// Compares `remainder` plus its rest with half a step.
fn half(remainder: i64, rest: Rest, step: i64) -> Ordering {
    match (i128::from(step) - 2 * i128::from(remainder), rest) {
        (..=-1, _) | (0, Rest::BelowHalf | Rest::Half | Rest::AboveHalf) | (1, Rest::AboveHalf) => {
            Ordering::Greater
        }
        (0, Rest::None) | (1, Rest::Half) => Ordering::Equal,
        (1, Rest::None | Rest::BelowHalf) | (2.., _) => Ordering::Less,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_rounding_takes_its_neighbour() {
        use Rounding::{Down, NearestHalfEven, Passive, Up};
        for (value, step, rounding, wanted) in [
            (10.0, 5, Down, 10),
            (10.0, 5, Up, 10),
            (10.1, 5, Down, 10),
            (10.1, 5, Up, 15),
            (-10.1, 5, Down, -15),
            (-10.1, 5, Up, -10),
            (12.5, 5, NearestHalfEven, 10),
            (17.5, 5, NearestHalfEven, 20),
            (12.6, 5, NearestHalfEven, 15),
            (12.4, 5, NearestHalfEven, 10),
            (13.0, 4, NearestHalfEven, 12),
            (14.0, 4, NearestHalfEven, 16),
            (2.5, 1, NearestHalfEven, 2),
            (3.5, 1, NearestHalfEven, 4),
            (-2.5, 1, NearestHalfEven, -2),
            (0.5, 1, NearestHalfEven, 0),
            (10.1, 5, Passive(Side::Buy), 10),
            (10.1, 5, Passive(Side::Sell), 15),
        ] {
            assert_eq!(to_step(value, step, rounding), Ok(wanted), "{value} {step} {rounding:?}");
        }
    }

    #[test]
    fn what_is_no_number_or_does_not_fit_is_refused() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(to_step(value, 1, Rounding::Down), Err(QuantiseError::NotFinite));
        }
        let start = from_integer(i64::MIN);
        for value in [-start, -1.0e19, 1.0e300] {
            assert_eq!(to_step(value, 1, Rounding::Down), Err(QuantiseError::OutOfRange));
        }
        assert_eq!(to_step(start, 1, Rounding::Down), Ok(i64::MIN));
        assert_eq!(to_step(start, 10, Rounding::Down), Err(QuantiseError::OutOfRange));
        assert_eq!(to_step(1.0, 0, Rounding::Down), Err(QuantiseError::Step));
        assert_eq!(to_fixed(1.0e300, 40, Rounding::Up), Err(QuantiseError::OutOfRange));
        assert_eq!(to_fixed(f64::NAN, 40, Rounding::Up), Err(QuantiseError::NotFinite));
        assert_eq!(to_fixed(1.0, 63, Rounding::Up), Err(QuantiseError::OutOfRange));
        assert_eq!(to_price(0.4, 1, Rounding::Down), Err(QuantiseError::OutOfRange));
        assert_eq!(to_quantity(-0.4, 1, Rounding::Down), Err(QuantiseError::OutOfRange));
        assert_eq!(to_quantity(0.4, 1, Rounding::Down), Ok(0));
        assert_eq!(fixed_to_step(i128::MAX, 20, 1, Rounding::Down), Err(QuantiseError::OutOfRange));
        assert_eq!(fixed_to_step(1, 63, 1, Rounding::Down), Err(QuantiseError::OutOfRange));
    }

    proptest! {
        #[test]
        fn neighbours_enclose_the_value(value in -1.0e12..1.0e12, step in 1_i64..1_000_000) {
            let down = to_step(value, step, Rounding::Down).unwrap();
            let up = to_step(value, step, Rounding::Up).unwrap();
            let nearest = to_step(value, step, Rounding::NearestHalfEven).unwrap();
            prop_assert!(from_integer(down) <= value && value <= from_integer(up));
            prop_assert!(up - down == step || up == down);
            prop_assert!(nearest == up || nearest == down);
            prop_assert_eq!(down % step, 0);
            let distance = (from_integer(nearest) - value).abs();
            prop_assert!(distance <= (value - from_integer(down)).abs() + 1.0e-3);
            prop_assert!(distance <= (from_integer(up) - value).abs() + 1.0e-3);
        }

        #[test]
        fn fixed_point_rounds_like_the_float_it_stands_for(
            value in -(1_i64 << 52)..(1_i64 << 52), bits in 0_u32..30, step in 1_i64..10_000,
        ) {
            let float = from_integer(value) / from_integer(1 << bits);
            for rounding in [
                Rounding::Down,
                Rounding::Up,
                Rounding::NearestHalfEven,
                Rounding::Passive(Side::Sell),
            ] {
                prop_assert_eq!(
                    fixed_to_step(i128::from(value), bits, step, rounding),
                    to_step(float, step, rounding)
                );
            }
        }
    }
}
