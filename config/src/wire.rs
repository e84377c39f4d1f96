//! `[wire]`: market and orders over sockets instead of generated in the process.

use engine::instrument::{InstrumentTable, Venue};
use engine::oms::QUERY_INTERVAL_NS;
use engine::reconcile::ReconcileConfig;
use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::number::Number;
use crate::schema::Config;
use crate::validate::{conflict, range};

const NS_PER_MS: u64 = 1_000_000;
/// Quote balances are compared in units of 10^-8.
const QUOTE_SCALE: u8 = 8;

/// `[wire]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireSection {
    /// `local` (a venue of ours, started beside the engine), `url` (the addresses below), `testnet`, `demo`, `us` or
    /// `production` (Binance; the last two in dry-run only).
    pub network: String,
    /// `local`: whether its TLS ports are used.
    #[serde(default = "yes")]
    pub tls: bool,
    /// `url`: address of the REST interface, such as `http://127.0.0.1:8080`.
    pub rest_url: Option<String>,
    /// `url`: address of the streams, such as `ws://127.0.0.1:8080`.
    pub stream_url: Option<String>,
    /// `url`: address of the WebSocket API, such as `ws://127.0.0.1:8080/ws-api/v3`.
    pub ws_api_url: Option<String>,
    /// PEM file of the authority that signed the peer's certificate; default: the public ones.
    pub ca_file: Option<String>,
    /// File with the API key, readable by its owner alone. `local` needs none.
    pub key_file: Option<String>,
    /// The local venue.
    #[serde(default)]
    pub local: LocalSection,
    /// Market data.
    #[serde(default)]
    pub feed: WireFeedSection,
    /// Order entry.
    #[serde(default)]
    pub orders: WireOrdersSection,
    /// The reconciler.
    #[serde(default)]
    pub reconcile: ReconcileSection,
}

fn yes() -> bool {
    true
}

/// `[wire.local]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LocalSection {
    /// Seed of its market and its faults.
    pub seed: u64,
    /// Per cent of its usual rates.
    pub speed_percent: u32,
    /// What it keeps of each trade, parts per million: the `maker_fee` and `taker_fee` of the instruments.
    pub fee_ppm: u32,
    /// File with a script of faults.
    pub faults_file: Option<String>,
}

impl Default for LocalSection {
    fn default() -> LocalSection {
        LocalSection { seed: 7, speed_percent: 100, fee_ppm: 1_000, faults_file: None }
    }
}

/// `[wire.feed]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WireFeedSection {
    /// Connections that carry the same streams, 1 to 4: the first is the primary.
    pub connections: u32,
    /// `primary` (the others are not used), `failover` or `better` (the first to tell an update wins).
    pub policy: String,
    /// Whether public trades are subscribed.
    pub trades: bool,
    /// Whether best bid and offer are subscribed.
    pub quotes: bool,
    /// Levels of a book snapshot, at most 5000.
    pub snapshot_levels: u32,
    /// Longest silence of a depth stream before its connection is judged mute, ms.
    pub mute_ms_max: u32,
    /// First wait before a new connection, ms; the first try of all is immediate.
    pub reconnect_ms_min: u32,
    /// Longest wait before a new connection, ms.
    pub reconnect_ms_max: u32,
    /// Age at which a connection is replaced by a new one that overlaps it, s. Binance ends them after 24 h.
    pub connection_age_s_max: u32,
    /// A price so far from the last one is put aside, per cent.
    pub price_band_percent: u32,
    /// Directory for segments of every frame in and out, of orders too; nothing is recorded without it.
    pub record_dir: Option<String>,
}

impl Default for WireFeedSection {
    fn default() -> WireFeedSection {
        WireFeedSection {
            connections: 2,
            policy: "better".to_string(),
            trades: true,
            quotes: true,
            snapshot_levels: 1_000,
            mute_ms_max: 10_000,
            reconnect_ms_min: 50,
            reconnect_ms_max: 30_000,
            connection_age_s_max: 82_800,
            price_band_percent: 30,
            record_dir: None,
        }
    }
}

/// `[wire.orders]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WireOrdersSection {
    /// Longest wait for the answer to a request, ms; then its outcome is unknown.
    pub request_ms_max: u32,
    /// How old a request may be when it reaches the venue, ms.
    pub recv_window_ms: u32,
    /// First wait before a new connection, ms.
    pub reconnect_ms_min: u32,
    /// Longest wait before a new connection, ms.
    pub reconnect_ms_max: u32,
    /// Longest silence before the session is judged mute, ms; it is asked for a sign of life well before.
    pub mute_ms_max: u32,
    /// Age at which the session is replaced by a new one that overlaps it, s.
    pub connection_age_s_max: u32,
    /// Largest difference of the venue's clock to ours, ms; beyond it nothing is sent.
    pub clock_offset_ms_max: u32,
    /// Largest error of what we take the venue's clock to be, ms. "No such order" is believed only when the request
    /// cannot be accepted any more: after `recv_window_ms`, this and `settle_margin_ms`.
    pub clock_error_ms_max: u32,
    /// How far the venue's answers to questions may lag behind its matching, ms.
    pub settle_margin_ms: u32,
    /// Time between two looks at the venue's clock, ms.
    pub clock_interval_ms: u32,
    /// Self-trade prevention, in the venue's words.
    pub self_trade_prevention: String,
}

