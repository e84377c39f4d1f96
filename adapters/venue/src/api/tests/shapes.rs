//! Answers and events have the members that the documents show, with values of the same kind.

use std::path::Path;

use serde_json::Value;

use crate::testing::{Desk, config};

/// A recorded message, where the fixtures are at hand.
fn fixture(name: &str) -> Option<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = [root.join(".."), root];
    let path = folders
        .iter()
        .map(|folder| folder.join("shared/data/fixtures/binance/spot").join(name))
        .find(|path| path.exists());
    let Some(path) = path else {
        println!("skipped: no fixture {name}");
        return None;
    };
    let text = std::fs::read_to_string(path).expect("a fixture can be read");
    Some(serde_json::from_str(&text).expect("a fixture is JSON"))
}

/// Every member of `expected` is in `found` with the same kind of value.
fn compare(path: &str, expected: &Value, found: &Value, problems: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (key, value) in expected {
                match found.get(key) {
                    Some(found) => compare(&format!("{path}.{key}"), value, found, problems),
                    None => problems.push(format!("{path}.{key} is missing")),
                }
            }
        }
        (Value::Array(expected), Value::Array(found)) => {
            if let (Some(expected), Some(found)) = (expected.first(), found.first()) {
                compare(&format!("{path}[]"), expected, found, problems);
            }
        }
        (expected, found) => {
            if std::mem::discriminant(expected) != std::mem::discriminant(found) {
                problems.push(format!("{path}: {expected} but {found}"));
            }
        }
    }
}

#[track_caller]
fn check(name: &str, found: &Value, without: &[&str]) {
    let Some(expected) = fixture(name) else { return };
    let mut problems = Vec::new();
    compare("", &expected, found, &mut problems);
    problems.retain(|problem| !without.iter().any(|known| problem.starts_with(known)));
    assert!(problems.is_empty(), "{name}: {problems:#?}\n{found:#}");
}

/// An exchange where something traded, and an order of `a` is open.
fn desk() -> Desk {
    let mut desk = Desk::new(config());
    desk.listen(1, "a");
    desk.run("f sell 1 100; a buy 2 100 id=x; f sell 2 101; f sell 0.5 100; a sell 1 102 id=y");
    desk
}

#[test]
fn answers_have_the_shapes_of_the_documents() {
    let mut desk = desk();
    let all = "symbol=BTCUSDT";
    for (name, who, path, query, without) in [
        ("ping_response.json", "-", "/api/v3/ping", "", &[][..]),
        ("server_time_response.json", "-", "/api/v3/time", "", &[]),
        ("exchange_info_response.json", "-", "/api/v3/exchangeInfo", "", &[".sors"]),
        ("depth_response.json", "-", "/api/v3/depth", all, &[]),
        ("trades_response.json", "-", "/api/v3/trades", all, &[]),
        ("klines_response.json", "-", "/api/v3/klines", "symbol=BTCUSDT&interval=1m", &[]),
        ("avg_price_response.json", "-", "/api/v3/avgPrice", all, &[]),
        ("ticker_24hr_response.json", "-", "/api/v3/ticker/24hr", all, &[]),
        ("ticker_price_response.json", "-", "/api/v3/ticker/price", all, &[]),
        ("book_ticker_response.json", "-", "/api/v3/ticker/bookTicker", all, &[]),
        ("account_response.json", "a", "/api/v3/account", "", &[]),
        ("account_trades_response.json", "a", "/api/v3/myTrades", all, &[]),
        ("all_orders_response.json", "a", "/api/v3/allOrders", all, &[]),
        ("open_orders_response.json", "a", "/api/v3/openOrders", "", &[]),
        ("order_response.json", "a", "/api/v3/order", "symbol=BTCUSDT&orderId=1", &[]),
    ] {
        let found = desk.json(who, "GET", path, query);
        check(&format!("http_json/{name}"), &found, without);
    }
    let order = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=1";
    let found = desk.json("a", "POST", "/api/v3/order", order);
    assert_eq!(found["fills"].as_array().map(Vec::len), Some(1));
    check("http_json/new_order_full_response.json", &found, &[]);
    let query = "symbol=BTCUSDT&origClientOrderId=y";
    let found = desk.json("a", "DELETE", "/api/v3/order", query);
    check("http_json/cancel_order_response.json", &found, &[]);
    desk.run("a buy 1 90 id=z");
    let found = desk.json("a", "DELETE", "/api/v3/openOrders", all);
    check("http_json/cancel_open_orders_response.json", &found, &[]);
}

