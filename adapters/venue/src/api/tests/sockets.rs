//! The WS API: ids, limits in answers, and subscriptions to user data.

use serde_json::{Value, json};

use crate::exchange::{ConnectionId, Output, WsOptions};
use crate::order::TimeUnit;
use crate::testing::{Desk, config, signature};

/// A signed request of account `a`.
fn signed(desk: &Desk, method: &str, params: &str) -> String {
    let time = desk.now_ns / 1_000_000;
    let text = format!(r#"{{"apiKey":"key-a","timestamp":{time}{params}}}"#);
    let read = crate::api::params::Params::of_json(&text).expect("parameters of a test");
    let tag = signature("secret-a", &read.payload());
    let text = text.replacen('{', &format!("{{\"signature\":\"{tag}\","), 1);
    format!(r#"{{"id":7,"method":"{method}","params":{text}}}"#)
}

#[test]
fn orders_live_on_the_socket() {
    let mut desk = Desk::new(config());
    desk.listen(1, "a");
    let order = r#","symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC",
                  "price":"100.00","quantity":1.50,"newClientOrderId":"x""#;
    let place = signed(&desk, "order.place", order);
    let answer = desk.ws(1, &place);
    assert_eq!(answer["status"], 200, "{answer}");
    assert_eq!((&answer["id"], &answer["result"]["status"]), (&json!(7), &json!("NEW")));
    assert_eq!(answer["result"]["origQty"], "1.50000000");
    let kinds: Vec<&Value> = answer["rateLimits"]
        .as_array()
        .expect("limits are shown")
        .iter()
        .map(|limit| &limit["rateLimitType"])
        .collect();
    assert_eq!(kinds, ["ORDERS", "ORDERS", "REQUEST_WEIGHT"]);
    let name = r#","symbol":"BTCUSDT","origClientOrderId":"x""#;
    for (method, params, member, expected) in [
        ("order.status", name, "status", json!("NEW")),
        ("order.cancel", name, "status", json!("CANCELED")),
        ("order.cancel", name, "", json!(-2011)),
        ("openOrders.status", "", "", json!(null)),
        ("account.rateLimits.orders", "", "", json!(null)),
    ] {
        let request = signed(&desk, method, params);
        let answer = desk.ws(1, &request);
        let found =
            if member.is_empty() { &answer["error"]["code"] } else { &answer["result"][member] };
        assert_eq!(*found, expected, "{method}: {answer}");
        assert_eq!(answer["rateLimits"].as_array().map(Vec::len), Some(1));
    }
    assert_eq!(desk.reports().split("; ").count(), 2);
}

#[test]
fn ids_come_back_as_they_were_sent() {
    let mut desk = Desk::new(config());
    for id in ["1", "-5", "null", r#""a""#, r#""0123abcd-0123-0123-0123-0123456789ab""#] {
        let answer = desk.ws(1, &format!(r#"{{"id":{id},"method":"time"}}"#));
        assert_eq!(answer["id"].to_string(), id);
        assert!(answer["result"]["serverTime"].is_u64(), "{answer}");
    }
    for text in ["", "[]", "1", "{", r#"{"id":1}"#, r#"{"id":1,"method":5}"#, "\u{0}"] {
        let answer = desk.ws(1, text);
        assert_eq!(answer["status"], 400, "{text}: {answer}");
    }
    let answer = desk.ws(1, r#"{"id":{"a":1},"method":"nothing"}"#);
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&Value::Null, &json!(-1020)));
}

#[test]
fn limits_are_hidden_when_asked() {
    let mut desk = Desk::new(config());
    let hidden = WsOptions { return_rate_limits: false, ..WsOptions::default() };
    desk.exchange.ws_opened(ConnectionId(1), hidden);
    let shown = |answer: &Value| answer["rateLimits"].is_array();
    assert!(!shown(&desk.ws(1, r#"{"id":1,"method":"ping"}"#)));
    assert!(shown(&desk.ws(2, r#"{"id":1,"method":"ping"}"#)));
    let asks = |what: bool| {
        format!(r#"{{"id":1,"method":"ping","params":{{"returnRateLimits":{what}}}}}"#)
    };
    assert!(shown(&desk.ws(1, &asks(true))));
    assert!(!shown(&desk.ws(2, &asks(false))));
}

#[test]
fn each_subscription_hears_its_account_in_its_unit() {
    let mut desk = Desk::new(config());
    let micro = WsOptions { time_unit: TimeUnit::Microsecond, ..WsOptions::default() };
    desk.exchange.ws_opened(ConnectionId(2), micro);
    desk.listen(1, "a");
    desk.listen(2, "b");
    desk.listen(2, "a");
    desk.listen(3, "a");
    desk.exchange.ws_closed(ConnectionId(3));
    let unsubscribe =
        r#"{"id":1,"method":"userDataStream.unsubscribe","params":{"subscriptionId":0}}"#;
    assert_eq!(desk.ws(2, unsubscribe)["status"], 200);
    assert_eq!(desk.ws(2, unsubscribe)["error"]["code"], -2036);
    let listed = desk.ws(2, r#"{"id":1,"method":"session.subscriptions"}"#);
    assert_eq!(listed["result"], json!([{"subscriptionId": 1}]));
    desk.run("a buy 1 100; b buy 1 99");
    let heard: Vec<(u64, u64, u64)> = desk
        .outputs
        .iter()
        .filter_map(|output| {
            let Output::UserEvent { connection, json, .. } = output else { return None };
            let event: Value = serde_json::from_str(json).expect("events are JSON");
            let time = event["event"]["E"].as_u64()?;
            Some((connection.0, event["subscriptionId"].as_u64()?, time / 1_000_000_000))
        })
        .collect();
    let (ms, us) = (1722, 1_722_816);
    assert_eq!(heard, [(1, 0, ms), (2, 1, us), (1, 0, ms), (2, 1, us)]);
}
