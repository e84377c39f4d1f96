//! Table tests of the reconciler: lines of events in, lines of decisions out.
//!
//! `> input` lines are applied, one second after another; the lines below are all that the stage may
//! say to it. Instruments 0 and 1 are at `binance-spot` and share their quote asset.

use std::fmt::Write;

use super::*;
use crate::event::link::{link, venue_balance};
use crate::event::session::{clock, command, session_start};
use crate::event::{Mode, Side};
use crate::instrument::tests::btcusdt;
use crate::ring::Ring;
use crate::state::{Loader, Saver, State};

const SECOND_NS: u64 = 1_000_000_000;

fn table() -> InstrumentTable {
    let other = crate::instrument::Instrument { symbol: "ETHUSDT".to_string(), ..btcusdt() };
    InstrumentTable::new(vec![btcusdt(), other]).unwrap()
}

fn config() -> ReconcileConfig {
    ReconcileConfig {
        venues: vec![Venue::BinanceSpot],
        tolerance_base: 2,
        tolerance_quote_e8: 10,
        interval_ns: 100 * SECOND_NS,
        retry_ns: 2 * SECOND_NS,
        timeout_ns: 20 * SECOND_NS,
        attempts_max: 3,
        ..ReconcileConfig::default()
    }
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("not a number: {text}"))
}

fn order(before: OrderState, state: OrderState) -> Event {
    let mut event = Event::new(Kind::ORDER);
    event.instrument = 0;
    event.code = u16::from(state.code()) | (u16::from(before.code()) << 8);
    event
}

fn traded(instrument: u16, side: Side, quantity: &str, price: &str, in_kind: u8) -> Event {
    let mut event = Event::new(Kind::FILL);
    event.instrument = instrument;
    event.quantity = number(quantity);
    event.price = number(price);
    event.flags = side.flag() | in_kind | flags::LAST;
    event
}

/// The events that an input line means.
fn events(line: &str) -> Vec<Event> {
    let venue = Venue::BinanceSpot;
    let words: Vec<&str> = line.split_whitespace().filter(|word| *word != "@").collect();
    let base = |instrument, total: &str, asset| {
        venue_balance(venue, instrument, BalanceCode::Base, number(total), (asset, true))
    };
    let quote = |instrument, total: &str, last| {
        venue_balance(venue, instrument, BalanceCode::Quote, number(total), (3, last))
    };
    match words[..] {
        ["session", session] => vec![session_start(number(session), Mode::Paper)],
        ["up"] => vec![link(venue, LinkCode::Up, 0)],
        ["down"] => vec![link(venue, LinkCode::Down, 0)],
        ["begin", pull] => vec![link(venue, LinkCode::PullBegin, number(pull))],
        ["end", pull] => vec![link(venue, LinkCode::PullEnd, number(pull))],
        ["failed", pull] => vec![link(venue, LinkCode::PullFailed, number(pull))],
        // One whole pull: base balances of both instruments, the quote balance that they share.
        ["pull", pull, btc, eth, usdt] => vec![
            link(venue, LinkCode::PullBegin, number(pull)),
            base(0, btc, 1),
            base(1, eth, 2),
            quote(0, usdt, false),
            quote(1, usdt, true),
            link(venue, LinkCode::PullEnd, number(pull)),
        ],
        ["balance", "btc", total] => vec![base(0, total, 1)],
        ["buy", "btc", quantity, price] => vec![traded(0, Side::Buy, quantity, price, 0)],
        ["buy", "eth", quantity, price] => vec![traded(1, Side::Buy, quantity, price, 0)],
        ["sell", "btc", quantity, price] => vec![traded(0, Side::Sell, quantity, price, 0)],
        ["kept", "btc", quantity, price] => {
            vec![traded(0, Side::Sell, quantity, price, flags::IN_KIND)]
        }
        ["fee", fee] => {
            vec![Event { instrument: 0, quantity: number(fee), ..Event::new(Kind::FEE) }]
        }
        ["doubt"] => vec![order(OrderState::Acked, OrderState::Unknown)],
        ["settled"] => vec![order(OrderState::Unknown, OrderState::Cancelled)],
        ["other"] => vec![order(OrderState::Acked, OrderState::Cancelled)],
        ["clock"] => vec![clock()],
        ["accept", target] => vec![command(CommandCode::AcceptBalances, number(target))],
        _ => panic!("not an input: {line}"),
    }
}

