//! The workload is what it says, and the same every time.

use engine::event::BookState;

use super::*;

#[test]
fn the_market_stays_live_and_every_order_is_filled() {
    let mut direct = Direct::new(7);
    let recorder = &mut engine::pipeline::recorder::MemoryRecorder::default();
    for event in direct.market.opening() {
        direct.apply(&event, recorder).unwrap();
    }
    for _ in 0..50_000 {
        let event = direct.market.next_event();
        direct.apply(&event, recorder).unwrap();
    }
    for (_, market) in direct.pipeline.market().iter() {
        assert_eq!(market.state, BookState::Live);
        assert!(market.top.is_sound());
    }
    let count = |kind| recorder.events.iter().filter(|event| event.kind == kind).count();
    let sent = count(Kind::SEND_NEW);
    assert!(500 < sent, "{sent}");
    assert_eq!(u64::try_from(sent).unwrap(), direct.order_count);
    assert_eq!((count(Kind::REFUSED), count(Kind::ANOMALY)), (0, 0));
    assert!(sent - count(Kind::FILL) < 10);
}

#[test]
fn the_same_seed_makes_the_same_plan() {
    let mark = |seed| Plan::new(seed, &[2_000, 5_000]).unwrap().mark(5_000);
    assert_eq!(mark(3), mark(3));
    assert_ne!(mark(3).state_hash, mark(4).state_hash);
}
