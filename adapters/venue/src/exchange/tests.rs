//! Tests of the exchange: life cycles of orders, and money that never appears or vanishes.

mod properties;

use crate::testing::{Desk, config};

/// Runs a script on a new exchange; what each command came to, and what account `a` heard.
#[track_caller]
fn check(script: &str, expected: &str, reports: &str) {
    let mut desk = Desk::new(config());
    let sums = desk.sums();
    desk.listen(1, "a");
    assert_eq!(desk.run(script), expected, "{script}");
    desk.check_books(&sums);
    if !reports.is_empty() {
        assert_eq!(desk.reports(), reports, "{script}");
    }
}

#[test]
fn limit_orders_rest_and_trade_at_the_resting_price() {
    check("a buy 2 100 id=x; a get x", "NEW 0; NEW 0", "x NEW/NEW");
    check(
        "f sell 1 100; a buy 2 101 id=x; f sell 1 99; a get x",
        "0; PARTIALLY_FILLED 1; 1; FILLED 2",
        "x NEW/NEW; x TRADE/PARTIALLY_FILLED 1@100; x TRADE/FILLED 1@101",
    );
    // First the better price, then the earlier order.
    check(
        "a sell 1 102 id=x; b sell 1 101 id=y; a sell 1 101 id=z; f buy 1.5 103 ioc; a get x; \
         a get z",
        "NEW 0; NEW 0; NEW 0; 1.5; NEW 0; PARTIALLY_FILLED 0.5",
        "",
    );
}

#[test]
fn orders_that_do_not_rest_expire() {
    check(
        "f sell 1 100; a buy 2 100 ioc id=x",
        "0; EXPIRED 1",
        "x NEW/NEW; x TRADE/PARTIALLY_FILLED 1@100; x EXPIRED/EXPIRED",
    );
    check("f sell 1 100; a buy 2 100 fok id=x", "0; EXPIRED 0", "x NEW/NEW; x EXPIRED/EXPIRED");
    check("f sell 1 100; f sell 1 99; a buy 2 100 fok", "0; 0; FILLED 2", "");
    check(
        "f sell 1 100; a buy 2 100 maker; a buy 2 99.99 maker",
        "0; -2010 Order would immediately match and take.; NEW 0",
        "",
    );
    check("a buy 2 market id=x", "EXPIRED 0", "x NEW/NEW; x EXPIRED/EXPIRED");
    check("f sell 1 100; a buy 2 market", "0; EXPIRED 1", "");
    check("f buy 1 100; f buy 1 90; a sell 1.5 market", "0; 0; FILLED 1.5", "");
    check("f sell 1 100; f sell 1 200; a buy quote=150 market", "0; 0; FILLED 1.25", "");
    check("f buy 1 100; f buy 1 50; a sell quote=125 market", "0; 0; FILLED 1.5", "");
    check(
        "a buy quote=150 market",
        "-2010 Order book liquidity is less than symbol minimum quantity.",
        "",
    );
}

#[test]
fn cancels_free_the_client_id_and_take_their_own() {
    check(
        "a buy 1 100 id=x; a cancel x as=y; a get x; a get y; a cancel x",
        "NEW 0; CANCELED 0; CANCELED 0; CANCELED 0; -2011 Unknown order sent.",
        "x NEW/NEW; y CANCELED/CANCELED was x",
    );
    check(
        "a buy 1 100 id=x; a buy 1 100 id=x; b buy 1 100 id=x",
        "NEW 0; -2010 Duplicate order sent.; NEW 0",
        "",
    );
    // An id is free again once its order is closed; the newest is found.
    check(
        "f sell 1 100; a buy 1 100 id=x; a buy 1 90 id=x; a get x; b get x; b cancel x",
        "0; FILLED 1; NEW 0; NEW 0; -2013 Order does not exist.; -2011 Unknown order sent.",
        "",
    );
}

#[test]
fn what_an_account_does_not_have_is_not_traded() {
    let poor = "-2010 Account has insufficient balance for requested action.";
    check("a buy 100 101", poor, "");
    check("a sell 100.1 101", poor, "");
    check("a sell 60 101; a sell 60 102", &format!("NEW 0; {poor}"), "");
    check("f sell 200 100; a buy 101 market", &format!("0; {poor}"), "");
    check("a sell 101 market", poor, "");
}

#[test]
fn stops_wait_for_the_last_price() {
    check(
        "f buy 9 90; f sell 1 100; f buy 1 100; a sell 1 stop=95 id=x; f sell 1 80 ioc; a get x",
        "0; 0; 1; ? ; 1; FILLED 1".replace("? ", "NEW 0").as_str(),
        "x NEW/NEW; x NEW/NEW; x TRADE/FILLED 1@90",
    );
    check(
        "f sell 1 100; f buy 1 100; a sell 1 stop=100",
        "0; 1; -2010 Order would trigger immediately.",
        "",
    );
    // A stop limit rests at its price; a take profit is hit from the other side.
    check(
        "f sell 1 100; f buy 1 100; a buy 1 104 stop=105 id=x; f sell 1 106; f buy 1 106; a get x",
        "0; 1; NEW 0; 0; 1; NEW 0",
        "x NEW/NEW; x NEW/NEW",
    );
    check(
        "f sell 1 100; f buy 1 100; a sell 1 104 stop=105 take id=x; f sell 1 106; f buy 2 106; \
         a get x",
        "0; 1; NEW 0; 0; 1; FILLED 1",
        "",
    );
    check(
        "f sell 1 100; f buy 1 100; a buy 1 stop=105 id=x; a cancel x",
        "0; 1; NEW 0; CANCELED 0",
        "",
    );
}

