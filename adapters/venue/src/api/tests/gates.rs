//! Signatures, time stamps, parameters and limits: what stands before every request.

use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::Value;

use crate::api::params::Params;
use crate::api::sign::{is_signed, without_signature};
use crate::config::{ApiKey, KeyKind};
use crate::exchange::RestCall;
use crate::order::TimeUnit;
use crate::testing::{Desk, config, signature};

/// The secret of the documents.
const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
/// The Ed25519 key of the documents, as PKCS#8.
const ED25519: &str = "MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u";
const ORDER: &str = "side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000\
                     &timestamp=1499827319559";

fn ed25519() -> Ed25519KeyPair {
    let der = data_encoding::BASE64.decode(ED25519.as_bytes()).expect("base64 of the documents");
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).expect("a key of the documents")
}

fn public_key() -> [u8; 32] {
    ed25519().public_key().as_ref().try_into().expect("32 bytes")
}

#[track_caller]
fn check_signature(kind: &KeyKind, payload: &str, signature: &str) {
    assert!(is_signed(kind, payload.as_bytes(), signature), "{payload}");
    assert!(!is_signed(kind, format!("{payload}x").as_bytes(), signature), "{payload}");
    for bad in ["", "zz", &signature[2..], "\u{e9}\u{e9}", &"0".repeat(64)] {
        assert!(!is_signed(kind, payload.as_bytes(), bad), "{payload} {bad}");
    }
}

#[test]
fn signatures_of_the_documents_are_good() {
    let hmac = KeyKind::Hmac { secret: SECRET.to_string() };
    let tag = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71";
    check_signature(&hmac, &format!("symbol=LTCBTC&{ORDER}"), tag);
    check_signature(&hmac, &format!("symbol=LTCBTC&{ORDER}"), &tag.to_uppercase());
    let wide = "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96";
    let tag = "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3";
    check_signature(&hmac, &format!("{wide}&{ORDER}"), tag);
    let key = KeyKind::Ed25519 { public_key: public_key() };
    check_signature(
        &key,
        "A\u{1}EXAMPLE\u{1}SPOT\u{1}1\u{1}20240627-11:17:25.223",
        "4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gCA==",
    );
}

#[test]
fn the_ws_api_signs_parameters_by_name() {
    let params = Params::of_json(
        r#"{"symbol":"BTCUSDT","side":"SELL","type":"LIMIT","timeInForce":"GTC",
            "quantity":"0.01000000","price":"52000.00","recvWindow":100,"signature":"x",
            "timestamp":1645423376532,
            "apiKey":"vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"}"#,
    );
    let payload = params.expect("parameters of the documents").payload();
    let hmac = KeyKind::Hmac { secret: SECRET.to_string() };
    let tag = "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24";
    check_signature(&hmac, &payload, tag);
}

#[test]
fn the_signature_is_left_out_wherever_it_stands() {
    for text in ["a=1&b=2&signature=x", "signature=x&a=1&b=2", "a=1&signature=x&b=2"] {
        assert_eq!(without_signature(text), "a=1&b=2");
    }
    assert_eq!(without_signature("signature=x"), "");
}

/// Sends an order signed by hand; the code, 0 for success.
fn send(desk: &mut Desk, key: Option<&str>, query: &str, body: &str) -> i64 {
    let call = RestCall {
        method: "POST",
        path: "/api/v3/order/test",
        query,
        body: body.as_bytes(),
        api_key: key,
        client: 1,
        time_unit: TimeUnit::Millisecond,
    };
    let answer = desk.exchange.rest(&call, desk.now_ns);
    let json: Value = serde_json::from_str(&answer.body).expect("answers are JSON");
    json["code"].as_i64().unwrap_or(0)
}

#[test]
fn query_and_form_are_signed_together() {
    let mut desk = Desk::new(config());
    let time = desk.now_ns / 1_000_000;
    let query = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC";
    let body = format!("quantity=1&price=100&timestamp={time}");
    let sign = |payload: &str| signature("secret-a", payload);
    let tag = sign(&format!("{query}{body}"));
    assert_eq!(send(&mut desk, Some("key-a"), query, &format!("{body}&signature={tag}")), 0);
    assert_eq!(send(&mut desk, Some("key-a"), &format!("{query}&signature={tag}"), &body), 0);
    let tag = sign(&format!("{query}&{body}"));
    assert_eq!(send(&mut desk, Some("key-a"), query, &format!("{body}&signature={tag}")), -1022);
    // What is in both comes from the query.
    let query = format!("{query}&quantity=1");
    let body = format!("quantity=bad&price=100&timestamp={time}");
    let tag = sign(&format!("{query}{body}"));
    assert_eq!(send(&mut desk, Some("key-a"), &query, &format!("{body}&signature={tag}")), 0);
}

