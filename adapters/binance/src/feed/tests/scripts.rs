//! Scripts: one behaviour each.

use engine::instrument::Venue;

use super::super::config::{FeedLinkConfig, FeedPolicy, GateConfig, Stream};
use super::super::line::LineState;
use super::super::sync::SyncState;
use super::rig::{MS_NS, Rig, config, quote, trade};

const SECOND_NS: u64 = 1000 * MS_NS;
/// Lines: 0 and 1 are the primary's, 2 and 3 the fallback's.
const PRIMARY: usize = 0;
const SUCCESSOR: usize = 1;
const FALLBACK: usize = 2;

fn rig(policy: FeedPolicy) -> Rig {
    Rig::new(&config(Venue::BinanceSpot, policy))
}

#[test]
fn a_book_comes_up_with_the_first_update_and_its_snapshot() {
    let mut rig = rig(FeedPolicy::PrimaryOnly);
    assert_eq!(rig.ordered(), "open 0");
    rig.open(PRIMARY);
    assert_eq!(rig.told(), "connected");
    assert!(rig.fetches.is_empty(), "no snapshot before the first update");
    let update = rig.next_update();
    rig.frame(PRIMARY, &update);
    assert_eq!(rig.fetches.len(), 1);
    let update = rig.next_update();
    rig.frame(PRIMARY, &update);
    rig.answer(7);
    assert_eq!(rig.told(), "book live");
    assert_eq!(rig.machine.status().symbols[0].last_id, 10);
    assert_eq!(rig.machine.status().live_count(), 1);
}

#[test]
fn a_snapshot_is_asked_for_without_an_update_after_a_while() {
    let mut rig = rig(FeedPolicy::PrimaryOnly);
    rig.open(PRIMARY);
    rig.pass(SECOND_NS);
    assert_eq!(rig.fetches.len(), 1);
    rig.answer(6);
    assert!(rig.is_live());
    let update = rig.next_update();
    rig.frame(PRIMARY, &update);
    assert!(rig.is_live());
}

#[test]
fn a_snapshot_older_than_the_first_update_is_never_shown() {
    let mut rig = rig(FeedPolicy::PrimaryOnly);
    rig.open(PRIMARY);
    rig.next_update();
    let update = rig.next_update();
    rig.frame(PRIMARY, &update);
    rig.told();
    rig.answer(7);
    assert_eq!(rig.told(), "", "told nobody");
    assert_eq!(rig.machine.status().symbols[0].counts.snapshot_retry_count, 1);
    rig.pass(20 * MS_NS);
    rig.answer(8);
    assert_eq!(rig.told(), "book live");
}

#[test]
fn a_missing_update_is_a_gap_until_the_next_snapshot() {
    let mut rig = rig(FeedPolicy::PrimaryOnly);
    rig.bring_up(&[PRIMARY]);
    rig.next_update();
    let update = rig.next_update();
    rig.frame(PRIMARY, &update);
    assert_eq!(rig.told(), "book gap");
    rig.answer(rig.world.last_id());
    assert_eq!(rig.told(), "book live");
    assert_eq!(rig.machine.status().symbols[0].counts.gap_count, 1);
}

#[test]
fn a_cut_stream_is_down_and_comes_back() {
    let mut rig = rig(FeedPolicy::PrimaryOnly);
    rig.bring_up(&[PRIMARY]);
    rig.cut(PRIMARY);
    assert_eq!(rig.told(), "disconnected, book down");
    rig.bring_up(&[PRIMARY]);
    let counts = rig.machine.status().sources[0].counts;
    assert_eq!((counts.open_count, counts.lost_count), (2, 1));
}

#[test]
fn of_two_feeds_the_first_copy_is_taken_and_a_gap_of_one_is_filled_by_the_other() {
    let mut rig = rig(FeedPolicy::BetterOfAll);
    assert_eq!(rig.ordered(), "open 0, open 2");
    rig.bring_up(&[PRIMARY, FALLBACK]);
    let updates: Vec<String> = (0..4).map(|_| rig.next_update()).collect();
    rig.frame(PRIMARY, &updates[0]);
    rig.frame(FALLBACK, &updates[0]);
    rig.frame(FALLBACK, &updates[1]);
    // The primary misses one, which the fallback brings late.
    rig.frame(PRIMARY, &updates[3]);
    assert_eq!(rig.machine.status().symbols[0].counts.held_count, 1);
    rig.frame(FALLBACK, &updates[2]);
    let symbol = rig.machine.status().symbols[0];
    assert_eq!(symbol.last_id, i64::try_from(rig.world.last_id()).unwrap());
    assert_eq!((symbol.counts.gap_count, symbol.counts.duplicate_count), (0, 2));
    assert_eq!(rig.told(), "");
    assert!(rig.is_live());
}