fn told(event: &Event) -> String {
    let name = event.kind.name();
    let reason = || LockReason::from_code(u16::try_from(event.price).unwrap()).unwrap().name();
    match event.kind {
        Kind::LOCK if event.code == 1 => format!("lock {}", reason()),
        Kind::LOCK => format!("unlock {} told {}", reason(), event.quantity),
        Kind::SEND_PULL => {
            format!("{name} {} {}", event.id, PullReason::from_code(event.code).unwrap().name())
        }
        Kind::BASELINE => format!("{name} {} {} -> {}", event.id, event.price, event.quantity),
        Kind::DIFFERENCE => {
            let which = crate::event::DifferenceCode::from_code(event.code).unwrap().name();
            let end = if event.has(flags::FINAL) { " final" } else { "" };
            format!("{which} {} ours {} theirs {}{end}", event.id, event.price, event.quantity)
        }
        Kind::ANOMALY => format!("anomaly {} {}", event.code, event.price),
        _ => panic!("{event:?}"),
    }
}

struct Bench {
    stage: Reconcile,
    time_ns: u64,
}

impl Bench {
    fn new(config: ReconcileConfig) -> Bench {
        Bench { stage: Reconcile::new(config, table()), time_ns: SECOND_NS }
    }

    fn apply(&mut self, event: &Event, said: &mut String) {
        let mut ring = Ring::new(64, 0);
        ring.begin(event.at(self.time_ns));
        let mut cursor = 0;
        while cursor < ring.head() {
            cursor += 1;
            let cause = *ring.get(cursor);
            if 1 < cursor {
                writeln!(said, "{}", told(&cause)).unwrap();
            }
            self.stage.apply(&cause, &mut Emitter::new(&mut ring, &cause));
            if cursor == ring.head()
                && let Some(due) = self.stage.take_due()
            {
                self.stage.settle(&mut Emitter::new(&mut ring, &due));
            }
        }
    }

    /// Applies an input line; what was said, one line each. Every step is also a restart.
    fn input(&mut self, line: &str) -> String {
        self.time_ns += SECOND_NS;
        let mut said = String::new();
        if let ["wait", seconds] = line.split_whitespace().collect::<Vec<_>>()[..] {
            self.time_ns += number::<u64>(seconds) * SECOND_NS;
            return said;
        }
        for event in events(line) {
            self.apply(&event, &mut said);
        }
        // A fee follows its fill in one cascade; there is no snapshot between them.
        if !line.starts_with("kept") {
            self.stage = reloaded(&self.stage);
        }
        said
    }
}

fn saved(stage: &Reconcile) -> Vec<u8> {
    let mut saver = Saver::new();
    stage.save(&mut saver);
    saver.into_bytes()
}

fn reloaded(stage: &Reconcile) -> Reconcile {
    let bytes = saved(stage);
    let mut loaded = Reconcile::new(stage.config.clone(), table());
    let mut loader = Loader::new(&bytes);
    loaded.load(&mut loader).unwrap();
    loader.finish().unwrap();
    assert_eq!(loaded.digest(), stage.digest());
    assert_eq!(saved(&loaded), bytes);
    loaded
}

#[track_caller]
fn check(script: &str) {
    let mut bench = Bench::new(config());
    let (mut got, mut wanted) = (String::new(), String::new());
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        writeln!(wanted, "{line}").unwrap();
        if let Some(input) = line.strip_prefix("> ") {
            writeln!(got, "{line}").unwrap();
            got.push_str(&bench.input(input));
        }
    }
    assert!(got == wanted, "the reconciler said:\n{got}\nwanted was:\n{wanted}");
}

#[test]
fn a_start_is_locked_until_a_whole_pull_was_clean() {
    check(
        "> session 1
         lock start
         > clock
         > up
         lock link-up
         send-pull 1 link-up
         > begin 1
         > balance btc 1000
         baseline 1 0 -> 1000
         > end 1
         unlock none told 0
         > down
         lock link-down
         > clock
         > up
         lock link-up
         send-pull 2 link-up
         > pull 1 1000 0 0
         > pull 2 1000 500 700
         baseline 2 0 -> 500
         baseline 3 0 -> 700
         unlock none told 0
         > session 2
         lock start
         > up
         lock link-up
         send-pull 3 link-up
         > pull 3 1000 500 700
         unlock none told 0",
    );
}