impl Default for WireOrdersSection {
    fn default() -> WireOrdersSection {
        WireOrdersSection {
            request_ms_max: 3_000,
            recv_window_ms: 2_000,
            reconnect_ms_min: 50,
            reconnect_ms_max: 30_000,
            mute_ms_max: 5_000,
            connection_age_s_max: 82_800,
            clock_offset_ms_max: 1_000,
            clock_error_ms_max: 1_000,
            settle_margin_ms: 500,
            clock_interval_ms: 30_000,
            self_trade_prevention: "EXPIRE_MAKER".to_string(),
        }
    }
}

/// `[wire.reconcile]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReconcileSection {
    /// Time between two checks while running, ms.
    pub interval_ms: u32,
    /// Wait before a check is repeated that found a difference, ms.
    pub retry_ms: u32,
    /// Longest wait for what the venue tells of our orders and balances, ms.
    pub timeout_ms: u32,
    /// Checks in a row that may find a difference before the alarm.
    pub attempts_max: u32,
    /// Difference of a base asset that is let pass.
    pub tolerance_base: Number,
    /// Difference of a quote asset that is let pass.
    pub tolerance_quote: Number,
    /// An order without a word for so long is asked for, then cancelled, ms.
    pub stale_order_ms: u32,
    /// Time between two looks for such orders, ms.
    pub sweep_interval_ms: u32,
    /// Time between two questions for an order whose fate is unknown, ms.
    pub query_interval_ms: u32,
}

impl Default for ReconcileSection {
    fn default() -> ReconcileSection {
        ReconcileSection {
            interval_ms: 60_000,
            retry_ms: 500,
            timeout_ms: 10_000,
            attempts_max: 10,
            tolerance_base: Number::default(),
            // A cent: each fee is rounded to 10^-8 at the venue and here.
            tolerance_quote: Number(rust_decimal::Decimal::new(1, 2)),
            stale_order_ms: 900_000,
            sweep_interval_ms: 300_000,
            query_interval_ms: 1_000,
        }
    }
}

/// Networks that `[wire] network` may name.
pub const NETWORKS: [&str; 6] = ["local", "url", "testnet", "demo", "us", "production"];
/// Policies that `[wire.feed] policy` may name.
pub const POLICIES: [&str; 3] = ["primary", "failover", "better"];

impl Config {
    pub(crate) fn validate_wire(&self, origin: &str) -> Result<(), ConfigError> {
        let Some(wire) = &self.wire else { return Ok(()) };
        if !NETWORKS.contains(&wire.network.as_str()) {
            let must = NETWORKS.join(", ");
            return Err(range(origin, "wire.network", &wire.network, &must));
        }
        let urls = [
            ("wire.rest_url", &wire.rest_url),
            ("wire.stream_url", &wire.stream_url),
            ("wire.ws_api_url", &wire.ws_api_url),
        ];
        for (key, url) in urls {
            if (wire.network == "url") != url.is_some() {
                let what = format!("{key} must be there for network = \"url\", and only for it");
                return Err(conflict(origin, what));
            }
        }
        if !self.has_key() && wire.network != "local" && self.engine.mode != "dry-run" {
            let what = format!(
                "wire.key_file and secrets.key are missing: orders at \"{}\" are signed",
                wire.network
            );
            return Err(conflict(origin, what));
        }
        if !POLICIES.contains(&wire.feed.policy.as_str()) {
            return Err(range(origin, "wire.feed.policy", &wire.feed.policy, &POLICIES.join(", ")));
        }
        wire.check_ranges(origin)?;
        let is_spot = |venue: &str| Venue::from_name(venue) == Some(Venue::BinanceSpot);
        if wire.network == "local" {
            self.check_fees(wire.local.fee_ppm, origin)?;
        }
        if let Some(other) = self.instrument.iter().find(|i| !is_spot(&i.venue)) {
            let what = format!(
                "instrument {} is at venue {}: with [wire] every instrument is at binance-spot",
                other.symbol, other.venue
            );
            return Err(conflict(origin, what));
        }
        self.reconcile(&self.instruments(origin)?, origin).map(drop)
    }
}

impl Config {
    /// A fee that the engine expects and the venue does not take would be a difference at every fill.
    fn check_fees(&self, fee_ppm: u32, origin: &str) -> Result<(), ConfigError> {
        let expected = Number(rust_decimal::Decimal::new(i64::from(fee_ppm), 6));
        let differs = |fee: &Number| fee.0 != expected.0;
        let found = self.instrument.iter().find(|i| differs(&i.maker_fee) || differs(&i.taker_fee));
        match found {
            None => Ok(()),
            Some(instrument) => Err(conflict(
                origin,
                format!(
                    "instrument {}: maker_fee {} and taker_fee {} must be wire.local.fee_ppm = {fee_ppm}, \
                     that is \"{}\"",
                    instrument.symbol,
                    instrument.maker_fee,
                    instrument.taker_fee,
                    expected.0.normalize()
                ),
            )),
        }
    }

