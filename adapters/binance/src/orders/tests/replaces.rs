//! Replaces: at once while nothing traded, else cancel and place the rest; in doubt both are asked for.

use super::*;

fn replace(bench: &mut Bench, quantity: i64) -> (u64, String, Value) {
    bench.request(Kind::SEND_REPLACE, ORDER, (10_100, quantity));
    let (_, token, method, params) = bench.last();
    (token, method, params)
}

fn second(executed: &str, quantity: &str) -> Value {
    let mut row = row(78, &format!("{NAME}-2"), "NEW", executed);
    (row["price"], row["origQty"]) = (json!("101.00"), json!(quantity));
    row
}

fn gone(executed: &str) -> Value {
    let mut row = row(77, &format!("{NAME}c"), "CANCELED", executed);
    row["origClientOrderId"] = json!(NAME);
    row
}

#[test]
fn an_untraded_order_is_replaced_in_one_step() {
    let mut bench = Bench::up();
    bench.work();
    let (token, method, params) = replace(&mut bench, 200_000);
    assert_eq!(method, "order.cancelReplace");
    assert_eq!(params["cancelReplaceMode"], "STOP_ON_FAILURE");
    assert_eq!(params["cancelRestrictions"], "ONLY_NEW");
    assert_eq!((&params["cancelOrderId"], &params["quantity"]), (&json!(77), &json!("2")));
    assert_eq!(params["newClientOrderId"], format!("{NAME}-2"));
    let both = json!({"cancelResult": "SUCCESS", "newOrderResult": "SUCCESS",
        "cancelResponse": gone("0"), "newOrderResponse": second("0", "2")});
    bench.answer(token, both);
    assert_eq!(bench.told(), ["replaced 10100 200000"]);
    bench.report(&format!("{NAME}-2"), 78, "PARTIALLY_FILLED", (5, "0.5", "0.5"));
    assert_eq!(bench.told(), ["fill 5 50000 of 50000"]);
}

#[test]
fn reports_of_both_halves_before_the_answer_tell_the_replace() {
    let mut bench = Bench::up();
    bench.work();
    let (token, _, _) = replace(&mut bench, 200_000);
    bench.report(&format!("{NAME}c"), 77, "CANCELED", (-1, "0", "0"));
    assert_eq!(bench.told(), [""; 0]);
    bench.report(&format!("{NAME}-2"), 78, "NEW", (-1, "0", "0"));
    assert_eq!(bench.told(), ["replaced 10100 200000"]);
    let both = json!({"cancelResponse": gone("0"), "newOrderResponse": second("0", "2")});
    bench.answer(token, both);
    assert_eq!(bench.told(), [""; 0]);
}

#[test]
fn a_traded_order_is_cancelled_and_the_rest_placed_when_all_is_told() {
    let mut bench = Bench::up();
    bench.work();
    bench.report(NAME, 77, "PARTIALLY_FILLED", (5, "0.25", "0.25"));
    bench.told();
    let (token, method, _) = replace(&mut bench, 200_000);
    assert_eq!(method, "order.cancel");
    bench.answer(token, gone("0.4"));
    assert_eq!(bench.last().2, "order.cancel");
    bench.report(NAME, 77, "PARTIALLY_FILLED", (6, "0.15", "0.4"));
    assert_eq!(bench.told(), ["fill 6 15000 of 40000"]);
    let (_, token, method, params) = bench.last();
    assert_eq!((method.as_str(), &params["quantity"]), ("order.place", &json!("1.6")));
    assert_eq!(params["newClientOrderId"], format!("{NAME}-2"));
    bench.answer(token, second("0", "1.6"));
    assert_eq!(bench.told(), ["replaced 10100 200000"]);
    bench.report(&format!("{NAME}-2"), 78, "FILLED", (7, "1.6", "1.6"));
    assert_eq!(bench.told(), ["fill 7 160000 of 200000"]);
}