#[test]
fn orders_of_one_account_do_not_trade_with_each_other() {
    let run = |mode: &str, expected: &str, reports: &str| {
        let script = format!(
            "a sell 2 100 id=m stp=NONE; f sell 1 100; a buy 3 100 id=t stp={mode}; a get m; \
             a get t"
        );
        check(&script, expected, reports);
    };
    run(
        "NONE",
        "NEW 0; 0; FILLED 3; FILLED 2; FILLED 3",
        "m NEW/NEW; t NEW/NEW; t TRADE/PARTIALLY_FILLED 2@100; m TRADE/FILLED 2@100; \
         t TRADE/FILLED 1@100",
    );
    run(
        "EXPIRE_MAKER",
        "NEW 0; 0; PARTIALLY_FILLED 1; EXPIRED_IN_MATCH 0; PARTIALLY_FILLED 1",
        "m NEW/NEW; t NEW/NEW; m TRADE_PREVENTION/EXPIRED_IN_MATCH; \
         t TRADE/PARTIALLY_FILLED 1@100",
    );
    run(
        "EXPIRE_TAKER",
        "NEW 0; 0; EXPIRED_IN_MATCH 0; NEW 0; EXPIRED_IN_MATCH 0",
        "m NEW/NEW; t NEW/NEW; t TRADE_PREVENTION/EXPIRED_IN_MATCH",
    );
    run(
        "EXPIRE_BOTH",
        "NEW 0; 0; EXPIRED_IN_MATCH 0; EXPIRED_IN_MATCH 0; EXPIRED_IN_MATCH 0",
        "m NEW/NEW; t NEW/NEW; m TRADE_PREVENTION/EXPIRED_IN_MATCH; \
         t TRADE_PREVENTION/EXPIRED_IN_MATCH",
    );
    run(
        "DECREMENT",
        "NEW 0; 0; FILLED 1; EXPIRED_IN_MATCH 0; FILLED 1",
        "m NEW/NEW; t NEW/NEW; m TRADE_PREVENTION/EXPIRED_IN_MATCH; t TRADE_PREVENTION/NEW; \
         t TRADE/FILLED 1@100",
    );
}

#[test]
fn amends_keep_the_place_in_the_queue() {
    check(
        "a sell 2 100 id=x; b sell 2 100 id=y; a amend x 1; f buy 2 100; b get y",
        "NEW 0; NEW 0; NEW 0; 2; PARTIALLY_FILLED 1",
        "",
    );
    check(
        "a sell 2 100 id=x; a amend x 3; a amend x 2; a amend z 1",
        "NEW 0; -2038 Order amend (quantity increase) is not supported.; \
         -2038 The requested action would change no state; rejecting; -2038 Unknown order sent.",
        "",
    );
}

#[test]
fn participants_trade_among_themselves_and_leave() {
    check("f sell 1 100; f buy 2 100; f cancel 0; f cancel 1", "0; 1; false; true", "");
    check("f sell 1 100; f buy 1 100 maker; f buy 1 99 maker; f buy 1 99 ioc", "0; 0; 0; 0", "");
}

#[test]
fn fees_are_taken_from_what_is_received() {
    let mut config = config();
    config.symbols[0].fees = crate::config::Fees { maker: 100_000, taker: 200_000 };
    let mut desk = Desk::new(config);
    let sums = desk.sums();
    desk.run("a sell 1 100 id=x; b buy 1 100 id=y");
    desk.check_books(&sums);
    let fills = desk.exchange.inspect().fills;
    let fees: Vec<_> =
        fills.iter().map(|fill| (fill.commission, fill.commission_asset.as_str())).collect();
    assert_eq!(fees, [(200_000, "BTC"), (10_000_000, "USDT")]);
    let free = |account: usize, asset: &str| {
        let accounts = desk.exchange.accounts();
        let found = accounts[account].balances.iter().find(|balance| balance.asset == asset);
        found.map(|balance| balance.free)
    };
    assert_eq!(free(0, "USDT"), Some(1_009_990_000_000));
    assert_eq!(free(1, "BTC"), Some(10_099_800_000));
}

#[test]
fn money_can_come_and_go_without_a_trade() {
    let mut desk = Desk::new(config());
    desk.listen(1, "a");
    let account = crate::exchange::AccountIndex(0);
    assert!(desk.exchange.adjust(account, "BTC", -crate::money::ONE, desk.now_ns));
    assert!(!desk.exchange.adjust(account, "BTC", -100 * crate::money::ONE, desk.now_ns));
    let mut events = Vec::new();
    desk.exchange.drain(&mut |output| {
        if let crate::exchange::Output::UserEvent { json, .. } = output {
            events.push(json);
        }
    });
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(
        events[0].contains(r#"[{"a":"BTC","f":"99.00000000","l":"0.00000000"}]"#),
        "{events:?}"
    );
    assert!(events[1].contains(r#""e":"balanceUpdate""#) && events[1].contains(r#""d":"-1.0"#));
}

#[test]
fn a_replacement_that_the_engine_refuses_is_reported() {
    let mut desk = Desk::new(config());
    desk.listen(1, "a");
    desk.run("a buy 1 100 id=x");
    let query = "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=999&price=200\
                 &cancelReplaceMode=STOP_ON_FAILURE&cancelOrigClientOrderId=x\
                 &cancelNewClientOrderId=y&newClientOrderId=z";
    let answer = desk.call("a", "POST", "/api/v3/order/cancelReplace", query);
    assert_eq!(answer.status, 409, "{}", answer.body);
    assert_eq!(desk.reports(), "x NEW/NEW; y CANCELED/CANCELED was x; z REJECTED/REJECTED");
    assert_eq!(desk.run("a get z; a buy 1 100 id=z"), "REJECTED 0; NEW 0");
}
