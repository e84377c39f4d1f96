//! Warnings: how much of a limit is used, each threshold once, a soft limit that never refuses.

use crate::event::{Event, Kind, NO_INSTRUMENT, OrderState, Side};
use crate::ring::{Emitter, Ring};
use crate::risk::usage::{Bound, Of, Usage};
use crate::risk::{InstrumentControls, LimitKey, Limits, Rule, SoftLimits};

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
fn a_soft_limit_of_its_own_is_open_again_only_below_nine_tenths_of_it() {
    for (fall, again) in [(54, false), (53, true)] {
        let mut usage = Usage::new(true, None, 1);
        let mut ring = Ring::new(64, 0);
        let cause = Event::new(Kind::CLOCK);
        usage.set_account(Of::Gross, Bound { limit: 100, soft: 60 });
        let before = ring.head();
        for measured in [80, fall, 60] {
            usage.see(Of::Gross, measured, &mut Emitter::new(&mut ring, &cause));
        }
        // 75 and the soft limit at 80, and the soft limit once more if it was open.
        assert_eq!(ring.head() - before, if again { 3 } else { 2 }, "{fall}");
    }
}

/// Position of 100 with a soft limit of 63.
fn with_own_soft(soft_percent: Option<u8>) -> Limits {
    let mut limits = with_alerts(soft_percent);
    let soft = SoftLimits::default().with(LimitKey::PositionQuantity, 63);
    let own = InstrumentControls { soft, ..InstrumentControls::default() };
    limits.controls.instruments = vec![own];
    limits
}

#[test]
fn a_soft_limit_of_its_own_warns_at_its_amount_and_refuses_nothing() {
    for side in [Side::Buy, Side::Sell] {
        // The soft limit of all is not told of a limit that has one of its own.
        for soft_percent in [None, Some(80)] {
            let mut desk = Desk::new(with_own_soft(soft_percent));
            assert_eq!(work(&mut desk, side, 62), ["position-quantity 50 62 100"]);
            assert_eq!(work(&mut desk, side, 1), ["position-quantity 0 63 100"]);
            assert_eq!(work(&mut desk, side, 1), [""; 0]);
            assert_eq!(work(&mut desk, side, 22), ["position-quantity 75 86 100"]);
            // 57 is nine tenths of 63, as much as a hundred can be: 56.7. Below it is told anew.
            desk.report(3, OrderState::Cancelled);
            desk.report(2, OrderState::Cancelled);
            desk.report(1, OrderState::Cancelled);
            assert_eq!(told(&desk.clock()), [""; 0]);
            assert_eq!(work(&mut desk, side, 1), [""; 0]);
            desk.report(0, OrderState::Cancelled);
            assert_eq!(told(&desk.clock()), [""; 0]);
            assert_eq!(
                work(&mut desk, side, 99),
                ["position-quantity 0 100 100", "position-quantity 100 100 100"]
            );
        }
    }
}

#[test]
fn a_soft_limit_that_was_told_is_not_told_again_after_a_restart() {
    let mut desk = Desk::new(with_own_soft(None));
    let both = ["position-quantity 0 70 100", "position-quantity 50 70 100"];
    assert_eq!(work(&mut desk, Side::Buy, 70), both);
    desk.split(with_own_soft(None));
    assert_eq!(work(&mut desk, Side::Buy, 1), [""; 0]);
    desk.report(0, OrderState::Cancelled);
    assert_eq!(told(&desk.clock()), [""; 0]);
    desk.split(with_own_soft(None));
    assert_eq!(work(&mut desk, Side::Buy, 62), both.map(|told| told.replace("70", "63")));
}

#[test]
fn a_soft_limit_of_every_limit_of_the_account_is_told() {
    let mut limits = with_alerts(None);
    for own in limits.instruments.iter_mut().flatten() {
        own.position_quantity_max = 2_000;
        own.position_notional_max = currency(1_000_000);
    }
    let account = limits.account.as_mut().unwrap();
    account.gross_notional_max = currency(1_000_000);
    account.orders_open_max = 60;
    account.order_rate_count_max = 100;
    account.loss_daily_max = currency(1_000);
    account.drawdown_max = currency(2_000);
    let e8 = 100_000_000;
    limits.controls.soft = SoftLimits::default()
        .with(LimitKey::GrossNotional, 16_000 * e8)
        .with(LimitKey::OrdersOpen, 2)
        .with(LimitKey::OrderRate, 2)
        .with(LimitKey::LossDaily, 50 * e8)
        .with(LimitKey::Drawdown, 100 * e8);
    limits.validate(3, 1_000).unwrap();
    let mut desk = Desk::new(limits);
    let soft = |rule: &str, measured: i64, limit: i64| format!("{rule} 0 {measured} {limit}");
    let gross = soft("gross-notional", 16_000 * e8, 1_000_000 * e8);
    assert_eq!(work(&mut desk, Side::Buy, 16), [gross]);
    let both = [soft("orders-open", 2, 60), soft("order-rate", 2, 100)];
    assert_eq!(work(&mut desk, Side::Sell, 1), both);
    desk.time_ns += 1_000;
    assert_eq!(told(&desk.clock()), [""; 0]);
    assert_eq!(told(&desk.fill(0, 10, 1_000)), [""; 0]);
    desk.top(0, 994, 996);
    assert_eq!(told(&desk.clock()), [soft("loss-daily", 50 * e8, 1_000 * e8)]);
    desk.top(0, 989, 991);
    assert_eq!(told(&desk.clock()), [soft("drawdown", 100 * e8, 2_000 * e8)]);
}

