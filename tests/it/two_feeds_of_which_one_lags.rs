//! Two connections carry the same market, one of them late: no update twice, none missing.

use binance::feed::FeedPolicy;
use engine::event::BookState;
use simulator::wire_rig::{MS_NS, Rig, RigConfig};
use venue::fault::{Action, Fault, Place};

fn two_feeds(seed: u64, policy: FeedPolicy) -> Rig {
    let mut config = RigConfig::gambler(seed);
    config.links.feed_count = 2;
    config.links.policy = policy;
    let mut rig = Rig::start(config);
    rig.until_ready().unwrap();
    rig.run_for(30 * MS_NS).unwrap();
    rig
}

/// Every second frame of the depth stream, which is one of the two copies, leaves late.
fn lag(rig: &Rig, wait_ns: u64) {
    let late = Fault::new(Place::Stream, "btcusdt@depth*", Action::Delay { wait_ns });
    rig.fault(Fault { every: 2, count_max: u64::MAX, ..late });
}

#[test]
fn the_better_of_two_feeds_gives_every_update_once() {
    let mut rig = two_feeds(90, FeedPolicy::BetterOfAll);
    let gaps = rig.book_state_count(BookState::Gap);
    lag(&rig, 7 * MS_NS);
    rig.run_for(500 * MS_NS).unwrap();
    let status = rig.engine().feed.status();
    let symbol = status.symbols.iter().find(|symbol| symbol.instrument == 0).unwrap();
    println!("{:?}", symbol.counts);
    assert!(20 < symbol.counts.update_count && 20 < symbol.counts.duplicate_count, "{status:?}");
    assert_eq!(rig.book_state_count(BookState::Gap), gaps, "{}", rig.describe());
    let counters = &rig.engine().pipeline.feed().counters()[0];
    assert_eq!(counters.gap_count, 0, "{counters:?}");
    rig.until_books_agree(0).unwrap();
    rig.finish().unwrap();
}

#[test]
fn a_failover_pair_of_which_one_lags_stays_whole() {
    let mut rig = two_feeds(91, FeedPolicy::Failover);
    lag(&rig, 15 * MS_NS);
    rig.run_for(300 * MS_NS).unwrap();
    rig.until_ready().unwrap();
    rig.until_books_agree(0).unwrap();
    rig.until_books_agree(1).unwrap();
    rig.finish().unwrap();
}
