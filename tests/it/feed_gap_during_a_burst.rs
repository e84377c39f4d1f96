//! Updates of a book are missing in the middle of a burst: seen as a gap, healed by a snapshot.

use engine::event::BookState;
use simulator::wire_rig::{BOUND_NS, MS_NS, Rig, RigConfig, RigMarket};
use venue::fault::{Action, Fault, Place};

#[test]
fn a_gap_in_a_burst_is_told_and_the_book_made_good() {
    let mut config = RigConfig::gambler(80);
    config.market = RigMarket::Generated { speed_percent: 3_000 };
    let mut rig = Rig::start(config);
    rig.until_ready().unwrap();
    let mut gaps = 0;
    for round in 0..10_u32 {
        let before = rig.book_state_count(BookState::Gap);
        let action = Action::Gap { frame_count: 1 + round % 3 };
        rig.fault(Fault::new(Place::Stream, "btcusdt@depth*", action));
        rig.until("the gap is seen", BOUND_NS, |rig| before < rig.book_state_count(BookState::Gap))
            .unwrap();
        gaps += rig.book_state_count(BookState::Gap) - before;
        rig.until_ready().unwrap();
        rig.until_books_agree(0).unwrap();
        rig.run_for(5 * MS_NS).unwrap();
    }
    println!("{gaps} gaps, each made good");
    rig.until_books_agree(1).unwrap();
    let summary = rig.finish().unwrap();
    assert!(0 < summary.order_count, "{summary:?}");
}
