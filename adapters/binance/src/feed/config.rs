//! Settings of the feed link. Every time is in ns and can be small, so that faults can be tried out fast.

use engine::instrument::Venue;
use wire::http::HttpConfig;
use wire::session::SessionConfig;

use crate::endpoints::{Endpoints, depth_weight};

const SECOND_NS: u64 = 1_000_000_000;
const MS_NS: u64 = 1_000_000;
/// Most sources; two are the use, more are for trying.
pub const SOURCE_COUNT_MAX: usize = 4;
/// Most streams of one connection; the venue takes 1,024.
pub const STREAM_COUNT_MAX: usize = 1024;

/// What one connection can carry of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Changes of the book.
    Depth,
    /// Trades.
    Trade,
    /// Best bid and offer.
    Quote,
}

impl Stream {
    /// All, in the order of their places in arrays.
    pub const ALL: [Stream; 3] = [Stream::Depth, Stream::Trade, Stream::Quote];

    /// Name in configuration and status.
    pub const fn name(self) -> &'static str {
        match self {
            Stream::Depth => "depth",
            Stream::Trade => "trade",
            Stream::Quote => "quote",
        }
    }

    /// Place in arrays.
    pub(super) const fn place(self) -> usize {
        match self {
            Stream::Depth => 0,
            Stream::Trade => 1,
            Stream::Quote => 2,
        }
    }

    /// What the venue calls it, behind the symbol. The documents of USD-M have no single trades.
    pub(super) const fn suffix(self, venue: Venue) -> &'static str {
        match (self, venue) {
            (Stream::Depth, _) => "@depth@100ms",
            (Stream::Trade, Venue::BinanceUsdm) => "@aggTrade",
            (Stream::Trade, Venue::BinanceSpot | Venue::Synthetic) => "@trade",
            (Stream::Quote, _) => "@bookTicker",
        }
    }
}

/// Which source is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedPolicy {
    /// The first; the others are not connected.
    PrimaryOnly,
    /// The first healthy one; all are connected, so that a change costs no handshake. Back to an earlier one
    /// when it has been healthy for `failback_ns_min`.
    Failover,
    /// All at once: of each update the copy that comes first, the others are dropped.
    BetterOfAll,
}

impl FeedPolicy {
    /// Every policy.
    pub const ALL: [FeedPolicy; 3] =
        [FeedPolicy::PrimaryOnly, FeedPolicy::Failover, FeedPolicy::BetterOfAll];

    /// Name in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            FeedPolicy::PrimaryOnly => "primary-only",
            FeedPolicy::Failover => "failover",
            FeedPolicy::BetterOfAll => "better-of-all",
        }
    }

    /// The policy of that name.
    pub fn from_name(name: &str) -> Option<FeedPolicy> {
        FeedPolicy::ALL.into_iter().find(|policy| policy.name() == name)
    }
}

/// Where one complete copy of the market data comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceConfig {
    /// Name in status and logs.
    pub name: String,
    /// Base URL of the streams, such as `wss://stream.binance.com:9443`.
    pub stream_url: String,
    /// Base URL of the trades where they are elsewhere (USD-M).
    pub trade_url: Option<String>,
}

/// What the quality gate lets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateConfig {
    /// A trade or quote further than this from the last price is put aside, millionths; 0 switches it off.
    pub band_ppm: u32,
    /// So many in a row beyond the band are a new price.
    pub band_confirm_count: u32,
    /// An id further ahead of the last one than this is put aside, until as many in a row as above confirm
    /// it: taken at once it would make everything after it look old. 0 switches it off.
    pub id_jump_max: u64,
    /// An event time later than its receipt by more than this is put aside; 0 switches it off.
    pub ahead_ns_max: u64,
    /// An event time earlier than that of the message before it by more than this is put aside; 0 switches
    /// it off.
    pub back_ns_max: u64,
}

impl Default for GateConfig {
    fn default() -> GateConfig {
        GateConfig {
            band_ppm: 300_000,
            band_confirm_count: 8,
            // Hours of the fastest ids seen (USD-M books, some 100,000 a second).
            id_jump_max: 1_000_000_000,
            // A recorder's clock 1.3 s behind the venue's was seen in real captures.
            ahead_ns_max: 5 * SECOND_NS,
            back_ns_max: 5 * SECOND_NS,
        }
    }
}

