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
mod store;

use std::path::PathBuf;

use crate::capture::CaptureError;
use crate::config::{ConfigError, ExchangeConfig};
use crate::exchange::LoadError;
use crate::fault::FaultPlan;
use crate::flow::FlowConfig;
pub use crate::streams::StreamsConfig;

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
    /// A connection ends at this age.
    pub age_ns_max: u64,
    /// Events of user data wait so long after the answer to a subscription.
    pub subscribe_quiet_ns: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            ping_ns: 20 * SECOND_NS,
            age_ns_max: 86_400 * SECOND_NS,
            subscribe_quiet_ns: SECOND_NS / 500,
        }
    }
}

/// Everything that a venue is made of.
#[derive(Clone, Debug)]
pub struct VenueConfig {
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
