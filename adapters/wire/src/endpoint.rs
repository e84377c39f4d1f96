//! Where a session connects to: a checked `ws://` URL and the addresses behind its host.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs as _};

use tungstenite::client::IntoClientRequest as _;
use tungstenite::handshake::client::Request;
use tungstenite::http::Uri;

/// Port of `ws://` URLs that name none.
const PORT_DEFAULT: u16 = 80;

/// Why a URL is no endpoint.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// It is not a URL, or lacks a host.
    #[error("{url}: not a URL with a host: {detail}")]
    Malformed {
        /// As given.
        url: String,
        /// What is wrong with it.
        detail: String,
    },
    /// `wss://`.
    #[error("{url}: this version has no TLS, so wss:// does not work; use ws://")]
    Tls {
        /// As given.
        url: String,
    },
    /// Neither `ws` nor `wss`.
    #[error("{url}: scheme \"{scheme}\" is not a WebSocket; use ws://")]
    Scheme {
        /// As given.
        url: String,
        /// What stands in front of `://`, empty if nothing.
        scheme: String,
    },
    /// The name of the host gives no address.
    #[error("{url}: host {host} has no address: {source}")]
    Resolve {
        /// As given.
        url: String,
        /// The host.
        host: String,
        /// What the resolver says.
        source: std::io::Error,
    },
}

/// A URL that can be connected to.
#[derive(Clone, Debug)]
pub struct Endpoint {
    url: String,
    uri: Uri,
    /// At least one.
    addresses: Vec<SocketAddr>,
}

impl Endpoint {
    /// Checks a URL and resolves its host. Blocks as long as the resolver takes, so it belongs before
    /// the loop.
    pub fn resolve(url: &str) -> Result<Endpoint, EndpointError> {
        let (uri, host, port) = parse(url)?;
        let failed =
            |source| EndpointError::Resolve { url: url.to_string(), host: host.clone(), source };
        let addresses: Vec<SocketAddr> =
            (host.as_str(), port).to_socket_addrs().map_err(failed)?.collect();
        if addresses.is_empty() {
            return Err(failed(std::io::ErrorKind::NotFound.into()));
        }
        Ok(Endpoint { url: url.to_string(), uri, addresses })
    }

    /// The URL as it was given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address of attempt number `attempt`: each in turn, because one of several may be dead.
    pub fn address(&self, attempt: usize) -> SocketAddr {
        self.addresses[attempt % self.addresses.len()]
    }

    /// The upgrade request, with a fresh key.
    pub(crate) fn request(&self) -> Result<Request, tungstenite::Error> {
        self.uri.clone().into_client_request()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

fn parse(url: &str) -> Result<(Uri, String, u16), EndpointError> {
    let malformed = |detail: &str| EndpointError::Malformed {
        url: url.to_string(),
        detail: detail.to_string(),
    };
    let uri: Uri = url.parse().map_err(|error| malformed(&format!("{error}")))?;
    match uri.scheme_str() {
        Some("ws") => {}
        Some("wss") => return Err(EndpointError::Tls { url: url.to_string() }),
        other => {
            let scheme = other.unwrap_or_default().to_string();
            return Err(EndpointError::Scheme { url: url.to_string(), scheme });
        }
    }
    let authority = uri.authority().ok_or_else(|| malformed("no host"))?;
    if authority.as_str().contains('@') {
        return Err(malformed("a user name in a URL is not supported"));
    }
    // `port_u16` has no answer both for a missing port and for one that is no number.
    let port = match authority.as_str().strip_prefix(authority.host()).unwrap_or_default() {
        "" => PORT_DEFAULT,
        text => (text.strip_prefix(':'))
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .filter(|port| *port != 0)
            .ok_or_else(|| malformed("no such port"))?,
    };
    // The resolver wants an IPv6 address without the brackets of a URL.
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_string();
    if host.is_empty() {
        return Err(malformed("no host"));
    }
    Ok((uri, host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(url: &str) -> String {
        match parse(url) {
            Ok((uri, host, port)) => {
                let path = uri.path_and_query().map_or("-", |path| path.as_str()).to_string();
                format!("{host} {port} {path}")
            }
            Err(EndpointError::Malformed { .. }) => "malformed".to_string(),
            Err(EndpointError::Tls { .. }) => "tls".to_string(),
            Err(EndpointError::Scheme { .. }) => "scheme".to_string(),
            Err(EndpointError::Resolve { .. }) => "resolve".to_string(),
        }
    }

    #[test]
    fn urls_are_taken_or_refused() {
        let table = [
            ("ws://127.0.0.1:9001/ws?streams=a@trade", "127.0.0.1 9001 /ws?streams=a@trade"),
            ("ws://localhost", "localhost 80 /"),
            ("ws://[::1]:81/x", "::1 81 /x"),
            ("wss://localhost:9443/ws", "tls"),
            ("http://localhost/", "scheme"),
            ("localhost:9001", "scheme"),
            ("/ws", "scheme"),
            ("ws://user:secret@localhost/", "malformed"),
            ("ws://localhost:0/", "malformed"),
            ("ws://localhost:99999/", "malformed"),
            ("ws://localhost:/", "malformed"),
            ("ws://localhost:+80/", "malformed"),
            ("ws://:80/", "malformed"),
            ("ws://", "malformed"),
            ("", "malformed"),
        ];
        for (url, expected) in table {
            assert_eq!(verdict(url), expected, "{url}");
        }
    }

    #[test]
    fn the_error_for_tls_says_what_to_use() {
        let text = Endpoint::resolve("wss://localhost/ws").unwrap_err().to_string();
        assert_eq!(
            text,
            "wss://localhost/ws: this version has no TLS, so wss:// does not work; use ws://"
        );
    }

    #[test]
    fn addresses_are_tried_in_turn() {
        let addresses: Vec<SocketAddr> =
            vec!["127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()];
        let endpoint = Endpoint { url: "ws://h".into(), uri: "ws://h".parse().unwrap(), addresses };
        let ports: Vec<u16> = (0..4).map(|attempt| endpoint.address(attempt).port()).collect();
        assert_eq!(ports, [1, 2, 1, 2]);
    }
}
