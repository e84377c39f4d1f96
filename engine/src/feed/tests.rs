//! Scenarios of the feed stage: snapshot races, gaps, crossed and silent books.

use super::*;
use crate::event::market::{DepthIds, depth, feed, level, quote, trade};
use crate::event::session;
use crate::instrument::{Instrument, Venue};
use crate::ring::Ring;

fn table(venue: Venue) -> InstrumentTable {
    let instrument = Instrument { venue, ..crate::instrument::tests::btcusdt() };
    InstrumentTable::new(vec![instrument]).unwrap()
}

struct Bench {
    feed: Feed,
    market: Market,
    ring: Ring,
    time_ns: u64,
}

impl Bench {
    fn new(venue: Venue) -> Bench {
        let table = table(venue);
        let config = FeedConfig { stale_ns_max: 1_000, buffer_event_count_max: 16 };
        Bench {
            feed: Feed::new(config, &table),
            market: Market::new(1),
            ring: Ring::new(64, 0),
            time_ns: 0,
        }
    }

    fn hear(&mut self, event: Event) -> Vec<Event> {
        self.time_ns += 1;
        let sequence = self.ring.begin(event.at(self.time_ns));
        let event = *self.ring.get(sequence);
        self.feed.apply(&event, &mut self.market, &mut Emitter::new(&mut self.ring, &event));
        (sequence + 1..=self.ring.head()).map(|s| *self.ring.get(s)).collect()
    }

    /// One line: `snapshot L levels`, `update U-u levels`, `quote u bid ask`, `clock ns`, `drop`,
    /// `connected`, `disconnected`, `session`; a level is `b100x5` or `a101x0`.
    fn line(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut told = Vec::new();
        match words[0] {
            "snapshot" | "update" => {
                let (first, last) = words[1].split_once('-').unwrap_or((words[1], words[1]));
                let ids = DepthIds {
                    first: first.parse().unwrap(),
                    last: last.parse().unwrap(),
                    previous: DepthIds::NO_PREVIOUS,
                };
                let levels = &words[2..];
                let count = u32::try_from(levels.len()).unwrap();
                told.extend(self.hear(depth(0, ids, count, words[0] == "snapshot")));
                for (index, text) in levels.iter().enumerate() {
                    if *text == "torn" {
                        break;
                    }
                    let (price, quantity) = text[1..].split_once('x').unwrap();
                    let side = if text.starts_with('b') { Side::Buy } else { Side::Sell };
                    let (price, quantity) = (price.parse().unwrap(), quantity.parse().unwrap());
                    told.extend(self.hear(level(
                        0,
                        side,
                        price,
                        quantity,
                        index + 1 == levels.len(),
                    )));
                }
            }
            "quote" => {
                let id = words[1].parse().unwrap();
                told.extend(self.hear(quote(0, Side::Buy, words[2].parse().unwrap(), 1, id)));
                told.extend(self.hear(quote(0, Side::Sell, words[3].parse().unwrap(), 1, id)));
            }
            "trade" => told.extend(self.hear(trade(0, Side::Buy, words[1].parse().unwrap(), 1, 1))),
            "clock" => {
                self.time_ns += words[1].parse::<u64>().unwrap();
                told.extend(self.hear(session::clock()));
            }
            "drop" => told.extend(self.hear(feed(0, FeedCode::Dropped, 3))),
            "connected" => told.extend(self.hear(feed(0, FeedCode::Connected, 0))),
            "disconnected" => told.extend(self.hear(feed(0, FeedCode::Disconnected, 0))),
            "session" => {
                told.extend(self.hear(session::session_start(1, crate::event::Mode::Paper)));
            }
            other => panic!("unknown line {other}"),
        }
        let states: Vec<&str> = told
            .iter()
            .map(|e| BookState::from_code(u8::try_from(e.code).unwrap()).unwrap().name())
            .collect();
        let top = self.market.get(0).unwrap().top;
        format!("{} {}/{}", states.join(","), top.bid_price, top.ask_price)
    }
}

/// Each line: an input, `=>`, the book states told (comma separated), best bid / best ask.
#[track_caller]
fn check(venue: Venue, table: &str) {
    let mut bench = Bench::new(venue);
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (input, want) = line.split_once("=>").unwrap();
        assert_eq!(bench.line(input.trim()).trim(), want.trim(), "{line}");
        // A stage that was saved and loaded goes on like the one that was not.
        let mut saver = Saver::new();
        bench.feed.save(&mut saver);
        bench.market.save(&mut saver);
        let bytes = saver.into_bytes();
        let mut twin = Bench::new(venue);
        let mut loader = Loader::new(&bytes);
        twin.feed.load(&mut loader).unwrap();
        twin.market.load(&mut loader).unwrap();
        loader.finish().unwrap();
        assert_eq!(twin.market.digest(), bench.market.digest(), "{line}");
        assert_eq!(twin.feed.digest(), bench.feed.digest(), "{line}");
        bench.feed = twin.feed;
        bench.market = twin.market;
    }
}

