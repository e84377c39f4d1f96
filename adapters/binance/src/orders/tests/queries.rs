//! Queries: fills before states, and "does not exist" only when nothing can arrive any more.

use super::*;

fn query(bench: &mut Bench) -> u64 {
    bench.request(Kind::SEND_QUERY, ORDER, (0, 0));
    let (_, token, method, _) = bench.last();
    assert_eq!(method, "order.status");
    token
}

fn lost() -> Bench {
    let mut bench = Bench::up();
    bench.place();
    bench.pass(50);
    assert_eq!(bench.told(), ["outcome-unknown"]);
    bench
}

#[test]
fn an_order_that_may_still_arrive_is_not_found_only_later() {
    let mut bench = lost();
    let token = query(&mut bench);
    bench.refuse(token, 400, error(-2013, "Order does not exist."));
    assert_eq!(bench.told(), [""; 0]);
    // 100 ms window, 10 ms clock error, 10 ms margin after the timestamp; 50 ms of it are over.
    bench.pass(70);
    assert_eq!(bench.last().1, token);
    bench.pass(1);
    let (_, token, method, params) = bench.last();
    assert_eq!((method.as_str(), &params["origClientOrderId"]), ("order.status", &json!(NAME)));
    bench.refuse(token, 400, error(-2013, "Order does not exist."));
    let (_, token, _, params) = bench.last();
    assert_eq!(params["origClientOrderId"], format!("{NAME}c"));
    bench.refuse(token, 400, error(-2013, "Order does not exist."));
    assert_eq!(bench.told(), ["not-found"]);
}

#[test]
fn an_order_that_arrived_late_is_found_by_the_second_look() {
    let mut bench = lost();
    let token = query(&mut bench);
    bench.refuse(token, 400, error(-2013, "Order does not exist."));
    bench.pass(71);
    let (_, token, _, _) = bench.last();
    bench.answer(token, row(77, NAME, "NEW", "0"));
    assert_eq!(bench.told(), ["working 0"]);
}

#[test]
fn an_order_that_was_renamed_by_its_cancel_is_found_by_that_name() {
    let mut bench = lost();
    bench.pass(200);
    let token = query(&mut bench);
    bench.refuse(token, 400, error(-2013, "Order does not exist."));
    let (_, token, _, _) = bench.last();
    bench.answer(token, row(77, &format!("{NAME}c"), "CANCELED", "0"));
    assert_eq!(bench.told(), ["cancelled"]);
}

#[test]
fn missing_fills_come_before_the_state() {
    let mut bench = lost();
    bench.report(NAME, 77, "PARTIALLY_FILLED", (5, "0.1", "0.1"));
    assert_eq!(bench.told(), ["fill 5 10000 of 10000", "acked"]);
    let token = query(&mut bench);
    bench.answer(token, row(77, NAME, "PARTIALLY_FILLED", "0.3"));
    let (_, token, method, params) = bench.last();
    assert_eq!((method.as_str(), &params["orderId"]), ("myTrades", &json!(77)));
    bench.answer(token, json!([trade(5, 77, "0.1")]));
    assert_eq!(bench.told(), [""; 0], "the trades lag behind the state");
    bench.pass(10);
    let (_, token, method, _) = bench.last();
    assert_eq!(method, "myTrades");
    bench.answer(token, json!([trade(5, 77, "0.1"), trade(6, 77, "0.2"), trade(7, 99, "9")]));
    assert_eq!(bench.told(), ["fill 6 20000 of 30000", "working 30000"]);
    bench.report(NAME, 77, "PARTIALLY_FILLED", (6, "0.2", "0.3"));
    assert_eq!(bench.told(), [""; 0]);
}

#[test]
fn a_query_that_fails_leaves_the_order_unknown() {
    let mut bench = lost();
    let token = query(&mut bench);
    bench.refuse(token, 500, error(-1000, "Internal."));
    assert_eq!(bench.told(), ["outcome-unknown"]);
    query(&mut bench);
    bench.pass(50);
    assert_eq!(bench.told(), ["outcome-unknown"]);
    bench.script.is_deaf = true;
    bench.request(Kind::SEND_QUERY, ORDER, (0, 0));
    assert_eq!(bench.told(), ["outcome-unknown"]);
}

#[test]
fn an_order_of_an_earlier_life_is_learned_with_all_its_generations() {
    let mut bench = Bench::up();
    let token = query(&mut bench);
    bench.answer(token, row(77, &format!("{NAME}c"), "CANCELED", "0.4"));
    let (_, token, _, _) = bench.last();
    bench.answer(token, json!([trade(5, 77, "0.4")]));
    let (_, token, _, params) = bench.last();
    assert_eq!(params["origClientOrderId"], format!("{NAME}-2"));
    bench.answer(token, row(78, &format!("{NAME}-2"), "PARTIALLY_FILLED", "0.5"));
    let (_, token, _, _) = bench.last();
    bench.answer(token, json!([trade(8, 78, "0.3"), trade(9, 78, "0.2")]));
    for name in [format!("{NAME}-3"), format!("{NAME}-3c")] {
        let (_, token, _, params) = bench.last();
        assert_eq!(params["origClientOrderId"], name);
        bench.refuse(token, 400, error(-2013, "Order does not exist."));
    }
    let told = [
        "fill 5 40000 of 40000",
        "fill 8 30000 of 70000",
        "fill 9 20000 of 90000",
        "replaced 10000 140000",
        "working 90000",
    ];
    assert_eq!(bench.told(), told);
}

#[test]
fn soon_after_a_start_an_order_of_an_earlier_life_may_still_arrive() {
    let mut bench = Bench::down(rules());
    bench.machine.start(&mut bench.script);
    bench.open(LineId(0));
    bench.told();
    let token = query(&mut bench);
    bench.refuse(token, 400, error(-2013, "Order does not exist."));
    assert_eq!(bench.told(), [""; 0]);
    bench.pass(121);
    for _ in 0..2 {
        let (_, token, _, _) = bench.last();
        bench.refuse(token, 400, error(-2013, "Order does not exist."));
    }
    assert_eq!(bench.told(), ["not-found"]);
}

#[test]
fn an_order_of_an_earlier_life_that_is_filled_is_answered() {
    let mut bench = Bench::up();
    let token = query(&mut bench);
    bench.answer(token, row(77, NAME, "FILLED", "1"));
    let (_, token, _, _) = bench.last();
    bench.answer(token, json!([trade(5, 77, "1")]));
    for _ in 0..2 {
        let (_, token, _, _) = bench.last();
        bench.refuse(token, 400, error(-2013, "Order does not exist."));
    }
    assert_eq!(bench.told(), ["fill 5 100000 of 100000", "replace-rejected"]);
}
