//! Where Binance is: base URLs by the name of an environment, and the paths behind them.
//!
//! Sources: the venue's documents of 2026-07 (spot), its notice on the split of the USD-M streams
//! (old URLs were retired on 2026-04-23), and the documents of Binance.US. Everything can be set by hand
//! as well, as for a venue on this machine.

use engine::instrument::Venue;

/// An environment of the venue, as configuration names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Real money.
    Production,
    /// Test network: play money, wiped about once a month.
    Testnet,
    /// Demo mode: play money, market of the production.
    Demo,
    /// Binance.US: real money, another legal body, spot only.
    Us,
    /// A venue on this machine, such as `tickwheel venue`.
    Local,
}

impl Environment {
    /// Every environment.
    pub const ALL: [Environment; 5] = [
        Environment::Production,
        Environment::Testnet,
        Environment::Demo,
        Environment::Us,
        Environment::Local,
    ];

    /// Name in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Environment::Production => "production",
            Environment::Testnet => "testnet",
            Environment::Demo => "demo",
            Environment::Us => "us",
            Environment::Local => "local",
        }
    }

    /// The environment of that name.
    pub fn from_name(name: &str) -> Option<Environment> {
        Environment::ALL.into_iter().find(|environment| environment.name() == name)
    }
}

/// Why there are no URLs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointsError {
    /// The venue has no such environment.
    #[error("{venue} has no environment \"{environment}\"")]
    NotThere {
        /// Name of the venue.
        venue: &'static str,
        /// Name of the environment.
        environment: &'static str,
    },
    /// A local venue is where the caller says, not where we know.
    #[error("environment \"local\" needs its URLs: set rest, streams and ws_api")]
    Local,
}

/// Base URLs of one venue in one environment. None ends with a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Whose.
    pub venue: Venue,
    /// REST, such as `https://api.binance.com`; the first is preferred, the others are tried when it fails.
    pub rest: Vec<String>,
    /// Streams of books and quotes, without `/stream`; the first is the primary, the second its fallback.
    pub streams: Vec<String>,
    /// Streams of trades where the venue has them elsewhere (USD-M), as many as `streams`; else empty.
    pub trade_streams: Vec<String>,
    /// WebSocket API with its path; empty where we do not use one.
    pub ws_api: String,
}

impl Endpoints {
    /// URLs of `venue` in `environment`.
    pub fn of(venue: Venue, environment: Environment) -> Result<Endpoints, EndpointsError> {
        let not_there =
            EndpointsError::NotThere { venue: venue.name(), environment: environment.name() };
        match venue {
            Venue::BinanceSpot => Endpoints::spot(environment),
            Venue::BinanceUsdm => Endpoints::usdm(environment).ok_or(match environment {
                Environment::Local => EndpointsError::Local,
                Environment::Production
                | Environment::Testnet
                | Environment::Demo
                | Environment::Us => not_there,
            }),
            Venue::Synthetic => Err(not_there),
        }
    }

    fn spot(environment: Environment) -> Result<Endpoints, EndpointsError> {
        let (rest, streams, ws_api): (&[&str], &[&str], &str) = match environment {
            Environment::Production => (
                &["https://api.binance.com", "https://api1.binance.com"],
                &["wss://stream.binance.com:9443", "wss://stream.binance.com:443"],
                "wss://ws-api.binance.com:443/ws-api/v3",
            ),
            Environment::Testnet => (
                &["https://testnet.binance.vision"],
                &["wss://stream.testnet.binance.vision"],
                "wss://ws-api.testnet.binance.vision/ws-api/v3",
            ),
            Environment::Demo => (
                &["https://demo-api.binance.com"],
                &["wss://demo-stream.binance.com", "wss://demo-stream.binance.com:9443"],
                "wss://demo-ws-api.binance.com/ws-api/v3",
            ),
            Environment::Us => (
                &["https://api.binance.us"],
                &["wss://stream.binance.us:9443", "wss://stream.binance.us:443"],
                "wss://ws-api.binance.us:443/ws-api/v3",
            ),
            Environment::Local => return Err(EndpointsError::Local),
        };
        Ok(Endpoints::new(Venue::BinanceSpot, [rest, streams, &[]], ws_api))
    }

    /// Market data only.
    fn usdm(environment: Environment) -> Option<Endpoints> {
        let lists: [&[&str]; 3] = match environment {
            Environment::Production => [
                &["https://fapi.binance.com"],
                &["wss://fstream.binance.com/public"],
                &["wss://fstream.binance.com/market"],
            ],
            Environment::Testnet | Environment::Demo => [
                &["https://demo-fapi.binance.com"],
                &["wss://demo-fstream.binance.com/public"],
                &["wss://demo-fstream.binance.com/market"],
            ],
            Environment::Us | Environment::Local => return None,
        };
        Some(Endpoints::new(Venue::BinanceUsdm, lists, ""))
    }

    /// URLs of a spot venue at one place, such as those that `tickwheel venue --json` prints.
    pub fn at(rest: &str, streams: &str, ws_api: &str) -> Endpoints {
        Endpoints::new(Venue::BinanceSpot, [&[rest], &[streams], &[]], ws_api)
    }

