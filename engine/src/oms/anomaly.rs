//! Codes of the anomalies that the OMS reports, in `code` of `ANOMALY`. 100 to 199, never renumbered.
//!
//! An anomaly never stops trading; it says that the engine and a venue (or two parts of the engine)
//! do not agree. `price` holds what was measured or told, `quantity` what was expected.

/// A report names an order that we do not have. Measured: the report code.
pub const UNKNOWN_ORDER: u16 = 100;
/// A report with a code that does not exist, or terms that cannot be. Measured: the code.
pub const BAD_REPORT: u16 = 101;
/// The second half of a fill report came without its first half. Measured: the source.
pub const ORPHAN_DETAIL: u16 = 102;
/// The first half of a fill report was never followed by its second half: the order is queried.
pub const HALF_LOST: u16 = 103;
/// An execution id that was already booked: dropped. Measured: the quantity told again.
pub const DUPLICATE_EXECUTION: u16 = 104;
/// More traded than was ordered: booked. Measured: traded in all; expected: the order's quantity.
pub const OVER_FILL: u16 = 105;
/// The venue's cumulative quantity differs from the sum of our fills: ours is kept, both are told.
pub const CUMULATIVE_MISMATCH: u16 = 106;
/// A fill of an order that was over: booked with the `LATE` flag. Measured: quantity.
pub const LATE_FILL: u16 = 107;
/// A fill of an order that is not ours to know: booked for no strategy. Measured: quantity.
pub const STRANGER_FILL: u16 = 108;
/// A report that cannot be true of the order's state. Measured: the input; expected: the state.
pub const CONTRADICTION: u16 = 109;
/// An answer to a question that was not asked. Measured: the input; expected: the state.
pub const UNEXPECTED_REPORT: u16 = 110;
/// The venue works an order that we believed gone: a cancel goes out, the state stays.
pub const ZOMBIE: u16 = 111;
/// No room for another order. Measured: live orders; expected: the most there may be.
pub const TABLE_FULL: u16 = 112;
/// An approval that is no order (strategy, instrument, terms or quantity do not exist).
pub const BAD_APPROVAL: u16 = 113;
/// An approved cancel that cannot be sent. Measured: the input; expected: the state.
pub const NOT_CANCELLABLE: u16 = 114;
/// An approved replace that cannot be sent. Measured: the input; expected: the state.
pub const NOT_REPLACEABLE: u16 = 115;
/// An approved cancel or replace of another strategy's order. Measured: who asked; expected: owner.
pub const NOT_YOURS: u16 = 116;
/// A replace to a total quantity that has traded already. Measured: quantity; expected: traded.
pub const BAD_REPLACE: u16 = 117;
/// A session number that is not above the present one: the present one goes on, so that no id comes twice.
pub const BAD_SESSION: u16 = 118;
/// Every id of this session is used. Measured: the counter.
pub const IDS_EXHAUSTED: u16 = 119;
/// The venue told new terms without being asked: believed. Measured: new quantity; expected: ours.
pub const UNASKED_TERMS: u16 = 120;
/// A fill of nothing, or of an instrument that no table holds: not booked. Measured: quantity.
pub const BAD_FILL: u16 = 121;
/// An approved cancel or replace names an order that we do not have. Measured: the kind.
pub const NO_SUCH_ORDER: u16 = 122;
/// A fee in an asset that the engine does not value: booked as 0. Measured: the amount, in 10^-8.
pub const FOREIGN_FEE: u16 = 123;