#[test]
fn what_both_feeds_miss_is_a_gap_as_soon_as_both_have_passed_it() {
    let mut rig = rig(FeedPolicy::BetterOfAll);
    rig.bring_up(&[PRIMARY, FALLBACK]);
    rig.next_update();
    let update = rig.next_update();
    rig.frame(PRIMARY, &update);
    assert_eq!(rig.told(), "", "the other may still bring it");
    rig.frame(FALLBACK, &update);
    assert_eq!(rig.told(), "book gap");
}

#[test]
fn what_waits_is_a_gap_when_its_time_is_over_or_the_other_feed_is_lost() {
    let mut rig = rig(FeedPolicy::BetterOfAll);
    rig.bring_up(&[PRIMARY, FALLBACK]);
    rig.next_update();
    let update = rig.next_update();
    rig.frame(PRIMARY, &update);
    rig.pass(149 * MS_NS);
    assert_eq!(rig.told(), "");
    rig.pass(MS_NS);
    assert_eq!(rig.told(), "book gap");
    rig.answer(rig.world.last_id());
    rig.next_update();
    let update = rig.next_update();
    rig.frame(FALLBACK, &update);
    rig.told();
    rig.cut(PRIMARY);
    assert_eq!(rig.told(), "book gap", "not disconnected: one feed is there");
}

#[test]
fn trades_and_quotes_come_once_and_in_order() {
    let mut rig = rig(FeedPolicy::BetterOfAll);
    rig.bring_up(&[PRIMARY, FALLBACK]);
    let now_ns = rig.now_ns;
    for (line, id) in [(PRIMARY, 1), (FALLBACK, 1), (FALLBACK, 2), (PRIMARY, 2), (PRIMARY, 5)] {
        rig.frame(line, &trade(id, 55, now_ns));
        rig.frame(line, &quote(id, 50, 60));
    }
    rig.frame(FALLBACK, &trade(3, 55, now_ns));
    let counts = rig.machine.status().symbols[0].counts;
    assert_eq!((counts.trade_count, counts.quote_count, counts.trade_missing_count), (3, 3, 2));
    let ids: Vec<u64> = (rig.sink.events.iter())
        .filter(|event| event.kind == engine::event::Kind::TRADE)
        .map(|event| event.id)
        .collect();
    assert_eq!(ids, [1, 2, 5]);
}

#[test]
fn the_fallback_takes_over_at_once_and_the_primary_when_it_has_proven_itself() {
    let mut rig = rig(FeedPolicy::Failover);
    rig.bring_up(&[PRIMARY, FALLBACK]);
    rig.cut(PRIMARY);
    assert_eq!(rig.told(), "", "the hot standby is in sequence");
    let update = rig.next_update();
    rig.frame(FALLBACK, &update);
    assert!(rig.is_live());
    assert_eq!((rig.machine.state.active, rig.machine.status().switch_count), (1, 1));
    rig.open(PRIMARY);
    rig.pass(29 * SECOND_NS);
    assert_eq!(rig.machine.state.active, 1);
    rig.cut(PRIMARY);
    rig.open(PRIMARY);
    rig.pass(29 * SECOND_NS);
    assert_eq!(rig.machine.state.active, 1, "health begins anew with each connection");
    rig.pass(SECOND_NS);
    assert_eq!(rig.machine.state.active, 0);
    let update = rig.next_update();
    rig.frame(FALLBACK, &update);
    rig.frame(PRIMARY, &update);
    let counts = rig.machine.status().sources;
    assert_eq!((counts[1].counts.standby_count, counts[0].is_believed), (2, true));
    assert!(rig.is_live());
    rig.cut(PRIMARY);
    rig.cut(FALLBACK);
    assert_eq!(rig.told(), "disconnected, book down");
}

#[test]
fn a_late_source_is_not_healthy() {
    let config = FeedLinkConfig {
        late_ns_max: 500 * MS_NS,
        late_count_max: 3,
        ..config(Venue::BinanceSpot, FeedPolicy::Failover)
    };
    let mut rig = Rig::new(&config);
    rig.bring_up(&[PRIMARY, FALLBACK]);
    for step in 1..=3 {
        assert_eq!(rig.machine.state.active, 0);
        let update = rig.next_update();
        rig.frame(FALLBACK, &update);
        rig.pass(600 * MS_NS);
        rig.frame(PRIMARY, &update);
        assert_eq!(rig.machine.status().sources[0].is_healthy, step < 3);
    }
    assert_eq!(rig.machine.state.active, 1);
    assert!(600_000_000 <= rig.machine.status().sources[0].counts.delay.max_ns);
}

