//! Money: exact integers with a scale, and the doors to text and `rust_decimal`.
//!
//! A price or quantity is an `i64` in units of 10^-scale of its instrument. A product of the two is
//! exact in [`Money`]: an `i128` in units of 10^-12 of the account currency, because the scales of
//! price and quantity add up to at most 12 (checked when an instrument is made). Events carry money
//! as an `i64` in units of 10^-8, the finest unit in which venues charge fees.

use rust_decimal::Decimal;

/// Digits after the point of [`Money`].
pub const MONEY_SCALE: u8 = 12;
/// Digits after the point of money in events.
pub const EVENT_MONEY_SCALE: u8 = 8;
/// Largest scale of a price or a quantity.
pub const SCALE_MAX: u8 = 12;
const EVENT_MONEY_UNIT: i128 = 10_i128.pow((MONEY_SCALE - EVENT_MONEY_SCALE) as u32);

/// An amount in the account currency, in units of 10^-12. Exact: sums and products never round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(pub i128);

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);
    /// One unit of the account currency.
    pub const ONE: Money = Money(10_i128.pow(MONEY_SCALE as u32));
    /// More than any account holds; where a sum cannot be told, it is this.
    pub const MAX: Money = Money(i128::MAX);

    /// Money of an event field (units of 10^-8).
    #[inline]
    pub const fn from_event(value_e8: i64) -> Money {
        Money(value_e8 as i128 * EVENT_MONEY_UNIT)
    }

    /// For an event field (units of 10^-8): rounded towards minus infinity, saturated at the ends of `i64`.
    #[inline]
    pub fn to_event(self) -> i64 {
        let floored = self.0.div_euclid(EVENT_MONEY_UNIT);
        i64::try_from(floored).unwrap_or(if floored < 0 { i64::MIN } else { i64::MAX })
    }

    /// Sum, saturated; a saturated sum is beyond every limit.
    #[inline]
    #[must_use]
    pub const fn plus(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }

    /// Difference, saturated.
    #[inline]
    #[must_use]
    pub const fn minus(self, other: Money) -> Money {
        Money(self.0.saturating_sub(other.0))
    }

    /// Amount without its sign.
    #[inline]
    #[must_use]
    pub const fn magnitude(self) -> Money {
        Money(self.0.saturating_abs())
    }

    /// The amount of a decimal such as a configured limit; refused when finer than 10^-12 or too large.
    pub fn from_decimal(value: Decimal) -> Result<Money, DecimalError> {
        scaled_from_decimal(value, MONEY_SCALE).map(Money)
    }

    /// As a decimal for reports, exact up to 10^-12; `None` beyond the range of `Decimal`.
    pub fn to_decimal(self) -> Option<Decimal> {
        Decimal::try_from_i128_with_scale(self.0, u32::from(MONEY_SCALE))
            .ok()
            .map(|d| d.normalize())
    }
}

impl std::fmt::Display for Money {
    /// Exact decimal text without trailing zeros.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_scaled(f, self.0, MONEY_SCALE)
    }
}

/// Why a decimal text or number cannot become an integer of the scale.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not a decimal number.
    #[error("not a decimal number: \"{text}\"")]
    NotANumber {
        /// The text as it came, cut to 40 bytes.
        text: String,
    },
    /// Digits finer than the scale that are not zero.
    #[error("\"{text}\" is finer than {scale} decimal places")]
    OffScale {
        /// The text as it came, cut to 40 bytes.
        text: String,
        /// Decimal places that the instrument has.
        scale: u8,
    },
    /// Larger than the integer can hold.
    #[error("\"{text}\" is out of range at {scale} decimal places")]
    OutOfRange {
        /// The text as it came, cut to 40 bytes.
        text: String,
        /// Decimal places that the instrument has.
        scale: u8,
    },
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(40)]).into_owned()
}

/// Parses decimal text (`-12.3400`) into an integer in units of 10^-`scale`. Exact or an error: no
/// rounding, no exponent, no sign but a leading `-`, trailing zeros beyond the scale are fine.
#[inline]
pub fn parse_scaled(text: &[u8], scale: u8) -> Result<i64, DecimalError> {
    debug_assert!(scale <= SCALE_MAX);
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let mut value: i64 = 0;
    let mut places_left = scale;
    let mut seen_point = false;
    let mut digit_count = 0u32;
    for &byte in digits {
        if byte == b'.' && !seen_point {
            seen_point = true;
            continue;
        }
        let digit = byte.wrapping_sub(b'0');
        if 9 < digit {
            return Err(DecimalError::NotANumber { text: shown(text) });
        }
        digit_count += 1;
        if seen_point {
            if places_left == 0 {
                if digit != 0 {
                    return Err(DecimalError::OffScale { text: shown(text), scale });
                }
                continue;
            }
            places_left -= 1;
        }
        value = value
            .checked_mul(10)
            .and_then(|v| v.checked_add(i64::from(digit)))
            .ok_or_else(|| DecimalError::OutOfRange { text: shown(text), scale })?;
    }
    if digit_count == 0 {
        return Err(DecimalError::NotANumber { text: shown(text) });
    }
    let scaled = value
        .checked_mul(10_i64.pow(u32::from(places_left)))
        .ok_or_else(|| DecimalError::OutOfRange { text: shown(text), scale })?;
    Ok(if negative { -scaled } else { scaled })
}

