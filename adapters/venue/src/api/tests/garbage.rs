//! Foreign bytes never panic, and whatever comes, the answer is JSON.

use proptest::prelude::*;
use serde_json::Value;

use crate::exchange::{ConnectionId, RestCall};
use crate::order::TimeUnit;
use crate::testing::{Desk, config};

const METHODS: &[(&str, &str)] = &[
    ("GET", "/api/v3/exchangeInfo"),
    ("GET", "/api/v3/depth"),
    ("GET", "/api/v3/trades"),
    ("GET", "/api/v3/klines"),
    ("GET", "/api/v3/aggTrades"),
    ("GET", "/api/v3/ticker/24hr"),
    ("POST", "/api/v3/order"),
    ("POST", "/api/v3/order/cancelReplace"),
    ("PUT", "/api/v3/order/amend/keepPriority"),
    ("GET", "/api/v3/allOrders"),
    ("GET", "/api/v3/myTrades"),
    ("DELETE", "/api/v3/order"),
];
const KEYS: &[&str] = &[
    "symbol",
    "symbols",
    "side",
    "type",
    "timeInForce",
    "quantity",
    "price",
    "stopPrice",
    "quoteOrderQty",
    "newClientOrderId",
    "orderId",
    "origClientOrderId",
    "limit",
    "fromId",
    "startTime",
    "endTime",
    "interval",
    "recvWindow",
    "newQty",
    "cancelReplaceMode",
    "cancelOrderId",
    "selfTradePreventionMode",
    "newOrderRespType",
    "permissions",
];
const VALUES: &[&str] = &[
    "BTCUSDT",
    "BUY",
    "SELL",
    "LIMIT",
    "MARKET",
    "STOP_LOSS",
    "LIMIT_MAKER",
    "GTC",
    "1",
    "100",
    "0",
    "18446744073709551615",
    "9223372036854775807",
    "92233720368.54775807",
    "0.00000001",
    "1e30",
    "1e-30",
    "-1",
    "%00",
    "%",
    "%zz",
    "%ff",
    "[%22BTCUSDT%22]",
    "[[[[",
    "1m",
    "1s",
    "1w",
    "x",
    "",
    "true",
    "EXPIRE_BOTH",
    "STOP_ON_FAILURE",
    "FULL",
    "ACK",
    "1000000",
];

fn query() -> impl Strategy<Value = String> {
    let pair = (prop::sample::select(KEYS), prop::sample::select(VALUES));
    prop::collection::vec(pair, 0..12).prop_map(|pairs| {
        let pairs: Vec<String> =
            pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
        format!("symbol=BTCUSDT&{}", pairs.join("&"))
    })
}

const REQUEST: &str = r#"{"id":"a\"b","method":"order.place","params":{"symbol":"BTCUSDT",
    "side":"BUY","price":1.5e3,"quantity":"0.1","deep":[{"a":["}"]},null,true]}}"#;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn rest_answers_any_parameters(
        at in 0..METHODS.len(),
        query in query(),
        who in prop::sample::select(&["a", "-"][..]),
    ) {
        let mut desk = Desk::new(config());
        let sums = desk.sums();
        desk.run("f sell 1 100; f buy 2 100; a buy 1 90 id=x");
        let (verb, path) = METHODS[at];
        let answer = desk.call(who, verb, path, &query);
        prop_assert!(serde_json::from_str::<Value>(&answer.body).is_ok(), "{}", answer.body);
        desk.check_books(&sums);
    }

    #[test]
    fn rest_answers_any_bytes(
        query in ".{0,60}",
        body in prop::collection::vec(any::<u8>(), 0..60),
        key in prop::option::of(".{0,10}"),
        path in "(/api/v3/order|.{0,20})",
    ) {
        let mut desk = Desk::new(config());
        let call = RestCall {
            method: "POST",
            path: &path,
            query: &query,
            body: &body,
            api_key: key.as_deref(),
            client: 1,
            time_unit: TimeUnit::Millisecond,
        };
        let answer = desk.exchange.rest(&call, desk.now_ns);
        prop_assert!(400 <= answer.status);
        prop_assert!(serde_json::from_str::<Value>(&answer.body).is_ok(), "{}", answer.body);
    }

    #[test]
    fn the_ws_api_answers_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut desk = Desk::new(config());
        let answer = desk.exchange.ws_api(ConnectionId(1), &bytes, desk.now_ns);
        prop_assert!(serde_json::from_str::<Value>(&answer).is_ok(), "{}", answer);
    }

    #[test]
    fn the_ws_api_answers_spoiled_requests(
        at in 0..REQUEST.len(),
        byte in any::<u8>(),
        cut in prop::bool::ANY,
    ) {
        let mut bytes = REQUEST.as_bytes().to_vec();
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] = byte;
        }
        let mut desk = Desk::new(config());
        let answer = desk.exchange.ws_api(ConnectionId(1), &bytes, desk.now_ns);
        prop_assert!(serde_json::from_str::<Value>(&answer).is_ok(), "{}", answer);
    }

    #[test]
    fn spoiled_state_is_refused_or_loaded(at in any::<prop::sample::Index>(), byte in 32_u8..127) {
        let mut desk = Desk::new(config());
        desk.run("a buy 1 100 id=x; b sell 0.5 100; a sell 1 110 stop=105 take");
        let mut line = desk.exchange.save();
        let at = at.index(line.len());
        line[at] = byte;
        let mut after = Desk::new(config());
        if after.exchange.load(&line).is_ok() {
            prop_assert!(!after.exchange.accounts().is_empty());
        }
    }
}
