//! What the venue has and the engine did not do: strange orders, edited balances, orders gone silent.

use engine::event::{CommandCode, DifferenceCode, Kind, LockReason, OrderState};
use engine::reconcile::ANOMALY_BALANCES;
use simulator::wire_rig::puppet::Move;
use simulator::wire_rig::{BOUND_NS, MS_NS, Rig, RigConfig};
use venue::fault::{Action, Fault, Place};
use venue::money::ONE;

#[test]
fn a_strange_order_is_reported_and_neither_adopted_nor_cancelled() {
    let mut rig = Rig::start(RigConfig::puppet(120));
    rig.until_ready().unwrap();
    let order = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=61000\
                 &newClientOrderId=somebody-else";
    let answer = rig.stranger("POST", "/api/v3/order", order);
    assert_eq!(answer.status, 200, "{answer:?}");
    rig.until("it is reported", BOUND_NS, |rig| {
        !rig.differences(DifferenceCode::OrderStrange).is_empty()
    })
    .unwrap();
    assert_eq!(rig.engine().pipeline.oms().open_count(), 0);
    assert!(rig.is_ready(), "a stranger's order locks nothing");
    let there = rig.venue.handle.inspect().inspection.orders;
    let strange = there.iter().find(|order| order.client_id == "somebody-else").unwrap();
    assert_eq!(strange.status.word(), "NEW");
    let summary = rig.finish().unwrap();
    assert_eq!((summary.stranger_count, summary.order_count), (1, 0), "{summary:?}");
}

#[test]
fn an_edited_balance_locks_and_alarms_until_it_is_accepted() {
    let adjust = |config: &mut config::Config| {
        let wire = config.wire.as_mut().unwrap();
        wire.reconcile.attempts_max = 3;
    };
    let mut rig = Rig::start(RigConfig { adjust, ..RigConfig::puppet(121) });
    rig.until_ready().unwrap();
    rig.adjust("BTC", -ONE);
    let alarm = |rig: &mut Rig| 0 < rig.kept_count(Kind::ANOMALY, ANOMALY_BALANCES);
    rig.until("the alarm", BOUND_NS, alarm).unwrap();
    let status = rig.engine().pipeline.reconcile().venues().next().unwrap();
    assert_eq!(status.lock, LockReason::Balances, "{status:?}");
    assert!(!rig.differences(DifferenceCode::BalanceBase).is_empty());
    rig.puppet(Move::Buy);
    rig.run_for(30 * MS_NS).unwrap();
    assert_eq!(rig.newest_state(), None, "a locked venue takes no order");
    rig.command(CommandCode::AcceptBalances);
    rig.until_ready().unwrap();
    rig.puppet(Move::Buy);
    let rests = |rig: &mut Rig| rig.newest_state() == Some(OrderState::Acked);
    rig.until("the order rests", BOUND_NS, rests).unwrap();
    let summary = rig.finish().unwrap();
    assert_eq!((summary.order_count, summary.refused_count), (1, 1), "{summary:?}");
}

#[test]
fn a_difference_that_goes_away_by_itself_locks_nothing() {
    let mut rig = Rig::start(RigConfig::puppet(122));
    rig.until_ready().unwrap();
    rig.adjust("USDT", 5 * ONE);
    rig.run_for(30 * MS_NS).unwrap();
    rig.adjust("USDT", -5 * ONE);
    rig.run_for(400 * MS_NS).unwrap();
    assert!(rig.is_ready());
    assert_eq!(rig.kept_count(Kind::ANOMALY, ANOMALY_BALANCES), 0);
    rig.finish().unwrap();
}

#[test]
fn an_order_without_a_word_is_asked_for_and_cancelled() {
    let adjust = |config: &mut config::Config| {
        let wire = config.wire.as_mut().unwrap();
        wire.reconcile.stale_order_ms = 150;
        wire.reconcile.sweep_interval_ms = 30;
    };
    let mut rig = Rig::start(RigConfig { adjust, ..RigConfig::puppet(123) });
    rig.until_ready().unwrap();
    rig.puppet(Move::Buy);
    let rests = |rig: &mut Rig| rig.newest_state() == Some(OrderState::Acked);
    rig.until("the order rests", BOUND_NS, rests).unwrap();
    // Nobody asks for the cancel; the first one of the sweep is even lost.
    rig.fault(Fault::new(Place::Request, "order.cancel", Action::Drop { accepted: false }));
    let swept = |rig: &mut Rig| rig.newest_state() == Some(OrderState::Cancelled);
    rig.until("it is swept", BOUND_NS, swept).unwrap();
    assert_eq!(rig.kept_count(Kind::INTENT_CANCEL, 0), 0);
    rig.finish().unwrap();
}
