//! Kill and flatten against a real venue on loopback: cancels that fail, fills that race, links that go, restarts.

use engine::event::{
    BreakerState, CommandCode, Event, KillPhase, Kind, OrderState, Scope, TripReason, session,
};
use simulator::wire_rig::puppet::{Move, QUANTITY};
use simulator::wire_rig::{BOUND_NS, MS_NS, Rig, RigConfig};
use venue::Side;
use venue::fault::{Action, Fault, Place, Scope as Whose};
use venue::money::ONE;

/// Every time of a kill as short as a busy machine bears.
fn quick(config: &mut config::Config) {
    let control = config.control.as_mut().expect("the paper profile has breakers");
    control.kill.retry_ms = 60;
    control.kill.pace_ms = 30;
    control.kill.late_s = 60;
    control.quiet_s = 0;
}

fn rig(seed: u64) -> Rig {
    let mut rig = Rig::start(RigConfig { adjust: quick, ..RigConfig::puppet(seed) });
    rig.until_ready().unwrap();
    rig
}

/// A command of operator 1 about everything.
fn command(rig: &mut Rig, code: CommandCode, (price, quantity): (i64, i64)) {
    let now_ns = rig.clock.now_ns();
    let mut event = session::command(code, Scope::All.tag()).at(now_ns);
    (event.source, event.id) = (1, now_ns);
    (event.price, event.quantity) = (price, quantity);
    rig.engine_mut().apply(&event);
}

fn kill(rig: &mut Rig) {
    command(rig, CommandCode::Kill, (0, 1));
    let state = rig.engine().pipeline.control().state();
    assert_eq!(state, BreakerState::Killed, "blocked at once");
}

fn position(rig: &Rig) -> i64 {
    rig.engine().pipeline.gate().exposure(0).map_or(0, |exposure| exposure.position)
}

/// The puppet has a position, and an order that rests.
fn busy(rig: &mut Rig) {
    rig.puppet(Move::Take);
    rig.until("a position", BOUND_NS, |rig| position(rig) != 0).unwrap();
    rig.puppet(Move::Buy);
    rests(rig);
}

fn rests(rig: &mut Rig) {
    let rests = |rig: &mut Rig| rig.newest_state() == Some(OrderState::Acked);
    rig.until("the order rests", BOUND_NS, rests).unwrap();
}

fn until_done(rig: &mut Rig) {
    rig.until("the kill is done", BOUND_NS, |rig| {
        rig.engine().pipeline.control().last_job().phase == KillPhase::Done.code()
    })
    .unwrap();
    assert_eq!(rig.engine().pipeline.oms().open_count(), 0);
    let units = rig.engine().pipeline.instruments().get(0).unwrap().lot;
    assert!(position(rig).abs() < units, "fees in kind leave less than a lot: {}", position(rig));
}

/// Nothing is bought any more, and venue, engine, journal and replay agree.
fn prove_killed(mut rig: Rig) {
    rig.puppet(Move::Buy);
    rig.run_for(20 * MS_NS).unwrap();
    assert_eq!(rig.engine().pipeline.oms().open_count(), 0);
    assert_eq!(rig.engine().pipeline.control().state(), BreakerState::Killed);
    rig.finish().unwrap();
}

fn kept(rig: &Rig, wanted: impl Fn(&Event) -> bool) -> usize {
    rig.engine().kept().iter().filter(|event| wanted(event)).count()
}

#[test]
fn a_kill_cancels_closes_and_stays() {
    let mut rig = rig(300);
    busy(&mut rig);
    kill(&mut rig);
    until_done(&mut rig);
    let job = rig.engine().pipeline.control().last_job();
    assert_eq!(job.orders_cancelled, 1);
    prove_killed(rig);
}

#[test]
fn cancels_that_fail_are_sent_again_until_none_works() {
    let mut rig = rig(301);
    busy(&mut rig);
    // Refused by the venue, lost on the way, lost after it was done.
    for action in [
        Action::Drop { accepted: false },
        Action::Cut { accepted: false, scope: Whose::WsApi },
        Action::Drop { accepted: false },
    ] {
        rig.fault(Fault::new(Place::Request, "order.cancel", action));
    }
    kill(&mut rig);
    until_done(&mut rig);
    prove_killed(rig);
}

