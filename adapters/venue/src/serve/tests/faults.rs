//! Every fault does what it says, over real sockets.

use serde_json::Value;

use super::client::{Got, Http, Signer, Socket, limit};
use super::{event, start, still, submit, ws_api};
use crate::fault::{Action, Channel, Fault, Garbage, Place, Scope};
use crate::money::ONE;
use crate::order::Side;
use crate::serve::RunningVenue;

const MS: u64 = 1_000_000;
const OWN: Scope = Scope::Own;

fn at(place: Place, action: Action) -> Fault {
    Fault::new(place, "", action)
}

/// A fault of the next order that is placed.
fn on_place(action: Action) -> Fault {
    Fault::new(Place::Request, "order.place", action)
}

fn refused(status: u16, code: i32, accepted: bool) -> Action {
    Action::Answer {
        status,
        code,
        message: "as told".to_string(),
        retry_after_s: Some(3),
        accepted,
    }
}

/// Orders that the venue knows.
fn order_count(venue: &RunningVenue) -> usize {
    venue.handle.inspect().inspection.orders.len()
}

/// Prices of trades that a listener of trades hears: participants trade at 60000, 60001 and so on.
fn trade(venue: &RunningVenue, number: i64) {
    submit(venue, Side::Sell, 60_000 + number, ONE);
    submit(venue, Side::Buy, 60_000 + number, ONE);
}

fn number(value: &Value) -> i64 {
    let price = value["p"].as_str().unwrap();
    price.split('.').next().unwrap().parse::<i64>().unwrap() - 60_000
}

fn listener() -> (RunningVenue, Socket) {
    let venue = start(still());
    let socket = Socket::open(&venue.urls.rest, "/ws/btcusdt@trade");
    // The connection is known to the venue before the first trade.
    while venue.handle.connection_counts().0 == 0 {
        std::thread::yield_now();
    }
    (venue, socket)
}

/// What a listener hears of so many trades when this fault sits on its first frame.
#[track_caller]
fn hears(action: &Action, total: i64, expected: &[i64]) {
    let (venue, mut socket) = listener();
    let id = venue.handle.add_fault(at(Place::Stream, action.clone()));
    for number in 1..=total {
        trade(&venue, number);
    }
    let heard: Vec<i64> = expected.iter().map(|_| number(&socket.json())).collect();
    assert_eq!(heard, expected, "{action:?}");
    assert!(socket.is_silent(), "{action:?}");
    assert_eq!(venue.handle.fired(id), 1);
}

#[test]
fn frames_are_dropped_doubled_swapped_skipped_and_late() {
    hears(&Action::Drop { accepted: false }, 3, &[2, 3]);
    hears(&Action::Duplicate { copy_count: 2 }, 2, &[1, 1, 1, 2]);
    hears(&Action::Reorder { wait_ns: 5_000 * MS }, 3, &[2, 1, 3]);
    hears(&Action::Reorder { wait_ns: MS }, 1, &[1]);
    hears(&Action::Gap { frame_count: 2 }, 4, &[3, 4]);
    hears(&Action::Delay { wait_ns: 5 * MS }, 3, &[1, 2, 3]);
}

/// How a listener's connection ends when this fault sits on its second frame.
#[track_caller]
fn ends(action: &Action, expected: &Got) {
    let (venue, mut socket) = listener();
    venue.handle.add_fault(at(Place::Stream, action.clone()).nth(2));
    trade(&venue, 1);
    assert_eq!(number(&socket.json()), 1);
    trade(&venue, 2);
    assert_eq!(&socket.end(), expected, "{action:?}");
}

#[test]
fn connections_are_cut_between_and_within_frames() {
    ends(&Action::Cut { accepted: false, scope: OWN }, &Got::End { in_frame: false });
    ends(&Action::Half { scope: OWN }, &Got::End { in_frame: true });
    ends(&Action::Expire { scope: OWN }, &Got::Close(1008));
}

#[test]
fn garbage_is_garbage() {
    for kind in [Garbage::Utf8, Garbage::Opcode, Garbage::Http] {
        let (venue, mut socket) = listener();
        venue.handle.add_fault(at(Place::Stream, Action::Garbage { kind, scope: OWN }));
        trade(&venue, 1);
        assert_eq!(socket.next(), Got::Garbage, "{kind:?}");
    }
    let (venue, mut socket) = listener();
    venue.handle.add_fault(at(Place::Stream, Action::Garbage { kind: Garbage::Json, scope: OWN }));
    trade(&venue, 1);
    let Got::Text(text) = socket.next() else { panic!("a text") };
    assert!(serde_json::from_str::<Value>(&text).is_err());
}

