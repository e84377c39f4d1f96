//! New orders: what the engine hears of each outcome, and that nothing is sent twice.

use super::*;
use crate::orders::machine::Sample;

/// How the venue takes a new order, and what the engine hears.
#[track_caller]
fn check(status: u16, code: i64, text: &str, told: &[&str]) {
    let mut bench = Bench::up();
    let token = bench.place();
    bench.refuse(token, status, error(code, text));
    assert_eq!(bench.told(), told, "{status} {code} {text}");
    bench.methods();
    bench.pass(400);
    let again = bench.methods();
    assert!(again.iter().all(|method| method != "order.place"), "{again:?}");
}

#[test]
fn a_refused_order_is_rejected_and_one_in_doubt_is_unknown() {
    check(400, -2010, "Order would immediately match and take.", &["rejected 2010"]);
    check(400, -1013, "Filter failure: PRICE_FILTER", &["rejected 1013"]);
    check(429, -1015, "Too many new orders.", &["rejected 1015"]);
    check(400, -2010, "Duplicate order sent.", &["outcome-unknown"]);
    check(400, -1006, "Unexpected.", &["outcome-unknown"]);
    check(400, -1007, "Timeout.", &["outcome-unknown"]);
    check(500, -1000, "Internal.", &["outcome-unknown"]);
    check(503, -1008, "Overloaded.", &["outcome-unknown"]);
    check(400, -1008, "Overloaded.", &["rejected 1008"]);
}

#[test]
fn answer_and_report_acknowledge_once_whatever_comes_first() {
    let mut bench = Bench::up();
    let token = bench.place();
    bench.report(NAME, 77, "NEW", (-1, "0", "0"));
    assert_eq!(bench.told(), ["acked"]);
    bench.answer(token, row(77, NAME, "NEW", "0"));
    assert_eq!(bench.told(), [""; 0]);
    assert!(bench.machine.take_sample().is_some());
}

#[test]
fn fills_that_were_taken_are_timed_and_those_that_were_waited_for_are_not() {
    for maker in [false, true] {
        let mut bench = Bench::up();
        bench.place();
        while bench.machine.take_sample().is_some() {}
        bench.pass(3);
        let mut fill = report(1, (NAME, 77), "FILLED", (5, "1", "1"));
        fill["event"]["m"] = json!(maker);
        bench.frame(LineId(0), &fill);
        let mut timed = Vec::new();
        while let Some(sample) = bench.machine.take_sample() {
            if let Sample::WireToFill(ns) | Sample::TickToFill(ns) = sample {
                timed.push(ns);
            }
        }
        assert_eq!(timed.len(), if maker { 0 } else { 2 }, "{timed:?}");
        assert!(timed.iter().all(|ns| 3_000_000 <= *ns), "{timed:?}");
    }
}

#[test]
fn a_fill_before_the_answer_is_told_once() {
    let mut bench = Bench::up();
    let token = bench.place();
    bench.report(NAME, 77, "FILLED", (5, "1", "1"));
    assert_eq!(bench.told(), ["fill 5 100000 of 100000", "acked"]);
    bench.answer(token, row(77, NAME, "FILLED", "1"));
    bench.report(NAME, 77, "NEW", (-1, "0", "0"));
    bench.pass(100);
    assert_eq!(bench.told(), [""; 0]);
}

#[test]
fn reports_out_of_order_end_the_order_when_all_fills_are_told() {
    let mut bench = Bench::up();
    bench.work();
    bench.report(NAME, 77, "CANCELED", (-1, "0", "0.6"));
    assert_eq!(bench.told(), [""; 0]);
    bench.report(NAME, 77, "PARTIALLY_FILLED", (6, "0.2", "0.6"));
    bench.report(NAME, 77, "PARTIALLY_FILLED", (5, "0.4", "0.4"));
    let told = ["fill 6 20000 of 20000", "fill 5 40000 of 60000", "cancelled"];
    assert_eq!(bench.told(), told);
}

#[test]
fn a_report_by_two_connections_is_told_once() {
    let mut bench = Bench::up();
    bench.work();
    for _ in 0..2 {
        let fill = report(9, (NAME, 77), "PARTIALLY_FILLED", (5, "0.4", "0.4"));
        bench.frame(LineId(0), &fill);
    }
    assert_eq!(bench.told(), ["fill 5 40000 of 40000"]);
    assert_eq!(bench.machine.status().counters.duplicates, 1);
}

#[test]
fn fills_that_an_answer_promised_and_no_report_brings_are_asked_for() {
    let mut bench = Bench::up();
    let token = bench.place();
    bench.answer(token, row(77, NAME, "FILLED", "1"));
    assert_eq!(bench.told(), ["acked"]);
    bench.pass(20);
    let (_, token, method, params) = bench.last();
    assert_eq!((method.as_str(), &params["orderId"]), ("order.status", &json!(77)));
    bench.answer(token, row(77, NAME, "FILLED", "1"));
    let (_, token, method, _) = bench.last();
    assert_eq!(method, "myTrades");
    bench.answer(token, json!([trade(6, 77, "0.6"), trade(5, 77, "0.4")]));
    assert_eq!(bench.told(), ["fill 5 40000 of 40000", "fill 6 60000 of 100000"]);
}

