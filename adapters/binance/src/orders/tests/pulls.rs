//! Pulls: everything asked first, told at the end, and nothing told twice.

use super::*;

fn pull(bench: &mut Bench, id: u64) {
    bench.request(Kind::SEND_PULL, id, (0, 0));
    assert_eq!(bench.told(), [format!("link pull-begin {id}")]);
}

fn reply(bench: &mut Bench, method: &str, result: Value) -> Value {
    let (_, token, sent, params) = bench.last();
    assert_eq!(sent, method);
    bench.answer(token, result);
    params
}

fn account() -> Value {
    json!({"balances": [{"asset": "BTC", "free": "1.5", "locked": "0.25"},
        {"asset": "USDT", "free": "100.5", "locked": "0"},
        {"asset": "XYZ", "free": "1", "locked": "0"}]})
}

const BALANCES: [&str; 4] = [
    "balance 0 1 1 175000 last",
    "balance 0 2 2 10050000000",
    "balance 1 2 2 10050000000 last",
    "balance 1 3 1 0 last",
];

#[test]
fn a_pull_tells_fills_orders_and_balances() {
    let mut bench = Bench::up();
    bench.work();
    bench.report(NAME, 77, "PARTIALLY_FILLED", (5, "0.1", "0.1"));
    bench.told();
    pull(&mut bench, 1);
    let mut stranger = row(80, "web_1", "NEW", "0");
    stranger["origQty"] = json!("3");
    let elsewhere = json!({"symbol": "XYZUSDT", "orderId": 1});
    let open = json!([row(77, NAME, "PARTIALLY_FILLED", "0.3"), stranger, elsewhere]);
    reply(&mut bench, "openOrders.status", open);
    let params = reply(
        &mut bench,
        "myTrades",
        json!([trade(5, 77, "0.1"), trade(6, 77, "0.2"), trade(7, 80, "9")]),
    );
    assert!(params["startTime"].is_u64() && params["fromId"].is_null());
    assert_eq!(reply(&mut bench, "myTrades", json!([]))["symbol"], "ETHUSDT");
    reply(&mut bench, "account.status", account());
    let mut told = vec![
        "fill 6 20000 of 30000",
        "ours 10000 100000",
        "working 30000",
        "stranger 10000 300000",
    ];
    told.extend(BALANCES);
    told.push("link pull-end 1");
    assert_eq!(bench.told(), told);
    bench.report(NAME, 77, "PARTIALLY_FILLED", (6, "0.2", "0.3"));
    assert_eq!(bench.told(), [""; 0]);
}

#[test]
fn the_next_pull_begins_where_the_last_but_one_ended() {
    let mut bench = Bench::up();
    bench.work();
    let mut asked = Vec::new();
    for (id, last) in [(1, 5), (2, 6), (3, 7)] {
        pull(&mut bench, id);
        reply(&mut bench, "openOrders.status", json!([row(77, NAME, "NEW", "0")]));
        let trades = json!([trade(last, 77, "0.1")]);
        asked.push(reply(&mut bench, "myTrades", trades)["fromId"].clone());
        reply(&mut bench, "myTrades", json!([]));
        reply(&mut bench, "account.status", account());
        bench.told();
    }
    assert_eq!(asked, [Value::Null, Value::Null, json!(6)]);
}

#[test]
fn after_a_restart_orders_that_are_over_are_learned_by_name() {
    let mut bench = Bench::up();
    pull(&mut bench, 1);
    reply(&mut bench, "openOrders.status", json!([row(78, &format!("{NAME}-2"), "NEW", "0.2")]));
    let trades = json!([trade(5, 77, "0.4"), trade(6, 78, "0.2"), trade(4, 70, "1")]);
    reply(&mut bench, "myTrades", trades);
    let all =
        json!([row(70, "web_1", "FILLED", "1"), row(77, &format!("{NAME}c"), "CANCELED", "0.4")]);
    assert_eq!(reply(&mut bench, "allOrders", all)["orderId"], 70);
    reply(&mut bench, "myTrades", json!([]));
    reply(&mut bench, "account.status", account());
    assert_eq!(bench.told(), [""; 0]);
    reply(&mut bench, "order.status", row(77, &format!("{NAME}c"), "CANCELED", "0.4"));
    reply(&mut bench, "myTrades", json!([trade(5, 77, "0.4")]));
    reply(&mut bench, "order.status", row(78, &format!("{NAME}-2"), "NEW", "0.2"));
    reply(&mut bench, "myTrades", json!([trade(6, 78, "0.2")]));
    for _ in 0..2 {
        let (_, token, _, _) = bench.last();
        bench.refuse(token, 400, error(-2013, "Order does not exist."));
    }
    bench.pass(0);
    let told = bench.told();
    let expected = [
        "fill 5 40000 of 40000",
        "fill 6 20000 of 60000",
        "replaced 10000 140000",
        "ours 10000 140000",
        "working 60000",
    ];
    assert_eq!(told[..5], expected);
    assert_eq!(told.last().unwrap(), "link pull-end 1");
}

#[test]
fn a_pull_that_fails_says_only_that() {
    for step in 0..4 {
        let mut bench = Bench::up();
        pull(&mut bench, 1);
        for (method, result) in
            [("openOrders.status", json!([])), ("myTrades", json!([])), ("myTrades", json!([]))]
                .into_iter()
                .take(step)
        {
            reply(&mut bench, method, result);
        }
        let (_, token, _, _) = bench.last();
        bench.refuse(token, 500, error(-1000, "Internal."));
        assert_eq!(bench.told(), ["link pull-failed 1"]);
    }
    let mut bench = Bench::up();
    pull(&mut bench, 1);
    bench.machine.on_lost(LineId(0), bench.now_ns, &mut bench.script);
    assert_eq!(bench.told(), ["link down", "link pull-failed 1"]);
    bench.request(Kind::SEND_PULL, 2, (0, 0));
    assert_eq!(bench.told(), ["link pull-begin 2", "link pull-failed 2"]);
    bench.script.has_rest = true;
    bench.request(Kind::SEND_PULL, 3, (0, 0));
    for (path, result) in [
        ("GET /api/v3/openOrders", json!([])),
        ("GET /api/v3/myTrades", json!([])),
        ("GET /api/v3/myTrades", json!([])),
        ("GET /api/v3/account", account()),
    ] {
        reply(&mut bench, path, result);
    }
    let mut told = vec!["link pull-begin 3"];
    told.extend(BALANCES);
    told.push("link pull-end 3");
    assert_eq!(bench.told(), told);
}

#[test]
fn an_order_that_ended_during_the_pull_is_not_told_open() {
    let mut bench = Bench::up();
    bench.work();
    pull(&mut bench, 1);
    reply(&mut bench, "openOrders.status", json!([row(77, NAME, "NEW", "0")]));
    bench.report(NAME, 77, "EXPIRED", (-1, "0", "0"));
    assert_eq!(bench.told(), ["expired"]);
    reply(&mut bench, "myTrades", json!([]));
    reply(&mut bench, "myTrades", json!([]));
    reply(&mut bench, "account.status", account());
    let told = bench.told();
    assert_eq!(told.len(), BALANCES.len() + 1, "{told:?}");
}
