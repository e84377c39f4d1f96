//! The engine of a rig and its two links, made with times in milliseconds.

use std::sync::Arc;

use binance::endpoints::Endpoints;
use binance::feed::{FeedLink, FeedLinkConfig, FeedPolicy};
use binance::orders::config::{Rules, listings};
use binance::orders::link::{OrderLink, OrderLinkConfig};
use binance::orders::machine::Account;
use binance::request::SelfTrade;
use binance::sign::Signer;
use config::{Config, Number};
use engine::instrument::{InstrumentTable, Venue};
use rustls::ClientConfig;
use venue::serve::RunningVenue;
use venue::{ApiKey, KeyKind};
use wire::endpoint::Endpoint;
use wire::http::HttpConfig;
use wire::session::SessionConfig;
use wire::tls::{self, TlsRoots};

use super::puppet::Puppet;
use super::{MS_NS, RigConfig, Trader};
use crate::compose::Desk;
use crate::gambler::Gambler;

/// `source` of market events.
pub const FEED_SOURCE: u16 = 1;
/// `source` of reports.
pub const ORDERS_SOURCE: u16 = 2;

/// The key of the venue's FIX documentation, good for tests alone.
const ED25519_PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u\n\
    -----END PRIVATE KEY-----\n";
/// Its public half.
const ED25519_PUBLIC: [u8; 32] = [
    0x19, 0x42, 0x0a, 0xbf, 0xd7, 0x52, 0xa5, 0x65, 0xc1, 0x56, 0x25, 0xe9, 0xda, 0x6e, 0xaf, 0x00,
    0x86, 0xfc, 0x40, 0xc1, 0x49, 0x60, 0x18, 0x32, 0x14, 0x44, 0x2c, 0x14, 0x99, 0x6a, 0x80, 0x0d,
];
/// Its name at the venue of a rig.
const ED25519_NAME: &str = "rig-ed25519";

/// How a rig is connected.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// Over TLS.
    pub tls: bool,
    /// Signs with an Ed25519 key and logs on, instead of by HMAC.
    pub logs_on: bool,
    /// Feeds that carry the same streams.
    pub feed_count: usize,
    /// Which of them is believed.
    pub policy: FeedPolicy,
    /// Age at which connections are replaced beside the running one.
    pub renew_ns: u64,
    /// Deadlines of order entry.
    pub rules: Rules,
}

impl Default for LinkSettings {
    fn default() -> LinkSettings {
        LinkSettings {
            tls: false,
            logs_on: false,
            feed_count: 1,
            policy: FeedPolicy::PrimaryOnly,
            renew_ns: u64::MAX / 4,
            rules: rules(),
        }
    }
}

/// Every time of order entry as short as a busy machine bears.
pub fn rules() -> Rules {
    Rules {
        recv_window_ns: 60 * MS_NS,
        // The offset is measured within half of `ping_ns_max`, before and after.
        clock_error_ns_max: 100 * MS_NS,
        settle_margin_ns: 10 * MS_NS,
        answer_ns_max: 60 * MS_NS,
        overdue_ns_max: 500 * MS_NS,
        opening_ns_max: 300 * MS_NS,
        report_ns_max: 30 * MS_NS,
        retry_ns: 10 * MS_NS,
        ping_interval_ns: 40 * MS_NS,
        ping_ns_max: 100 * MS_NS,
        offset_ns_max: 1_000 * MS_NS,
        drain_ns: 50 * MS_NS,
        self_trade: Some(SelfTrade::ExpireMaker),
        ..Rules::default()
    }
}

/// What the engine is made of.
pub fn desk(rig: &RigConfig) -> Desk {
    let text = config::profile("paper").expect("the paper profile is built in");
    let mut config = Config::parse(text, "paper").expect("the paper profile is valid");
    config.engine.core = "none".to_string();
    config.engine.state_hash_interval = 256;
    config.journal.segment_mib = 1;
    let wire = config.wire.as_mut().expect("the paper profile has wires");
    wire.reconcile.interval_ms = 150;
    wire.reconcile.retry_ms = 20;
    wire.reconcile.timeout_ms = 500;
    wire.reconcile.attempts_max = 50;
    wire.reconcile.query_interval_ms = 20;
    if let Some(account) = &mut config.risk.account {
        account.order_rate_count_max = 10_000;
        account.loss_daily_max = Number(1_000_000.into());
        account.drawdown_max = Number(1_000_000.into());
    }
    if let Some(control) = &mut config.control {
        // Scenarios make a day's faults in a second: what trips by itself is up to each of them.
        control.trip = config::control::TripSection::default();
    }
    (rig.adjust)(&mut config);
    let config = Config::parse(&config.to_toml(), "rig").expect("the changes are within range");
    let (trader, seed) = (rig.trader, rig.seed);
    Desk::new(config).arranged(move |_, table| match trader {
        Trader::Puppet => vec![Box::new(Puppet::new())],
        Trader::Gambler { eagerness } => {
            vec![Box::new(Gambler::new("gambler", table, seed ^ 0x6761_6d62, eagerness))]
        }
    })
}

fn endpoints(rig: &RigConfig, venue: &RunningVenue) -> Endpoints {
    let urls = &venue.urls;
    if rig.links.tls {
        Endpoints::at(&urls.rest_tls, &urls.stream_tls, &urls.ws_api_tls)
    } else {
        Endpoints::at(&urls.rest, &urls.stream, &urls.ws_api)
    }
}