#[test]
fn a_mute_connection_stays_open_and_what_it_missed_is_lost() {
    let (venue, mut socket) = listener();
    let mute = Action::Mute { wait_ns: 20 * MS, with_pings: true, scope: Scope::Stream };
    venue.handle.affect(&mute);
    trade(&venue, 1);
    assert!(socket.is_silent());
    trade(&venue, 2);
    assert_eq!(number(&socket.json()), 2);
}

#[test]
fn an_order_is_refused_before_it_is_accepted_or_after() {
    let venue = start(still());
    let (mut socket, signer) = ws_api(&venue);
    for (action, count) in [(refused(503, -1000, false), 0), (refused(503, -1006, true), 1)] {
        venue.handle.add_fault(on_place(action));
        let answer = socket.ask("order.place", &signer.params(&limit("BUY", "61000.00", "w")));
        assert_eq!(answer["status"], 503, "{answer}");
        assert_eq!(order_count(&venue), count);
    }
    assert_eq!(event(&mut socket, "executionReport")["x"], "NEW");
    let mut http = Http::open(&venue);
    for (action, count) in [(refused(502, -1000, false), 1), (refused(504, -1007, true), 2)] {
        venue.handle.add_fault(on_place(action));
        let (status, _, body) = place(&mut http, &signer);
        let value: Value = serde_json::from_str(&body).unwrap();
        assert!(status == 502 || (status == 504 && value["code"] == -1007), "{body}");
        assert_eq!(order_count(&venue), count);
    }
}

fn place_target(signer: &Signer) -> String {
    let order = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=61000";
    format!("/api/v3/order?{}", signer.query(order))
}

fn place(http: &mut Http, signer: &Signer) -> super::client::Answer {
    http.ask("POST", &place_target(signer), &signer.api_key)
}

#[test]
fn limits_carry_the_time_to_wait() {
    let venue = start(still());
    let signer = Signer::new(&venue.accounts[0]);
    for status in [429, 418] {
        venue.handle.add_fault(on_place(refused(status, -1003, false)));
        let (found, head, _) = place(&mut Http::open(&venue), &signer);
        assert_eq!(found, status);
        assert!(head.contains("Retry-After: 3\r\n"), "{head}");
    }
    venue.handle.add_fault(on_place(refused(429, -1003, false)).by(Channel::WsApi));
    let mut socket = Socket::open(&venue.urls.rest, "/ws-api/v3");
    let answer = socket.ask("order.place", &signer.params(&limit("BUY", "61000.00", "w")));
    assert_eq!(answer["status"], 429, "{answer}");
    assert!(answer["error"]["data"]["retryAfter"].is_u64(), "{answer}");
    assert_eq!(order_count(&venue), 0);
}

#[test]
fn an_answer_never_comes_though_the_order_lives() {
    let venue = start(still());
    let signer = Signer::new(&venue.accounts[0]);
    venue.handle.add_fault(on_place(Action::Drop { accepted: true }).times(2));
    let mut http = Http::open(&venue);
    http.send("POST", &place_target(&signer), &signer.api_key, "");
    assert!(http.is_silent());
    let (mut socket, _) = ws_api(&venue);
    let params = signer.params(&limit("BUY", "61000.00", "w"));
    let id = socket.call("order.place", &params);
    assert_eq!(event(&mut socket, "executionReport")["c"], "w");
    assert_eq!(order_count(&venue), 2);
    let answer = socket.ask("ping", &Value::Null);
    assert_ne!(answer["id"], id);
}

#[test]
fn a_connection_is_cut_before_and_after_the_order_is_accepted() {
    let venue = start(still());
    let signer = Signer::new(&venue.accounts[0]);
    for (accepted, count) in [(false, 0), (true, 1)] {
        let (mut socket, _) = ws_api(&venue);
        venue.handle.add_fault(on_place(Action::Cut { accepted, scope: OWN }));
        socket.call("order.place", &signer.params(&limit("BUY", "61000.00", "w")));
        assert_eq!(socket.end(), Got::End { in_frame: false });
        assert_eq!(order_count(&venue), count);
        venue.handle.add_fault(on_place(Action::Cut { accepted: false, scope: OWN }));
        let mut http = Http::open(&venue);
        http.send("POST", &place_target(&signer), &signer.api_key, "");
        assert_eq!(http.answer(), None);
        assert_eq!(order_count(&venue), count);
    }
}