    /// `lists` are REST, streams and trade streams.
    fn new(venue: Venue, lists: [&[&str]; 3], ws_api: &str) -> Endpoints {
        let [rest, streams, trade_streams] = lists
            .map(|list| list.iter().map(|url| url.trim_end_matches('/').to_string()).collect());
        Endpoints { venue, rest, streams, trade_streams, ws_api: ws_api.to_string() }
    }
}

/// Path of the combined streams behind a stream URL; streams are named by SUBSCRIBE after the opening. A URL
/// that ends with a path of its own (`/stream`, `/ws`) is taken by its front, because that is how venues
/// print theirs.
pub fn combined_stream_url(base: &str) -> String {
    let base = base.trim_end_matches('/');
    let base = base.strip_suffix("/stream").or_else(|| base.strip_suffix("/ws")).unwrap_or(base);
    format!("{base}/stream")
}

/// Path and query of a depth snapshot.
pub fn depth_target(venue: Venue, symbol: &str, level_count: u32) -> String {
    let path = match venue {
        Venue::BinanceUsdm => "/fapi/v1/depth",
        Venue::BinanceSpot | Venue::Synthetic => "/api/v3/depth",
    };
    format!("{path}?symbol={symbol}&limit={level_count}")
}

/// What a depth snapshot of `level_count` levels costs of the request weight.
pub const fn depth_weight(venue: Venue, level_count: u32) -> u32 {
    match venue {
        Venue::BinanceUsdm => match level_count {
            0..=50 => 2,
            51..=100 => 5,
            101..=500 => 10,
            501.. => 20,
        },
        Venue::BinanceSpot | Venue::Synthetic => match level_count {
            0..=100 => 5,
            101..=500 => 25,
            501..=1000 => 50,
            1001.. => 250,
        },
    }
}

/// Path and query of `exchangeInfo`. Spot can be asked for some symbols; USD-M always tells all.
pub fn exchange_info_target(venue: Venue, symbols: &[&str]) -> String {
    match venue {
        Venue::BinanceUsdm => "/fapi/v1/exchangeInfo".to_string(),
        Venue::BinanceSpot | Venue::Synthetic => match symbols {
            [] => "/api/v3/exchangeInfo".to_string(),
            [symbol] => format!("/api/v3/exchangeInfo?symbol={symbol}"),
            // A JSON array, percent-encoded.
            _ => {
                let list = symbols.join("%22,%22");
                format!("/api/v3/exchangeInfo?symbols=%5B%22{list}%22%5D")
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_environment_comes_back_by_its_name_and_has_urls_or_a_reason() {
        for environment in Environment::ALL {
            assert_eq!(Environment::from_name(environment.name()), Some(environment));
            for venue in Venue::ALL {
                match Endpoints::of(venue, environment) {
                    Ok(urls) => {
                        assert!(urls.rest.iter().all(|url| url.starts_with("https://")));
                        let mut streams = urls.streams.iter().chain(&urls.trade_streams);
                        assert!(streams.all(|url| url.starts_with("wss://")), "{urls:?}");
                        assert!(!urls.streams.is_empty());
                        let slash = |url: &String| url.ends_with('/');
                        assert!(!urls.rest.iter().chain(&urls.streams).any(slash));
                        assert_eq!(urls.ws_api.is_empty(), venue == Venue::BinanceUsdm);
                    }
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
            }
        }
        assert!(Environment::from_name("moon").is_none());
        assert!(Endpoints::of(Venue::BinanceUsdm, Environment::Us).is_err());
    }

    #[test]
    fn stream_urls_are_taken_with_and_without_their_path() {
        for url in ["ws://h:1", "ws://h:1/", "ws://h:1/stream", "ws://h:1/ws", "ws://h:1/ws/"] {
            assert_eq!(combined_stream_url(url), "ws://h:1/stream", "{url}");
        }
        let public = combined_stream_url("wss://fstream.binance.com/public");
        assert_eq!(public, "wss://fstream.binance.com/public/stream");
    }

    #[test]
    fn targets_and_weights_are_those_of_the_documents() {
        assert_eq!(
            depth_target(Venue::BinanceSpot, "BTCUSDT", 5000),
            "/api/v3/depth?symbol=BTCUSDT&limit=5000"
        );
        assert_eq!(
            exchange_info_target(Venue::BinanceSpot, &["BTCUSDT", "ETHUSDT"]),
            "/api/v3/exchangeInfo?symbols=%5B%22BTCUSDT%22,%22ETHUSDT%22%5D"
        );
        assert_eq!(exchange_info_target(Venue::BinanceUsdm, &["X"]), "/fapi/v1/exchangeInfo");
        let spot = [100, 101, 1000, 5000].map(|count| depth_weight(Venue::BinanceSpot, count));
        assert_eq!(spot, [5, 25, 50, 250]);
        let usdm = [50, 100, 500, 1000].map(|count| depth_weight(Venue::BinanceUsdm, count));
        assert_eq!(usdm, [2, 5, 10, 20]);
    }
}