/// Settings of a [`super::FeedLink`].
#[derive(Clone, Debug)]
pub struct FeedLinkConfig {
    /// Whose instruments of the table are fed.
    pub venue: Venue,
    /// Producer number to put into [`engine::event::Event::source`].
    pub producer: u16,
    /// Copies of the market data; the first is the primary.
    pub sources: Vec<SourceConfig>,
    /// Base URLs of the REST call for snapshots; the first is preferred.
    pub rest: Vec<String>,
    /// Which source is believed.
    pub policy: FeedPolicy,
    /// Which streams are subscribed, by [`Stream`].
    pub streams: Vec<Stream>,
    /// Sessions; `opening_texts` must be empty. Its first wait is short: a cut stream comes back at once, and
    /// the growing waits keep below the venue's 300 attempts in 5 minutes.
    pub session: SessionConfig,
    /// The client for snapshots. Its body limit bounds a snapshot.
    pub http: HttpConfig,
    /// Symbols of one connection.
    pub symbols_per_connection_max: usize,
    /// Streams of one SUBSCRIBE.
    pub streams_per_message_max: usize,
    /// Messages to the venue per second and connection; the venue takes 5 and counts pongs.
    pub messages_per_second_max: usize,
    /// From a SUBSCRIBE to its answer.
    pub answer_ns_max: u64,
    /// Wait after a refused SUBSCRIBE.
    pub subscribe_retry_ns: u64,
    /// Silence of one stream of one symbol after which its connection is made anew, by [`Stream::ALL`]; 0: may
    /// be silent for ever. Doubles while it stays silent.
    pub mute_ns_max: [u64; 3],
    /// A connection is replaced at this age; the venue cuts it at 24 h.
    pub connection_age_ns_max: u64,
    /// How long two connections run at once, at most, after the new one is subscribed.
    pub overlap_ns_max: u64,
    /// How long an update waits for an earlier one that another connection may still bring.
    pub hold_ns_max: u64,
    /// Updates that may wait so, per symbol.
    pub hold_count_max: usize,
    /// A source is late when a message is older than this on arrival; 0 switches it off. Clocks must agree.
    pub late_ns_max: u64,
    /// So many late messages in a row make a source unhealthy.
    pub late_count_max: u32,
    /// Health of an earlier source before it is believed again.
    pub failback_ns_min: u64,
    /// Levels a side of a snapshot.
    pub snapshot_level_count: u32,
    /// From the request for a snapshot to its answer.
    pub snapshot_ns_max: u64,
    /// Snapshots asked for at once.
    pub snapshot_in_flight_max: usize,
    /// Wait for the first update after the opening before a snapshot is asked for without one.
    pub first_update_ns_max: u64,
    /// First and longest wait before a snapshot is asked for again.
    pub snapshot_retry_ns_min: u64,
    /// See there.
    pub snapshot_retry_ns_max: u64,
    /// Windows of the request weight, as `(limit, interval_ns)`; from `exchangeInfo`.
    pub weight_windows: Vec<(u64, u64)>,
    /// The engine's buffer of depth events per instrument (`FeedConfig::buffer_event_count_max`).
    pub engine_buffer_event_count_max: usize,
    /// Quality gate.
    pub gate: GateConfig,
    /// Shortest time between two QUARANTINE events of one reason; what comes between is counted.
    pub quarantine_ns_min: u64,
    /// Seed of all waits.
    pub seed: u64,
}

/// What is wrong with a [`FeedLinkConfig`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedConfigError {
    /// A number outside its range.
    #[error("{field} is {value}, must be {must}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// What it is.
        value: String,
        /// What it must be.
        must: &'static str,
    },
    /// The table has no instrument of the venue.
    #[error("no instrument of {venue} is configured")]
    NoInstrument {
        /// Name of the venue.
        venue: &'static str,
    },
}