#[test]
fn events_have_the_shapes_of_the_documents() {
    let mut desk = desk();
    desk.run("a cancel y; f sell 1 103; a buy 4 103 ioc; a sell 1 95 stop=96 id=s");
    let mut events: Vec<Value> = Vec::new();
    for output in &desk.outputs {
        if let crate::exchange::Output::UserEvent { json, .. } = output {
            events.push(serde_json::from_str(json).expect("events are JSON"));
        }
    }
    let find = |execution: &str, kind: &str| -> &Value {
        let found = events.iter().find(|wrapped| {
            let event = &wrapped["event"];
            event["x"] == execution && (kind.is_empty() || event["o"] == kind)
        });
        found.unwrap_or_else(|| panic!("no event {execution} {kind}"))
    };
    check("user_data_json/execution_report_wrapped.json", find("NEW", ""), &[]);
    for (name, execution, kind) in [
        ("execution_report_new.json", "NEW", ""),
        ("execution_report_trade.json", "TRADE", ""),
        ("execution_report_canceled.json", "CANCELED", ""),
        ("execution_report_expired.json", "EXPIRED", ""),
        ("execution_report_stop_loss.json", "NEW", "STOP_LOSS_LIMIT"),
    ] {
        check(&format!("user_data_json/{name}"), &find(execution, kind)["event"], &[]);
    }
    let position = events.iter().find(|event| event["event"]["e"] == "outboundAccountPosition");
    let position = position.expect("a position follows each report");
    check("user_data_json/account_position_wrapped.json", position, &[]);
    // Execution ids are all there, in order.
    let ids: Vec<u64> = events.iter().filter_map(|event| event["event"]["I"].as_u64()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
}

#[test]
fn every_form_of_exchange_info_is_understood() {
    let mut desk = Desk::new(config());
    let mut check = |query: &str, expected: &[&str]| {
        let info = desk.json("-", "GET", "/api/v3/exchangeInfo", query);
        let symbols = info["symbols"].as_array().expect("a list of symbols");
        let names: Vec<&str> = symbols.iter().filter_map(|s| s["symbol"].as_str()).collect();
        assert_eq!(names, expected, "{query}");
    };
    check("", &["BTCUSDT", "ETHUSDT"]);
    check("symbol=ETHUSDT", &["ETHUSDT"]);
    check("symbols=%5B%22ETHUSDT%22,%22BTCUSDT%22%5D", &["ETHUSDT", "BTCUSDT"]);
    check("symbols=[%22BTCUSDT%22]", &["BTCUSDT"]);
    check("permissions=SPOT", &["BTCUSDT", "ETHUSDT"]);
    check("permissions=MARGIN", &[]);
    check("symbolStatus=HALT", &[]);
    check("showPermissionSets=false", &["BTCUSDT", "ETHUSDT"]);
    let answer = desk.call("-", "GET", "/api/v3/exchangeInfo", "symbol=XY");
    assert_eq!(answer.body, r#"{"code":-1121,"msg":"Invalid symbol."}"#);
}

#[test]
fn cancel_replace_says_what_each_half_came_to() {
    let mut desk = Desk::new(config());
    desk.run("a buy 1 100 id=x; f sell 1 110");
    let base = "symbol=BTCUSDT&side=BUY&quantity=1&newOrderRespType=RESULT";
    let mut check = |mode: &str, old: &str, kind: &str, expected: &str| {
        let query = format!("{base}&cancelReplaceMode={mode}&cancelOrigClientOrderId={old}&{kind}");
        let answer = desk.call("a", "POST", "/api/v3/order/cancelReplace", &query);
        let json: Value = serde_json::from_str(&answer.body).expect("answers are JSON");
        let data = if json["data"].is_object() { &json["data"] } else { &json };
        let found = format!(
            "{} {} {} {} {}",
            answer.status,
            json["code"],
            data["cancelResult"].as_str().unwrap_or("-"),
            data["newOrderResult"].as_str().unwrap_or("-"),
            data["newOrderResponse"]["code"]
        );
        assert_eq!(found, expected, "{mode} {old} {kind}");
    };
    let limit = "type=LIMIT&timeInForce=GTC&price=100&newClientOrderId=x";
    let crossing = "type=LIMIT_MAKER&price=110";
    check("STOP_ON_FAILURE", "x", limit, "200 null SUCCESS SUCCESS null");
    check("STOP_ON_FAILURE", "q", limit, "400 -2022 FAILURE NOT_ATTEMPTED null");
    check("ALLOW_FAILURE", "q", limit, "400 -2022 FAILURE FAILURE -2010");
    check("STOP_ON_FAILURE", "x", crossing, "409 -2021 SUCCESS FAILURE -2010");
    check("ALLOW_FAILURE", "x", limit, "409 -2021 FAILURE SUCCESS null");
    check("ALLOW_FAILURE", "q", crossing, "400 -2022 FAILURE FAILURE -2010");
    check("SOMETIMES", "q", crossing, "400 -1130 - - null");
}

#[test]
fn times_come_in_the_unit_that_was_asked_for() {
    let mut desk = Desk::new(config());
    let call = crate::exchange::RestCall {
        method: "GET",
        path: "/api/v3/time",
        query: "",
        body: b"",
        api_key: None,
        client: 1,
        time_unit: crate::order::TimeUnit::Microsecond,
    };
    let answer = desk.exchange.rest(&call, 1_722_816_000_123_456_789);
    assert_eq!(answer.body, r#"{"serverTime":1722816000123456}"#);
}

#[test]
fn candles_fill_the_silence_with_the_last_price() {
    let mut desk = Desk::new(config());
    desk.run("f sell 1 100; f buy 1 100; f sell 1 90; f buy 1 90");
    desk.now_ns += 180_000_000_000;
    desk.run("f sell 1 95; f buy 1 95");
    let query = "symbol=BTCUSDT&interval=1m";
    let candles = desk.json("-", "GET", "/api/v3/klines", query);
    let found: Vec<String> = candles
        .as_array()
        .expect("a list")
        .iter()
        .map(|candle| {
            let text = |at: usize| crate::testing::short(candle[at].as_str().unwrap_or_default());
            format!("{} {} {} {} {}", text(1), text(2), text(3), text(4), candle[8])
        })
        .collect();
    assert_eq!(found, ["100 100 90 90 2", "90 90 90 90 0", "90 90 90 90 0", "95 95 95 95 1"]);
}
