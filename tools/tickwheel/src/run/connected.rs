//! Where the venue is, whose key is used, and whether it lists what the configuration says: before anything starts.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use binance::endpoints::{Endpoints, Environment};
use binance::info::{ExchangeInfo, InfoQuery};
use binance::sign::Signer;
use config::Config;
use config::wire::WireSection;
use engine::clock::Clock;
use engine::instrument::Venue;
use rustls::ClientConfig;
use wire::http::HttpConfig;

use super::local_venue::LocalVenue;
use super::rotation::Rotation;
use crate::secrets::{self, Credentials};

/// How long the venue may take for the first question.
const INFO_WAIT_NS_MAX: u64 = 15_000_000_000;
const NS_PER_S: u64 = 1_000_000_000;

/// A venue that answered.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) endpoints: Endpoints,
    /// `None` without TLS.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// `None` in dry-run without a key: market data only.
    pub(crate) credentials: Option<Credentials>,
    /// How that key is exchanged while it is in use; `None` for the local venue's own.
    pub(crate) rotation: Option<Rotation>,
    pub(crate) info: ExchangeInfo,
    /// The child, if the venue is ours.
    pub(crate) child: Option<LocalVenue>,
    network: String,
}

/// The three addresses that belong to the REST address of a venue of ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Urls {
    pub(crate) rest: String,
    pub(crate) stream: String,
    pub(crate) ws_api: String,
}

/// Addresses of the streams and the WebSocket API behind the same host and port.
pub(crate) fn urls_of(rest: &str) -> anyhow::Result<Urls> {
    let rest = rest.trim_end_matches('/');
    let (scheme, host) = rest.split_once("://").unwrap_or(("", rest));
    let sockets = match scheme {
        "http" => "ws",
        "https" => "wss",
        _ => return Err(anyhow!("--venue-url {rest}: must begin with http:// or https://")),
    };
    if host.is_empty() || host.contains('/') {
        return Err(anyhow!(
            "--venue-url {rest}: must be scheme, host and port, such as http://127.0.0.1:8080"
        ));
    }
    Ok(Urls {
        rest: rest.to_string(),
        stream: format!("{sockets}://{host}"),
        ws_api: format!("{sockets}://{host}/ws-api/v3"),
    })
}

impl Connected {
    /// Finds the venue, asks what it lists, refuses to go on where that differs from the configuration.
    pub(crate) fn find(
        wire: &WireSection,
        config: &Config,
        origin: &str,
        dir: &Path,
        clock: &Clock,
    ) -> anyhow::Result<Connected> {
        let child = match wire.network.as_str() {
            "local" => Some(LocalVenue::start(&wire.local, &dir.join("venue"))?),
            _ => None,
        };
        let endpoints = endpoints_of(wire, child.as_ref(), origin)?;
        let ca_file = wire
            .ca_file
            .as_ref()
            .or_else(|| child.as_ref().and_then(|child| child.served.ca_file.as_ref()));
        let uses_tls = endpoints.rest.iter().any(|url| url.starts_with("https://"));
        let tls =
            if uses_tls { Some(secrets::client_config(ca_file, "wire.ca_file")?) } else { None };
        let http = HttpConfig { tls: tls.clone(), ..HttpConfig::default() };
        let rest = endpoints.rest.first().context("a venue has a REST address")?;
        let rotation = rotation_of((config, origin), (rest, &http), (dir, clock))?;
        let credentials = match (&rotation, &child) {
            (Some(rotation), _) => Some(Credentials::of(&rotation.key, &rotation.uri)?),
            (None, Some(child)) => Some(credentials_of(child)?),
            (None, None) => None,
        };
        let table = config.instruments(origin)?;
        let symbols: Vec<&str> = table.iter().map(|(_, i)| i.symbol.as_str()).collect();
        let query = InfoQuery {
            venue: Venue::BinanceSpot,
            rest_url: rest,
            http,
            symbols: &symbols,
            timeout_ns_max: INFO_WAIT_NS_MAX,
        };
        let info = ExchangeInfo::fetch(&query, clock)
            .with_context(|| format!("ask the venue at {rest} what it lists"))?;
        let differences = info.check_against(&table);
        if !differences.is_empty() {
            let lines: Vec<String> =
                differences.iter().map(|difference| format!("  {difference}")).collect();
            return Err(anyhow!(
                "{origin}: the venue at {rest} lists the instruments otherwise:\n{}",
                lines.join("\n")
            ));
        }
        let network = wire.network.clone();
        Ok(Connected { endpoints, tls, credentials, rotation, info, child, network })
    }