#[test]
fn the_report_comes_before_the_answer_and_doubled_answers_come_twice() {
    let venue = start(still());
    let (mut socket, signer) = ws_api(&venue);
    venue.handle.add_fault(on_place(Action::Reorder { wait_ns: 5_000 * MS }));
    let id = socket.call("order.place", &signer.params(&limit("BUY", "61000.00", "w")));
    assert_eq!(socket.json()["event"]["e"], "executionReport");
    assert_eq!(socket.json()["id"], id);
    assert_eq!(event(&mut socket, "outboundAccountPosition")["e"], "outboundAccountPosition");
    venue.handle.add_fault(on_place(Action::Duplicate { copy_count: 1 }));
    let id = socket.call("order.place", &signer.params(&limit("BUY", "61001.00", "x")));
    assert_eq!([&socket.json()["id"], &socket.json()["id"]], [id, id]);
    venue.handle.add_fault(on_place(Action::Delay { wait_ns: 5 * MS }));
    let id = socket.call("order.place", &signer.params(&limit("BUY", "61002.00", "y")));
    assert_eq!(event(&mut socket, "executionReport")["c"], "x");
    assert_eq!(event(&mut socket, "executionReport")["c"], "y");
    let answer = std::iter::repeat_with(|| socket.json()).find(|value| value["id"] == id);
    assert_eq!(answer.unwrap()["status"], 200);
}

#[test]
fn reports_are_lost_and_doubled_by_their_name() {
    let venue = start(still());
    let (mut socket, signer) = ws_api(&venue);
    let user = |name: &str, action| Fault::new(Place::User, name, action);
    venue.handle.add_fault(user("executionReport/NEW", Action::Drop { accepted: false }));
    venue.handle.add_fault(user("executionReport/TRADE", Action::Duplicate { copy_count: 1 }));
    socket.ask("order.place", &signer.params(&limit("BUY", "61000.00", "w")));
    submit(&venue, Side::Sell, 61_000, ONE / 100);
    let first = event(&mut socket, "executionReport");
    assert_eq!(first["X"], "FILLED");
    assert_eq!(event(&mut socket, "executionReport"), first);
}

#[test]
fn delayed_answers_of_rest_keep_their_order() {
    let venue = start(still());
    venue.handle.add_fault(Fault::new(Place::Request, "time", Action::Delay { wait_ns: 10 * MS }));
    let mut http = Http::open(&venue);
    http.send("GET", "/api/v3/time", "", "");
    http.send("GET", "/api/v3/ping", "", "");
    let (_, _, first) = http.answer().unwrap();
    let (_, _, second) = http.answer().unwrap();
    assert!(first.contains("serverTime"), "{first}");
    assert_eq!(second, "{}");
}

#[test]
fn half_answers_and_garbage_come_over_rest_too() {
    let venue = start(still());
    let time = |action| Fault::new(Place::Request, "time", action);
    venue.handle.add_fault(time(Action::Half { scope: OWN }));
    let mut http = Http::open(&venue);
    http.send("GET", "/api/v3/time", "", "");
    assert_eq!(http.answer(), None);
    venue.handle.add_fault(time(Action::Garbage { kind: Garbage::Json, scope: OWN }));
    let (status, _, body) = Http::open(&venue).ask("GET", "/api/v3/time", "");
    assert_eq!(status, 200);
    assert!(serde_json::from_str::<Value>(&body).is_err());
}

#[test]
fn the_clock_is_wrong_when_told() {
    let venue = start(still());
    let signer = Signer::new(&venue.accounts[0]);
    venue.handle.affect(&Action::Clock { offset_ms: 60_000 });
    let mut http = Http::open(&venue);
    let (_, _, body) = http.ask("GET", "/api/v3/time", "");
    let value: Value = serde_json::from_str(&body).unwrap();
    let ahead = value["serverTime"].as_u64().unwrap().abs_diff(super::client::now_ms());
    assert!((55_000..65_000).contains(&ahead), "{ahead}");
    let (status, _, body) = place(&mut http, &signer);
    assert!(status == 400 && body.contains("-1021"), "{body}");
    venue.handle.affect(&Action::Clock { offset_ms: 0 });
    assert_eq!(place(&mut http, &signer).0, 200);
}

