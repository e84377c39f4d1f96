//! The link: up when subscribed, down when anything is lost, renewed without a gap.

use super::*;

#[test]
fn a_lost_connection_takes_the_link_down_and_leaves_what_was_sent_unknown() {
    let mut bench = Bench::up();
    bench.place();
    bench.machine.on_lost(LineId(0), bench.now_ns, &mut bench.script);
    assert_eq!(bench.told(), ["link down", "outcome-unknown"]);
    bench.methods();
    bench.request(Kind::SEND_CANCEL, ORDER, (0, 0));
    assert_eq!(bench.told(), ["cancel-rejected"]);
    bench.pass(10);
    bench.open(LineId(0));
    assert_eq!(bench.told(), ["link up"]);
    assert_eq!(bench.methods(), ["time", "userDataStream.subscribe.signature"]);
}

#[test]
fn a_mute_connection_is_broken() {
    let mut bench = Bench::up_with(Rules { ping_interval_ns: 100 * MS, ..rules() });
    bench.pass(100);
    assert_eq!(bench.last().2, "time");
    bench.pass(39);
    assert_eq!(bench.told(), [""; 0]);
    bench.pass(1);
    assert_eq!(bench.told(), ["link down"]);
    assert_eq!(bench.script.reconnected, [LineId(0)]);
    assert_eq!(bench.machine.status().counters.mutes, 1);
}

#[test]
fn a_terminated_subscription_and_a_slow_opening_break_the_connection() {
    let mut bench = Bench::up();
    let event = json!({"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}});
    bench.frame(LineId(0), &event);
    assert_eq!(bench.told(), ["link down"]);
    assert_eq!(bench.script.reconnected.len(), 1);
    bench.machine.on_opened(LineId(0), bench.now_ns, &mut bench.script);
    bench.answer_clock();
    bench.pass(60);
    assert_eq!(bench.script.reconnected.len(), 2);
    bench.open(LineId(0));
    assert_eq!(bench.told(), ["link up"]);
}

#[test]
fn an_old_connection_is_replaced_by_a_second_one_without_a_gap() {
    for by_shutdown in [false, true] {
        let mut bench =
            Bench::up_with(Rules { renew_ns: 1_000 * MS, drain_ns: 30 * MS, ..rules() });
        let token = bench.place();
        if by_shutdown {
            let event = json!({"event": {"e": "serverShutdown", "E": 1}});
            bench.frame(LineId(0), &event);
        } else {
            bench.now_ns += 960 * MS;
            bench.answer(token, row(77, NAME, "NEW", "0"));
            bench.pass(40);
        }
        assert_eq!(bench.script.opened, 2);
        let cancel_by = |bench: &mut Bench| {
            bench.request(Kind::SEND_CANCEL, ORDER, (0, 0));
            bench.last().0
        };
        bench.open(LineId(1));
        assert_eq!(cancel_by(&mut bench), Some(LineId(1)));
        bench.told();
        if by_shutdown {
            bench.answer_on(LineId(0), token, row(77, NAME, "NEW", "0"));
            assert_eq!(bench.told(), ["acked"]);
        }
        bench.pass(30);
        assert_eq!(bench.script.closed, [LineId(0)]);
        assert!(bench.machine.status().up);
        assert_eq!(bench.told(), [""; 0], "the link was never down");
    }
}

#[test]
fn a_clock_that_is_too_far_keeps_the_link_down() {
    let mut bench = Bench::down(rules());
    bench.machine.start(&mut bench.script);
    bench.machine.on_opened(LineId(0), bench.now_ns, &mut bench.script);
    let (_, token, _, _) = bench.last();
    bench.answer(token, json!({"serverTime": bench.now_ns / MS + 6_000}));
    assert_eq!(bench.script.reconnected, [LineId(0)]);
    assert_eq!(bench.told(), [""; 0]);
    assert!(bench.machine.status().error.unwrap().contains("clock"));
}

#[test]
fn a_session_with_ed25519_logs_on_and_needs_no_signatures() {
    let pem = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u\n\
        -----END PRIVATE KEY-----";
    let account = Account {
        engine: 3,
        source: 9,
        venue: Venue::BinanceSpot,
        listings: vec![listing(0, "BTCUSDT")],
        signer: Signer::ed25519(pem).unwrap(),
        api_key: "key".to_string(),
    };
    let mut bench = Bench::down(rules());
    let rules = Rules { log_on: true, ..rules() };
    bench.machine = Machine::new(rules, account, 64, bench.now_ns);
    bench.machine.start(&mut bench.script);
    bench.machine.on_opened(LineId(0), bench.now_ns, &mut bench.script);
    bench.answer_clock();
    let (_, token, method, params) = bench.last();
    assert_eq!(method, "session.logon");
    assert!(params["signature"].is_string());
    bench.answer(token, json!({"apiKey": "key"}));
    let (_, token, method, params) = bench.last();
    assert_eq!((method.as_str(), params.is_null()), ("userDataStream.subscribe", true));
    bench.answer(token, json!({"subscriptionId": 0}));
    assert_eq!(bench.told(), ["link up"]);
    bench.place();
    let params = bench.last().3;
    assert!(params["signature"].is_null() && params["apiKey"].is_null());
    assert!(params["timestamp"].is_u64());
}