#[test]
fn updates_that_came_before_the_snapshot_are_applied_after_it() {
    check(
        Venue::BinanceSpot,
        "update 90-99 b100x1           => 0/0
         update 100-101 b101x2 a110x1  => 0/0
         update 102-103 a109x1         => 0/0
         snapshot 100 b99x1 a111x1     => live 101/109
         update 104-104 b101x0         => 99/109",
    );
}

#[test]
fn a_missing_update_makes_the_book_a_gap_until_the_next_snapshot() {
    check(
        Venue::BinanceSpot,
        "snapshot 100 b99x1 a111x1  => live 99/111
         update 101-102 b100x1      => 100/111
         update 104-105 b105x1      => gap 100/111
         update 106-106 b106x1      => 100/111
         snapshot 104 b98x1 a112x1  => live 106/112",
    );
}

#[test]
fn a_snapshot_older_than_the_first_update_does_not_make_a_book() {
    check(
        Venue::BinanceSpot,
        "update 105-106 b100x1      => 0/0
         snapshot 100 b99x1 a111x1  => gap 0/0
         snapshot 105 b99x1 a111x1  => live 100/111",
    );
}

#[test]
fn an_old_snapshot_does_not_turn_a_live_book_back() {
    check(
        Venue::BinanceSpot,
        "snapshot 100 b99x1 a111x1  => live 99/111
         update 101-110 b100x1      => 100/111
         snapshot 105 b90x1 a120x1  => 100/111
         update 111-111 b101x1      => 101/111",
    );
}

#[test]
fn half_an_update_that_waits_for_a_snapshot_never_becomes_part_of_a_book() {
    check(
        Venue::BinanceSpot,
        "update 100-100 b99x1 a103x1       => 0/0
         update 101-101 b101x2 torn a102x0 => 0/0
         drop                              => gap 0/0
         snapshot 99 b98x5 a102x5          => live 99/102
         update 102-102 b101x1             => gap 99/102",
    );
}

#[test]
fn a_torn_run_and_dropped_events_are_gaps() {
    check(
        Venue::BinanceSpot,
        "snapshot 100 b99x1 a111x1     => live 99/111
         update 101-101 b100x1 torn    => 99/111
         update 102-102 b101x1         => gap 99/111
         snapshot 102 b99x1 a111x1     => live 99/111
         drop                          => gap 99/111",
    );
}

#[test]
fn a_crossed_book_is_told_and_recovers() {
    check(
        Venue::BinanceSpot,
        "snapshot 100 b99x1 a111x1  => live 99/111
         update 101-101 b111x1      => crossed 111/111
         update 102-102 a111x0 a112x1 => live 111/112",
    );
}

#[test]
fn silence_makes_a_book_stale_and_any_word_makes_it_live_again() {
    check(
        Venue::BinanceSpot,
        "snapshot 100 b99x1 a111x1  => live 99/111
         clock 900                  => 99/111
         clock 200                  => stale 99/111
         trade 100                  => live 99/111
         clock 2000                 => stale 99/111
         quote 101 100 110          => live 100/110",
    );
}

#[test]
fn the_newer_of_quote_and_depth_gives_the_best_prices() {
    check(
        Venue::BinanceSpot,
        "snapshot 100 b99x1 a111x1  => live 99/111
         quote 103 101 109          => 101/109
         update 101-102 b100x1      => 101/109
         update 103-104 b102x1      => 102/111
         quote 103 90 91            => 102/111
         quote 105 110 109          => 102/111",
    );
}

#[test]
fn a_disconnect_and_a_session_start_end_the_trust_in_a_book() {
    check(
        Venue::BinanceSpot,
        "snapshot 100 b99x1 a111x1  => live 99/111
         disconnected               => down 99/111
         update 101-101 b100x1      => 99/111
         connected                  => empty 99/111
         snapshot 7 b50x1 a60x1     => live 50/60
         session                    => empty 50/60
         snapshot 1 b51x1 a61x1     => live 51/61",
    );
}

#[test]
fn a_full_buffer_drops_the_oldest_runs() {
    check(
        Venue::BinanceSpot,
        "update 101-101 b1x1 b2x1 b3x1 b4x1 b5x1 b6x1 => 0/0
         update 102-102 b1x2 b2x2 b3x2 b4x2 b5x2 b6x2 => 0/0
         update 103-103 b1x3 b2x3 b3x3 b4x3 b5x3 b6x3 => 0/0
         snapshot 102 a9x1                            => live 6/9",
    );
}
