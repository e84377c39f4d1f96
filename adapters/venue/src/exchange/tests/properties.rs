//! Properties of the exchange over random days: money is conserved, and state survives a restart.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use crate::exchange::{Exchange, Output, SymbolIndex};
use crate::money;
use crate::order::Side;
use crate::testing::{Desk, account, config};

/// A word that says what to do, and numbers for it.
fn command() -> impl Strategy<Value = String> {
    let who = prop_oneof![Just("a"), Just("b"), Just("f")];
    let side = prop_oneof![Just("buy"), Just("sell")];
    let kind = prop_oneof![
        4 => Just(""),
        1 => Just("ioc"),
        1 => Just("fok"),
        1 => Just("maker"),
    ];
    let stp = prop_oneof![
        Just("NONE"),
        Just("EXPIRE_MAKER"),
        Just("EXPIRE_TAKER"),
        Just("EXPIRE_BOTH"),
        Just("DECREMENT"),
    ];
    let number = (1_u32..400, 9_900_u32..10_100, 0_u32..16, 0_u32..20);
    (who, side, kind, stp, number).prop_map(|(who, side, kind, stp, number)| {
        let (quantity, price, id, choice) = number;
        let quantity = format!("{}.{:05}", quantity / 100, quantity * 7 % 100_000);
        let price = format!("{}.{:02}", price / 100, price % 100);
        if who == "f" {
            let kind = if kind == "fok" { "" } else { kind };
            return format!("f {side} {quantity} {price} {kind}");
        }
        match choice {
            0 | 1 => format!("{who} cancel x{id}"),
            2 => format!("{who} amend x{id} {quantity}"),
            3 => format!("{who} {side} {quantity} market stp={stp}"),
            4 => format!("{who} {side} quote={quantity} market stp={stp}"),
            5 => format!("{who} {side} {quantity} stop={price} stp={stp} id=x{id}"),
            6 => format!("{who} {side} {quantity} {price} stop={price} take stp={stp} id=x{id}"),
            _ => format!("{who} {side} {quantity} {price} {kind} stp={stp} id=x{id}"),
        }
    })
}

/// Fees that do not divide, and little money, so that orders are refused too.
fn desk() -> Desk {
    let mut config = config();
    config.symbols[0].fees = crate::config::Fees { maker: 75_001, taker: 123_457 };
    config.symbols[0].filters.tick = 1;
    config.symbols[0].filters.step = 1;
    config.symbols[0].filters.quantity_min = 1;
    config.accounts = vec![account("a"), account("b")];
    config.accounts[1].balances =
        vec![("BTC".into(), 777_777_777), ("USDT".into(), 99_999_999_999)];
    Desk::new(config)
}

/// Accounts, orders and fills as text.
fn picture(exchange: &Exchange) -> String {
    format!("{:#?}", exchange.inspect())
}

/// The last that a client hears of each order and each balance.
fn hear(
    json: &str,
    executed: &mut BTreeMap<u64, (String, String)>,
    balances: &mut BTreeMap<String, (String, String)>,
) {
    let event: Value = serde_json::from_str(json).expect("events are JSON");
    let event = &event["event"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    if let Some(order) = event["i"].as_u64() {
        executed.insert(order, (text(&event["X"]), text(&event["z"])));
    }
    for balance in event["B"].as_array().into_iter().flatten() {
        balances.insert(text(&balance["a"]), (text(&balance["f"]), text(&balance["l"])));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn money_is_conserved_and_never_negative(script in prop::collection::vec(command(), 1..120)) {
        let mut desk = desk();
        let sums = desk.sums();
        for line in &script {
            desk.run(line);
            desk.check_books(&sums);
        }
        let executed: i128 = desk.exchange.inspect().orders.iter()
            .map(|order| i128::from(order.executed)).sum();
        let filled: i128 = desk.exchange.inspect().fills.iter()
            .map(|fill| i128::from(fill.quantity)).sum();
        prop_assert_eq!(executed, filled);
    }

    #[test]
    fn what_is_said_is_what_happened(script in prop::collection::vec(command(), 1..120)) {
        let mut desk = desk();
        desk.listen(1, "a");
        for line in &script {
            desk.run(line);
        }
        let (mut bids, mut asks) = (BTreeMap::new(), BTreeMap::new());
        let (mut updates, mut trades, mut bought) = (0, 0, 0_i128);
        let (mut executed, mut balances) = (BTreeMap::new(), BTreeMap::new());
        for output in &desk.outputs {
            match output {
                Output::Level { side, price, quantity, update_id, .. } => {
                    updates += 1;
                    prop_assert_eq!(*update_id, updates);
                    let levels = if *side == Side::Buy { &mut bids } else { &mut asks };
                    levels.insert(*price, *quantity);
                }
                Output::Trade { trade, .. } => {
                    trades += 1;
                    prop_assert_eq!(trade.id, trades);
                    bought += i128::from(trade.quantity);
                }
                Output::UserEvent { json, .. } => hear(json, &mut executed, &mut balances),
            }
        }
        let depth = desk.exchange.depth(SymbolIndex(0), usize::MAX);
        bids.retain(|_, quantity| *quantity != 0);
        asks.retain(|_, quantity| *quantity != 0);
        prop_assert_eq!(depth.bids, bids.into_iter().rev().collect::<Vec<_>>());
        prop_assert_eq!(depth.asks, asks.into_iter().collect::<Vec<_>>());
        let candle = desk.exchange.day(SymbolIndex(0), desk.now_ns);
        prop_assert_eq!((candle.volume, candle.count), (bought, trades));
        let inspection = desk.exchange.inspect();
        for order in inspection.orders.iter().filter(|order| order.account.0 == 0) {
            let heard = executed.get(&order.order_id).cloned();
            let is = (order.status.word().to_string(), money::text(i128::from(order.executed)));
            prop_assert_eq!(heard, Some(is), "{:?}", order);
        }
        for balance in &inspection.accounts[0].balances {
            let is = (money::text(balance.free), money::text(balance.locked));
            if let Some(heard) = balances.get(&balance.asset) {
                prop_assert_eq!(heard, &is, "{}", balance.asset);
            }
        }
    }

    #[test]
    fn a_restart_changes_nothing_of_the_accounts(
        script in prop::collection::vec(command(), 1..80),
        every in 1_usize..10,
    ) {
        let (mut before, mut lines) = (desk(), Vec::new());
        lines.push(before.exchange.save());
        for (index, line) in script.iter().enumerate() {
            before.run(line);
            if index % every == 0 {
                lines.extend(before.exchange.save_changes());
            }
        }
        lines.extend(before.exchange.save_changes());
        let mut after = desk();
        for line in &lines {
            after.exchange.load(line).expect("what was saved can be loaded");
        }
        prop_assert_eq!(picture(&before.exchange), picture(&after.exchange));
        let mut whole = desk();
        whole.exchange.load(&before.exchange.save()).expect("what was saved can be loaded");
        prop_assert_eq!(picture(&before.exchange), picture(&whole.exchange));
        let sums = desk().sums();
        after.check_books(&sums);
        after.run("a buy 1 99 id=new; a cancel new");
        after.check_books(&sums);
    }
}
