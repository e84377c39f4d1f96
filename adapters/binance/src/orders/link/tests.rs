//! The driver over loopback sockets, against a peer that speaks just enough of the WS API and REST.

use std::collections::VecDeque;
use std::net::SocketAddr;

use engine::event::{Kind, LinkCode, OrderTerms, ReportCode};
use engine::instrument::Venue;
use serde_json::{Value, json};
use wire::server::peers::Peers;
use wire::server::{PeerId, Reply, Request, Response, Server, Service};

use super::*;
use crate::orders::config::Listing;
use crate::sign::Signer;

const MS: u64 = 1_000_000;
const ORDER: u64 = 0x0300_0010_0000_0001;
const NAME: &str = "tw0300001000000001";
const TURN_COUNT_MAX: usize = 3_000;

/// A venue of one order, which is accepted or cut.
#[derive(Default)]
struct Peer {
    cuts_after_place: bool,
    sockets: Vec<PeerId>,
    placed: usize,
    rest: Vec<String>,
}

impl Service for Peer {
    fn request(
        &mut self,
        _peers: &mut Peers,
        _peer: PeerId,
        request: &Request<'_>,
        _now_ns: u64,
    ) -> Reply {
        if request.path() == "/ws-api/v3" {
            return Reply::Upgrade;
        }
        assert_eq!(request.headers.get("X-MBX-APIKEY"), Some("key"));
        self.rest.push(format!("{} {}", request.method, request.path()));
        Reply::Respond(Response::json(200, order("NEW").to_string()))
    }

    fn upgraded(&mut self, _peers: &mut Peers, peer: PeerId, _target: &str, _now_ns: u64) {
        self.sockets.push(peer);
    }

    fn text(&mut self, peers: &mut Peers, peer: PeerId, payload: &[u8], now_ns: u64) {
        let request: Value = serde_json::from_slice(payload).unwrap();
        let result = match request["method"].as_str().unwrap() {
            "time" => json!({"serverTime": now_ns / MS}),
            "userDataStream.subscribe.signature" => json!({"subscriptionId": 0}),
            "order.place" => {
                self.placed += 1;
                if self.cuts_after_place {
                    return peers.cut(peer);
                }
                peers.send_text(peer, &report().to_string());
                order("FILLED")
            }
            other => panic!("{other}"),
        };
        let answer = json!({"id": request["id"], "status": 200, "result": result});
        peers.send_text(peer, &answer.to_string());
    }

    fn closed(&mut self, _peers: &mut Peers, peer: PeerId) {
        self.sockets.retain(|socket| *socket != peer);
    }

    fn on_time(&mut self, _peers: &mut Peers, _now_ns: u64) {}

    fn deadline_ns(&self) -> Option<u64> {
        None
    }
}

fn order(status: &str) -> Value {
    let executed = if status == "FILLED" { "1" } else { "0" };
    json!({"symbol": "BTCUSDT", "orderId": 77, "clientOrderId": NAME, "price": "100",
        "origQty": "1", "executedQty": executed, "status": status, "side": "BUY"})
}

fn report() -> Value {
    json!({"subscriptionId": 0, "event": {"e": "executionReport", "s": "BTCUSDT", "c": NAME,
        "C": "", "S": "BUY", "p": "100", "q": "1", "x": "TRADE", "X": "FILLED", "i": 77, "I": 1,
        "t": 5, "l": "1", "L": "100", "z": "1", "n": "0", "N": null, "m": true}})
}

#[derive(Default)]
struct Heard(Vec<Event>);

impl Sink for Heard {
    fn offer(&mut self, run: &[Event]) -> bool {
        self.0.extend_from_slice(run);
        true
    }
}

impl Heard {
    fn link(&self, code: LinkCode) -> usize {
        let is = |event: &&Event| event.kind == Kind::LINK && event.code == code as u16;
        self.0.iter().filter(is).count()
    }

    fn report(&self, code: ReportCode) -> usize {
        let is = |event: &&Event| event.kind == Kind::REPORT && event.code == code as u16;
        self.0.iter().filter(is).count()
    }
}

struct Bench {
    server: Server,
    peer: Peer,
    link: OrderLink,
    requests: VecDeque<Event>,
    heard: Heard,
    clock: Clock,
}