#[test]
fn an_order_that_traded_on_the_way_is_replaced_the_other_way() {
    let mut bench = Bench::up();
    bench.work();
    let (token, _, _) = replace(&mut bench, 200_000);
    let text = "Order was not canceled due to cancel restrictions.";
    let data = json!({"cancelResult": "FAILURE", "newOrderResult": "NOT_ATTEMPTED",
        "cancelResponse": error(-2011, text), "newOrderResponse": null});
    let refused = json!({"code": -2022, "msg": "Order cancel-replace failed.", "data": data});
    bench.refuse(token, 400, refused);
    assert_eq!(bench.told(), [""; 0]);
    let (_, token, method, _) = bench.last();
    assert_eq!(method, "order.cancel");
    bench.report(NAME, 77, "PARTIALLY_FILLED", (5, "0.5", "0.5"));
    bench.answer(token, gone("0.5"));
    let (_, token, method, params) = bench.last();
    assert_eq!((method.as_str(), &params["quantity"]), ("order.place", &json!("1.5")));
    bench.refuse(token, 400, error(-2010, "Account has insufficient balance"));
    assert_eq!(bench.told(), ["fill 5 50000 of 50000", "cancelled"]);
}

#[test]
fn a_half_that_failed_ends_the_order_and_nothing_done_leaves_it() {
    let mut bench = Bench::up();
    bench.work();
    let (token, _, _) = replace(&mut bench, 200_000);
    let data = json!({"cancelResult": "SUCCESS", "newOrderResult": "FAILURE",
        "cancelResponse": gone("0"), "newOrderResponse": error(-2010, "Account has insufficient balance")});
    bench.refuse(token, 409, json!({"code": -2021, "msg": "half", "data": data}));
    assert_eq!(bench.told(), ["cancelled"]);

    let mut bench = Bench::up();
    bench.work();
    let (token, _, _) = replace(&mut bench, 200_000);
    bench.refuse(token, 400, error(-1013, "Filter failure: LOT_SIZE"));
    assert_eq!(bench.told(), ["replace-rejected 1013"]);
    let (_, method, params) = replace(&mut bench, 300_000);
    assert_eq!(
        (method.as_str(), &params["newClientOrderId"]),
        ("order.cancelReplace", &json!(format!("{NAME}-2")))
    );
}

#[test]
fn a_half_in_doubt_is_unknown_and_both_generations_are_asked_for() {
    let mut bench = Bench::up();
    bench.work();
    let (token, _, _) = replace(&mut bench, 200_000);
    let data = json!({"cancelResult": "SUCCESS", "newOrderResult": "FAILURE",
        "cancelResponse": gone("0"), "newOrderResponse": error(-1007, "Timeout")});
    bench.refuse(token, 409, json!({"code": -2021, "msg": "half", "data": data}));
    assert_eq!(bench.told(), ["outcome-unknown"]);
    bench.pass(200);
    bench.request(Kind::SEND_QUERY, ORDER, (0, 0));
    let (_, token, _, params) = bench.last();
    assert_eq!(params["orderId"], 77);
    bench.answer(token, gone("0"));
    let (_, token, _, params) = bench.last();
    assert_eq!(params["origClientOrderId"], format!("{NAME}-2"));
    bench.answer(token, second("0", "2"));
    assert_eq!(bench.told(), ["replaced 10100 200000", "working 0"]);
}

#[test]
fn a_lost_replace_that_never_arrived_leaves_the_order_as_it_was() {
    let mut bench = Bench::up();
    bench.work();
    replace(&mut bench, 200_000);
    bench.pass(50);
    assert_eq!(bench.told(), ["outcome-unknown"]);
    bench.pass(200);
    bench.request(Kind::SEND_QUERY, ORDER, (0, 0));
    let (_, token, _, _) = bench.last();
    bench.answer(token, row(77, NAME, "NEW", "0"));
    for name in [format!("{NAME}-2"), format!("{NAME}-2c")] {
        let (_, token, _, params) = bench.last();
        assert_eq!(params["origClientOrderId"], name);
        bench.refuse(token, 400, error(-2013, "Order does not exist."));
    }
    assert_eq!(bench.told(), ["replace-rejected", "working 0"]);
}

