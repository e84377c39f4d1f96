//! Connections are replaced before the venue would end them: beside the running ones, without a gap.

use engine::event::{BookState, LinkCode};
use simulator::wire_rig::{MS_NS, Rig, RigConfig};

#[test]
fn books_stay_live_and_the_link_stays_up_while_connections_are_replaced() {
    let mut config = RigConfig::gambler(60);
    config.links.renew_ns = 120 * MS_NS;
    let mut rig = Rig::start(config);
    rig.until_ready().unwrap();
    let [live, gap, down, lost] = numbers(&rig);
    rig.run_for(900 * MS_NS).unwrap();
    let status = rig.engine().feed.status();
    let replaced = status.sources[0].counts.replace_count;
    println!("{replaced} connections of the feed replaced");
    assert!(2 < replaced, "{status:?}");
    assert_eq!(numbers(&rig), [live, gap, down, lost], "{}", rig.describe());
    rig.until_books_agree(0).unwrap();
    rig.until_books_agree(1).unwrap();
    let summary = rig.finish().unwrap();
    assert!(0 < summary.order_count, "{summary:?}");
}

/// Times that a book became live, had a gap, was down, and that the link was lost.
fn numbers(rig: &Rig) -> [usize; 4] {
    let states = [BookState::Live, BookState::Gap, BookState::Down];
    let [live, gap, down] = states.map(|state| rig.book_state_count(state));
    [live, gap, down, rig.link_count(LinkCode::Down)]
}
