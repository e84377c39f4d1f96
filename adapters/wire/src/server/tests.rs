//! The server against our own clients, in one thread.

use engine::clock::Clock;

use super::*;
use crate::endpoint::Endpoint;
use crate::http::{HttpConfig, HttpRequest};
use crate::session::SessionConfig;
use crate::testing::{Pair, TestTls, eager};

fn get(token: u64, target: &str) -> HttpRequest<'_> {
    HttpRequest { token, method: "GET", target, headers: &[], body: &[], deadline_ns: u64::MAX }
}

fn http_works(tls: Option<&TestTls>) {
    let mut pair = Pair::new(Clock::new(), ServerConfig::default(), tls);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let endpoint = Endpoint::resolve_http(&format!("{scheme}://{}", pair.address)).unwrap();
    let config = HttpConfig { tls: tls.map(|it| it.client.clone()), ..HttpConfig::default() };
    let http = pair.poller.add_http(endpoint, config).unwrap();
    pair.poller.request(http, &get(1, "/a?b=c")).unwrap();
    let body = vec![b'x'; 200_000];
    let post = HttpRequest { method: "POST", body: &body, ..get(2, "/post") };
    pair.poller.request(http, &post).unwrap();
    pair.poller.request(http, &get(3, "/c")).unwrap();
    pair.until(|pair| pair.log.answers.len() == 3);
    assert_eq!(pair.log.answers[0], (1, "200 /a?b=c".to_string()));
    assert_eq!(pair.log.answers[1].1.len(), "200 /post".len() + body.len());
    assert_eq!(pair.log.answers[2], (3, "200 /c".to_string()));
}

fn sockets_work(tls: Option<&TestTls>) {
    let mut pair = Pair::new(Clock::new(), ServerConfig::default(), tls);
    let scheme = if tls.is_some() { "wss" } else { "ws" };
    let endpoint = Endpoint::resolve(&format!("{scheme}://{}/ws", pair.address)).unwrap();
    let config = SessionConfig { tls: tls.map(|it| it.client.clone()), ..eager() };
    let id = pair.poller.add(endpoint, config).unwrap();
    pair.until(|pair| pair.log.count("open") == 1);
    let long = "y".repeat(50_000);
    pair.poller.send(id, "hello").unwrap();
    pair.poller.send(id, &long).unwrap();
    pair.until(|pair| pair.log.frames.len() == 2);
    assert_eq!(pair.log.texts(), ["hello", &long]);
    let peer = pair.echo.peers[0];
    pair.server.peers().close(peer, 1012, "bye");
    pair.until(|pair| pair.log.changes.len() == 4);
    assert_eq!(pair.log.changes[3], "closed while open: the peer closed with code 1012: bye");
    pair.until(|pair| pair.echo.heard.iter().any(|word| word == "closed"));
}

#[test]
fn requests_are_answered_in_order() {
    http_works(None);
}

#[test]
fn requests_are_answered_in_order_over_tls() {
    http_works(Some(&TestTls::new()));
}

#[test]
fn texts_are_echoed() {
    sockets_work(None);
}

#[test]
fn texts_are_echoed_over_tls() {
    sockets_work(Some(&TestTls::new()));
}
