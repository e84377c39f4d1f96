//! The engine is killed at each moment of an order's life; the venue goes on meanwhile.

use engine::event::OrderState;
use simulator::wire_rig::check::Summary;
use simulator::wire_rig::puppet::Move;
use simulator::wire_rig::{BOUND_NS, MS_NS, Rig, RigConfig};
use venue::Side;
use venue::money::ONE;

const PRICE: i64 = 61_790 * ONE;

fn until_it_rests(rig: &mut Rig) {
    let rests = |rig: &mut Rig| rig.newest_state() == Some(OrderState::Acked);
    rig.until("the order rests", BOUND_NS, rests).unwrap();
}

fn send_only(rig: &mut Rig) {
    let clock = rig.clock.clone();
    rig.engine_mut().send_only(&clock);
}

/// One life: `before` happens, the engine dies, `meanwhile` happens to the venue, the engine comes back.
fn check(name: &str, before: fn(&mut Rig), meanwhile: fn(&mut Rig), wanted: fn(&Summary) -> bool) {
    let mut rig = Rig::start(RigConfig::puppet(40));
    rig.until_ready().unwrap();
    before(&mut rig);
    rig.kill();
    meanwhile(&mut rig);
    rig.revive().unwrap();
    rig.until_ready().unwrap();
    let summary = rig.finish().unwrap_or_else(|why| panic!("{name}: {why}"));
    assert_eq!((summary.session_count, summary.order_count), (2, 1), "{name}: {summary:?}");
    assert!(wanted(&summary), "{name}: {summary:?}");
}

#[test]
fn an_order_that_never_left_is_found_not_to_exist() {
    let before = |rig: &mut Rig| rig.puppet(Move::Buy);
    check("before send", before, |_| {}, |summary| summary.rejected_count == 1);
}

#[test]
fn an_order_whose_answer_was_never_heard_is_found_at_the_venue() {
    let before = |rig: &mut Rig| {
        rig.puppet(Move::Buy);
        // It leaves with the next turn; the engine dies before it can hear of it.
        send_only(rig);
        let start = rig.clock.now_ns();
        while rig.venue_order_count() == 0 {
            assert!(rig.clock.now_ns() - start < BOUND_NS, "the venue never got it");
            std::hint::spin_loop();
        }
    };
    let take = |rig: &mut Rig| assert_eq!(rig.take(Side::Sell, PRICE, ONE / 200), ONE / 200);
    check("before ack", before, |_| {}, |summary| summary.rejected_count == 0);
    check("before ack, filled meanwhile", before, take, |summary| summary.fill_count == 1);
}

#[test]
fn a_resting_order_that_fills_while_nobody_listens_is_booked_once() {
    let before = |rig: &mut Rig| {
        rig.puppet(Move::Buy);
        until_it_rests(rig);
    };
    let part = |rig: &mut Rig| assert_eq!(rig.take(Side::Sell, PRICE, ONE / 200), ONE / 200);
    let all = |rig: &mut Rig| assert_eq!(rig.take(Side::Sell, PRICE, ONE), ONE / 50);
    check("after ack", before, |_| {}, |summary| summary.fill_count == 0);
    check("after ack, part meanwhile", before, part, |summary| summary.fill_count == 1);
    check("after ack, all meanwhile", before, all, |summary| summary.fill_count == 1);
}

#[test]
fn executions_before_and_after_the_death_are_each_booked_once() {
    let before = |rig: &mut Rig| {
        rig.puppet(Move::Buy);
        until_it_rests(rig);
        rig.take(Side::Sell, PRICE, ONE / 200);
        let heard = |rig: &mut Rig| rig.newest_state() == Some(OrderState::PartiallyFilled);
        rig.until("the first execution", BOUND_NS, heard).unwrap();
    };
    let more = |rig: &mut Rig| assert_eq!(rig.take(Side::Sell, PRICE, ONE / 200), ONE / 200);
    check("between two executions", before, more, |summary| summary.fill_count == 2);
    let unheard = |rig: &mut Rig| {
        rig.puppet(Move::Buy);
        until_it_rests(rig);
        rig.take(Side::Sell, PRICE, ONE / 200);
    };
    check("an execution unheard", unheard, more, |summary| summary.fill_count == 2);
}

#[test]
fn a_cancel_on_its_way_is_settled_by_the_next_session() {
    let unsent = |rig: &mut Rig| {
        rig.puppet(Move::Buy);
        until_it_rests(rig);
        rig.puppet(Move::Cancel);
    };
    let sent = |rig: &mut Rig| {
        rig.puppet(Move::Buy);
        until_it_rests(rig);
        rig.puppet(Move::Cancel);
        send_only(rig);
    };
    check("cancel unsent", unsent, |_| {}, |summary| summary.fill_count == 0);
    check("cancel sent", sent, |_| {}, |summary| summary.fill_count == 0);
}

#[test]
fn a_replace_on_its_way_is_settled_by_the_next_session() {
    let unsent = |rig: &mut Rig| {
        rig.puppet(Move::Buy);
        until_it_rests(rig);
        rig.puppet(Move::Replace);
    };
    let sent = |rig: &mut Rig| {
        rig.puppet(Move::Buy);
        until_it_rests(rig);
        rig.puppet(Move::Replace);
        send_only(rig);
    };
    check("replace unsent", unsent, |_| {}, |summary| summary.fill_count == 0);
    check("replace sent", sent, |_| {}, |summary| summary.fill_count == 0);
}

#[test]
fn two_deaths_within_one_life_change_nothing() {
    let mut rig = Rig::start(RigConfig::puppet(41));
    rig.until_ready().unwrap();
    rig.puppet(Move::Buy);
    rig.restart().unwrap();
    rig.run_for(5 * MS_NS).unwrap();
    rig.restart().unwrap();
    let summary = rig.finish().unwrap();
    assert_eq!((summary.session_count, summary.order_count), (3, 1), "{summary:?}");
}