#[test]
fn an_order_of_unknown_fate_keeps_the_lock_until_it_is_settled() {
    check(
        "> session 1
         lock start
         > doubt
         > doubt
         > up
         lock link-up
         send-pull 1 link-up
         > settled
         > pull 1 0 0 0
         baseline 1 0 -> 0
         baseline 2 0 -> 0
         baseline 3 0 -> 0
         > other
         > settled
         unlock none told 0
         > doubt
         > settled",
    );
}

#[test]
fn fills_and_fees_move_what_is_expected_over_all_instruments_of_an_asset() {
    check(
        "> up
         lock link-up
         send-pull 1 link-up
         > pull 1 1000 500 100000000000
         baseline 1 0 -> 1000
         baseline 2 0 -> 500
         baseline 3 0 -> 100000000000
         unlock none told 0
         > buy btc 100000 @ 100
         > fee 1000
         > buy eth 200000 @ 50
         > sell btc 50000 @ 200
         > up
         lock link-up
         send-pull 2 link-up
         > pull 2 51000 200500 99899999000
         unlock none told 0",
    );
}

#[test]
fn a_fee_in_kind_takes_from_the_base_and_nothing_from_the_quote() {
    check(
        "> up
         lock link-up
         send-pull 1 link-up
         > pull 1 0 0 100000000000
         baseline 1 0 -> 0
         baseline 2 0 -> 0
         baseline 3 0 -> 100000000000
         unlock none told 0
         > buy btc 100000 @ 100
         > kept btc 100 @ 100
         > fee 100000
         > fee 7
         > up
         lock link-up
         send-pull 2 link-up
         > pull 2 99900 0 99899999993
         unlock none told 0",
    );
}

#[test]
fn differences_within_the_tolerance_are_let_go_and_do_not_add_up() {
    check(
        "> up
         lock link-up
         send-pull 1 link-up
         > pull 1 1000 500 700
         baseline 1 0 -> 1000
         baseline 2 0 -> 500
         baseline 3 0 -> 700
         unlock none told 0
         > up
         lock link-up
         send-pull 2 link-up
         > pull 2 1002 498 710
         unlock none told 0
         > up
         lock link-up
         send-pull 3 link-up
         > pull 3 1003 497 711
         balance-base 1 ours 1000 theirs 1003
         balance-base 2 ours 500 theirs 497
         balance-quote 3 ours 700 theirs 711
         > pull 3 1000 500 700",
    );
}

#[test]
fn a_race_is_over_by_the_next_attempt_and_locks_nobody() {
    check(
        "> up
         lock link-up
         send-pull 1 link-up
         > pull 1 1000 0 0
         baseline 1 0 -> 1000
         baseline 2 0 -> 0
         baseline 3 0 -> 0
         unlock none told 0
         > clock
         > wait 98
         > clock
         send-pull 2 periodic
         > pull 2 1500 0 0
         balance-base 1 ours 1000 theirs 1500
         > clock
         > clock
         send-pull 3 retry
         > buy btc 500 @ 0
         > pull 3 1500 0 0
         > clock",
    );
}

#[test]
fn what_differs_after_every_attempt_locks_until_a_pull_is_clean() {
    check(
        "> up
         lock link-up
         send-pull 1 link-up
         > pull 1 1000 0 0
         baseline 1 0 -> 1000
         baseline 2 0 -> 0
         baseline 3 0 -> 0
         unlock none told 0
         > wait 100
         > clock
         send-pull 2 periodic
         > pull 2 1500 0 0
         balance-base 1 ours 1000 theirs 1500
         > wait 1
         > clock
         send-pull 3 retry
         > pull 3 1500 0 0
         balance-base 1 ours 1000 theirs 1500
         > wait 1
         > clock
         send-pull 4 retry
         > pull 4 1500 0 9
         balance-base 1 ours 1000 theirs 1500
         balance-base 1 ours 1000 theirs 1500 final
         lock balances
         anomaly 200 1
         > wait 100
         > clock
         send-pull 5 periodic
         > pull 5 1500 0 0
         balance-base 1 ours 1000 theirs 1500
         > wait 100
         > clock
         send-pull 6 periodic
         > pull 6 1000 0 0
         unlock none told 0",
    );
}

