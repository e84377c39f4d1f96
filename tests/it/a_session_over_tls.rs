//! The same engine and venue over TLS: an order lives, fills, is moved and cancelled; a cut is survived.

use engine::event::{LinkCode, OrderState};
use simulator::wire_rig::puppet::Move;
use simulator::wire_rig::{BOUND_NS, Rig, RigConfig};
use venue::Side;
use venue::fault::{Action, Scope};
use venue::money::ONE;

fn until(rig: &mut Rig, state: OrderState) {
    let is_so = |rig: &mut Rig| rig.newest_state() == Some(state);
    rig.until(state.name(), BOUND_NS, is_so).unwrap();
}

#[track_caller]
fn check(logs_on: bool) {
    let mut config = RigConfig::puppet(50);
    config.links.tls = true;
    config.links.logs_on = logs_on;
    let mut rig = Rig::start(config);
    rig.until_ready().unwrap();
    assert!(rig.venue.urls.rest_tls.starts_with("https://"));
    rig.puppet(Move::Buy);
    until(&mut rig, OrderState::Acked);
    rig.take(Side::Sell, 61_790 * ONE, ONE / 200);
    until(&mut rig, OrderState::PartiallyFilled);
    rig.affect(&Action::Cut { accepted: false, scope: Scope::All });
    rig.take(Side::Sell, 61_790 * ONE, ONE / 200);
    let is_down = |rig: &mut Rig| 0 < rig.link_count(LinkCode::Down);
    rig.until("the cut is seen", BOUND_NS, is_down).unwrap();
    rig.until_ready().unwrap();
    rig.puppet(Move::Cancel);
    until(&mut rig, OrderState::Cancelled);
    rig.puppet(Move::Take);
    until(&mut rig, OrderState::Filled);
    rig.until_books_agree(0).unwrap();
    let summary = rig.finish().unwrap();
    assert_eq!((summary.order_count, summary.fill_count), (2, 3), "{summary:?}");
}

#[test]
fn orders_fill_over_tls_and_a_cut_loses_nothing() {
    check(false);
}

#[test]
fn the_same_with_an_ed25519_key_that_logs_on() {
    check(true);
}