#[test]
fn a_cancel_during_a_replace_waits_for_it_or_takes_its_place() {
    let mut bench = Bench::up();
    bench.work();
    let (token, _, _) = replace(&mut bench, 200_000);
    bench.request(Kind::SEND_CANCEL, ORDER, (0, 0));
    assert_eq!(bench.last().2, "order.cancelReplace");
    let both = json!({"cancelResponse": gone("0"), "newOrderResponse": second("0", "2")});
    bench.answer(token, both);
    let (_, _, method, params) = bench.last();
    assert_eq!((method.as_str(), &params["orderId"]), ("order.cancel", &json!(78)));
    bench.report(&format!("{NAME}-2c"), 78, "CANCELED", (-1, "0", "0"));
    assert_eq!(bench.told(), ["replaced 10100 200000", "cancelled"]);

    let mut bench = Bench::up();
    bench.work();
    bench.report(NAME, 77, "PARTIALLY_FILLED", (5, "0.25", "0.25"));
    let (token, _, _) = replace(&mut bench, 200_000);
    bench.request(Kind::SEND_CANCEL, ORDER, (0, 0));
    bench.answer(token, gone("0.25"));
    assert_eq!(bench.told(), ["fill 5 25000 of 25000", "replace-rejected", "cancelled"]);
    assert_eq!(bench.last().2, "order.cancel");
}

#[test]
fn a_replace_of_what_does_not_work_is_refused() {
    let mut bench = Bench::up();
    bench.request(Kind::SEND_REPLACE, ORDER, (10_100, 5));
    assert_eq!(bench.told(), ["replace-rejected"]);
    let mut bench = Bench::up();
    bench.work();
    bench.report(NAME, 77, "PARTIALLY_FILLED", (5, "0.25", "0.25"));
    bench.told();
    bench.request(Kind::SEND_REPLACE, ORDER, (10_100, 25_000));
    assert_eq!(bench.told(), ["replace-rejected"]);
}

/// A replace of which nothing was heard, and the question for it neither.
fn in_doubt() -> Bench {
    let mut bench = Bench::up();
    bench.work();
    replace(&mut bench, 200_000);
    bench.pass(50);
    bench.request(Kind::SEND_QUERY, ORDER, (0, 0));
    let (_, token, _, _) = bench.last();
    bench.refuse(token, 503, error(-1000, "unknown"));
    assert_eq!(bench.told(), ["outcome-unknown", "outcome-unknown"]);
    bench.pass(200);
    bench
}

/// The first generation works, the second never came.
fn find_the_first(bench: &mut Bench) {
    let (_, token, method, params) = bench.last();
    assert_eq!((method.as_str(), &params["orderId"]), ("order.status", &json!(77)));
    bench.answer(token, row(77, NAME, "NEW", "0"));
    for _ in 0..2 {
        let (_, token, _, _) = bench.last();
        bench.refuse(token, 400, error(-2013, "Order does not exist."));
    }
}

#[test]
fn a_pull_that_lists_the_first_generation_does_not_settle_a_replace_in_doubt() {
    let mut bench = in_doubt();
    bench.request(Kind::SEND_PULL, 1, (0, 0));
    for (method, result) in [
        ("openOrders.status", json!([row(77, NAME, "NEW", "0")])),
        ("myTrades", json!([])),
        ("myTrades", json!([])),
        ("account.status", json!({"balances": []})),
    ] {
        let (_, token, sent, _) = bench.last();
        assert_eq!(sent, method);
        bench.answer(token, result);
    }
    let told = bench.told();
    assert!(told.contains(&"ours 10000 100000".to_string()), "{told:?}");
    assert!(!told.iter().any(|word| word.starts_with("working")), "{told:?}");
    find_the_first(&mut bench);
    assert_eq!(bench.told(), ["replace-rejected", "working 0"]);
}

#[test]
fn a_cancel_of_an_order_whose_replace_is_in_doubt_asks_first() {
    let mut bench = in_doubt();
    bench.request(Kind::SEND_CANCEL, ORDER, (0, 0));
    find_the_first(&mut bench);
    assert_eq!(bench.told(), ["replace-rejected", "working 0"]);
    let (_, _, method, params) = bench.last();
    assert_eq!((method.as_str(), &params["orderId"]), ("order.cancel", &json!(77)));
}
