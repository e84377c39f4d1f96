//! The doors between floats and integers; nothing else in this crate converts.

/// Largest magnitude that goes through: every integer up to it is a float exactly.
const EXACT_MAX: i64 = 1 << 53;

/// An integer as a float; beyond 2^53 the nearest one.
pub(crate) const fn float(value: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "the nearest float is what is wanted")]
    let result = value as f64;
    result
}

/// The nearest integer, within plus and minus 2^53; 0 for what is not a number.
pub(crate) fn integer(value: f64) -> i64 {
    let bound = float(EXACT_MAX);
    #[expect(clippy::cast_possible_truncation, reason = "clamped to the exact range before")]
    let result = libm::round(value.clamp(-bound, bound)) as i64;
    result
}

/// Nanoseconds of a span in seconds, at least 1.
pub(crate) fn span_ns(seconds: f64) -> u64 {
    u64::try_from(integer(seconds * 1e9).max(1)).expect("at least one")
}

/// Seconds of a span in nanoseconds.
pub(crate) fn seconds(span_ns: u64) -> f64 {
    float(i64::try_from(span_ns).unwrap_or(i64::MAX)) * 1e-9
}