fn tls_config(rig: &RigConfig, venue: &RunningVenue) -> Result<Option<Arc<ClientConfig>>, String> {
    if !rig.links.tls {
        return Ok(None);
    }
    let roots = TlsRoots::Pem(venue.ca_pem.as_bytes());
    tls::client_config(roots).map(Some).map_err(|error| error.to_string())
}

fn session(rig: &RigConfig, tls: Option<Arc<ClientConfig>>) -> SessionConfig {
    SessionConfig {
        connect_ns_max: 500 * MS_NS,
        handshake_ns_max: 500 * MS_NS,
        idle_ns_max: 2_000 * MS_NS,
        backoff_ns_min: 2 * MS_NS,
        backoff_ns_max: 20 * MS_NS,
        backoff_seed: rig.seed,
        tls,
        ..SessionConfig::default()
    }
}

fn http(rig: &RigConfig, tls: Option<Arc<ClientConfig>>) -> HttpConfig {
    HttpConfig {
        connect_ns_max: 500 * MS_NS,
        handshake_ns_max: 500 * MS_NS,
        backoff_ns_min: 2 * MS_NS,
        backoff_ns_max: 20 * MS_NS,
        backoff_seed: rig.seed,
        tls,
        ..HttpConfig::default()
    }
}

/// The feed.
pub fn feed_link(
    rig: &RigConfig,
    venue: &RunningVenue,
    table: &InstrumentTable,
) -> Result<FeedLink, String> {
    let tls = tls_config(rig, venue)?;
    let mut settings = FeedLinkConfig::new(&endpoints(rig, venue));
    settings.producer = FEED_SOURCE;
    let first = settings.sources.first().cloned().ok_or("a venue has streams")?;
    while settings.sources.len() < rig.links.feed_count {
        let mut again = first.clone();
        again.name = format!("copy-{}", settings.sources.len());
        settings.sources.push(again);
    }
    settings.policy = rig.links.policy;
    settings.session = session(rig, tls.clone());
    settings.http = HttpConfig { body_size_bytes_max: 1 << 20, ..http(rig, tls) };
    settings.answer_ns_max = 200 * MS_NS;
    settings.subscribe_retry_ns = 20 * MS_NS;
    settings.mute_ns_max = [100 * MS_NS, 0, 0];
    settings.connection_age_ns_max = rig.links.renew_ns;
    settings.overlap_ns_max = 200 * MS_NS;
    settings.hold_ns_max = 10 * MS_NS;
    settings.failback_ns_min = 100 * MS_NS;
    settings.snapshot_level_count = 100;
    settings.snapshot_ns_max = 200 * MS_NS;
    settings.first_update_ns_max = 50 * MS_NS;
    settings.snapshot_retry_ns_min = 2 * MS_NS;
    settings.snapshot_retry_ns_max = 50 * MS_NS;
    settings.weight_windows = vec![(1_000_000, 60_000 * MS_NS)];
    settings.quarantine_ns_min = 10 * MS_NS;
    settings.seed = rig.seed;
    FeedLink::new(settings, table).map_err(|error| error.to_string())
}

/// The key that a venue gets beside its own.
pub fn ed25519_key() -> ApiKey {
    let kind = KeyKind::Ed25519 { public_key: ED25519_PUBLIC };
    ApiKey { api_key: ED25519_NAME.to_string(), kind }
}

fn credentials(rig: &RigConfig, venue: &RunningVenue) -> Result<(String, Signer), String> {
    if rig.links.logs_on {
        let signer = Signer::ed25519(ED25519_PEM).map_err(|error| error.to_string())?;
        return Ok((ED25519_NAME.to_string(), signer));
    }
    let key = venue.accounts.first().and_then(|account| account.keys.first());
    let key = key.ok_or("the venue has an account")?;
    match &key.kind {
        KeyKind::Hmac { secret } => {
            let signer = Signer::hmac(secret).map_err(|error| error.to_string())?;
            Ok((key.api_key.clone(), signer))
        }
        KeyKind::Ed25519 { .. } => Err("the first key of a venue signs by HMAC".to_string()),
    }
}

/// Order entry.
pub fn order_link(
    rig: &RigConfig,
    venue: &RunningVenue,
    table: &InstrumentTable,
    (engine, now_ns): (u8, u64),
) -> Result<OrderLink, String> {
    let tls = tls_config(rig, venue)?;
    let ends = endpoints(rig, venue);
    let (api_key, signer) = credentials(rig, venue)?;
    let account = Account {
        engine,
        source: ORDERS_SOURCE,
        venue: Venue::BinanceSpot,
        listings: listings(Venue::BinanceSpot, table, |_| None),
        signer,
        api_key,
    };
    let rest = ends.rest.first().ok_or("a venue has a REST address")?;
    let settings = OrderLinkConfig {
        rules: Rules {
            renew_ns: rig.links.renew_ns,
            log_on: rig.links.logs_on,
            ..rig.links.rules.clone()
        },
        account,
        ws_api: Endpoint::resolve(&ends.ws_api).map_err(|error| error.to_string())?,
        session: session(rig, tls.clone()),
        rest: Some(Endpoint::resolve_http(rest).map_err(|error| error.to_string())?),
        http: http(rig, tls),
        outbox_high_count: 1 << 14,
    };
    let mut link = OrderLink::new(settings, now_ns).map_err(|error| error.to_string())?;
    let budget = link.machine_mut().budget_mut();
    budget.limit(binance::answer::LimitKind::Orders, 10_000 * MS_NS, 100_000);
    budget.limit(binance::answer::LimitKind::Weight, 60_000 * MS_NS, 1_000_000);
    Ok(link)
}
