//! Money at eight decimals in 64-bit integers, and its text on the wire.
//!
//! **Invariant:** no float is ever made, and text with more than eight decimals is told apart from
//! text that is no number.

#[cfg(test)]
mod tests;

/// A price, a quantity or an amount, in units of 1e-8.
pub type Money = i64;

/// One whole unit.
pub const ONE: Money = 100_000_000;
/// Decimals on the wire.
const DECIMAL_COUNT: usize = 8;
/// Longest text of a number that is looked at.
const TEXT_SIZE_BYTES_MAX: usize = 40;

/// Why a text is no money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoneyError {
    /// Not a plain decimal number, or negative.
    Malformed,
    /// More than eight decimals that are not zero.
    TooPrecise,
    /// More than fits.
    TooLarge,
}

/// The value of a plain decimal such as `0.01`, `.5`, `12` or `1e-5`.
pub fn parse(text: &str) -> Result<Money, MoneyError> {
    if text.is_empty() || TEXT_SIZE_BYTES_MAX < text.len() {
        return Err(MoneyError::Malformed);
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let exponent = exponent.parse::<i32>().map_err(|_| MoneyError::Malformed)?;
            (mantissa, exponent)
        }
        None => (text, 0),
    };
    if !(-30..=30).contains(&exponent) {
        return Err(MoneyError::Malformed);
    }
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(MoneyError::Malformed);
    }
    let mut value = 0_i128;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if !digit.is_ascii_digit() {
            return Err(MoneyError::Malformed);
        }
        value = value.checked_mul(10).ok_or(MoneyError::TooLarge)? + i128::from(digit - b'0');
    }
    let decimals = i32::try_from(DECIMAL_COUNT).expect("eight fits");
    let fraction_count = i32::try_from(fraction.len()).map_err(|_| MoneyError::Malformed)?;
    let mut shift = decimals + exponent - fraction_count;
    while 0 < shift {
        value = value.checked_mul(10).ok_or(MoneyError::TooLarge)?;
        shift -= 1;
    }
    while shift < 0 {
        if value % 10 != 0 {
            return Err(MoneyError::TooPrecise);
        }
        value /= 10;
        shift += 1;
    }
    i64::try_from(value).map_err(|_| MoneyError::TooLarge)
}

/// The text with eight decimals.
pub fn text(value: i128) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let value = value.unsigned_abs();
    let one = u128::from(ONE.unsigned_abs());
    format!("{sign}{}.{:08}", value / one, value % one)
}

/// `price * quantity`, truncated to eight decimals. `None` where it does not fit.
pub fn quote(price: Money, quantity: Money) -> Option<Money> {
    i64::try_from(i128::from(price) * i128::from(quantity) / i128::from(ONE)).ok()
}

/// `amount * rate`, truncated.
pub fn share(amount: Money, rate: Money) -> Money {
    let share = i128::from(amount) * i128::from(rate) / i128::from(ONE);
    i64::try_from(share).unwrap_or(amount)
}
