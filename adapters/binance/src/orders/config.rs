//! Rules of order entry: every deadline, bound and habit, and what is traded.

use engine::instrument::{InstrumentTable, Venue};

use crate::request::{ResponseKind, SelfTrade};

/// Deadlines, bounds and habits.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How old a request may be when the venue accepts it, in whole milliseconds. Short: nothing that
    /// was lost can be found not to exist before it has passed.
    pub recv_window_ns: u64,
    /// Largest error of our estimate of the venue's clock. The venue itself allows a second.
    pub clock_error_ns_max: u64,
    /// Added when it is judged that a request can no longer be accepted: how far the venue's answers
    /// to queries may lag behind its matching.
    pub settle_margin_ns: u64,
    /// From a request to its answer; afterwards its outcome is unknown.
    pub answer_ns_max: u64,
    /// How long an answer that comes too late is still listened to.
    pub overdue_ns_max: u64,
    /// From an open socket to a user data subscription.
    pub opening_ns_max: u64,
    /// From a traded quantity that an answer tells to the execution report that tells its trades.
    pub report_ns_max: u64,
    /// Between a refusal for now, or an incomplete answer, and the next attempt.
    pub retry_ns: u64,
    /// Attempts at a cancel or at missing executions.
    pub retry_count_max: u8,
    /// Between two looks at the venue's clock, which are the pings of the connection too.
    pub ping_interval_ns: u64,
    /// Without an answer to such a look for so long the connection is mute.
    pub ping_ns_max: u64,
    /// Largest difference of the venue's clock and ours; beyond it nothing is sent.
    pub offset_ns_max: u64,
    /// Age at which a connection is replaced by a second one. The venue cuts after 24 h.
    pub renew_ns: u64,
    /// How long the replaced connection is kept for answers on their way.
    pub drain_ns: u64,
    /// How far back the first pull asks for executions.
    pub lookback_ns: u64,
    /// Requests without an answer.
    pub flight_count_max: usize,
    /// Orders that are over and still known.
    pub ended_count_max: usize,
    /// Report ids and trade ids that are remembered.
    pub window_count_max: usize,
    /// Most rows of each kind that a pull takes.
    pub pull_row_count_max: usize,
    /// Most generations of an order: replaces at the venue, plus one.
    pub generation_max: u16,
    /// Log on (Ed25519), so that requests need no signature.
    pub log_on: bool,
    /// Whether new orders may go by REST while the connection is down.
    pub place_by_rest: bool,
    /// What the answer to a new order holds.
    pub response: ResponseKind,
    /// What happens when an order meets one of ours.
    pub self_trade: Option<SelfTrade>,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            recv_window_ns: 1_000_000_000,
            clock_error_ns_max: 1_000_000_000,
            settle_margin_ns: 500_000_000,
            answer_ns_max: 2_000_000_000,
            overdue_ns_max: 30_000_000_000,
            opening_ns_max: 5_000_000_000,
            report_ns_max: 1_000_000_000,
            retry_ns: 200_000_000,
            retry_count_max: 5,
            ping_interval_ns: 1_000_000_000,
            ping_ns_max: 3_000_000_000,
            offset_ns_max: 5_000_000_000,
            renew_ns: 23 * 3_600_000_000_000,
            drain_ns: 5_000_000_000,
            lookback_ns: 3_600_000_000_000,
            flight_count_max: 1024,
            ended_count_max: 4096,
            window_count_max: 16_384,
            pull_row_count_max: 16_384,
            generation_max: 256,
            log_on: false,
            place_by_rest: true,
            response: ResponseKind::Result,
            self_trade: None,
        }
    }
}

/// An instrument as order entry needs it.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Its index in events.
    pub instrument: u16,
    /// The venue's symbol.
    pub symbol: String,
    /// What is bought and sold.
    pub base: String,
    /// What is paid with.
    pub quote: String,
    /// Decimal places of prices.
    pub price_scale: u8,
    /// Decimal places of quantities.
    pub quantity_scale: u8,
}

/// The instruments of `venue` in the table; `assets` names base and quote of a symbol, as `exchangeInfo`
/// tells them. Where it knows none, the quote is the longest of the usual ones that ends the symbol.
pub fn listings(
    venue: Venue,
    instruments: &InstrumentTable,
    assets: impl Fn(&str) -> Option<(String, String)>,
) -> Vec<Listing> {
    let ours = instruments.iter().filter(|(_, instrument)| instrument.venue == venue);
    ours.map(|(index, instrument)| {
        let symbol = &instrument.symbol;
        let (base, quote) = assets(symbol).unwrap_or_else(|| split(symbol));
        Listing {
            instrument: index,
            symbol: symbol.clone(),
            base,
            quote,
            price_scale: instrument.price_scale,
            quantity_scale: instrument.quantity_scale,
        }
    })
    .collect()
}

/// Quotes of most symbols of the venue.
const QUOTES: [&str; 12] =
    ["FDUSD", "USDT", "USDC", "TUSD", "BUSD", "BTC", "ETH", "BNB", "EUR", "TRY", "USD", "BRL"];

fn split(symbol: &str) -> (String, String) {
    let fits = |quote: &&&str| quote.len() < symbol.len() && symbol.ends_with(**quote);
    match QUOTES.iter().find(fits) {
        Some(quote) => (symbol[..symbol.len() - quote.len()].to_string(), (*quote).to_string()),
        None => (symbol.to_string(), String::new()),
    }
}
