//! Warnings: how much of a limit is used, each threshold once, a soft limit that never refuses.

use crate::event::{Event, Kind, NO_INSTRUMENT, OrderState, Side};
use crate::risk::{Limits, Rule};

use super::desk::{Desk, currency, intent, limits};

fn with_alerts(soft_percent: Option<u8>) -> Limits {
    let mut limits = limits();
    for own in limits.instruments.iter_mut().flatten() {
        own.position_quantity_max = 100;
    }
    limits.controls.alerts = true;
    limits.controls.soft_percent = soft_percent;
    limits
}

/// `rule tag measured limit` of every alert.
fn told(got: &[Event]) -> Vec<String> {
    let line = |event: &Event| {
        let rule = Rule::from_code(event.code).unwrap().name();
        format!("{rule} {} {} {}", event.tag, event.price, event.quantity)
    };
    got.iter().filter(|event| event.kind == Kind::ALERT).map(line).collect()
}

/// Sends an order that works, and returns what was told.
fn work(desk: &mut Desk, side: Side, quantity: i64) -> Vec<String> {
    let got = desk.send(intent(0, side, quantity, 1000), 0);
    let approved = got.iter().find(|event| event.kind == Kind::APPROVED).copied().unwrap();
    let index = desk.bind(&approved);
    desk.report(index, OrderState::Acked);
    told(&got)
}

#[test]
fn a_threshold_is_told_once_and_again_after_usage_fell_ten_points_below_it() {
    for side in [Side::Buy, Side::Sell] {
        let mut desk = Desk::new(with_alerts(None));
        assert_eq!(work(&mut desk, side, 49), [""; 0]);
        assert_eq!(work(&mut desk, side, 1), ["position-quantity 50 50 100"]);
        assert_eq!(work(&mut desk, side, 1), [""; 0]);
        // Two at once: the higher one.
        assert_eq!(work(&mut desk, side, 39), ["position-quantity 90 90 100"]);
        assert_eq!(work(&mut desk, side, 10), ["position-quantity 100 100 100"]);
        // 100 less 39 is 61: 75, 90 and 100 are open again, 50 is not.
        desk.report(3, OrderState::Cancelled);
        assert_eq!(told(&desk.clock()), [""; 0]);
        assert_eq!(work(&mut desk, side, 14), ["position-quantity 75 75 100"]);
        // 75 less 14 less 10 is 51, less 10 is 41, less 2 is 39.
        for order in [5, 4, 2] {
            desk.report(order, OrderState::Cancelled);
        }
        assert_eq!(told(&desk.clock()), [""; 0]);
        assert_eq!(work(&mut desk, side, 1), ["position-quantity 50 51 100"][..0]);
        desk.report(0, OrderState::Cancelled);
        assert_eq!(told(&desk.clock()), [""; 0]);
        assert_eq!(work(&mut desk, side, 50), ["position-quantity 50 52 100"]);
    }
}

#[test]
fn a_soft_limit_warns_and_refuses_nothing() {
    let mut desk = Desk::new(with_alerts(Some(80)));
    assert_eq!(work(&mut desk, Side::Buy, 79), ["position-quantity 75 79 100"]);
    assert_eq!(work(&mut desk, Side::Buy, 1), ["position-quantity 0 80 100"]);
    let both = ["position-quantity 0 95 100", "position-quantity 90 95 100"];
    let mut desk = Desk::new(with_alerts(Some(80)));
    assert_eq!(work(&mut desk, Side::Buy, 95), both);
    let refused = desk.judge(intent(0, Side::Buy, 6, 1000));
    assert_eq!(refused.code, Rule::PositionQuantity.code());
}

#[test]
fn every_limit_of_the_account_is_told() {
    let mut limits = with_alerts(None);
    for own in limits.instruments.iter_mut().flatten() {
        own.position_quantity_max = 2_000;
        own.position_notional_max = currency(20_000);
    }
    let account = limits.account.as_mut().unwrap();
    account.gross_notional_max = currency(30_000);
    account.orders_open_max = 4;
    account.order_rate_count_max = 4;
    account.loss_daily_max = currency(100);
    account.drawdown_max = currency(200);
    let mut desk = Desk::new(limits);
    let e8 = 100_000_000;
    let money = |rule: &str, tag: i64, measured: i64, limit: i64| {
        format!("{rule} {tag} {} {}", measured * e8, limit * e8)
    };
    let want = [
        money("position-notional", 75, 16_000, 20_000),
        money("gross-notional", 50, 16_000, 30_000),
    ];
    assert_eq!(work(&mut desk, Side::Buy, 16), want);
    let want = ["orders-open 50 2 4".to_string(), "order-rate 50 2 4".to_string()];
    assert_eq!(work(&mut desk, Side::Sell, 1), want);
    desk.time_ns += 1_000;
    assert_eq!(told(&desk.clock()), [""; 0]);
    let got = desk.fill(0, 10, 1_000);
    assert_eq!(told(&got), [""; 0]);
    desk.top(0, 994, 996);
    assert_eq!(told(&desk.clock()), [money("loss-daily", 50, 50, 100)]);
    desk.top(0, 989, 991);
    let got = desk.clock();
    let want = [money("loss-daily", 100, 100, 100), money("drawdown", 50, 100, 200)];
    assert_eq!(told(&got), want);
    assert!(got.iter().any(|event| event.kind == Kind::RISK_STATE));
    let alert = got.iter().find(|event| event.kind == Kind::ALERT).unwrap();
    assert_eq!(alert.instrument, NO_INSTRUMENT);
}

#[test]
fn a_loaded_gate_tells_no_threshold_twice() {
    let mut desk = Desk::new(with_alerts(None));
    assert_eq!(work(&mut desk, Side::Buy, 60), ["position-quantity 50 60 100"]);
    desk.split(with_alerts(None));
    assert_eq!(work(&mut desk, Side::Buy, 1), [""; 0]);
    assert_eq!(work(&mut desk, Side::Buy, 14), ["position-quantity 75 75 100"]);
}

#[test]
fn without_alerts_nothing_is_told() {
    let mut desk = Desk::new(limits());
    for _ in 0..3 {
        assert_eq!(work(&mut desk, Side::Buy, 600), [""; 0]);
    }
    assert_eq!(told(&desk.clock()), [""; 0]);
}
