//! What an error of the venue means for an order: the one table.
//!
//! ```text
//!   (HTTP status, code, message) --judge--> Final:     refused, certainly not accepted
//!                                           Transient: refused before acceptance, later it may pass
//!                                           Unknown:   it may have been accepted; only a query tells
//! ```
//! Source: "Error codes for Binance" and "HTTP return codes" of binance-spot-api-docs (2026-07), and
//! shared `venues.md` section 1.6. The rows are read from the top, the first that fits holds; codes
//! are overloaded (-2010, -2011, -1013), so rows look at the message too.
//!
//! **Invariant:** what no row knows is unknown when the status is 5xx or says nothing, and final when it
//! is 4xx: the documents promise that 4xx means "not accepted", and of 5xx that nothing may be assumed.

#[cfg(test)]
mod tests;

/// Why a request was refused for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Key, signature or permission.
    Authorization,
    /// A parameter is missing or malformed.
    Parameter,
    /// A filter of the symbol.
    Filter,
    /// Not enough balance.
    Balance,
    /// A post-only order would have taken, or a stop would have triggered at once.
    WouldTake,
    /// An order of that client id is open: one of ours arrived that we believe lost.
    Duplicate,
    /// The venue does not know the order (any more).
    NoSuchOrder,
    /// The order was not in the state that the cancel asked for.
    Restricted,
    /// Market or account closed for this.
    Closed,
    /// Cancel and replace: the one half went, the other did not.
    ReplaceHalf,
    /// Cancel and replace: nothing was done.
    ReplaceNone,
    /// Refused for another reason.
    Other,
}

/// Why a request was refused for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Too many requests or orders.
    RateLimit,
    /// The timestamp was outside of the window: measure the venue's clock again.
    Clock,
    /// Overloaded, refused before acceptance.
    Overloaded,
}

/// What an error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Refused for good; certainly not accepted.
    Final(Reason),
    /// Refused for now; certainly not accepted.
    Transient(Retry),
    /// It may have been accepted.
    Unknown,
}

/// A row: codes from, codes to (both inclusive, the larger first), what the message must hold.
type Row = (i64, i64, &'static str, Verdict);

const fn fin(reason: Reason) -> Verdict {
    Verdict::Final(reason)
}

#[rustfmt::skip]
const TABLE: [Row; 44] = [
    (-1000, -1001, "", Verdict::Unknown),                    // UNKNOWN, DISCONNECTED: "unable to process".
    (-1002, -1002, "", fin(Reason::Authorization)),          // UNAUTHORIZED.
    (-1003, -1003, "", Verdict::Transient(Retry::RateLimit)), // TOO_MANY_REQUESTS.
    (-1006, -1007, "", Verdict::Unknown),                    // UNEXPECTED_RESP, TIMEOUT: "status unknown".
    (-1008, -1008, "", Verdict::Transient(Retry::Overloaded)), // SERVER_BUSY.
    (-1010, -1010, "insufficient balance", fin(Reason::Balance)),
    (-1010, -1010, "Unknown order", fin(Reason::NoSuchOrder)),
    (-1010, -1010, "Market is closed", fin(Reason::Closed)),
    (-1010, -1010, "", fin(Reason::Other)),                  // ERROR_MSG_RECEIVED.
    (-1013, -1013, "", fin(Reason::Filter)),                 // INVALID_MESSAGE, "Filter failure: ..".
    (-1014, -1014, "", fin(Reason::Parameter)),              // UNKNOWN_ORDER_COMPOSITION.
    (-1015, -1015, "", Verdict::Transient(Retry::RateLimit)), // TOO_MANY_ORDERS.
    (-1016, -1016, "", fin(Reason::Closed)),                 // SERVICE_SHUTTING_DOWN.
    (-1020, -1020, "", fin(Reason::Parameter)),              // UNSUPPORTED_OPERATION.
    (-1021, -1021, "", Verdict::Transient(Retry::Clock)),    // INVALID_TIMESTAMP.
    (-1022, -1022, "", fin(Reason::Authorization)),          // INVALID_SIGNATURE.
    (-1033, -1035, "", Verdict::Transient(Retry::RateLimit)), // Connections and comparisons, too many.
    (-1099, -1099, "", fin(Reason::Authorization)),          // Not found, unauthenticated or unauthorized.
    (-1100, -1199, "", fin(Reason::Parameter)),              // Everything about parameters.
    (-2010, -2010, "Duplicate order", fin(Reason::Duplicate)),
    (-2010, -2010, "insufficient balance", fin(Reason::Balance)),
    (-2010, -2010, "immediately match", fin(Reason::WouldTake)),
    (-2010, -2010, "trigger immediately", fin(Reason::WouldTake)),
    (-2010, -2010, "Market is closed", fin(Reason::Closed)),
    (-2010, -2010, "disabled", fin(Reason::Closed)),
    (-2010, -2010, "not supported", fin(Reason::Parameter)),
    (-2010, -2010, "", fin(Reason::Other)),                  // NEW_ORDER_REJECTED.
    (-2011, -2011, "cancel restrictions", fin(Reason::Restricted)),
    (-2011, -2011, "Unknown order", fin(Reason::NoSuchOrder)),
    (-2011, -2011, "", fin(Reason::Other)),                  // CANCEL_REJECTED.
    (-2013, -2013, "", fin(Reason::NoSuchOrder)),            // "Order does not exist."
    (-2014, -2015, "", fin(Reason::Authorization)),          // Bad key, IP or permission.
    (-2016, -2016, "", fin(Reason::Closed)),                 // No trading window.
    (-2021, -2021, "", fin(Reason::ReplaceHalf)),
    (-2022, -2022, "", fin(Reason::ReplaceNone)),
    (-2024, -2024, "", fin(Reason::Balance)),
    (-2026, -2026, "", fin(Reason::NoSuchOrder)),            // Archived: cancelled unfilled, 90 days ago.
    (-2035, -2036, "", fin(Reason::Other)),                  // User stream: already, or not subscribed.
    (-2038, -2038, "", fin(Reason::Other)),                  // Amend rejected.
    (-2039, -2039, "", fin(Reason::NoSuchOrder)),            // Client id and order id are of two orders.
    (-2042, -2042, "", fin(Reason::Other)),                  // User stream: too many subscriptions.
    (-2044, -2044, "", fin(Reason::Other)),
    (-9000, -9000, "", Verdict::Transient(Retry::Overloaded)), // FIX only; never accepted.
    (-1, -9999, "Too many", Verdict::Transient(Retry::RateLimit)),
];

/// What `status` with `code` and `message` means; `code` is 0 when the body was no error of the venue.
pub fn judge(status: u16, code: i64, message: &str) -> Verdict {
    // "HTTP 5XX: it is important NOT to treat this as a failure operation", whatever code it carries.
    if 500 <= status {
        return Verdict::Unknown;
    }
    let fits = |row: &&Row| row.1 <= code && code <= row.0 && message.contains(row.2);
    if let Some((_, _, _, verdict)) = TABLE.iter().find(fits) {
        return *verdict;
    }
    match status {
        418 | 429 => Verdict::Transient(Retry::RateLimit),
        401 | 403 => Verdict::Final(Reason::Authorization),
        400..=499 => Verdict::Final(Reason::Other),
        _ => Verdict::Unknown,
    }
}

/// The code as `tag` of a report holds it: without its sign.
pub fn venue_code(code: i64) -> u32 {
    u32::try_from(code.unsigned_abs()).unwrap_or(u32::MAX)
}