#[test]
fn an_open_stream_that_says_nothing_is_told_and_made_anew() {
    let config = FeedLinkConfig {
        mute_ns_max: [SECOND_NS, 0, 0],
        ..config(Venue::BinanceSpot, FeedPolicy::PrimaryOnly)
    };
    let mut rig = Rig::new(&config);
    rig.bring_up(&[PRIMARY]);
    for _ in 0..20 {
        // Trades go on, so the connection itself is not silent.
        let trade = rig.world.trade(rig.now_ns);
        rig.frame(PRIMARY, &trade);
        rig.pass(100 * MS_NS);
        if !rig.ordered.is_empty() {
            break;
        }
    }
    assert_eq!(rig.ordered(), "reopen 0");
    assert_eq!(rig.told(), "disconnected, book down", "the newest state stands for the others");
    assert_eq!(rig.machine.status().sources[0].counts.mute_count, 1);
    rig.open(PRIMARY);
    rig.pass(1_500 * MS_NS);
    assert_eq!(rig.ordered(), "", "it may be silent for twice as long");
    rig.pass(700 * MS_NS);
    assert_eq!(rig.ordered(), "reopen 0");
}

#[test]
fn an_old_connection_is_replaced_without_a_gap() {
    let config = FeedLinkConfig {
        connection_age_ns_max: 60 * SECOND_NS,
        ..config(Venue::BinanceSpot, FeedPolicy::PrimaryOnly)
    };
    let mut rig = Rig::new(&config);
    rig.bring_up(&[PRIMARY]);
    rig.pass(60 * SECOND_NS);
    assert_eq!(rig.ordered(), "open 1");
    let first = rig.next_update();
    rig.frame(PRIMARY, &first);
    rig.open(SUCCESSOR);
    let second = rig.next_update();
    rig.frame(PRIMARY, &second);
    assert_eq!(rig.ordered(), "", "the successor has said nothing yet");
    let third = rig.next_update();
    rig.frame(SUCCESSOR, &third);
    rig.pass(2 * MS_NS);
    assert_eq!(rig.ordered(), "close 0");
    rig.frame(PRIMARY, &third);
    let fourth = rig.next_update();
    rig.frame(SUCCESSOR, &fourth);
    assert_eq!(rig.told(), "");
    assert!(rig.is_live());
    let status = rig.machine.status();
    assert_eq!((status.sources[0].counts.replace_count, status.sources[0].ready_count), (1, 1));
    assert_eq!(status.symbols[0].counts.gap_count, 0);
    rig.pass(61 * SECOND_NS);
    assert_eq!(rig.ordered(), "open 0", "and so on, the other way round");
}

#[test]
fn the_core_hears_of_every_connection_also_of_those_that_no_book_needs() {
    let config = FeedLinkConfig {
        mute_ns_max: [SECOND_NS, 0, 0],
        ..config(Venue::BinanceSpot, FeedPolicy::BetterOfAll)
    };
    let mut rig = Rig::new(&config);
    rig.bring_up(&[PRIMARY, FALLBACK]);
    rig.sink.is_full = true;
    rig.cut(FALLBACK);
    rig.open(FALLBACK);
    rig.sink.is_full = false;
    rig.pass(1_200 * MS_NS);
    assert_eq!(
        rig.changes.join(", "),
        "0 connected, 2 connected, 2 disconnected, 2 connected, \
         0 mute, 0 disconnected, 2 mute, 2 disconnected"
    );
    assert_eq!(rig.machine.status().change_lost_count, 0);
}

#[test]
fn a_successor_that_is_ahead_waits_for_the_old_connection() {
    let mut rig = rig(FeedPolicy::PrimaryOnly);
    rig.bring_up(&[PRIMARY]);
    rig.frame(
        PRIMARY,
        "{\"stream\":\"!serverShutdown\",\"data\":{\"e\":\"serverShutdown\",\"E\":1}}",
    );
    assert_eq!(rig.ordered(), "open 1", "the venue said that it will go");
    rig.open(SUCCESSOR);
    let [first, second] = [rig.next_update(), rig.next_update()];
    rig.frame(SUCCESSOR, &second);
    rig.pass(2 * MS_NS);
    assert_eq!(rig.ordered(), "", "closing the old one now would lose an update");
    rig.frame(PRIMARY, &first);
    rig.pass(2 * MS_NS);
    assert_eq!((rig.ordered().as_str(), rig.told().as_str()), ("close 0", ""));
    assert!(rig.is_live());
}