#[test]
fn a_fill_that_races_its_cancel_is_closed_as_well() {
    let mut rig = rig(302);
    rig.puppet(Move::Buy);
    rests(&mut rig);
    // The cancel takes its time; meanwhile somebody sells into the order.
    let wait_ns = 40 * MS_NS;
    rig.fault(Fault::new(Place::Request, "order.cancel", Action::Delay { wait_ns }));
    kill(&mut rig);
    let sold = rig.take(Side::Sell, 61_790 * ONE, ONE);
    assert!(0 < sold, "the order was there");
    until_done(&mut rig);
    let closed = kept(&rig, |event| event.kind == Kind::FILL && event.quantity == QUANTITY);
    assert!(1 <= closed, "it was filled before the cancel came");
    prove_killed(rig);
}

#[test]
fn a_link_that_is_down_is_asked_again_when_it_is_up() {
    let mut rig = rig(303);
    busy(&mut rig);
    rig.affect(&Action::Cut { accepted: false, scope: Whose::All });
    kill(&mut rig);
    until_done(&mut rig);
    prove_killed(rig);
}

#[test]
fn a_restart_in_the_middle_of_a_kill_goes_on_with_it() {
    let mut rig = rig(304);
    busy(&mut rig);
    let wait_ns = 30 * MS_NS;
    rig.fault(Fault::new(Place::Request, "order.cancel", Action::Delay { wait_ns }));
    kill(&mut rig);
    rig.restart().unwrap();
    assert_eq!(rig.engine().pipeline.control().state(), BreakerState::Killed);
    until_done(&mut rig);
    rig.restart().unwrap();
    rig.until_ready().unwrap();
    assert_eq!(rig.engine().pipeline.control().state(), BreakerState::Killed, "and again");
    prove_killed(rig);
}

#[test]
fn a_rearm_lets_it_trade_again_and_an_approval_alone_does_not() {
    let mut rig = rig(305);
    kill(&mut rig);
    until_done(&mut rig);
    let trip = rig.engine().pipeline.control().last_trip().trip.cast_signed();
    command(&mut rig, CommandCode::Approve, (trip, 0));
    rig.run_for(20 * MS_NS).unwrap();
    assert_eq!(rig.engine().pipeline.control().state(), BreakerState::Killed);
    command(&mut rig, CommandCode::Rearm, (trip, 0));
    assert_eq!(rig.engine().pipeline.control().state(), BreakerState::Normal);
    rig.puppet(Move::Buy);
    rests(&mut rig);
    rig.finish().unwrap();
}

#[test]
fn a_tripped_engine_reduces_and_opens_nothing() {
    let mut rig = rig(306);
    busy(&mut rig);
    command(&mut rig, CommandCode::Trip, (0, 0));
    rig.until("its entries are cancelled", BOUND_NS, |rig| {
        rig.engine().pipeline.oms().open_count() == 0
    })
    .unwrap();
    let orders = rig.venue_order_count();
    rig.puppet(Move::Take);
    rig.run_for(20 * MS_NS).unwrap();
    assert_eq!(rig.venue_order_count(), orders, "no entry left");
    let before = position(&rig);
    // What was bought, less the fee in kind, is not the whole lot: the flatten sells what there is.
    command(&mut rig, CommandCode::Flatten, (0, 0));
    rig.until("it is flat", BOUND_NS, |rig| position(rig) < before / 2).unwrap();
    until_done(&mut rig);
    assert_eq!(rig.engine().pipeline.control().state(), BreakerState::Safe, "no latch");
    let trip = rig.engine().pipeline.control().last_trip();
    assert_eq!(trip.reason, TripReason::Operator);
    command(&mut rig, CommandCode::Approve, (trip.trip.cast_signed(), 0));
    rig.until("it recovers", BOUND_NS, |rig| {
        rig.engine().pipeline.control().state() == BreakerState::Normal
    })
    .unwrap();
    rig.finish().unwrap();
}