#[test]
fn keys_and_times_are_checked() {
    let mut desk = Desk::new(config());
    let server_ms = desk.now_ns / 1_000_000;
    let mut check = |key: Option<&str>, time: &str, expected: i64| {
        let order = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=100";
        let query = format!("{order}{time}");
        let tag = signature("secret-a", &query);
        let code = send(&mut desk, key, &format!("{query}&signature={tag}"), "");
        assert_eq!(code, expected, "{key:?} {time}");
    };
    let time = format!("&timestamp={server_ms}");
    check(Some("key-a"), &time, 0);
    check(Some("key-b"), &time, -1022);
    check(Some("key-c"), &time, -2015);
    check(Some("key a"), &time, -2014);
    check(Some(""), &time, -2014);
    check(None, &time, -2014);
    check(Some("key-a"), "", -1102);
    check(Some("key-a"), "&timestamp=x", -1100);
    check(Some("key-a"), &format!("&timestamp={}", server_ms - 5000), 0);
    check(Some("key-a"), &format!("&timestamp={}", server_ms - 5001), -1021);
    check(Some("key-a"), &format!("&timestamp={}", server_ms + 999), 0);
    check(Some("key-a"), &format!("&timestamp={}", server_ms + 1000), -1021);
    check(Some("key-a"), &format!("&timestamp={}", server_ms * 1000 - 5_000_001), -1021);
    check(Some("key-a"), &format!("&timestamp={}", server_ms * 1000 - 5_000_000), 0);
    check(Some("key-a"), &format!("&timestamp={}&recvWindow=0.5", server_ms * 1000 - 500), 0);
    check(Some("key-a"), &format!("&timestamp={}&recvWindow=0.5", server_ms * 1000 - 501), -1021);
    check(Some("key-a"), &format!("{time}&recvWindow=60000"), 0);
    check(Some("key-a"), &format!("{time}&recvWindow=60000.001"), -1102);
    check(Some("key-a"), &format!("{time}&recvWindow=1.0001"), -1111);
    desk.exchange.set_clock_offset_ns(-10_000_000_000);
    assert!(desk.call("a", "GET", "/api/v3/account", "").body.contains("1000ms ahead"));
}

#[test]
fn parameters_are_refused_as_in_the_documents() {
    let mut desk = Desk::new(config());
    let mut check = |query: &str, expected: &str| {
        let answer = desk.call("a", "POST", "/api/v3/order", query);
        let json: Value = serde_json::from_str(&answer.body).expect("answers are JSON");
        let found = format!("{} {}", json["code"], json["msg"].as_str().unwrap_or_default());
        assert_eq!(found, expected, "{query}");
    };
    let limit = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC";
    let missing = |name: &str| {
        format!("-1102 Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    };
    check("", &missing("symbol"));
    check("symbol=XY&side=BUY", "-1121 Invalid symbol.");
    check("symbol=BTCUSDT", &missing("side"));
    check("symbol=BTCUSDT&side=UP&type=LIMIT", "-1117 Invalid side.");
    check("symbol=BTCUSDT&side=BUY&type=LIMITED", "-1116 Invalid orderType.");
    check("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=X", "-1115 Invalid timeInForce.");
    check("symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=1", &missing("timeInForce"));
    check(limit, &missing("quantity"));
    check(&format!("{limit}&quantity=1"), &missing("price"));
    check(
        "symbol=BTCUSDT&side=BUY&type=MARKET",
        "-1102 Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!",
    );
    let unread = "-1106 Parameter 'price' sent when not required.";
    check("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=1&price=1", unread);
    check(
        &format!("{limit}&quantity=0.000000001&price=1"),
        "-1111 Parameter 'quantity' has too much precision.",
    );
    check(
        &format!("{limit}&quantity=-1&price=1"),
        "-1100 Illegal characters found in parameter 'quantity'; legal range is \
         '^([0-9]{1,20})(\\.[0-9]{1,20})?$'.",
    );
    check(
        &format!("{limit}&quantity=1&price=1&newClientOrderId={}", "x".repeat(37)),
        "-1100 Illegal characters found in parameter 'newClientOrderId'; legal range is \
         '^[a-zA-Z0-9-_]{1,36}$'.",
    );
    check(&format!("{limit}&quantity=&price=1"), "-1105 Parameter 'quantity' was empty.");
    check(
        &format!("{limit}&quantity=1&quantity=1&price=1"),
        "-1101 Duplicate values for a parameter detected.",
    );
    check(
        &format!("{limit}&quantity=1&price=1&colour=red"),
        "-1104 Not all sent parameters were read; read '8' parameter(s) but was sent '9'.",
    );
}

#[test]
fn filters_are_named() {
    let mut config = config();
    config.symbols[0] = crate::config::SymbolConfig::btcusdt();
    config.symbols[0].filters.orders_max = 3;
    let mut desk = Desk::new(config);
    desk.run("f sell 1 100; f buy 1 100");
    let mut check = |command: &str, expected: &str| {
        assert_eq!(desk.run(command), expected, "{command}");
    };
    check("a buy 1 100.001", "-1013 Filter failure: PRICE_FILTER");
    check("a buy 0.000001 100", "-1013 Filter failure: LOT_SIZE");
    check("a buy 9001 100", "-1013 Filter failure: LOT_SIZE");
    check("a buy 1001 market", "-1013 Filter failure: MARKET_LOT_SIZE");
    check("a buy 0.04999 100", "-1013 Filter failure: NOTIONAL");
    check("a buy quote=4.99 market", "-1013 Filter failure: NOTIONAL");
    check("a buy 1 500.01", "-1013 Filter failure: PERCENT_PRICE_BY_SIDE");
    check("a buy 1 19.99", "-1013 Filter failure: PERCENT_PRICE_BY_SIDE");
    check("a buy 1 90; a buy 1 90; a buy 1 90", "NEW 0; NEW 0; NEW 0");
    check("a buy 1 90", "-1013 Filter failure: MAX_NUM_ORDERS");
}

#[test]
fn weight_and_orders_are_limited() {
    let mut config = config();
    config.limits.weight_1m_max = 25;
    config.limits.orders_10s_max = 2;
    config.limits.violations_max = 2;
    let mut desk = Desk::new(config);
    let header = |answer: &crate::exchange::RestAnswer, name: &str| {
        let found = answer.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.clone())
    };
    let order = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=100";
    for count in ["1", "2"] {
        let answer = desk.call("a", "POST", "/api/v3/order", order);
        assert_eq!(header(&answer, "X-MBX-ORDER-COUNT-10S").as_deref(), Some(count));
        // Success weighs nothing.
        assert_eq!(header(&answer, "X-MBX-USED-WEIGHT-1M").as_deref(), Some("0"));
    }
    let answer = desk.call("a", "POST", "/api/v3/order", order);
    assert_eq!(answer.status, 429);
    assert!(answer.body.contains("-1015"), "{}", answer.body);
    assert!(answer.body.contains("current limit is 2 orders per 10 SECOND"), "{}", answer.body);
    assert_eq!(header(&answer, "Retry-After").as_deref(), Some("10"));
    assert_eq!(desk.call("b", "POST", "/api/v3/order", order).status, 200);
    desk.now_ns += 10_000_000_000;
    assert_eq!(desk.call("a", "POST", "/api/v3/order", order).status, 200);
    // One was refused and weighs 1: 20 of 24 are left for one more account.
    let answer = desk.call("a", "GET", "/api/v3/account", "");
    assert_eq!(header(&answer, "X-MBX-USED-WEIGHT-1M").as_deref(), Some("21"));
    for status in [429, 429, 418, 418] {
        let answer = desk.call("a", "GET", "/api/v3/account", "");
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains("-1003"), "{}", answer.body);
        assert!(header(&answer, "Retry-After").is_some());
    }
    assert_eq!(desk.call("-", "GET", "/api/v3/ping", "").status, 418);
    desk.now_ns += 120_000_000_000;
    assert_eq!(desk.call("a", "GET", "/api/v3/account", "").status, 200);
}

