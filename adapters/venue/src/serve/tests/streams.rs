//! Books and trades that a client hears are those of the exchange.

use std::collections::BTreeMap;

use serde_json::Value;

use super::client::{Got, Http, Socket};
use super::{start, still, submit};
use crate::flow::FlowConfig;
use crate::money;
use crate::money::ONE;
use crate::order::Side;
use crate::serve::{MarketConfig, VenueConfig};

/// A book as a client keeps it, by the official rule.
#[derive(Default)]
struct Book {
    update_id: u64,
    sides: [BTreeMap<i64, i64>; 2],
}

impl Book {
    fn set(&mut self, side: usize, levels: &Value) {
        for level in levels.as_array().unwrap() {
            let price = money::parse(level[0].as_str().unwrap()).unwrap();
            let quantity = money::parse(level[1].as_str().unwrap()).unwrap();
            if quantity == 0 {
                self.sides[side].remove(&price);
            } else {
                self.sides[side].insert(price, quantity);
            }
        }
    }

    fn apply(&mut self, diff: &Value) {
        let (first, last) = (diff["U"].as_u64().unwrap(), diff["u"].as_u64().unwrap());
        if last <= self.update_id {
            return;
        }
        assert!(first <= self.update_id + 1, "a gap: {first} after {}", self.update_id);
        self.update_id = last;
        self.set(0, &diff["b"]);
        self.set(1, &diff["a"]);
    }
}

fn snapshot(http: &mut Http) -> Book {
    let (status, _, body) = http.ask("GET", "/api/v3/depth?symbol=BTCUSDT&limit=5000", "");
    assert_eq!(status, 200, "{body}");
    let value: Value = serde_json::from_str(&body).unwrap();
    let mut book = Book { update_id: value["lastUpdateId"].as_u64().unwrap(), ..Book::default() };
    book.set(0, &value["bids"]);
    book.set(1, &value["asks"]);
    book
}

#[test]
fn the_book_of_a_client_is_that_of_the_exchange() {
    let mut config = VenueConfig::local(11);
    config.market =
        MarketConfig::Generated(FlowConfig { speed_percent: 2_000, ..FlowConfig::usual(11) });
    config.streams.depth_fast_ns = 1_000_000;
    let venue = start(config);
    let mut socket = Socket::open(&venue.urls.rest, "/ws/btcusdt@depth@100ms");
    let mut early = vec![socket.json(), socket.json()];
    let mut http = Http::open(&venue);
    let mut book = snapshot(&mut http);
    for diff in early.drain(..) {
        book.apply(&diff);
    }
    let mut compared = 0;
    while compared < 20 {
        book.apply(&socket.json());
        let other = snapshot(&mut http);
        // Frames on the way bring the client to the snapshot or past it.
        while book.update_id < other.update_id {
            book.apply(&socket.json());
        }
        if book.update_id == other.update_id {
            assert_eq!(book.sides, other.sides, "seed 11, update {}", book.update_id);
            compared += 1;
        }
    }
    assert!(10 < book.sides[0].len());
    venue.stop().unwrap();
}

#[test]
fn trades_and_best_prices_come_in_their_order() {
    let venue = start(still());
    let target = "/stream?streams=btcusdt@trade/btcusdt@bookTicker/btcusdt@depth5@100ms";
    let mut socket = Socket::open(&venue.urls.rest, target);
    submit(&venue, Side::Sell, 62_000, ONE);
    let value = socket.json();
    assert_eq!(value["stream"], "btcusdt@bookTicker");
    assert_eq!(value["data"]["a"], "62000.00000000");
    assert_eq!(value["data"]["B"], "0.00000000");
    let value = socket.json();
    assert_eq!(value["stream"], "btcusdt@depth5@100ms");
    assert_eq!(value["data"]["asks"][0][1], "1.00000000");
    submit(&venue, Side::Buy, 62_000, ONE / 4);
    let value = socket.json();
    assert_eq!(value["data"]["p"], "62000.00000000", "{value}");
    assert_eq!(value["data"]["m"], false);
    let value = socket.json();
    assert_eq!(value["data"]["A"], "0.75000000", "{value}");
    venue.stop().unwrap();
}

#[test]
fn subscriptions_change_while_the_connection_lives() {
    let venue = start(still());
    let mut socket = Socket::open(&venue.urls.rest, "/ws");
    socket.send(r#"{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}"#);
    assert_eq!(socket.json()["id"], 1);
    submit(&venue, Side::Sell, 62_000, ONE);
    submit(&venue, Side::Buy, 62_000, ONE);
    assert_eq!(socket.json()["e"], "trade");
    socket.send(r#"{"method":"UNSUBSCRIBE","params":["btcusdt@trade"],"id":2}"#);
    assert_eq!(socket.json()["id"], 2);
    submit(&venue, Side::Sell, 62_000, ONE);
    submit(&venue, Side::Buy, 62_000, ONE);
    assert!(socket.is_silent());
    for id in 3..9 {
        socket.send(&format!(r#"{{"method":"LIST_SUBSCRIPTIONS","id":{id}}}"#));
    }
    // Five in a second are allowed, and two went before.
    assert_eq!(socket.end(), Got::Close(1008));
    venue.stop().unwrap();
}

#[test]
fn pings_come_and_a_client_that_does_not_answer_is_closed() {
    let mut config = still();
    config.timing.ping_ns = 2_000_000;
    config.timing.pong_ns_max = 5_000_000;
    let venue = start(config);
    let mut socket = Socket::open(&venue.urls.rest, "/ws");
    assert_eq!(socket.next(), Got::Ping);
    assert_eq!(socket.end(), Got::Close(1008));
    venue.stop().unwrap();
}

#[test]
fn a_connection_ends_at_its_age() {
    let mut config = still();
    config.timing.ping_ns = 2_000_000;
    config.timing.age_ns_max = 20_000_000;
    let venue = start(config);
    let mut socket = Socket::open(&venue.urls.rest, "/ws");
    assert_eq!(socket.end(), Got::Close(1008));
    venue.stop().unwrap();
}
