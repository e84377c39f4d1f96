//! Execution reports stop while orders fill: the fills are found by other ways, each once.

use engine::event::OrderState;
use simulator::wire_rig::puppet::Move;
use simulator::wire_rig::{BOUND_NS, MS_NS, Rig, RigConfig};
use venue::Side;
use venue::fault::{Action, Fault, Garbage, Place, Scope};
use venue::money::ONE;

const PRICE: i64 = 61_790 * ONE;
const PART: i64 = ONE / 200;

fn resting(seed: u64) -> Rig {
    let mut rig = Rig::start(RigConfig::puppet(seed));
    rig.until_ready().unwrap();
    rig.puppet(Move::Buy);
    let rests = |rig: &mut Rig| rig.newest_state() == Some(OrderState::Acked);
    rig.until("the order rests", BOUND_NS, rests).unwrap();
    rig
}

/// Reports are lost in this way while two parts fill; the third part fills afterwards.
#[track_caller]
fn check(what: &str, lose: impl FnOnce(&mut Rig)) {
    let mut rig = resting(110);
    lose(&mut rig);
    for _ in 0..2 {
        assert_eq!(rig.take(Side::Sell, PRICE, PART), PART, "{what}");
        rig.run_for(5 * MS_NS).unwrap();
    }
    rig.until("both executions are booked", BOUND_NS, |rig| {
        rig.engine().pipeline.oms().counters().fills == 2
    })
    .unwrap();
    rig.venue.handle.clear_faults();
    rig.until_ready().unwrap();
    assert_eq!(rig.take(Side::Sell, PRICE, PART), PART, "{what}");
    let summary = rig.finish().unwrap_or_else(|why| panic!("{what}: {why}"));
    assert_eq!((summary.order_count, summary.fill_count), (1, 3), "{what}: {summary:?}");
}

#[test]
fn reports_that_never_come_are_found_by_a_pull() {
    check("dropped", |rig| {
        let drop = Action::Drop { accepted: true };
        rig.fault(Fault::new(Place::User, "", drop).with_chance(1_000_000));
    });
}

#[test]
fn reports_lost_with_their_connection_are_found_after_it_is_back() {
    check("cut", |rig| rig.affect(&Action::Cut { accepted: false, scope: Scope::WsApi }));
    check("mute", |rig| {
        let wait_ns = 100 * MS_NS;
        rig.affect(&Action::Mute { wait_ns, with_pings: true, scope: Scope::WsApi });
    });
}

#[test]
fn reports_that_make_no_sense_are_found_by_a_pull() {
    check("garbage", |rig| {
        let garbage = Action::Garbage { kind: Garbage::Json, scope: Scope::Own };
        rig.fault(Fault::new(Place::User, "", garbage).with_chance(1_000_000));
    });
}
