//! Decimal text to scaled integers, eight digits at a time.
//!
//! The result is always that of [`parse_scaled`]; what the fast path does not understand (signs,
//! very long numbers, digits finer than the scale, garbage) is left to it, errors included.

use engine::money::{DecimalError, parse_scaled};

pub(super) const ZEROS: u64 = 0x3030_3030_3030_3030;
const POINTS: u64 = 0x2e2e_2e2e_2e2e_2e2e;
pub(super) const ONES: u64 = 0x0101_0101_0101_0101;
pub(super) const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
/// Largest scale of the fast path: eight digits are one word.
const FAST_SCALE_MAX: u8 = 8;
pub(super) const POWERS: [u64; 9] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Like [`parse_scaled`], faster for what venues send (`61837.63000000`, `0.014`).
#[inline]
pub fn parse_decimal(text: &[u8], scale: u8) -> Result<i64, DecimalError> {
    match parse_short(text, scale) {
        Some(value) => Ok(value),
        None => parse_scaled(text, scale),
    }
}

/// One to seven digits, a point, one to eight digits; `None` for everything else.
#[inline(always)]
pub(super) fn parse_short(text: &[u8], scale: u8) -> Option<i64> {
    if FAST_SCALE_MAX < scale {
        return None;
    }
    let length = text.len();
    let head = match length {
        8..=16 => u64::from_le_bytes(*text.first_chunk()?),
        4..=7 => {
            // Two words that overlap; the bytes they share are the same.
            let first = u64::from(u32::from_le_bytes(*text.first_chunk()?));
            let last = u64::from(u32::from_le_bytes(*text.last_chunk()?));
            first | (last << (8 * (length - 4)))
        }
        _ => return None,
    };
    let point_bits = head ^ POINTS;
    let point_marks = point_bits.wrapping_sub(ONES) & !point_bits & HIGH_BITS;
    let whole_count = point_marks.trailing_zeros() / 8;
    let fraction_count = u32::try_from(length).ok()?.checked_sub(whole_count + 1)?;
    if whole_count == 0 || 7 < whole_count || fraction_count == 0 || 8 < fraction_count {
        return None;
    }
    let tail = if 8 <= length {
        u64::from_le_bytes(*text.last_chunk()?)
    } else {
        // The text ends below byte 8; shifted so that it ends at the top, like the last 8 bytes.
        head << (8 * (8 - length))
    };
    // Digits as bytes 0..=9, the first digit lowest; whole right-aligned, fraction left-aligned.
    let whole = (head ^ ZEROS) << (8 * (8 - whole_count));
    let fraction = (tail ^ ZEROS) >> (8 * (8 - fraction_count));
    if !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let scale = u32::from(scale);
    let finer_than_scale = fraction.checked_shr(8 * scale).unwrap_or(0);
    if finer_than_scale != 0 {
        return None;
    }
    let kept = fraction.checked_shl(8 * (8 - scale)).unwrap_or(0);
    let unit = POWERS.get(usize::try_from(scale).ok()?)?;
    // At most 9,999,999 x 10^8 + 99,999,999.
    Some((value_of(whole) * unit + value_of(kept)).cast_signed())
}

/// Whether every byte is 0..=9.
#[inline(always)]
pub(super) const fn all_digits(digits: u64) -> bool {
    (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & HIGH_BITS == 0
}

/// Value of eight digits, one a byte, the lowest byte being the first digit. Neighbours are joined in
/// three rounds: 8 x 1 digit, 4 x 2 digits, 2 x 4 digits.
#[inline(always)]
pub(super) const fn value_of(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10 * 256 + 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 * 65_536 + 1) >> 16 & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 * 4_294_967_296 + 1) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn short_decimals_take_the_fast_path() {
        for (text, scale, want) in [
            ("61837.63000000", 2, 6_183_763),
            ("0.00000000", 8, 0),
            ("0.00000001", 8, 1),
            ("9999999.99999999", 8, 999_999_999_999_999),
            ("61800.20", 1, 618_002),
            ("0.014", 3, 14),
            ("10.5", 3, 10_500),
            ("3.78826000", 5, 378_826),
            ("7.00000000", 0, 7),
        ] {
            assert_eq!(parse_short(text.as_bytes(), scale), Some(want), "{text}");
        }
        for text in
            ["", ".", "1", "1.", ".5", "-1.5", "1.2.3", "12345678.1", "1e5.0", "1.23/", "1.2:"]
        {
            assert_eq!(parse_short(text.as_bytes(), 3), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn the_fast_path_never_differs_from_the_obvious_one(
            text in prop_oneof![
                "[0-9]{0,9}\\.[0-9]{0,10}",
                "[0-9]{1,5}\\.[0-9]{0,4}0{0,8}",
                "-?[0-9]{0,20}\\.?[0-9]{0,9}",
                "[-+0-9./:e]{0,18}",
            ],
            scale in 0u8..=12,
        ) {
            prop_assert_eq!(parse_decimal(text.as_bytes(), scale), parse_scaled(text.as_bytes(), scale));
        }

        #[test]
        fn any_bytes_give_the_obvious_answer(
            bytes in proptest::collection::vec(any::<u8>(), 0..20),
            scale in 0u8..=12,
        ) {
            prop_assert_eq!(parse_decimal(&bytes, scale), parse_scaled(&bytes, scale));
        }
    }
}
