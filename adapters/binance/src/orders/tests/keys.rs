//! A key is exchanged while orders are on their way.

use super::*;
use crate::orders::machine::NewKey;

const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u\n\
    -----END PRIVATE KEY-----";

fn rekey(bench: &mut Bench, signer: Signer) {
    let key = NewKey { signer, api_key: "second".to_string() };
    bench.machine.rekey(key, bench.now_ns, &mut bench.script);
}

/// Subscribes a connection that is open, with the second key.
fn subscribe(bench: &mut Bench, line: LineId) {
    bench.machine.on_opened(line, bench.now_ns, &mut bench.script);
    bench.answer_clock();
    let (_, token, method, params) = bench.last();
    assert_eq!(method, "userDataStream.subscribe.signature");
    assert_eq!(params["apiKey"], "second");
    bench.answer_on(line, token, json!({"subscriptionId": 0}));
}

#[test]
fn a_new_key_signs_the_next_request_and_the_link_never_goes_down() {
    let mut bench = Bench::up_with(Rules { drain_ns: 30 * MS, ..rules() });
    let placed = bench.place();
    rekey(&mut bench, Signer::hmac("other").unwrap());
    assert_eq!(bench.script.opened, 2, "one that says the new key is brought up");
    bench.answer(placed, row(77, NAME, "NEW", "0"));
    assert_eq!(bench.told(), ["acked"], "what was on its way is answered");
    bench.request(Kind::SEND_CANCEL, ORDER, (0, 0));
    let (line, token, _, params) = bench.last();
    assert_eq!((line, &params["apiKey"]), (Some(LineId(0)), &json!("second")));
    let mut gone = row(77, &format!("{NAME}c"), "CANCELED", "0");
    gone["origClientOrderId"] = json!(NAME);
    bench.answer(token, gone);
    bench.report(&format!("{NAME}c"), 77, "CANCELED", (-1, "0", "0"));
    assert_eq!(bench.told(), ["cancelled"]);
    subscribe(&mut bench, LineId(1));
    bench.pass(30);
    assert_eq!(bench.script.closed, [LineId(0)]);
    assert_eq!(bench.told(), [""; 0], "the link was never down");
    rekey(&mut bench, Signer::hmac("other").unwrap());
    assert_eq!(bench.script.opened, 3);
}

#[test]
fn the_new_key_makes_the_signature() {
    let signature_with = |secret: &str| {
        let mut bench = Bench::up();
        rekey(&mut bench, Signer::hmac(secret).unwrap());
        bench.place();
        bench.last().3["signature"].as_str().unwrap().to_string()
    };
    assert_eq!(signature_with("a"), signature_with("a"));
    assert_ne!(signature_with("a"), signature_with("b"));
}

#[test]
fn a_connection_that_has_said_the_old_key_and_is_not_up_begins_anew() {
    let mut bench = Bench::down(rules());
    bench.machine.start(&mut bench.script);
    bench.pass(1_000);
    bench.machine.on_opened(LineId(0), bench.now_ns, &mut bench.script);
    bench.answer_clock();
    assert_eq!(bench.last().3["apiKey"], "key");
    rekey(&mut bench, Signer::hmac("other").unwrap());
    assert_eq!(bench.script.reconnected, [LineId(0)]);
    subscribe(&mut bench, LineId(0));
    assert_eq!(bench.told(), ["link up"]);
}

#[test]
fn a_connection_that_has_said_nothing_yet_says_the_new_key() {
    for state in ["connecting", "measuring"] {
        let mut bench = Bench::down(rules());
        bench.machine.start(&mut bench.script);
        bench.pass(1_000);
        if state == "measuring" {
            bench.machine.on_opened(LineId(0), bench.now_ns, &mut bench.script);
        }
        rekey(&mut bench, Signer::hmac("other").unwrap());
        assert_eq!(bench.script.reconnected, [], "{state}");
        subscribe(&mut bench, LineId(0));
        assert_eq!((bench.told(), bench.script.opened), (vec!["link up".to_string()], 1));
    }
}

#[test]
fn a_key_of_another_kind_takes_over() {
    let mut bench = Bench::up_with(Rules { log_on: true, ..rules() });
    rekey(&mut bench, Signer::ed25519(PEM).unwrap());
    bench.machine.on_opened(LineId(1), bench.now_ns, &mut bench.script);
    bench.answer_clock();
    let (line, token, method, params) = bench.last();
    assert_eq!((line, method.as_str()), (Some(LineId(1)), "session.logon"));
    assert_eq!(params["apiKey"], "second");
    bench.answer_on(LineId(1), token, json!({"apiKey": "second"}));
    let (_, token, method, _) = bench.last();
    assert_eq!(method, "userDataStream.subscribe");
    bench.answer_on(LineId(1), token, json!({"subscriptionId": 0}));
    bench.place();
    let (line, _, _, params) = bench.last();
    assert_eq!((line, params["signature"].is_null()), (Some(LineId(1)), true));
}

#[test]
fn a_new_key_that_the_venue_refuses_leaves_the_old_connection_up() {
    let mut bench = Bench::up();
    rekey(&mut bench, Signer::hmac("wrong").unwrap());
    bench.machine.on_opened(LineId(1), bench.now_ns, &mut bench.script);
    bench.answer_clock();
    let (_, token, _, _) = bench.last();
    bench.refuse(token, 401, json!({"code": -2015, "msg": "Invalid API-key"}));
    assert_eq!(bench.script.reconnected, [LineId(1)]);
    assert!(bench.machine.status().up, "reports are still heard");
    assert_eq!(bench.told(), [""; 0]);
}

#[test]
fn a_new_key_is_not_printed() {
    let key = NewKey { signer: Signer::hmac("canary").unwrap(), api_key: "canary".to_string() };
    assert!(!format!("{key:?}").contains("canary"));
}
