//! The venue as a server: one thread, one socket loop, everything that the protocol has.
//!
//! ```text
//!                 +--> Exchange <-- Flow | Capture
//!   sockets <--> Core --> Streams, user data --> faults --> sockets
//!   (wire)        +--> Store (before any answer)
//! ```
//!
//! Requests have one name on both ways, that of the WS API: `POST /api/v3/order` is `order.place`,
//! `DELETE /api/v3/openOrders` is `openOrders.cancelAll`, `GET /api/v3/ticker/price` is
//! `ticker.price`. Faults name requests so.

mod admin;
mod certificates;
mod core;
mod peer;
mod requests;
mod running;
mod service;
mod store;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::capture::CaptureError;
use crate::config::{AccountConfig, ApiKey, ConfigError, ExchangeConfig, KeyKind};
use crate::exchange::LoadError;
use crate::fault::FaultPlan;
use crate::flow::FlowConfig;
use crate::flow::random::Random;
use crate::money::ONE;
pub use crate::streams::StreamsConfig;
pub use running::{MarketView, RunningVenue, Venue, VenueHandle, VenueUrls, VenueView};

const SECOND_NS: u64 = 1_000_000_000;

/// Why the venue cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The exchange's configuration.
    #[error("exchange: {0}")]
    Config(#[from] ConfigError),
    /// The saved state.
    #[error("state: {0}")]
    Load(#[from] LoadError),
    /// The file of the state.
    #[error("state {path}: {source}")]
    State {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another venue has the folder of the state.
    #[error("state {path}: another venue uses it")]
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// The capture.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// A capture of a symbol that is not listed.
    #[error("symbol {symbol} is not listed")]
    UnknownSymbol {
        /// Which.
        symbol: String,
    },
    /// A certificate could not be made.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// TLS refuses the certificate.
    #[error("tls: {0}")]
    Tls(#[from] rustls::Error),
    /// A socket.
    #[error("socket {address}: {source}")]
    Socket {
        /// Which.
        address: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Where prices come from.
#[derive(Clone, Debug)]
pub enum MarketConfig {
    /// From participants with a seed.
    Generated(FlowConfig),
    /// From a recorded capture.
    Capture {
        /// The file.
        path: PathBuf,
        /// The symbol whose book it is.
        symbol: String,
        /// 100 is as recorded; 0 stands still after the snapshot.
        speed_percent: u32,
    },
    /// From nobody but accounts and tests.
    Still,
}

/// Times of connections.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Between two pings of the server.
    pub ping_ns: u64,
    /// A connection whose last pong is older than this at a ping is closed.
    pub pong_ns_max: u64,
    /// A connection ends at this age.
    pub age_ns_max: u64,
    /// Events of user data wait so long after the answer to a subscription.
    pub subscribe_quiet_ns: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            ping_ns: 20 * SECOND_NS,
            pong_ns_max: 60 * SECOND_NS,
            age_ns_max: 86_400 * SECOND_NS,
            subscribe_quiet_ns: SECOND_NS / 500,
        }
    }
}

/// Everything that a venue is made of.
#[derive(Clone, Debug)]
pub struct VenueConfig {
    /// Where it listens without TLS; port 0 for any.
    pub listen: SocketAddr,
    /// Where it listens with TLS.
    pub listen_tls: SocketAddr,
    /// Symbols, accounts, fees, limits.
    pub exchange: ExchangeConfig,
    /// Where prices come from.
    pub market: MarketConfig,
    /// Paces of the streams.
    pub streams: StreamsConfig,
    /// Faults from the start.
    pub faults: FaultPlan,
    /// Seed of chances in faults.
    pub seed: u64,
    /// Times of connections.
    pub timing: Timing,
    /// Where accounts and orders are kept; nowhere: they end with the venue.
    pub state_folder: Option<PathBuf>,
}

impl VenueConfig {
    /// On any port of loopback: two symbols, two funded accounts with HMAC keys made from the seed,
    /// generated participants.
    pub fn local(seed: u64) -> VenueConfig {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut random = Random::new(seed, 0x6b65_7973);
        let accounts = ["alpha", "beta"].map(|name| account(name, &mut random)).to_vec();
        VenueConfig {
            listen: loopback,
            listen_tls: loopback,
            exchange: ExchangeConfig::spot(accounts),
            market: MarketConfig::Generated(FlowConfig::usual(seed)),
            streams: StreamsConfig::default(),
            faults: FaultPlan::default(),
            seed,
            timing: Timing::default(),
            state_folder: None,
        }
    }

    /// The same without participants: prices come from accounts and from tests.
    #[must_use]
    pub fn still(self) -> VenueConfig {
        VenueConfig { market: MarketConfig::Still, ..self }
    }
}

/// A funded account with a key of 64 letters and digits, as the live exchange gives them.
fn account(name: &str, random: &mut Random) -> AccountConfig {
    let mut word = || -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut letter = || {
            let at = usize::try_from(random.up_to(61)).unwrap_or(0);
            char::from(LETTERS[at])
        };
        (0..64).map(|_| letter()).collect()
    };
    let (api_key, secret) = (word(), word());
    let funds = [("USDT", 1_000_000), ("BTC", 20), ("ETH", 400)];
    AccountConfig {
        name: name.to_string(),
        keys: vec![ApiKey { api_key, kind: KeyKind::Hmac { secret } }],
        balances: funds.map(|(asset, amount)| (asset.to_string(), amount * ONE)).to_vec(),
    }
}
