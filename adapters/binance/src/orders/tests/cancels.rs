//! Cancels: answered whatever happens, sent again only when they were refused for now.

use super::*;

fn cancel(bench: &mut Bench) -> u64 {
    bench.request(Kind::SEND_CANCEL, ORDER, (0, 0));
    let (_, token, method, params) = bench.last();
    assert_eq!(method, "order.cancel");
    assert_eq!(params["newClientOrderId"], format!("{NAME}c"));
    token
}

fn cancelled(executed: &str) -> Value {
    let mut row = row(77, &format!("{NAME}c"), "CANCELED", executed);
    row["origClientOrderId"] = json!(NAME);
    row
}

#[test]
fn a_cancel_ends_the_order_once_whoever_tells_it_first() {
    for report_first in [false, true] {
        let mut bench = Bench::up();
        bench.work();
        let token = cancel(&mut bench);
        assert_eq!(bench.last().3["orderId"], 77);
        if report_first {
            bench.report(&format!("{NAME}c"), 77, "CANCELED", (-1, "0", "0"));
        }
        bench.answer(token, cancelled("0"));
        if !report_first {
            bench.report(&format!("{NAME}c"), 77, "CANCELED", (-1, "0", "0"));
        }
        assert_eq!(bench.told(), ["cancelled"]);
    }
}

#[test]
fn a_cancel_by_somebody_else_is_ours_by_the_original_name() {
    let mut bench = Bench::up();
    bench.place();
    let mut report = report(1, ("web_9", 77), "CANCELED", (-1, "0", "0"));
    report["event"]["C"] = json!(NAME);
    bench.frame(LineId(0), &report);
    assert_eq!(bench.told(), ["acked", "cancelled"]);
}

#[test]
fn what_traded_before_the_cancel_is_told_before_the_end() {
    let mut bench = Bench::up();
    bench.work();
    let token = cancel(&mut bench);
    bench.answer(token, cancelled("0.4"));
    assert_eq!(bench.told(), [""; 0]);
    bench.report(NAME, 77, "PARTIALLY_FILLED", (5, "0.4", "0.4"));
    assert_eq!(bench.told(), ["fill 5 40000 of 40000", "cancelled"]);
}

/// How the venue takes a cancel, and what the engine hears at once.
#[track_caller]
fn check(status: u16, code: i64, text: &str, told: &[&str]) {
    let mut bench = Bench::up();
    bench.work();
    let token = cancel(&mut bench);
    bench.refuse(token, status, error(code, text));
    assert_eq!(bench.told(), told, "{status} {code} {text}");
}

#[test]
fn a_refused_cancel_is_told_and_one_in_doubt_is_unknown() {
    check(
        400,
        -2011,
        "Order was not canceled due to cancel restrictions.",
        &["cancel-rejected 2011"],
    );
    check(400, -1022, "Signature", &["cancel-rejected 1022"]);
    check(500, -1000, "Internal.", &["outcome-unknown"]);
    check(400, -1007, "Timeout.", &["outcome-unknown"]);
    check(429, -1003, "Too many requests.", &[]);
    check(400, -2011, "Unknown order sent.", &[]);
}

#[test]
fn a_cancel_that_finds_no_order_asks_what_became_of_it() {
    let mut bench = Bench::up();
    bench.work();
    let token = cancel(&mut bench);
    bench.refuse(token, 400, error(-2011, "Unknown order sent."));
    let (_, token, method, _) = bench.last();
    assert_eq!(method, "order.status");
    bench.answer(token, row(77, NAME, "FILLED", "1"));
    let (_, token, _, _) = bench.last();
    bench.answer(token, json!([trade(5, 77, "1")]));
    assert_eq!(bench.told(), ["fill 5 100000 of 100000"]);
}

#[test]
fn a_cancel_that_was_refused_for_now_is_tried_a_few_times() {
    let mut bench = Bench::up();
    bench.work();
    bench.methods();
    bench.request(Kind::SEND_CANCEL, ORDER, (0, 0));
    for _ in 0..5 {
        let (_, token, _, _) = bench.last();
        bench.refuse(token, 429, error(-1003, "Too many requests."));
        assert_eq!(bench.told(), [""; 0]);
        bench.pass(10);
    }
    assert_eq!(bench.told(), ["cancel-rejected"]);
    assert_eq!(bench.methods(), ["order.cancel"; 5]);
}

#[test]
fn a_cancel_before_the_order_arrived_is_sent_again_when_it_works() {
    let mut bench = Bench::up();
    let place = bench.place();
    let token = cancel(&mut bench);
    assert_eq!(bench.last().3["origClientOrderId"], NAME);
    bench.refuse(token, 400, error(-2011, "Unknown order sent."));
    let (_, status, _, _) = bench.last();
    bench.refuse(status, 400, error(-2013, "Order does not exist."));
    bench.answer(place, row(77, NAME, "NEW", "0"));
    assert_eq!(bench.told(), ["acked"]);
    bench.pass(200);
    let (_, status, method, _) = bench.last();
    assert_eq!(method, "order.status");
    bench.answer(status, row(77, NAME, "NEW", "0"));
    let (_, token, method, _) = bench.last();
    assert_eq!(method, "order.cancel");
    bench.answer(token, cancelled("0"));
    assert_eq!(bench.told(), ["working 0", "cancelled"]);
}

#[test]
fn a_cancel_of_an_order_of_an_earlier_life_asks_first() {
    let mut bench = Bench::up();
    bench.request(Kind::SEND_CANCEL, ORDER, (0, 0));
    let (_, token, method, params) = bench.last();
    assert_eq!((method.as_str(), &params["origClientOrderId"]), ("order.status", &json!(NAME)));
    bench.answer(token, row(77, NAME, "NEW", "0"));
    for name in [format!("{NAME}-2"), format!("{NAME}-2c")] {
        let (_, token, _, params) = bench.last();
        assert_eq!(params["origClientOrderId"], name);
        bench.refuse(token, 400, error(-2013, "Order does not exist."));
    }
    let (_, token, method, _) = bench.last();
    assert_eq!(method, "order.cancel");
    bench.answer(token, cancelled("0"));
    assert_eq!(bench.told(), ["working 0", "cancelled"]);
}

#[test]
fn a_cancel_of_what_is_over_is_told_the_end_again() {
    let mut bench = Bench::up();
    bench.work();
    bench.report(NAME, 77, "EXPIRED", (-1, "0", "0"));
    assert_eq!(bench.told(), ["expired"]);
    bench.methods();
    bench.request(Kind::SEND_CANCEL, ORDER, (0, 0));
    assert_eq!(bench.told(), ["expired"]);
    assert_eq!(bench.methods(), [""; 0]);
}
