//! Snapshot races and gaps as tables: what becomes of each update and each snapshot.

use super::*;

const MS_NS: u64 = 1_000_000;

fn config() -> SyncConfig {
    SyncConfig {
        first_update_ns_max: 100 * MS_NS,
        retry_ns_min: 10 * MS_NS,
        retry_ns_max: 80 * MS_NS,
        waiting_event_count_max: 10,
    }
}

/// `name` or `name=number`.
fn number(word: &str) -> i64 {
    word.split_once('=').map_or(0, |(_, digits)| digits.parse().unwrap())
}

/// Lines: what happens, then `->`, then what it is judged to be and the state behind it. `U-u` is an update,
/// with `pu=` for futures; it is published as the feed link would: next ones plainly, ahead as a gap.
#[track_caller]
fn check(venue: Venue, table: &str) {
    let mut sync = BookSync::new(venue, config(), 7);
    let mut token = 0;
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (step, want) = line.split_once("->").expect("an arrow");
        let words: Vec<&str> = step.split_whitespace().collect();
        let word = match words[0] {
            "connected" => {
                sync.connected(0);
                "ok".to_string()
            }
            "disconnected" => {
                sync.disconnected();
                "ok".to_string()
            }
            "lost" => {
                sync.lost(words.get(1).map_or(0, |word| word.parse().unwrap()), 0);
                "ok".to_string()
            }
            "update" => {
                let (first, last) = words[1].split_once('-').unwrap();
                let ids = DepthIds {
                    first: first.parse().unwrap(),
                    last: last.parse().unwrap(),
                    previous: words.get(2).map_or(DepthIds::NO_PREVIOUS, |word| number(word)),
                };
                let judged = sync.judge(&ids);
                match judged {
                    Judged::Next if sync.is_full(4) => "full".to_string(),
                    Judged::Next => {
                        sync.published(ids, 4, 0);
                        "next".to_string()
                    }
                    Judged::Ahead => {
                        sync.broken(ids, 4, 0);
                        "gap".to_string()
                    }
                    Judged::Old | Judged::Overlap | Judged::Unwanted => {
                        format!("{judged:?}").to_lowercase()
                    }
                }
            }
            "snapshot" => {
                if let Fetch::Due { .. } = sync.fetch() {
                    token += 1;
                    sync.asked(token);
                }
                let ruling = sync.snapshot(words[1].parse().unwrap(), 0);
                if ruling == SnapshotRuling::Take {
                    sync.settled();
                }
                format!("{ruling:?}").to_lowercase()
            }
            other => panic!("unknown step {other}"),
        };
        let got = format!("{word} {:?} {}", sync.state(), sync.last_id()).to_lowercase();
        assert_eq!(got, want.trim(), "{line}");
        let wants_snapshot = sync.fetch() != Fetch::Idle;
        assert_eq!(wants_snapshot, sync.state() == SyncState::Waiting, "{line}");
    }
}

#[test]
fn a_spot_book_joins_by_the_venues_rule() {
    check(
        Venue::BinanceSpot,
        "update 1-5       -> unwanted down 0
         connected        -> ok waiting 0
         update 11-15     -> next waiting 15
         snapshot 9       -> tooold waiting 15
         update 16-16     -> next waiting 16
         snapshot 10      -> take live 16
         update 10-16     -> old live 16
         update 16-18     -> next live 18
         snapshot 30      -> unwanted live 18
         update 20-25     -> gap waiting 25
         update 26-27     -> next waiting 27
         snapshot 18      -> tooold waiting 27
         snapshot 40      -> take live 40
         update 28-40     -> old live 40
         update 39-45     -> next live 45
         disconnected     -> ok down 0
         snapshot 50      -> unwanted down 0",
    );
}

#[test]
fn a_snapshot_may_come_before_the_first_update() {
    check(
        Venue::BinanceSpot,
        "connected        -> ok waiting 0
         snapshot 10      -> take live 10
         update 5-9       -> old live 10
         update 9-12      -> next live 12
         update 14-15     -> gap waiting 15",
    );
}

#[test]
fn a_futures_book_joins_by_the_previous_id() {
    check(
        Venue::BinanceUsdm,
        "connected            -> ok waiting 0
         update 110-120 pu=99 -> next waiting 120
         update 130-140 pu=120 -> next waiting 140
         snapshot 90          -> tooold waiting 140
         snapshot 115         -> take live 140
         update 150-160 pu=140 -> next live 160
         update 155-170 pu=150 -> overlap live 160
         update 165-170 pu=161 -> gap waiting 170
         update 171-180 pu=170 -> next waiting 180
         update 176-190 pu=175 -> overlap waiting 180
         snapshot 161         -> take live 180",
    );
}

#[test]
fn a_gap_while_waiting_begins_the_wait_anew() {
    check(
        Venue::BinanceSpot,
        "connected        -> ok waiting 0
         update 11-15     -> next waiting 15
         update 20-25     -> gap waiting 25
         snapshot 12      -> tooold waiting 25
         snapshot 19      -> take live 25",
    );
}

#[test]
fn what_the_border_lost_must_be_made_up_for() {
    check(
        Venue::BinanceSpot,
        "connected        -> ok waiting 0
         update 11-15     -> next waiting 15
         snapshot 11      -> take live 15
         lost             -> ok waiting 0
         update 17-18     -> next waiting 18
         snapshot 15      -> tooold waiting 18
         snapshot 16      -> take live 18
         lost 25          -> ok waiting 0
         snapshot 24      -> tooold waiting 0
         update 26-27     -> next waiting 27
         snapshot 25      -> take live 27",
    );
}

#[test]
fn more_than_the_engine_can_buffer_is_told() {
    check(
        Venue::BinanceSpot,
        "connected        -> ok waiting 0
         update 1-1       -> next waiting 1
         update 2-2       -> next waiting 2
         update 3-3       -> full waiting 2
         snapshot 1       -> take live 2
         update 3-3       -> next live 3
         update 4-4       -> next live 4
         update 5-5       -> next live 5",
    );
}

#[test]
fn waits_for_another_snapshot_grow_and_begin_anew_with_a_good_one() {
    let mut sync = BookSync::new(Venue::BinanceSpot, config(), 3);
    sync.connected(0);
    assert_eq!(sync.fetch(), Fetch::Due { at_ns: 100 * MS_NS });
    let ids = |first, last| DepthIds { first, last, previous: DepthIds::NO_PREVIOUS };
    sync.published(ids(11, 15), 2, 5);
    assert_eq!(sync.fetch(), Fetch::Due { at_ns: 5 }, "the first update asks at once");
    let mut waits_ns = Vec::new();
    for token in 1..=6 {
        sync.asked(token);
        assert_eq!(sync.snapshot(3, 0), SnapshotRuling::TooOld);
        let Fetch::Due { at_ns } = sync.fetch() else { panic!("{:?}", sync.fetch()) };
        waits_ns.push(at_ns);
    }
    assert!(waits_ns[0] <= 10 * MS_NS, "{waits_ns:?}");
    assert!((40 * MS_NS..=80 * MS_NS).contains(&waits_ns[5]), "{waits_ns:?}");
    sync.asked(7);
    assert_eq!(sync.snapshot(15, 0), SnapshotRuling::Take);
    sync.settled();
    sync.broken(ids(20, 21), 2, 9);
    assert_eq!(sync.fetch(), Fetch::Due { at_ns: 9 }, "the next gap is healed at once");
}