impl Bench {
    fn new(backoff_ns: u64) -> Bench {
        let mut server = Server::new().unwrap();
        let local: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (_, address) = server.listen(local, None).unwrap();
        let clock = Clock::new();
        let session = SessionConfig {
            backoff_ns_min: backoff_ns,
            backoff_ns_max: backoff_ns,
            ..SessionConfig::default()
        };
        let listing = Listing {
            instrument: 0,
            symbol: "BTCUSDT".to_string(),
            base: "BTC".to_string(),
            quote: "USDT".to_string(),
            price_scale: 2,
            quantity_scale: 5,
        };
        let account = Account {
            engine: 3,
            source: 9,
            venue: Venue::BinanceSpot,
            listings: vec![listing],
            signer: Signer::hmac("secret").unwrap(),
            api_key: "key".to_string(),
        };
        let config = OrderLinkConfig {
            rules: Rules::default(),
            account,
            ws_api: Endpoint::resolve(&format!("ws://{address}/ws-api/v3")).unwrap(),
            session,
            rest: Some(Endpoint::resolve_http(&format!("http://{address}")).unwrap()),
            http: HttpConfig::default(),
            outbox_high_count: 1024,
        };
        let link = OrderLink::new(config, clock.now_ns()).unwrap();
        let (peer, heard) = (Peer::default(), Heard::default());
        Bench { server, peer, link, requests: VecDeque::new(), heard, clock }
    }

    #[track_caller]
    fn until(&mut self, done: impl Fn(&Heard, &Peer) -> bool) {
        for _ in 0..TURN_COUNT_MAX {
            if done(&self.heard, &self.peer) {
                return;
            }
            self.server.run_once(Duration::ZERO, &self.clock, &mut self.peer).unwrap();
            let wait = Duration::from_millis(1);
            self.link.turn(wait, &self.clock, &mut self.requests, &mut self.heard).unwrap();
        }
        panic!("{:?} after {:?}", self.link.status(), self.heard.0);
    }

    fn request(&mut self, kind: Kind) {
        let mut event = Event::new(kind);
        (event.id, event.instrument) = (ORDER, 0);
        event.code = OrderTerms::LIMIT_GTC.code();
        (event.price, event.quantity) = (10_000, 100_000);
        self.requests.push_back(event);
    }
}

#[test]
fn an_order_goes_over_a_socket_and_its_fill_comes_back() {
    let mut bench = Bench::new(MS);
    bench.until(|heard, _| heard.link(LinkCode::Up) == 1);
    bench.request(Kind::SEND_NEW);
    bench.until(|heard, _| heard.report(ReportCode::Filled) == 1);
    bench.until(|heard, _| heard.report(ReportCode::Acked) == 1);
    assert_eq!((bench.peer.placed, bench.link.status().counters.fills), (1, 1));
    assert!(bench.link.take_sample().is_some());
    bench.link.stop();
}

#[test]
fn a_cut_after_sending_leaves_the_order_unknown_and_rest_tells_what_became_of_it() {
    let mut bench = Bench::new(60_000 * MS);
    bench.peer.cuts_after_place = true;
    bench.until(|heard, _| heard.link(LinkCode::Up) == 1);
    bench.request(Kind::SEND_NEW);
    bench.until(|heard, _| heard.report(ReportCode::OutcomeUnknown) == 1);
    assert_eq!(bench.heard.link(LinkCode::Down), 1);
    bench.request(Kind::SEND_QUERY);
    bench.until(|heard, _| heard.report(ReportCode::Working) == 1);
    assert_eq!(bench.peer.rest, ["GET /api/v3/order"]);
    assert_eq!(bench.peer.placed, 1, "it is never sent again");
}

#[test]
fn a_lost_connection_comes_back_and_the_link_with_it() {
    let mut bench = Bench::new(MS);
    bench.until(|heard, _| heard.link(LinkCode::Up) == 1);
    let socket = bench.peer.sockets[0];
    bench.server.peers().cut(socket);
    bench.until(|heard, _| heard.link(LinkCode::Up) == 2);
    assert_eq!(bench.heard.link(LinkCode::Down), 1);
}

#[test]
fn the_headers_of_the_venue_tell_what_is_used() {
    let told = |name, value| match used(name, value) {
        Some(Item::Used { kind, window_ns, count }) => Some((kind, window_ns, count)),
        _ => None,
    };
    let minute = Some((LimitKind::Weight, 60_000_000_000, 25));
    assert_eq!(told("X-MBX-USED-WEIGHT-1M", "25"), minute);
    let orders = Some((LimitKind::Orders, 10_000_000_000, 3));
    assert_eq!(told("x-mbx-order-count-10s", " 3 "), orders);
    for name in ["X-MBX-", "X-MBX-USED-WEIGHT", "Content-Length", "X-MBX-UUID-1", "", "x"] {
        assert_eq!(told(name, "1"), None, "{name}");
    }
    assert_eq!(told("X-MBX-USED-WEIGHT-99999999999999999999D", "1"), None);
}