#[test]
fn without_a_way_an_order_is_rejected_and_with_rest_it_goes_there() {
    let mut bench = Bench::up();
    bench.script.is_deaf = true;
    bench.request(Kind::SEND_NEW, ORDER, (10_000, 100_000));
    assert_eq!(bench.told(), ["rejected"]);
    bench.script.has_rest = true;
    bench.request(Kind::SEND_NEW, ORDER + 1, (10_000, 100_000));
    let (way, token, method, params) = bench.last();
    assert_eq!((way, method.as_str()), (None, "POST /api/v3/order"));
    assert_eq!(params["price"], "100");
    bench.answer(token, row(78, "tw0300001000000002", "NEW", "0"));
    assert_eq!(bench.told(), ["acked"]);
    bench.request(Kind::SEND_NEW, ORDER + 2, (10_000, 100_000));
    let (_, token, _, _) = bench.last();
    bench.machine.on_body_lost(token, false, bench.now_ns, &mut bench.script);
    assert_eq!(bench.told(), ["rejected"]);
    bench.request(Kind::SEND_NEW, ORDER + 3, (10_000, 100_000));
    let (_, token, _, _) = bench.last();
    bench.machine.on_body_lost(token, true, bench.now_ns, &mut bench.script);
    assert_eq!(bench.told(), ["outcome-unknown"]);
}

#[test]
fn an_answer_after_the_deadline_still_counts() {
    let mut bench = Bench::up();
    let token = bench.place();
    bench.pass(50);
    assert_eq!(bench.told(), ["outcome-unknown"]);
    bench.answer(token, row(77, NAME, "NEW", "0"));
    assert_eq!(bench.told(), ["acked"]);
    bench.answer(token, row(77, NAME, "NEW", "0"));
    assert_eq!(bench.machine.status().counters.unasked, 1);
}

#[test]
fn a_refusal_for_the_timestamp_measures_the_clock_and_writes_once_more() {
    let mut bench = Bench::up();
    let token = bench.place();
    bench.refuse(token, 400, error(-1021, "Timestamp for this request"));
    bench.now_ns += MS;
    let (_, token, method, _) = bench.last();
    assert_eq!(method, "time");
    bench.answer(token, json!({"serverTime": bench.now_ns / MS + 700}));
    let (_, token, method, params) = bench.last();
    assert_eq!(method, "order.place");
    assert!(bench.now_ns / MS + 690 < params["timestamp"].as_u64().unwrap());
    bench.refuse(token, 400, error(-1021, "Timestamp for this request"));
    assert_eq!(bench.told(), ["rejected 1021"]);
}

#[test]
fn what_the_engine_has_no_room_for_waits() {
    let mut bench = Bench::up();
    bench.heard.is_full = true;
    bench.place();
    for trade in 0..40 {
        bench.report(NAME, 77, "PARTIALLY_FILLED", (trade, "0.00001", "0.0004"));
    }
    assert!(bench.machine.outbox.is_high());
    assert_eq!(bench.told(), [""; 0]);
    bench.heard.is_full = false;
    assert_eq!(bench.told().len(), 41);
}

#[test]
fn a_fee_in_kind_is_carried_until_it_is_a_unit() {
    let mut bench = Bench::up();
    bench.work();
    let mut fees = Vec::new();
    for id in 1..=3 {
        let mut report =
            report(id, (NAME, 77), "PARTIALLY_FILLED", (i64::try_from(id).unwrap(), "0.1", "0.3"));
        report["event"]["N"] = json!("BTC");
        report["event"]["n"] = json!("0.00000400");
        bench.frame(LineId(0), &report);
    }
    let mut foreign = report(9, (NAME, 77), "PARTIALLY_FILLED", (9, "0.1", "0.4"));
    foreign["event"]["N"] = json!("BNB");
    bench.frame(LineId(0), &foreign);
    bench.machine.outbox.flush(&mut bench.heard);
    for event in &bench.heard.events {
        if event.kind == Kind::REPORT_DETAIL {
            fees.push((event.code, event.quantity));
        }
    }
    assert_eq!(fees, [(1, 0), (1, 0), (1, 1), (2, 10_000_000)]);
}

#[test]
fn strangers_and_garbage_change_nothing() {
    let mut bench = Bench::up();
    bench.work();
    bench.report("web_1", 5, "FILLED", (1, "1", "1"));
    bench.report("tw0400001000000001", 6, "FILLED", (2, "1", "1"));
    bench.report("tw0300001000000001-9999", 7, "FILLED", (3, "1", "1"));
    for frame in [
        "",
        "{",
        "[]",
        "{\"id\":\"x\"}",
        "{\"event\":{}}",
        "{\"event\":{\"e\":\"executionReport\"}}",
    ] {
        bench.machine.on_frame(LineId(0), frame.as_bytes(), bench.now_ns, &mut bench.script);
    }
    assert_eq!(bench.told(), [""; 0]);
    let counters = bench.machine.status().counters;
    assert_eq!((counters.strangers, counters.garbage), (3, 6));
}