#[test]
fn a_restart_keeps_accounts_and_loses_connections() {
    let venue = start(still());
    let (mut socket, signer) = ws_api(&venue);
    submit(&venue, Side::Sell, 63_000, ONE);
    socket.ask("order.place", &signer.params(&limit("BUY", "61000.00", "w")));
    let before = venue.handle.inspect();
    venue.handle.affect(&Action::Restart);
    assert_eq!(socket.end(), Got::End { in_frame: false });
    let after = venue.handle.inspect();
    assert_eq!(after.inspection.orders, before.inspection.orders);
    assert!(after.markets[0].depth.asks.is_empty(), "orders of participants are gone");
    assert_eq!(after.markets[0].depth.bids, before.markets[0].depth.bids);
    let (mut socket, _) = ws_api(&venue);
    submit(&venue, Side::Sell, 61_000, ONE / 100);
    assert_eq!(event(&mut socket, "executionReport")["X"], "FILLED");
}

#[test]
fn a_shutdown_is_announced_on_every_kind_of_connection() {
    let venue = start(still());
    let mut raw = Socket::open(&venue.urls.rest, "/ws");
    let mut combined = Socket::open(&venue.urls.rest, "/stream");
    let mut api = Socket::open(&venue.urls.rest, "/ws-api/v3");
    while venue.handle.connection_counts() != (2, 1) {
        std::thread::yield_now();
    }
    venue.handle.affect(&Action::Shutdown { wait_ns: 5 * MS });
    assert_eq!(raw.json()["e"], "serverShutdown");
    assert_eq!(combined.json()["stream"], "!serverShutdown");
    assert_eq!(api.json()["event"]["e"], "serverShutdown");
    for socket in [&mut raw, &mut combined, &mut api] {
        assert_eq!(socket.end(), Got::Close(1001));
    }
}

#[test]
fn a_deaf_server_hears_later() {
    let venue = start(still());
    let mut socket = Socket::open(&venue.urls.rest, "/ws-api/v3");
    socket.ask("ping", &Value::Null);
    venue.handle.affect(&Action::Deaf { wait_ns: 60 * MS, scope: Scope::WsApi });
    let mut http = Http::open(&venue);
    http.ask("GET", "/api/v3/ping", "");
    let id = socket.call("ping", &Value::Null);
    assert!(socket.is_silent());
    assert_eq!(socket.json()["id"], id);
}

#[test]
fn an_opening_is_refused_or_cut() {
    let venue = start(still());
    venue.handle.add_fault(Fault::new(Place::Open, "/ws*", refused(503, -1, false)));
    assert_eq!(Socket::try_open(&venue.urls.rest, "/ws").0, 503);
    let cut = Action::Cut { accepted: false, scope: OWN };
    venue.handle.add_fault(Fault::new(Place::Open, "/ws*", cut));
    // The reset may overtake the answer.
    let (status, mut socket) = Socket::try_open(&venue.urls.rest, "/ws");
    assert!(status == 0 || socket.end() == Got::End { in_frame: false }, "{status}");
    assert_eq!(Socket::try_open(&venue.urls.rest, "/ws").0, 101);
}

#[test]
fn commands_come_over_http() {
    let venue = start(still());
    let mut http = Http::open(&venue);
    let script = "{\"on\":\"request\",\"method\":\"ping\",\"do\":\"status\",\"status\":500}\n";
    http.send("POST", "/tickwheel/faults", "", script);
    assert_eq!(http.answer().unwrap().2, "{\"added\":1}");
    assert_eq!(http.ask("GET", "/api/v3/ping", "").0, 500);
    assert_eq!(http.ask("GET", "/api/v3/ping", "").0, 200);
    assert_eq!(http.ask("GET", "/tickwheel/faults", "").2, "{\"fired\":1}");
    http.send("POST", "/tickwheel/faults", "", "nonsense");
    assert_eq!(http.answer().unwrap().0, 400);
    let (status, _, body) = http.ask("GET", "/tickwheel/state", "");
    let value: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, value["accounts"].as_array().unwrap().len()), (200, 2));
    assert_eq!(http.ask("DELETE", "/tickwheel/faults", "").0, 200);
    assert_eq!(http.ask("GET", "/tickwheel/nothing", "").0, 404);
}