    /// Time between two questions for an unknown order.
    pub(crate) fn query_interval_ns(&self) -> u64 {
        self.wire.as_ref().map_or(QUERY_INTERVAL_NS, |wire| {
            u64::from(wire.reconcile.query_interval_ms) * NS_PER_MS
        })
    }

    /// Settings of the reconciler; without `[wire]` it has nobody to ask.
    pub(crate) fn reconcile(
        &self,
        table: &InstrumentTable,
        origin: &str,
    ) -> Result<ReconcileConfig, ConfigError> {
        let Some(wire) = &self.wire else { return Ok(ReconcileConfig::default()) };
        let is_signed = self.has_key() || wire.network == "local";
        let section = &wire.reconcile;
        let scaled = |key: &str, value: Number, scale: u8| {
            value.scaled(scale).map_err(|error| {
                range(origin, &format!("wire.reconcile.{key}"), value, &format!("exact: {error}"))
            })
        };
        // Every instrument must be able to say the tolerance; the coarsest decides.
        let scale = table.iter().map(|(_, i)| i.quantity_scale).min().unwrap_or(0);
        let ns = |ms: u32| u64::from(ms) * NS_PER_MS;
        Ok(ReconcileConfig {
            // Without a key nobody tells of orders and balances, and nothing is sent.
            venues: if is_signed { vec![Venue::BinanceSpot] } else { Vec::new() },
            tolerance_base: scaled("tolerance_base", section.tolerance_base, scale)?,
            tolerance_quote_e8: scaled("tolerance_quote", section.tolerance_quote, QUOTE_SCALE)?,
            interval_ns: ns(section.interval_ms),
            retry_ns: ns(section.retry_ms),
            timeout_ns: ns(section.timeout_ms),
            attempts_max: section.attempts_max,
            stale_order_ns: ns(section.stale_order_ms),
            sweep_interval_ns: ns(section.sweep_interval_ms),
        })
    }
}

impl WireSection {
    fn check_ranges(&self, origin: &str) -> Result<(), ConfigError> {
        let (feed, orders, reconcile) = (&self.feed, &self.orders, &self.reconcile);
        let hour_ms = 3_600_000;
        for (key, value, min, max) in [
            ("wire.local.speed_percent", self.local.speed_percent, 0, 100_000),
            ("wire.local.fee_ppm", self.local.fee_ppm, 0, 100_000),
            ("wire.feed.connections", feed.connections, 1, 4),
            ("wire.feed.snapshot_levels", feed.snapshot_levels, 5, 5_000),
            ("wire.feed.mute_ms_max", feed.mute_ms_max, 1, hour_ms),
            ("wire.feed.reconnect_ms_min", feed.reconnect_ms_min, 1, hour_ms),
            ("wire.feed.reconnect_ms_max", feed.reconnect_ms_max, feed.reconnect_ms_min, hour_ms),
            ("wire.feed.connection_age_s_max", feed.connection_age_s_max, 1, 86_400),
            ("wire.feed.price_band_percent", feed.price_band_percent, 1, 100),
            ("wire.orders.request_ms_max", orders.request_ms_max, 1, 60_000),
            ("wire.orders.recv_window_ms", orders.recv_window_ms, 1, 60_000),
            ("wire.orders.reconnect_ms_min", orders.reconnect_ms_min, 1, hour_ms),
            (
                "wire.orders.reconnect_ms_max",
                orders.reconnect_ms_max,
                orders.reconnect_ms_min,
                hour_ms,
            ),
            ("wire.orders.mute_ms_max", orders.mute_ms_max, 1, hour_ms),
            ("wire.orders.connection_age_s_max", orders.connection_age_s_max, 1, 86_400),
            ("wire.orders.clock_offset_ms_max", orders.clock_offset_ms_max, 1, 60_000),
            ("wire.orders.clock_error_ms_max", orders.clock_error_ms_max, 1, 60_000),
            ("wire.orders.settle_margin_ms", orders.settle_margin_ms, 0, 60_000),
            ("wire.orders.clock_interval_ms", orders.clock_interval_ms, 1, hour_ms),
            ("wire.reconcile.interval_ms", reconcile.interval_ms, 1, 24 * hour_ms),
            ("wire.reconcile.retry_ms", reconcile.retry_ms, 1, hour_ms),
            ("wire.reconcile.timeout_ms", reconcile.timeout_ms, 1, hour_ms),
            ("wire.reconcile.attempts_max", reconcile.attempts_max, 1, 1_000),
            ("wire.reconcile.stale_order_ms", reconcile.stale_order_ms, 1, 24 * hour_ms),
            ("wire.reconcile.sweep_interval_ms", reconcile.sweep_interval_ms, 1, 24 * hour_ms),
            ("wire.reconcile.query_interval_ms", reconcile.query_interval_ms, 1, hour_ms),
        ] {
            if value < min || max < value {
                return Err(range(origin, key, value, &format!("{min} to {max}")));
            }
        }
        Ok(())
    }
}
