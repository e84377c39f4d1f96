//! Where a client connects to: a checked URL and the addresses behind its host.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs as _};

use rustls::pki_types::ServerName;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::handshake::client::Request;
use tungstenite::http::Uri;

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
    /// Not a scheme of this protocol.
    #[error("{url}: scheme \"{scheme}\" does not work here; use {expected}")]
    Scheme {
        /// As given.
        url: String,
        /// What stands in front of `://`, empty if nothing.
        scheme: String,
        /// What would work.
        expected: &'static str,
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

/// What is spoken at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `ws://` and `wss://`.
    WebSocket,
    /// `http://` and `https://`.
    Http,
}

impl Protocol {
    /// The plain scheme with its port, and the one with TLS.
    const fn schemes(self) -> [(&'static str, u16); 2] {
        match self {
            Protocol::WebSocket => [("ws", 80), ("wss", 443)],
            Protocol::Http => [("http", 80), ("https", 443)],
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Protocol::WebSocket => "ws:// or wss://",
            Protocol::Http => "http:// or https://",
        }
    }
}

/// A URL that can be connected to.
#[derive(Clone, Debug)]
pub struct Endpoint {
    url: String,
    uri: Uri,
    protocol: Protocol,
    /// Whom the certificate must name; `None` without TLS.
    server_name: Option<ServerName<'static>>,
    /// At least one.
    addresses: Vec<SocketAddr>,
}

impl Endpoint {
    /// Checks a URL of a WebSocket and resolves its host. Blocks as long as the resolver takes, so
    /// it belongs before the loop.
    pub fn resolve(url: &str) -> Result<Endpoint, EndpointError> {
        Endpoint::resolve_as(url, Protocol::WebSocket)
    }

    /// The same for `http://` and `https://`. A path in the URL stands in front of every target.
    pub fn resolve_http(url: &str) -> Result<Endpoint, EndpointError> {
        Endpoint::resolve_as(url, Protocol::Http)
    }

    fn resolve_as(url: &str, protocol: Protocol) -> Result<Endpoint, EndpointError> {
        let Parsed { uri, host, port, is_tls } = parse(url, protocol)?;
        let failed =
            |source| EndpointError::Resolve { url: url.to_string(), host: host.clone(), source };
        let addresses: Vec<SocketAddr> =
            (host.as_str(), port).to_socket_addrs().map_err(failed)?.collect();
        if addresses.is_empty() {
            return Err(failed(std::io::ErrorKind::NotFound.into()));
        }
        let server_name = if is_tls {
            let name =
                ServerName::try_from(host.as_str()).map_err(|_| EndpointError::Malformed {
                    url: url.to_string(),
                    detail: "the host cannot stand in a certificate".to_string(),
                })?;
            Some(name.to_owned())
        } else {
            None
        };
        Ok(Endpoint { url: url.to_string(), uri, protocol, server_name, addresses })
    }

    /// The URL as it was given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What is spoken there.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether it wants TLS.
    pub fn is_tls(&self) -> bool {
        self.server_name.is_some()
    }

    /// The address of attempt number `attempt`: each in turn, because one of several may be dead.
    pub fn address(&self, attempt: usize) -> SocketAddr {
        self.addresses[attempt % self.addresses.len()]
    }

    /// The same name behind another address.
    #[cfg(test)]
    pub(crate) fn with_address(mut self, address: SocketAddr) -> Endpoint {
        self.addresses = vec![address];
        self
    }

    /// Whom the certificate must name.
    pub(crate) fn server_name(&self) -> Option<&ServerName<'static>> {
        self.server_name.as_ref()
    }

    /// Host and port as they stand in the URL, for the `Host` header.
    pub(crate) fn authority(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// The path in the URL without a slash at the end; what stands in front of a target.
    pub(crate) fn path(&self) -> &str {
        self.uri.path().trim_end_matches('/')
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

#[derive(Debug)]
struct Parsed {
    uri: Uri,
    host: String,
    port: u16,
    is_tls: bool,
}

fn parse(url: &str, protocol: Protocol) -> Result<Parsed, EndpointError> {
    let malformed = |detail: &str| EndpointError::Malformed {
        url: url.to_string(),
        detail: detail.to_string(),
    };
    let uri: Uri = url.parse().map_err(|error| malformed(&format!("{error}")))?;
    let [plain, tls] = protocol.schemes();
    let (is_tls, port_default) = match uri.scheme_str() {
        Some(scheme) if scheme == plain.0 => (false, plain.1),
        Some(scheme) if scheme == tls.0 => (true, tls.1),
        other => {
            let (url, scheme) = (url.to_string(), other.unwrap_or_default().to_string());
            return Err(EndpointError::Scheme { url, scheme, expected: protocol.expected() });
        }
    };
    let authority = uri.authority().ok_or_else(|| malformed("no host"))?;
    if authority.as_str().contains('@') {
        return Err(malformed("a user name in a URL is not supported"));
    }
    // `port_u16` has no answer both for a missing port and for one that is no number.
    let port = match authority.as_str().strip_prefix(authority.host()).unwrap_or_default() {
        "" => port_default,
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
    Ok(Parsed { uri, host, port, is_tls })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(url: &str) -> String {
        verdict_as(url, Protocol::WebSocket)
    }

    fn verdict_as(url: &str, protocol: Protocol) -> String {
        match parse(url, protocol) {
            Ok(Parsed { uri, host, port, is_tls }) => {
                let path = uri.path_and_query().map_or("-", |path| path.as_str()).to_string();
                format!("{host} {port} {path}{}", if is_tls { " tls" } else { "" })
            }
            Err(EndpointError::Malformed { .. }) => "malformed".to_string(),
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
            ("wss://localhost:9443/ws", "localhost 9443 /ws tls"),
            ("wss://127.0.0.1", "127.0.0.1 443 / tls"),
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
    fn urls_of_http_are_taken_or_refused() {
        let table = [
            ("http://localhost:81/api/", "localhost 81 /api/"),
            ("http://localhost", "localhost 80 /"),
            ("https://api.example.com", "api.example.com 443 / tls"),
            ("ws://localhost/", "scheme"),
        ];
        for (url, expected) in table {
            assert_eq!(verdict_as(url, Protocol::Http), expected, "{url}");
        }
    }

    #[test]
    fn the_error_for_a_scheme_says_what_to_use() {
        let text = Endpoint::resolve("https://localhost/ws").unwrap_err().to_string();
        assert_eq!(
            text,
            "https://localhost/ws: scheme \"https\" does not work here; use ws:// or wss://"
        );
    }

    #[test]
    fn a_path_in_the_url_stands_in_front_of_every_target() {
        let endpoint = Endpoint::resolve_http("http://127.0.0.1:8/api/").unwrap();
        assert_eq!((endpoint.authority(), endpoint.path()), ("127.0.0.1:8", "/api"));
        let endpoint = Endpoint::resolve_http("http://127.0.0.1:8").unwrap();
        assert_eq!(endpoint.path(), "");
    }

    #[test]
    fn addresses_are_tried_in_turn() {
        let addresses: Vec<SocketAddr> =
            vec!["127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()];
        let endpoint = Endpoint {
            url: "ws://h".into(),
            uri: "ws://h".parse().unwrap(),
            protocol: Protocol::WebSocket,
            server_name: None,
            addresses,
        };
        let ports: Vec<u16> = (0..4).map(|attempt| endpoint.address(attempt).port()).collect();
        assert_eq!(ports, [1, 2, 1, 2]);
    }
}