#[test]
fn a_session_needs_a_key_of_ed25519() {
    let mut config = config();
    let kind = KeyKind::Ed25519 { public_key: public_key() };
    config.accounts[0].keys.push(ApiKey { api_key: "key-ed".to_string(), kind });
    let mut desk = Desk::new(config);
    let time = desk.now_ns / 1_000_000;
    let payload = format!("apiKey=key-ed&timestamp={time}");
    let tag = data_encoding::BASE64.encode(ed25519().sign(payload.as_bytes()).as_ref());
    let logon = |key: &str, tag: &str| {
        format!(
            r#"{{"id":"l","method":"session.logon","params":
               {{"apiKey":"{key}","signature":"{tag}","timestamp":{time}}}}}"#
        )
    };
    let status = r#"{"id":2,"method":"account.status","params":{"timestamp":TIME}}"#;
    let status = status.replace("TIME", &time.to_string());
    assert_eq!(desk.ws(1, &status)["error"]["code"], -2014);
    let hmac = signature("secret-a", &format!("apiKey=key-a&timestamp={time}"));
    assert_eq!(desk.ws(1, &logon("key-a", &hmac))["error"]["code"], -4056);
    let answer = desk.ws(1, &logon("key-ed", &tag));
    assert_eq!(answer["result"]["apiKey"], "key-ed", "{answer}");
    assert_eq!(desk.ws(1, &status)["status"], 200);
    assert_eq!(desk.ws(2, &status)["error"]["code"], -2014);
    let subscribe = r#"{"id":3,"method":"userDataStream.subscribe"}"#;
    assert_eq!(desk.ws(1, subscribe)["result"]["subscriptionId"], 0);
    assert_eq!(desk.ws(1, subscribe)["error"]["code"], -2035);
    let logout = desk.ws(1, r#"{"id":4,"method":"session.logout"}"#);
    assert_eq!(logout["result"]["apiKey"], Value::Null);
    assert_eq!(logout["result"]["userDataStream"], false);
    assert_eq!(desk.ws(1, &status)["error"]["code"], -2014);
}