#[test]
fn a_connection_that_breaks_before_its_successor_is_there_stays_in_use() {
    let mut rig = rig(FeedPolicy::PrimaryOnly);
    rig.bring_up(&[PRIMARY]);
    rig.frame(PRIMARY, "{\"e\":\"serverShutdown\",\"E\":1}");
    rig.cut(PRIMARY);
    rig.open(PRIMARY);
    assert_eq!(rig.ordered(), "open 1, close 1");
    assert_eq!(rig.machine.state.lines[SUCCESSOR].state, LineState::Idle);
    rig.frame(PRIMARY, "{\"e\":\"serverShutdown\",\"E\":1}");
    rig.cut(PRIMARY);
    rig.open(SUCCESSOR);
    assert_eq!(rig.ordered(), "open 1, close 0", "now the successor is first");
}

#[test]
fn what_finds_no_room_is_marked_and_made_up_for() {
    let mut rig = rig(FeedPolicy::PrimaryOnly);
    rig.bring_up(&[PRIMARY]);
    rig.sink.is_full = true;
    let update = rig.next_update();
    rig.frame(PRIMARY, &update);
    assert_eq!(rig.machine.status().symbols[0].sync, SyncState::Waiting);
    rig.cut(PRIMARY);
    rig.open(PRIMARY);
    let update = rig.next_update();
    rig.frame(PRIMARY, &update);
    assert_eq!(rig.told(), "");
    rig.sink.is_full = false;
    rig.pass(20 * MS_NS);
    assert_eq!(rig.told(), "dropped, book gap, connected, book empty", "the newest state only");
    let update = rig.next_update();
    rig.frame(PRIMARY, &update);
    assert_eq!(rig.told(), "dropped, book gap", "the mark of the ring itself");
    rig.pass(SECOND_NS);
    rig.answer(rig.world.last_id());
    assert_eq!(rig.told(), "book live");
    assert!(0 < rig.machine.status().symbols[0].counts.lost_count);
}

#[test]
fn bad_frames_are_told_and_not_published() {
    let config = FeedLinkConfig {
        gate: GateConfig::default(),
        ..config(Venue::BinanceSpot, FeedPolicy::PrimaryOnly)
    };
    let mut rig = Rig::new(&config);
    rig.bring_up(&[PRIMARY]);
    let now_ns = rig.now_ns;
    rig.frame(PRIMARY, &trade(1, 55, now_ns));
    let published_count = rig.sink.events.len();
    for (frame, want) in [
        ("garbage".to_string(), "refused broken-json x1"),
        (trade(2, 55, now_ns).replace("BTCUSDT", "ETHUSDT"), "refused unknown-symbol x1"),
        (trade(2, 90, now_ns), "refused price-band x1"),
        (quote(2, 56, 55), "refused crossed-quote x1"),
        (trade(2, 55, now_ns + 6 * SECOND_NS), "refused event-time-ahead x1"),
        (trade(2, 55, now_ns - 6 * SECOND_NS), "refused event-time-back x1"),
        (rig.world.snapshot(7), "refused no-instrument x1"),
    ] {
        rig.frame(PRIMARY, &frame);
        assert_eq!(rig.told(), want, "{frame}");
    }
    let kinds = rig.sink.events[published_count..].iter().map(|event| event.kind);
    assert!(kinds.into_iter().all(|kind| kind == engine::event::Kind::QUARANTINE));
    assert_eq!(rig.machine.status().refused_count, 7);
    let update = rig.next_update();
    rig.frame(PRIMARY, &update);
    assert!(rig.is_live());
}

#[test]
fn ids_that_lie_do_not_stop_the_stream() {
    let mut rig = rig(FeedPolicy::PrimaryOnly);
    rig.bring_up(&[PRIMARY]);
    let now_ns = rig.now_ns;
    rig.frame(PRIMARY, &trade(1, 55, now_ns));
    rig.frame(PRIMARY, &trade(3_000_000_000, 55, now_ns));
    assert_eq!(rig.told(), "refused id-jump x1");
    rig.frame(PRIMARY, &trade(2, 55, now_ns));
    assert_eq!(rig.machine.status().symbols[0].counts.trade_count, 2);
    // Not far enough to be found at once: a gap, and no snapshot ever reaches it.
    let lie = rig.next_update();
    let far = lie.replace("\"U\":9,\"u\":10", "\"U\":900,\"u\":1000");
    assert_ne!(far, lie);
    rig.frame(PRIMARY, &far);
    assert_eq!(rig.told(), "book gap");
    let mut turn_count = 0;
    while !rig.is_live() {
        turn_count += 1;
        assert!(turn_count < 200, "{:?}", rig.machine.status());
        let update = rig.next_update();
        rig.frame(PRIMARY, &update);
        rig.pass(100 * MS_NS);
        while !rig.fetches.is_empty() {
            rig.answer(rig.world.last_id());
        }
    }
    assert_eq!(rig.told(), "connected, book empty, book live");
}

