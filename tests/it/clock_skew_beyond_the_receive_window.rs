//! The venue's clock jumps: requests are refused for their time, measured anew, and nothing is sent twice.

use engine::event::order::ReportCode;
use engine::event::{LinkCode, OrderState};
use simulator::wire_rig::puppet::Move;
use simulator::wire_rig::{BOUND_NS, MS_NS, Rig, RigConfig};
use venue::fault::Action;

#[track_caller]
fn check(offset_ms: i64) {
    let mut rig = Rig::start(RigConfig::puppet(100));
    rig.until_ready().unwrap();
    rig.affect(&Action::Clock { offset_ms });
    rig.puppet(Move::Buy);
    rig.until("the order rests or is refused", BOUND_NS, |rig| {
        rig.newest_state().is_some_and(|s| s == OrderState::Acked || s == OrderState::Rejected)
    })
    .unwrap();
    rig.run_for(100 * MS_NS).unwrap();
    rig.puppet(Move::Cancel);
    rig.run_for(100 * MS_NS).unwrap();
    let summary = rig.finish().unwrap_or_else(|why| panic!("{offset_ms} ms: {why}"));
    assert_eq!(summary.order_count, 1, "{offset_ms} ms: {summary:?}");
}

#[test]
fn an_order_with_an_old_or_a_future_timestamp_is_made_once_or_refused() {
    for offset_ms in [-900, -400, -100, 70, 200, 500, 900] {
        check(offset_ms);
    }
}

#[test]
fn a_clock_too_far_away_takes_the_link_down_until_it_is_right() {
    let mut rig = Rig::start(RigConfig::puppet(101));
    rig.until_ready().unwrap();
    rig.affect(&Action::Clock { offset_ms: 2_000 });
    let is_down = |rig: &mut Rig| 0 < rig.link_count(LinkCode::Down);
    rig.until("the link is down", BOUND_NS, is_down).unwrap();
    rig.puppet(Move::Buy);
    rig.run_for(50 * MS_NS).unwrap();
    assert_eq!(rig.newest_state(), None, "nothing is sent by a clock that is wrong");
    rig.affect(&Action::Clock { offset_ms: 0 });
    rig.until_ready().unwrap();
    rig.puppet(Move::Buy);
    let rests = |rig: &mut Rig| rig.newest_state() == Some(OrderState::Acked);
    rig.until("the order rests", BOUND_NS, rests).unwrap();
    assert_eq!(rig.report_count(ReportCode::Rejected), 0);
    let summary = rig.finish().unwrap();
    assert_eq!((summary.order_count, summary.refused_count), (1, 1), "{summary:?}");
}