/// Writes `value` units of 10^-`scale` as decimal text without trailing zeros (`61824`, `0.37413`).
pub fn write_scaled(out: &mut impl std::fmt::Write, value: i128, scale: u8) -> std::fmt::Result {
    let unit = 10_u128.pow(u32::from(scale));
    let magnitude = value.unsigned_abs();
    let (whole, mut fraction) = (magnitude / unit, magnitude % unit);
    if value < 0 {
        out.write_char('-')?;
    }
    write!(out, "{whole}")?;
    if fraction == 0 {
        return Ok(());
    }
    let mut places = usize::from(scale);
    while fraction % 10 == 0 {
        fraction /= 10;
        places -= 1;
    }
    write!(out, ".{fraction:0places$}")
}

/// Text of `value` units of 10^-`scale`, without trailing zeros.
pub fn format_scaled(value: i64, scale: u8) -> String {
    let mut text = String::with_capacity(24);
    write_scaled(&mut text, i128::from(value), scale).expect("writing to a string cannot fail");
    text
}

/// An exact integer in units of 10^-`scale` of a decimal, or an error that holds its text.
pub fn scaled_from_decimal(value: Decimal, scale: u8) -> Result<i128, DecimalError> {
    let value = value.normalize();
    if u32::from(scale) < value.scale() {
        return Err(DecimalError::OffScale { text: value.to_string(), scale });
    }
    value
        .mantissa()
        .checked_mul(10_i128.pow(u32::from(scale) - value.scale()))
        .ok_or_else(|| DecimalError::OutOfRange { text: value.to_string(), scale })
}

/// Like [`scaled_from_decimal`], for fields of 64 bits.
pub fn scaled_i64_from_decimal(value: Decimal, scale: u8) -> Result<i64, DecimalError> {
    i64::try_from(scaled_from_decimal(value, scale)?)
        .map_err(|_| DecimalError::OutOfRange { text: value.to_string(), scale })
}

/// The decimal of `value` units of 10^-`scale`.
pub fn decimal_from_scaled(value: i64, scale: u8) -> Decimal {
    Decimal::new(value, u32::from(scale)).normalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(table: &str) {
        for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [text, scale, want] = words[..] else { panic!("three columns: {line}") };
            let text = if text == "empty" { "" } else { text };
            let got = match parse_scaled(text.as_bytes(), scale.parse().unwrap()) {
                Ok(value) => value.to_string(),
                Err(DecimalError::NotANumber { .. }) => "not-a-number".to_string(),
                Err(DecimalError::OffScale { .. }) => "off-scale".to_string(),
                Err(DecimalError::OutOfRange { .. }) => "out-of-range".to_string(),
            };
            assert_eq!(got, want, "{line}");
        }
    }

    #[test]
    fn venue_text_becomes_an_exact_integer_or_an_error() {
        check(
            "61837.63000000        2   6183763
             61837.631             2   off-scale
             0.00000000            8   0
             -1.5                  1   -15
             1.                    2   100
             .5                    1   5
             .                     1   not-a-number
             empty                 1   not-a-number
             -                     1   not-a-number
             1e5                   1   not-a-number
             +1                    1   not-a-number
             1.2.3                 3   not-a-number
             NaN                   2   not-a-number
             9223372036854775807   0   9223372036854775807
             9223372036854775808   0   out-of-range
             92233720368547758.07  2   9223372036854775807
             1                     12  1000000000000
             99999999              12  out-of-range",
        );
    }

    #[test]
    fn an_off_scale_price_is_named_in_the_error() {
        let error = parse_scaled(b"61837.631", 2).unwrap_err();
        assert_eq!(error.to_string(), "\"61837.631\" is finer than 2 decimal places");
    }

    #[test]
    fn event_money_rounds_down_and_saturates() {
        assert_eq!(Money(-1).to_event(), -1);
        assert_eq!(Money(9_999).to_event(), 0);
        assert_eq!(Money::MAX.to_event(), i64::MAX);
        assert_eq!(Money(i128::MIN).to_event(), i64::MIN);
        assert_eq!(Money::from_event(-7).to_event(), -7);
    }

    proptest! {
        #[test]
        fn text_and_integer_are_inverse(value in any::<i64>(), scale in 0u8..=12) {
            prop_assume!(value != i64::MIN);
            let text = format_scaled(value, scale);
            prop_assert_eq!(parse_scaled(text.as_bytes(), scale).unwrap(), value);
        }

        #[test]
        fn decimal_and_integer_are_inverse(value in any::<i64>(), scale in 0u8..=12) {
            let decimal = decimal_from_scaled(value, scale);
            prop_assert_eq!(scaled_i64_from_decimal(decimal, scale).unwrap(), value);
        }

        #[test]
        fn any_bytes_give_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..40), scale in 0u8..=12) {
            // A number that is accepted is told back with the same value.
            if let Ok(value) = parse_scaled(&bytes, scale) {
                let again = parse_scaled(format_scaled(value, scale).as_bytes(), scale);
                prop_assert_eq!(again, Ok(value));
            }
        }
    }
}
