//! When the whole way of an order, from its cause to its fill, took too long.

use super::registry::CounterId;

/// Above this a fill is late: a warning.
pub const FILL_NS_WARNING: u64 = 100_000_000;
/// Above this it is too late: critical.
pub const FILL_NS_CRITICAL: u64 = 500_000_000;

/// What a fill that took so long counts as; each counts once.
pub const fn judge_fill(took_ns: u64) -> Option<CounterId> {
    if FILL_NS_CRITICAL < took_ns {
        Some(CounterId::FillsTooLate)
    } else if FILL_NS_WARNING < took_ns {
        Some(CounterId::FillsLate)
    } else {
        None
    }
}