#[test]
fn a_soft_limit_must_be_below_its_hard_limit_and_be_told() {
    let check = |key: LimitKey, value: i64, words: &[&str]| {
        let mut limits = with_alerts(None);
        let account = limits.account.as_mut().unwrap();
        account.orders_open_max = 5;
        limits.controls.soft = SoftLimits::default().with(key, value);
        let found = limits.validate(3, 1_000).map_err(|error| error.to_string());
        match (&found, words) {
            (Ok(()), []) => {}
            (Err(text), [_, ..]) => {
                for word in words {
                    assert!(text.contains(word), "\"{word}\" is not in: {text}");
                }
            }
            _ => panic!("{key:?} {value}: {found:?}"),
        }
    };
    check(LimitKey::OrdersOpen, 1, &[]);
    check(LimitKey::OrdersOpen, 4, &[]);
    for value in [i64::MIN, -1, 0, 5, 6, i64::MAX] {
        check(LimitKey::OrdersOpen, value, &["orders_open_soft", "below orders_open_max"]);
    }
    // Money in the account's currency: gross_notional_max is 9,000,000.
    let gross = 9_000_000 * 100_000_000;
    check(LimitKey::GrossNotional, gross - 1, &[]);
    check(LimitKey::GrossNotional, gross, &["9000000", "below gross_notional_max"]);
    // Not of the account, and without usage that could be told.
    check(LimitKey::PositionQuantity, 1, &["position_quantity_max", "of a limit"]);
    check(LimitKey::OrdersDaily, 1, &["orders_daily_max", "of a limit"]);
    let mut limits = with_own_soft(None);
    limits.validate(3, 1_000).unwrap();
    limits.controls.alerts = false;
    let text = limits.validate(3, 1_000).unwrap_err().to_string();
    assert!(text.contains("position_quantity_soft") && text.contains("alerts = true"), "{text}");
    for key in SoftLimits::KEYS {
        let name = SoftLimits::name(*key).unwrap();
        assert_eq!(name, key.name().replace("_max", "_soft"));
    }
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

/// Alerts that `usage` tells of the gross at these amounts, one after the other.
fn told_at(usage: &mut Usage, amounts: &[i128]) -> Vec<usize> {
    let mut ring = Ring::new(64, 0);
    let event = Event::new(Kind::CLOCK);
    ring.begin(event);
    let mut told = Vec::new();
    for amount in amounts {
        let before = ring.head();
        usage.see(Of::Gross, *amount, &mut Emitter::new(&mut ring, &event));
        told.push(usize::try_from(ring.head() - before).unwrap());
    }
    told
}

#[test]
fn a_soft_limit_of_its_own_opens_again_below_nine_tenths_of_it() {
    let mut usage = Usage::new(true, None, 0);
    usage.set_account(Of::Gross, Bound { limit: 1_000, soft: 60 });
    assert_eq!(told_at(&mut usage, &[59, 60, 61, 54, 60, 53, 59, 60]), [0, 1, 0, 0, 0, 0, 0, 1]);
}

#[test]
fn a_soft_limit_that_went_and_came_back_is_told_again() {
    let mut usage = Usage::new(true, None, 0);
    usage.set_account(Of::Gross, Bound { limit: 1_000, soft: 60 });
    assert_eq!(told_at(&mut usage, &[60, 60]), [1, 0]);
    usage.set_account(Of::Gross, Bound { limit: 1_000, soft: 70 });
    assert_eq!(told_at(&mut usage, &[70]), [0], "it was told, and has only moved");
    usage.set_account(Of::Gross, Bound { limit: 1_000, soft: i128::MAX });
    usage.set_account(Of::Gross, Bound { limit: 1_000, soft: 60 });
    assert_eq!(told_at(&mut usage, &[60]), [1]);
}

#[test]
fn a_rate_between_two_thresholds_is_told_once() {
    let mut limits = with_alerts(None);
    limits.account.as_mut().unwrap().order_rate_count_max = 20;
    let mut desk = Desk::new(limits);
    for number in 1..=12 {
        let told = work(&mut desk, Side::Buy, 1);
        let want = if number == 10 { vec!["order-rate 50 10 20"] } else { vec![] };
        assert_eq!(told, want, "{number}");
    }
}