impl FeedLinkConfig {
    /// Defaults with the URLs of `endpoints`.
    pub fn new(endpoints: &Endpoints) -> FeedLinkConfig {
        let names = ["primary", "fallback", "third", "fourth"];
        let sources = (endpoints.streams.iter().enumerate().zip(names))
            .map(|((place, url), name)| SourceConfig {
                name: name.to_string(),
                stream_url: url.clone(),
                trade_url: endpoints.trade_streams.get(place).cloned(),
            })
            .collect();
        let (ping_interval_ns, weight_per_minute) = match endpoints.venue {
            Venue::BinanceUsdm => (180 * SECOND_NS, 2_400),
            Venue::BinanceSpot | Venue::Synthetic => (20 * SECOND_NS, 6_000),
        };
        FeedLinkConfig {
            venue: endpoints.venue,
            producer: 0,
            sources,
            rest: endpoints.rest.clone(),
            policy: FeedPolicy::PrimaryOnly,
            streams: Stream::ALL.to_vec(),
            session: SessionConfig {
                backoff_ns_min: MS_NS,
                idle_ns_max: ping_interval_ns * 3,
                ..SessionConfig::default()
            },
            http: HttpConfig {
                backoff_ns_min: MS_NS,
                body_size_bytes_max: 1 << 20,
                ..HttpConfig::default()
            },
            symbols_per_connection_max: 100,
            streams_per_message_max: 100,
            messages_per_second_max: 4,
            answer_ns_max: 5 * SECOND_NS,
            subscribe_retry_ns: 5 * SECOND_NS,
            mute_ns_max: [5 * SECOND_NS, 0, 0],
            // Ten minutes before the venue does it; the waits of a failing successor fit in.
            connection_age_ns_max: 23 * 3600 * SECOND_NS + 50 * 60 * SECOND_NS,
            overlap_ns_max: 10 * SECOND_NS,
            // One and a half intervals of the depth stream.
            hold_ns_max: 150 * MS_NS,
            hold_count_max: 64,
            late_ns_max: 0,
            late_count_max: 8,
            failback_ns_min: 30 * SECOND_NS,
            snapshot_level_count: 1000,
            snapshot_ns_max: 5 * SECOND_NS,
            snapshot_in_flight_max: 4,
            first_update_ns_max: SECOND_NS,
            snapshot_retry_ns_min: 20 * MS_NS,
            snapshot_retry_ns_max: 10 * SECOND_NS,
            // Half of the venue's: orders and pulls of the same address need the rest.
            weight_windows: vec![(weight_per_minute / 2, 60 * SECOND_NS)],
            engine_buffer_event_count_max: 16_384,
            gate: GateConfig::default(),
            quarantine_ns_min: 100 * MS_NS,
            seed: 1,
        }
    }

    /// Whether `stream` is subscribed.
    pub(super) fn has(&self, stream: Stream) -> bool {
        self.streams.contains(&stream)
    }

    /// Checks every range.
    pub fn check(&self) -> Result<(), FeedConfigError> {
        let fail = |field, value: String, must| Err(FeedConfigError::Field { field, value, must });
        let count = self.sources.len();
        if count == 0 || SOURCE_COUNT_MAX < count {
            return fail("sources", count.to_string(), "1 to 4");
        }
        if self.streams.is_empty() {
            return fail("streams", "empty".to_string(), "at least one stream");
        }
        if self.has(Stream::Depth) && self.rest.is_empty() {
            return fail("rest", "empty".to_string(), "set, because depth needs snapshots");
        }
        if !self.session.opening_texts.is_empty() {
            return fail("session.opening_texts", "set".to_string(), "empty");
        }
        let per_connection = self.symbols_per_connection_max.saturating_mul(Stream::ALL.len());
        if per_connection == 0 || STREAM_COUNT_MAX < per_connection {
            let value = self.symbols_per_connection_max.to_string();
            return fail("symbols_per_connection_max", value, "1 to 341");
        }
        if self.messages_per_second_max == 0 || 5 < self.messages_per_second_max {
            let value = self.messages_per_second_max.to_string();
            return fail("messages_per_second_max", value, "1 to 5");
        }
        if 5000 < self.snapshot_level_count || self.snapshot_level_count < 5 {
            let value = self.snapshot_level_count.to_string();
            return fail("snapshot_level_count", value, "5 to 5000");
        }
        if self.snapshot_retry_ns_max < self.snapshot_retry_ns_min {
            let value = self.snapshot_retry_ns_max.to_string();
            return fail("snapshot_retry_ns_max", value, "at least snapshot_retry_ns_min");
        }
        let weight = u64::from(depth_weight(self.venue, self.snapshot_level_count));
        let is_too_small = |(limit, interval_ns): &(u64, u64)| *limit < weight || *interval_ns == 0;
        if let Some((limit, _)) = self.weight_windows.iter().find(|window| is_too_small(window)) {
            let must = "enough for one snapshot, in an interval above zero";
            return fail("weight_windows", limit.to_string(), must);
        }
        for (field, value) in [
            ("streams_per_message_max", u64::try_from(self.streams_per_message_max).unwrap_or(0)),
            ("answer_ns_max", self.answer_ns_max),
            ("subscribe_retry_ns", self.subscribe_retry_ns),
            ("connection_age_ns_max", self.connection_age_ns_max),
            ("snapshot_ns_max", self.snapshot_ns_max),
            ("snapshot_retry_ns_min", self.snapshot_retry_ns_min),
            ("snapshot_in_flight_max", u64::try_from(self.snapshot_in_flight_max).unwrap_or(0)),
            (
                "engine_buffer_event_count_max",
                u64::try_from(self.engine_buffer_event_count_max / 2).unwrap_or(0),
            ),
        ] {
            if value == 0 {
                return fail(field, value.to_string(), "above zero");
            }
        }
        Ok(())
    }
}