    /// For the session's manifest.
    pub(crate) fn input(&self) -> String {
        let stream = self.endpoints.streams.first().map_or("", String::as_str);
        format!("binance-spot, {} ({stream})", self.network)
    }

    /// For the first lines of a run.
    pub(crate) fn describe(&self) -> String {
        let rest = self.endpoints.rest.first().map_or("", String::as_str);
        let started = if self.child.is_some() { ", started beside the engine" } else { "" };
        let tls = if self.tls.is_some() { "TLS" } else { "no TLS" };
        format!("{} at {rest}{started}, {tls}", self.network)
    }
}

/// Where a configured venue answers REST; a venue that is started with the session has no address before.
pub(crate) fn rest_url(wire: &WireSection, origin: &str) -> anyhow::Result<String> {
    if wire.network == "local" {
        return Err(anyhow!(
            "{origin}: the local venue is started with the session, with keys of its own"
        ));
    }
    let endpoints = endpoints_of(wire, None, origin)?;
    endpoints.rest.into_iter().next().context("a venue has a REST address")
}

/// Where the venue of a configuration is.
pub(crate) fn endpoints_of(
    wire: &WireSection,
    child: Option<&LocalVenue>,
    origin: &str,
) -> anyhow::Result<Endpoints> {
    if let Some(child) = child {
        let served = &child.served;
        if !wire.tls {
            return Ok(Endpoints::at(&served.rest, &served.stream, &served.ws_api));
        }
        let missing = "the local venue serves no TLS";
        let rest = served.rest_tls.as_ref().context(missing)?;
        let stream = served.stream_tls.as_ref().context(missing)?;
        let ws_api = served.ws_api_tls.as_ref().context(missing)?;
        return Ok(Endpoints::at(rest, stream, ws_api));
    }
    if let (Some(rest), Some(stream), Some(ws_api)) =
        (&wire.rest_url, &wire.stream_url, &wire.ws_api_url)
    {
        return Ok(Endpoints::at(rest, stream, ws_api));
    }
    let environment = Environment::from_name(&wire.network)
        .with_context(|| format!("{origin}: wire.network = \"{}\"", wire.network))?;
    Ok(Endpoints::of(Venue::BinanceSpot, environment)?)
}

/// The key that the configuration names, fetched, with what is needed to exchange it.
fn rotation_of(
    (config, origin): (&Config, &str),
    (rest_url, http): (&str, &HttpConfig),
    (dir, clock): (&Path, &Clock),
) -> anyhow::Result<Option<Rotation>> {
    let Some(uri) = secrets::key_uri(config).with_context(|| origin.to_string())? else {
        return Ok(None);
    };
    let mut store = secrets::store(config, config.mode(origin)?, clock)?;
    let key = secrets::fetch_key(&mut store, &uri)?;
    let ttl_s = config.secrets.clone().unwrap_or_default().ttl_s;
    Ok(Some(Rotation {
        store,
        uri,
        key,
        dir: dir.to_path_buf(),
        interval_ns: u64::from(ttl_s) * NS_PER_S,
        rest_url: rest_url.to_string(),
        http: http.clone(),
    }))
}

/// The key of a venue of ours.
fn credentials_of(child: &LocalVenue) -> anyhow::Result<Credentials> {
    let account = child.served.accounts.first().context("the local venue has no account")?;
    let signer = Signer::hmac(account.secret.expose()).context("key of the local venue")?;
    Ok(Credentials { api_key: account.api_key.clone(), signer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: &str) {
        let found = match urls_of(url) {
            Ok(urls) => format!("{} {} {}", urls.rest, urls.stream, urls.ws_api),
            Err(error) => error.to_string(),
        };
        assert!(found.contains(expected), "{url}: {found}");
    }

    #[test]
    fn streams_and_api_are_found_from_the_rest_address() {
        check("http://h:1/", "http://h:1 ws://h:1 ws://h:1/ws-api/v3");
        check("https://h", "https://h wss://h wss://h/ws-api/v3");
        check("ws://h:1", "must begin with http");
        check("h:1", "must begin with http");
        check("http://h:1/api", "scheme, host and port");
    }
}
