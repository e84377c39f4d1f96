//! Venue codes: why the paper venue refused or ended something, in `tag` of `REPORT`. Never renumber.

/// The instrument is not in the table.
pub const UNKNOWN_INSTRUMENT: u32 = 1;
/// Type and time in force do not exist, or post-only does not go with them.
pub const BAD_TERMS: u32 = 2;
/// The price is not positive or not a multiple of the tick.
pub const BAD_PRICE: u32 = 3;
/// The quantity is not positive, not a multiple of the lot, or (replace) not above what traded.
pub const BAD_QUANTITY: u32 = 4;
/// The notional is below the instrument's minimum.
pub const NOTIONAL_TOO_SMALL: u32 = 5;
/// The order id was used before.
pub const DUPLICATE_ID: u32 = 6;
/// As many orders are working as the venue takes.
pub const TOO_MANY_ORDERS: u32 = 7;
/// More requests are on their way than the venue takes.
pub const TOO_MANY_REQUESTS: u32 = 8;
/// No whole book: no snapshot yet, updates missing, or disconnected.
pub const NO_MARKET: u32 = 9;
/// The market was silent for longer than `quiet_ns_max`.
pub const QUIET_MARKET: u32 = 10;
/// The book is crossed.
pub const CROSSED_MARKET: u32 = 11;
/// A post-only order would have traded at once.
pub const WOULD_TAKE: u32 = 12;
/// The order would have traded with another order of ours.
pub const SELF_TRADE: u32 = 13;
/// What could not trade at once has ended (immediate or cancel, market).
pub const NOT_IMMEDIATE: u32 = 14;
/// Fill or kill, and not all of it could trade.
pub const NOT_WHOLE: u32 = 15;
/// The venue refused by chance (`reject_per_million`).
pub const CHANCE: u32 = 16;
/// No working order has that id.
pub const UNKNOWN_ORDER: u32 = 17;

/// Every code with its name, for tools.
pub const ALL: [(u32, &str); 17] = [
    (UNKNOWN_INSTRUMENT, "unknown-instrument"),
    (BAD_TERMS, "bad-terms"),
    (BAD_PRICE, "bad-price"),
    (BAD_QUANTITY, "bad-quantity"),
    (NOTIONAL_TOO_SMALL, "notional-too-small"),
    (DUPLICATE_ID, "duplicate-id"),
    (TOO_MANY_ORDERS, "too-many-orders"),
    (TOO_MANY_REQUESTS, "too-many-requests"),
    (NO_MARKET, "no-market"),
    (QUIET_MARKET, "quiet-market"),
    (CROSSED_MARKET, "crossed-market"),
    (WOULD_TAKE, "would-take"),
    (SELF_TRADE, "self-trade"),
    (NOT_IMMEDIATE, "not-immediate"),
    (NOT_WHOLE, "not-whole"),
    (CHANCE, "chance"),
    (UNKNOWN_ORDER, "unknown-order"),
];

/// Name of a code; `none` for 0 and codes of other versions.
pub fn name(code: u32) -> &'static str {
    ALL.iter().find(|(known, _)| *known == code).map_or("none", |(_, name)| name)
}