#[test]
fn a_crossed_snapshot_is_asked_for_again() {
    let mut rig = rig(FeedPolicy::PrimaryOnly);
    rig.open(PRIMARY);
    let update = rig.next_update();
    rig.frame(PRIMARY, &update);
    rig.told();
    let token = rig.fetches.pop_front().unwrap();
    let body = rig.world.snapshot(8).replace("\"bids\":[", "\"bids\":[[\"99.00\",\"1.000\"],");
    rig.machine.snapshot(token, body.as_bytes(), rig.now_ns, &mut rig.sink);
    rig.settle();
    assert_eq!(rig.told(), "refused crossed-snapshot x1");
    rig.pass(20 * MS_NS);
    rig.answer(8);
    assert!(rig.is_live());
}

#[test]
fn a_subscription_without_an_answer_makes_a_new_connection() {
    let mut rig = rig(FeedPolicy::PrimaryOnly);
    rig.machine.state.opened(PRIMARY, rig.now_ns);
    rig.settle();
    rig.ordered();
    rig.pass(5 * SECOND_NS);
    assert_eq!(rig.ordered(), "reopen 0");
    assert_eq!(rig.told(), "", "nothing was promised");
    assert_eq!(rig.machine.status().sources[0].counts.subscribe_error_count, 1);
}

#[test]
fn a_failed_request_for_a_snapshot_is_made_again() {
    let mut rig = rig(FeedPolicy::PrimaryOnly);
    rig.open(PRIMARY);
    let update = rig.next_update();
    rig.frame(PRIMARY, &update);
    let token = rig.fetches.pop_front().unwrap();
    rig.machine.snapshot_failed(token, rig.now_ns);
    rig.pass(20 * MS_NS);
    let token = rig.fetches.pop_front().unwrap();
    rig.machine.snapshot_postponed(token, rig.now_ns + SECOND_NS);
    rig.pass(SECOND_NS - 1);
    assert!(rig.fetches.is_empty());
    rig.pass(1);
    rig.answer(8);
    assert!(rig.is_live());
}

#[test]
fn a_doubted_book_is_made_anew() {
    let mut rig = rig(FeedPolicy::PrimaryOnly);
    rig.bring_up(&[PRIMARY]);
    rig.machine.state.resync(0, rig.now_ns);
    rig.settle();
    assert_eq!(rig.told(), "connected, book empty");
    let update = rig.next_update();
    rig.frame(PRIMARY, &update);
    rig.answer(rig.world.last_id());
    assert_eq!(rig.told(), "book live");
}

#[test]
fn a_link_without_books_wants_no_snapshots() {
    let config = FeedLinkConfig {
        streams: vec![Stream::Trade, Stream::Quote],
        ..config(Venue::BinanceSpot, FeedPolicy::PrimaryOnly)
    };
    let mut rig = Rig::new(&config);
    rig.open(PRIMARY);
    rig.frame(PRIMARY, &quote(1, 50, 60));
    rig.pass(10 * SECOND_NS);
    assert!(rig.fetches.is_empty());
    assert_eq!(rig.machine.status().symbols[0].counts.quote_count, 1);
}

#[test]
fn futures_trades_have_a_connection_of_their_own() {
    let mut config = config(Venue::BinanceUsdm, FeedPolicy::PrimaryOnly);
    config.sources.truncate(1);
    config.sources[0].trade_url = Some("ws://127.0.0.1:9/market".to_string());
    let mut rig = Rig::new(&config);
    assert_eq!(rig.ordered(), "open 0, open 2");
    assert_eq!(rig.machine.state.legs[1].url, "ws://127.0.0.1:9/market/stream");
    rig.bring_up(&[0]);
    rig.open(2);
    rig.next_update();
    let update = rig.next_update();
    rig.frame(0, &update);
    assert_eq!(rig.told(), "book gap");
    rig.cut(2);
    assert_eq!(rig.told(), "", "the book needs no trades");
}
