//! The venue over real sockets.

mod client;
mod faults;
mod keys;
mod streams;

use serde_json::Value;

use crate::exchange::{FlowKind, FlowOrder, SymbolIndex};
use crate::money::ONE;
use crate::order::Side;
use crate::serve::{RunningVenue, Venue, VenueConfig};
use client::{Http, Signer, Socket, limit};

/// A venue with fast depth streams whose market stands still.
fn still() -> VenueConfig {
    let mut config = VenueConfig::local(7).still();
    config.streams.depth_fast_ns = 1_000_000;
    config
}

fn start(config: VenueConfig) -> RunningVenue {
    Venue::start(config).unwrap()
}

/// An order of a participant.
fn submit(venue: &RunningVenue, side: Side, price: i64, quantity: i64) {
    let order = FlowOrder { side, price: price * ONE, quantity, kind: FlowKind::Limit };
    venue.handle.with_exchange(|exchange, now_ns| {
        exchange.submit(SymbolIndex(0), &order, now_ns);
    });
}

/// The WS API with the user data of the first account.
fn ws_api(venue: &RunningVenue) -> (Socket, Signer) {
    let signer = Signer::new(&venue.accounts[0]);
    let mut socket = Socket::open(&venue.urls.rest, "/ws-api/v3");
    let answer = socket.ask("userDataStream.subscribe.signature", &signer.params(&[]));
    assert_eq!(answer["status"], 200, "{answer}");
    (socket, signer)
}

/// The next event of user data of this type.
fn event(socket: &mut Socket, kind: &str) -> Value {
    loop {
        let value = socket.json();
        if value["event"]["e"] == kind {
            return value["event"].clone();
        }
    }
}

#[test]
fn rest_answers_on_both_ports_addresses() {
    let venue = start(still());
    let mut http = Http::open(&venue);
    let (status, head, body) = http.ask("GET", "/api/v3/ping", "");
    assert_eq!((status, body.as_str()), (200, "{}"), "{head}");
    let (status, _, body) = http.ask("GET", "/api/v3/depth?symbol=BTCUSDT", "");
    assert_eq!(status, 200, "{body}");
    assert!(venue.ca_pem.contains("BEGIN CERTIFICATE"));
    venue.stop().unwrap();
}

#[test]
fn an_order_of_an_account_trades_with_a_participant_and_its_events_come() {
    let venue = start(still());
    let (mut socket, signer) = ws_api(&venue);
    let answer = socket.ask("order.place", &signer.params(&limit("BUY", "61000.00", "a1")));
    assert_eq!(answer["status"], 200, "{answer}");
    let report = event(&mut socket, "executionReport");
    assert_eq!((&report["x"], &report["c"]), (&"NEW".into(), &"a1".into()));
    submit(&venue, Side::Sell, 61_000, ONE / 200);
    let report = event(&mut socket, "executionReport");
    assert_eq!((&report["x"], &report["X"]), (&"TRADE".into(), &"PARTIALLY_FILLED".into()));
    submit(&venue, Side::Sell, 61_000, ONE / 200);
    let report = event(&mut socket, "executionReport");
    assert_eq!((&report["x"], &report["X"]), (&"TRADE".into(), &"FILLED".into()));
    let view = venue.handle.inspect();
    assert_eq!(view.inspection.fills.len(), 2);
    assert_eq!(view.markets[0].trades.len(), 2);
    venue.stop().unwrap();
}

#[test]
fn events_never_come_together_with_the_answer_to_their_subscription() {
    let venue = start(still());
    let signer = Signer::new(&venue.accounts[0]);
    let mut socket = Socket::open(&venue.urls.rest, "/ws-api/v3");
    // Both requests leave in one packet's time; the order's events wait for the client to be ready.
    let subscribed = socket.call("userDataStream.subscribe.signature", &signer.params(&[]));
    let placed = socket.call("order.place", &signer.params(&limit("BUY", "61000.00", "a1")));
    assert_eq!(socket.json()["id"], subscribed);
    assert_eq!(socket.json()["id"], placed);
    assert_eq!(socket.json()["event"]["e"], "executionReport");
}

#[test]
fn state_survives_the_end_of_the_process() {
    let folder = std::env::temp_dir().join(format!("venue-state-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&folder));
    let config = VenueConfig { state_folder: Some(folder.clone()), ..still() };
    let venue = start(config.clone());
    let (mut socket, signer) = ws_api(&venue);
    submit(&venue, Side::Sell, 62_000, ONE / 200);
    for (price, id) in [("61000.00", "a1"), ("62000.00", "a2")] {
        let answer = socket.ask("order.place", &signer.params(&limit("BUY", price, id)));
        assert_eq!(answer["status"], 200, "{answer}");
    }
    let before = venue.handle.inspect().inspection;
    assert_eq!((before.orders.len(), before.fills.len()), (2, 1));
    // What an answer told is in the file already: a copy of it now is what a killed process leaves.
    let copy = folder.join("copy");
    std::fs::create_dir_all(&copy).unwrap();
    let state = std::fs::read(folder.join("state.jsonl")).unwrap();
    // A line that was being written at that moment is dropped.
    std::fs::write(copy.join("state.jsonl"), [&state[..], b"{\"half"].concat()).unwrap();
    drop(venue);
    for folder in [&copy, &folder] {
        let venue = start(VenueConfig { state_folder: Some(folder.clone()), ..config.clone() });
        let after = venue.handle.inspect().inspection;
        assert_eq!(after.orders, before.orders);
        assert_eq!(after.fills, before.fills);
        for (one, other) in after.accounts.iter().zip(&before.accounts) {
            assert_eq!(one.balances, other.balances, "{}", one.name);
        }
        venue.stop().unwrap();
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_broken_state_is_refused() {
    let folder = std::env::temp_dir().join(format!("venue-broken-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("state.jsonl"), "nonsense\n").unwrap();
    let refused = Venue::open(VenueConfig { state_folder: Some(folder.clone()), ..still() });
    std::fs::remove_dir_all(&folder).unwrap();
    let text = refused.expect_err("a broken state").to_string();
    assert!(text.starts_with("state: "), "{text}");
}