#[test]
fn an_operator_takes_the_venues_side_with_both_sides_on_record() {
    check(
        "> up
         lock link-up
         send-pull 1 link-up
         > pull 1 1000 0 100
         baseline 1 0 -> 1000
         baseline 2 0 -> 0
         baseline 3 0 -> 100
         unlock none told 0
         > accept 0
         send-pull 2 accepted
         > buy btc 10 @ 0
         > pull 2 1510 0 3
         balance-base 1 ours 1010 theirs 1510
         balance-quote 3 ours 100 theirs 3
         > accept 1
         > accept 2
         baseline 1 1000 -> 1500
         baseline 3 100 -> 3
         send-pull 3 accepted
         > pull 3 1510 0 3
         > buy btc 1 @ 0
         > up
         lock link-up
         send-pull 4 link-up
         > pull 4 1511 0 3
         unlock none told 0",
    );
}

#[test]
fn a_pull_that_fails_or_is_not_answered_is_asked_for_again_under_a_new_number() {
    check(
        "> up
         lock link-up
         send-pull 1 link-up
         > begin 1
         > failed 1
         > clock
         > clock
         send-pull 2 failed
         > end 1
         > begin 2
         > wait 20
         > clock
         send-pull 3 failed
         > end 2
         > failed 2
         > down
         lock link-down
         > wait 100
         > clock",
    );
}

#[test]
fn without_a_configured_venue_nothing_is_decided_and_nothing_is_hashed() {
    let mut bench = Bench::new(ReconcileConfig::default());
    for line in ["session 1", "up", "pull 0 1 2 3", "buy btc 5 @ 5", "doubt", "clock", "accept 0"] {
        assert_eq!(bench.input(line), "", "{line}");
        assert_eq!(bench.stage.digest(), 0);
    }
    // A session that no longer has the link unlocks what the one before locked.
    let mut bench = Bench::new(config());
    bench.input("session 1");
    let bytes = saved(&bench.stage);
    let mut next = Bench::new(ReconcileConfig::default());
    let mut loader = Loader::new(&bytes);
    next.stage.load(&mut loader).unwrap();
    assert_eq!(next.input("session 2"), "unlock none told 0\n");
    assert_eq!(next.input("session 3"), "");
}

#[test]
fn rows_of_nothing_that_exists_are_told_and_change_nothing() {
    let mut bench = Bench::new(config());
    bench.input("up");
    bench.input("begin 1");
    let before = saved(&bench.stage);
    let row = |instrument, code: u16, tag| {
        let venue = Venue::BinanceSpot;
        let good = venue_balance(venue, instrument, BalanceCode::Base, 5, (1, true));
        Event { code, tag, ..good }
    };
    let spot = u32::from(Venue::BinanceSpot as u8);
    for (event, wanted) in [
        (row(7, 1, spot), "anomaly 201 1\n"),
        (row(0, 3, spot), "anomaly 201 3\n"),
        (row(0, 1, 1), ""),
        (row(0, 1, 999), ""),
        (Event { code: 9, ..link(Venue::BinanceSpot, LinkCode::Up, 1) }, ""),
        (Event { tag: 300, ..link(Venue::BinanceSpot, LinkCode::Down, 1) }, ""),
    ] {
        let mut said = String::new();
        bench.apply(&event, &mut said);
        assert_eq!(said, wanted, "{event:?}");
        assert_eq!(saved(&bench.stage), before);
    }
}

#[test]
fn damaged_snapshots_are_refused_or_harmless_but_never_a_panic() {
    let mut bench = Bench::new(config());
    for line in ["session 1", "up", "pull 1 10 20 30", "accept 0", "begin 2", "balance btc 99"] {
        bench.input(line);
    }
    let bytes = saved(&bench.stage);
    for length in 0..bytes.len() {
        let mut stage = Reconcile::new(config(), table());
        assert!(stage.load(&mut Loader::new(&bytes[..length])).is_err(), "length {length}");
    }
    let mut refused_count = 0;
    for index in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[index] ^= 0x81;
        let mut bench = Bench::new(config());
        if bench.stage.load(&mut Loader::new(&damaged)).is_err() {
            refused_count += 1;
            continue;
        }
        let mut said = String::new();
        for line in ["end 2", "buy btc 5 @ 5", "doubt", "clock", "pull 3 1 2 3", "accept 0"] {
            for event in events(line) {
                bench.apply(&event, &mut said);
            }
        }
    }
    assert!(20 < refused_count, "only {refused_count} of {} were noticed", bytes.len());
}
