//! Table tests of the OMS: lines of events in, lines of events out.
//!
//! `> input` lines are applied; the lines below are all that the OMS may say to it. Orders are named
//! `session.counter`; strategy 0 sends them on instrument 0.

mod pulls;

use std::fmt::Write;

use super::*;
use crate::event::order::{fill_report, report};
use crate::event::session::{clock, command, session_start};
use crate::event::{DifferenceCode, Mode, Side};
use crate::instrument::tests::btcusdt;
use crate::ring::Ring;
use crate::state::{Loader, Saver, State};

fn config() -> OmsConfig {
    let other = crate::instrument::Instrument { symbol: "OTHER".to_string(), ..btcusdt() };
    OmsConfig {
        engine: 3,
        orders_max: 4,
        strategy_count: 2,
        instruments: InstrumentTable::new(vec![btcusdt(), other]).unwrap(),
        times: OmsTimes::default(),
    }
}

struct Bench {
    oms: Oms,
    time_ns: u64,
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("not a number: {text}"))
}

fn id_of(name: &str) -> u64 {
    let (session, counter) = name.split_once('.').unwrap_or_else(|| panic!("no order: {name}"));
    ids::order_id(3, number(session), number(counter))
}

fn name_of(id: u64) -> String {
    format!("{}.{}", ids::session(id), ids::counter(id))
}

fn approved(kind: Kind, words: [&str; 3], flags: u8) -> Event {
    let [id, quantity, price] = words;
    let mut event = Event::new(kind);
    event.instrument = 0;
    event.source = 0;
    event.code = OrderTerms::LIMIT_GTC.code();
    event.id = if id.is_empty() { 0 } else { id_of(id) };
    event.quantity = number(quantity);
    event.price = number(price);
    event.tag = 9;
    event.flags = flags | flags::LAST;
    event
}

fn traded(words: [&str; 5], side: Side) -> [Event; 2] {
    let [id, quantity, price, cumulative, execution_id] = words;
    let told = Execution {
        order_id: id_of(id),
        side,
        price: number(price),
        quantity: number(quantity),
        cumulative_quantity: number(cumulative),
        fee_e8: 5,
        execution_id: number(execution_id),
        maker: false,
    };
    let [mut first, mut detail] = fill_report(0, &told);
    (first.source, detail.source) = (1, 1);
    [first, detail]
}

fn with_code(kind: Kind, code: u16, source: u16) -> Vec<Event> {
    vec![Event { source, code, ..Event::new(kind) }]
}

/// The events that an input line means.
fn events(line: &str) -> Vec<Event> {
    let words: Vec<&str> = line.split_whitespace().filter(|word| *word != "@").collect();
    if let Some(events) = pulls::events(&words) {
        return events;
    }
    match words[..] {
        ["session", session] => vec![session_start(number(session), Mode::Paper)],
        ["clock"] => vec![clock()],
        ["cancel-all"] => vec![command(CommandCode::CancelAll, 0)],
        ["halted"] => with_code(Kind::RISK_STATE, 3, NO_STRATEGY),
        ["reducing"] => with_code(Kind::RISK_STATE, 2, NO_STRATEGY),
        ["disable", source] => with_code(Kind::STRATEGY_STATE, DISABLED, number(source)),
        ["buy", quantity, price] => vec![approved(Kind::APPROVED, ["", quantity, price], 0)],
        ["sell", quantity, price] => {
            vec![approved(Kind::APPROVED, ["", quantity, price], flags::SELL)]
        }
        ["cancel", id] => vec![approved(Kind::APPROVED_CANCEL, [id, "0", "0"], 0)],
        ["cancel", id, "by", source] => {
            let event = approved(Kind::APPROVED_CANCEL, [id, "0", "0"], 0);
            vec![Event { source: number(source), ..event }]
        }
        ["replace", id, quantity, price] => {
            vec![approved(Kind::APPROVED_REPLACE, [id, quantity, price], 0)]
        }
        ["fill", id, quantity, price, "cum", cumulative, "exec", execution] => {
            traded([id, quantity, price, cumulative, execution], Side::Buy).to_vec()
        }
        ["fill-of-sell", id, quantity, price, "cum", cumulative, "exec", execution] => {
            traded([id, quantity, price, cumulative, execution], Side::Sell).to_vec()
        }
        ["half", id, quantity, price] => {
            vec![traded([id, quantity, price, "0", "0"], Side::Buy)[0]]
        }
        ["detail", "cum", cumulative, "exec", execution] => {
            vec![traded(["1.1", "0", "0", cumulative, execution], Side::Buy)[1]]
        }
        ["withheld", sent, id] => {
            let kind = Kind::from_name(&format!("send-{sent}")).expect("a sent kind");
            let mut event = Event::new(Kind::WITHHELD);
            (event.instrument, event.id, event.code) = (0, id_of(id), u16::from(kind.0));
            vec![event]
        }
        ["replaced", id, quantity, price] => {
            let event = report(0, id_of(id), ReportCode::Replaced, 0);
            vec![Event { quantity: number(quantity), price: number(price), ..event }]
        }
        ["working", id, quantity] => {
            let event = report(0, id_of(id), ReportCode::Working, 0);
            vec![Event { quantity: number(quantity), ..event }]
        }
        [word, id] => {
            let code = ReportCode::ALL.into_iter().find(|code| code.name() == word);
            let code = code.unwrap_or_else(|| panic!("not an input: {line}"));
            vec![report(0, id_of(id), code, 0)]
        }
        _ => panic!("not an input: {line}"),
    }
}

fn told(event: &Event) -> String {
    let (name, id) = (event.kind.name(), name_of(event.id));
    let mut text = match event.kind {
        Kind::ORDER => {
            let state = |code: u16| {
                OrderState::from_code(u8::try_from(code & 0xff).unwrap()).unwrap().name()
            };
            let (from, to) = (state(event.code >> 8), state(event.code));
            format!("order {id} {from} -> {to} {} @ {}", event.quantity, event.price)
        }
        Kind::FILL => format!("fill {id} {} @ {}", event.quantity, event.price),
        Kind::FEE => format!("fee {} exec {}", event.quantity, event.id),
        Kind::SEND_NEW | Kind::SEND_REPLACE => {
            format!("{name} {id} {} @ {}", event.quantity, event.price)
        }
        Kind::DIFFERENCE => {
            let which = DifferenceCode::from_code(event.code).unwrap().name();
            let id = if event.has(flags::STRANGER) { event.id.to_string() } else { id };
            format!("{which} {id} ours {} theirs {}", event.price, event.quantity)
        }
        Kind::ANOMALY => format!("anomaly {} {} {}", event.code, event.price, event.quantity),
        _ => format!("{name} {id}"),
    };
    if event.has(flags::IN_KIND) {
        text.push_str(if event.side() == Side::Sell { " kept" } else { " given" });
    }
    if event.has(flags::LATE) && event.kind == Kind::FILL {
        text.push_str(" late");
    }
    if event.source == NO_STRATEGY && event.kind == Kind::FILL {
        text.push_str(" of nobody");
    }
    text
}

impl Bench {
    fn new() -> Bench {
        Bench::of(config())
    }

    fn of(config: OmsConfig) -> Bench {
        Bench { oms: Oms::new(config), time_ns: 0 }
    }

    /// Applies an input line; what was said, one line each. `save` is a restart from a snapshot.
    fn input(&mut self, line: &str) -> String {
        self.time_ns += QUERY_INTERVAL_NS / 2;
        if let ["wait", seconds] = line.split_whitespace().collect::<Vec<_>>()[..] {
            // To the moment itself: the line after it is half a second later.
            self.time_ns += number::<u64>(seconds) * 1_000_000_000 - QUERY_INTERVAL_NS;
            return String::new();
        }
        if line == "save" {
            self.oms = reloaded(&self.oms);
            return String::new();
        }
        let mut said = String::new();
        for event in events(line) {
            let mut ring = Ring::new(64, 0);
            ring.begin(event.at(self.time_ns));
            let cause = *ring.get(1);
            self.oms.apply(&cause, &mut Emitter::new(&mut ring, &cause));
            assert!(!ring.overflowed());
            for sequence in 2..=ring.head() {
                writeln!(said, "{}", told(ring.get(sequence))).unwrap();
            }
        }
        said
    }

    fn state(&self, name: &str) -> OrderState {
        self.oms.order(id_of(name)).unwrap_or_else(|| panic!("{name} is forgotten")).state
    }
}

fn saved(oms: &Oms) -> Vec<u8> {
    let mut saver = Saver::new();
    oms.save(&mut saver);
    saver.into_bytes()
}

fn reloaded(oms: &Oms) -> Oms {
    let bytes = saved(oms);
    let mut loaded = Oms::new(OmsConfig { times: oms.times, ..config() });
    let mut loader = Loader::new(&bytes);
    loaded.load(&mut loader).unwrap();
    loader.finish().unwrap();
    assert_eq!(loaded.digest(), oms.digest());
    assert_eq!(saved(&loaded), bytes);
    loaded
}

#[track_caller]
fn check(script: &str) {
    check_with(OmsTimes::default(), script);
}

#[track_caller]
fn check_with(times: OmsTimes, script: &str) {
    let mut bench = Bench::of(OmsConfig { times, ..config() });
    bench.input("session 1");
    let (mut got, mut wanted) = (String::new(), String::new());
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        writeln!(wanted, "{line}").unwrap();
        if let Some(input) = line.strip_prefix("> ") {
            writeln!(got, "{line}").unwrap();
            got.push_str(&bench.input(input));
        }
    }
    assert!(got == wanted, "the OMS said:\n{got}\nwanted was:\n{wanted}");
}

#[test]
fn an_order_is_sent_acked_filled_in_parts_and_over() {
    check(
        "> buy 10 @ 100
         order 1.1 new -> new 10 @ 100
         order 1.1 new -> pending 10 @ 100
         send-new 1.1 10 @ 100
         > acked 1.1
         order 1.1 pending -> acked 10 @ 100
         > acked 1.1
         > fill 1.1 4 @ 100 cum 4 exec 1
         fill 1.1 4 @ 100
         fee 5 exec 1
         order 1.1 acked -> partially-filled 6 @ 100
         > fill 1.1 1 @ 99 cum 5 exec 2
         fill 1.1 1 @ 99
         fee 5 exec 2
         order 1.1 partially-filled -> partially-filled 5 @ 100
         > fill 1.1 5 @ 100 cum 10 exec 3
         fill 1.1 5 @ 100
         fee 5 exec 3
         order 1.1 partially-filled -> filled 0 @ 100
         > cancel 1.1
         anomaly 114 0 5",
    );
}

#[test]
fn a_cancel_is_sent_once_and_its_refusal_brings_the_order_back() {
    check(
        "> buy 10 @ 100
         order 1.1 new -> new 10 @ 100
         order 1.1 new -> pending 10 @ 100
         send-new 1.1 10 @ 100
         > cancel 1.1
         order 1.1 pending -> pending-cancel 10 @ 100
         send-cancel 1.1
         > cancel 1.1
         order 1.1 pending-cancel -> pending-cancel 10 @ 100
         anomaly 114 0 6
         > acked 1.1
         > cancel-rejected 1.1
         order 1.1 pending-cancel -> acked 10 @ 100
         > cancel 1.1 by 1
         order 1.1 acked -> acked 10 @ 100
         anomaly 116 1 0
         > cancel 1.1
         order 1.1 acked -> pending-cancel 10 @ 100
         send-cancel 1.1
         > fill 1.1 3 @ 100 cum 3 exec 1
         fill 1.1 3 @ 100
         fee 5 exec 1
         order 1.1 pending-cancel -> pending-cancel 7 @ 100
         > cancelled 1.1
         order 1.1 pending-cancel -> cancelled 0 @ 100
         > cancel-rejected 1.1
         > cancel 1.2
         anomaly 122 70 0",
    );
}

#[test]
fn while_a_replace_is_on_its_way_the_larger_quantity_counts() {
    check(
        "> sell 10 @ 100
         order 1.1 new -> new 10 @ 100
         order 1.1 new -> pending 10 @ 100
         send-new 1.1 10 @ 100
         > replace 1.1 20 @ 101
         order 1.1 pending -> pending 10 @ 100
         anomaly 115 1 2
         > acked 1.1
         order 1.1 pending -> acked 10 @ 100
         > replace 1.1 20 @ 101
         order 1.1 acked -> pending-replace 20 @ 100
         send-replace 1.1 20 @ 101
         > fill-of-sell 1.1 10 @ 100 cum 10 exec 1
         fill 1.1 10 @ 100
         fee 5 exec 1
         order 1.1 pending-replace -> pending-replace 10 @ 100
         > replaced 1.1 20 @ 101
         order 1.1 pending-replace -> partially-filled 10 @ 101
         > replace 1.1 10 @ 102
         order 1.1 partially-filled -> partially-filled 10 @ 101
         anomaly 117 10 10
         > replace 1.1 30 @ 102
         order 1.1 partially-filled -> pending-replace 20 @ 101
         send-replace 1.1 30 @ 102
         > fill-of-sell 1.1 10 @ 101 cum 20 exec 2
         fill 1.1 10 @ 101
         fee 5 exec 2
         order 1.1 pending-replace -> pending-replace 10 @ 101
         > replace-rejected 1.1
         order 1.1 pending-replace -> filled 0 @ 101
         > replaced 1.1 30 @ 102
         anomaly 109 9 5",
    );
}

#[test]
fn duplicates_are_dropped_and_late_over_and_strange_fills_are_booked() {
    check(
        "> buy 10 @ 100
         order 1.1 new -> new 10 @ 100
         order 1.1 new -> pending 10 @ 100
         send-new 1.1 10 @ 100
         > fill 1.1 4 @ 100 cum 4 exec 1
         fill 1.1 4 @ 100
         fee 5 exec 1
         order 1.1 pending -> partially-filled 6 @ 100
         > fill 1.1 4 @ 100 cum 4 exec 1
         anomaly 104 4 0
         > expired 1.1
         order 1.1 partially-filled -> expired 0 @ 100
         > fill 1.1 5 @ 100 cum 9 exec 2
         fill 1.1 5 @ 100 late
         fee 5 exec 2
         anomaly 107 5 0
         > fill 1.1 5 @ 100 cum 15 exec 3
         fill 1.1 5 @ 100 late
         fee 5 exec 3
         anomaly 107 5 0
         anomaly 105 14 10
         anomaly 106 15 14
         > fill 1.2 5 @ 100 cum 5 exec 4
         fill 1.2 5 @ 100 of nobody
         fee 5 exec 4
         anomaly 108 5 0
         > fill-of-sell 1.1 5 @ 100 cum 5 exec 5
         fill 1.1 5 @ 100 of nobody
         fee 5 exec 5
         anomaly 108 5 0
         > fill 1.1 0 @ 100 cum 5 exec 6
         anomaly 121 0 0",
    );
}

#[test]
fn an_over_fill_of_a_live_order_completes_it() {
    check(
        "> buy 10 @ 100
         order 1.1 new -> new 10 @ 100
         order 1.1 new -> pending 10 @ 100
         send-new 1.1 10 @ 100
         > fill 1.1 12 @ 100 cum 12 exec 1
         fill 1.1 12 @ 100
         fee 5 exec 1
         order 1.1 pending -> filled 0 @ 100
         anomaly 105 12 10",
    );
}

#[test]
fn half_a_fill_report_is_never_guessed_at() {
    check(
        "> buy 10 @ 100
         order 1.1 new -> new 10 @ 100
         order 1.1 new -> pending 10 @ 100
         send-new 1.1 10 @ 100
         > detail cum 4 exec 1
         anomaly 102 1 0
         > half 1.1 4 @ 100
         > acked 1.1
         order 1.1 pending -> acked 10 @ 100
         > save
         > detail cum 4 exec 1
         fill 1.1 4 @ 100
         fee 5 exec 1
         order 1.1 acked -> partially-filled 6 @ 100
         > half 1.1 1 @ 100
         > half 1.1 2 @ 100
         anomaly 103 1 0
         order 1.1 partially-filled -> unknown 6 @ 100
         send-query 1.1
         > detail cum 7 exec 3
         fill 1.1 2 @ 100
         fee 5 exec 3
         order 1.1 unknown -> unknown 4 @ 100
         anomaly 106 7 6
         > half 1.1 1 @ 100
         > session 2
         send-query 1.1
         > detail cum 7 exec 2
         anomaly 102 1 0",
    );
}

#[test]
fn a_new_session_asks_for_every_live_order_and_each_answer_settles_it() {
    check(
        "> buy 10 @ 100
         order 1.1 new -> new 10 @ 100
         order 1.1 new -> pending 10 @ 100
         send-new 1.1 10 @ 100
         > buy 20 @ 100
         order 1.2 new -> new 20 @ 100
         order 1.2 new -> pending 20 @ 100
         send-new 1.2 20 @ 100
         > fill 1.2 5 @ 100 cum 5 exec 1
         fill 1.2 5 @ 100
         fee 5 exec 1
         order 1.2 pending -> partially-filled 15 @ 100
         > cancel 1.2
         order 1.2 partially-filled -> pending-cancel 15 @ 100
         send-cancel 1.2
         > save
         > session 2
         order 1.1 pending -> unknown 10 @ 100
         send-query 1.1
         order 1.2 pending-cancel -> unknown 15 @ 100
         send-query 1.2
         > clock
         > clock
         send-query 1.1
         send-query 1.2
         > not-found 1.1
         order 1.1 unknown -> rejected 0 @ 100
         > acked 1.1
         send-cancel 1.1
         anomaly 111 2 8
         > working 1.2 6
         order 1.2 unknown -> pending-cancel 15 @ 100
         send-cancel 1.2
         anomaly 106 6 5
         > outcome-unknown 1.2
         order 1.2 pending-cancel -> unknown 15 @ 100
         send-query 1.2
         > not-found 1.2
         order 1.2 unknown -> cancelled 0 @ 100
         > buy 1 @ 100
         order 2.1 new -> new 1 @ 100
         order 2.1 new -> pending 1 @ 100
         send-new 2.1 1 @ 100
         > session 2
         anomaly 118 2 2
         order 2.1 pending -> unknown 1 @ 100
         send-query 2.1
         > buy 1 @ 100
         order 2.2 new -> new 1 @ 100
         order 2.2 new -> pending 1 @ 100
         send-new 2.2 1 @ 100",
    );
}

#[test]
fn an_order_whose_terms_nobody_knows_is_cancelled_as_soon_as_it_is_found() {
    check(
        "> buy 10 @ 100
         order 1.1 new -> new 10 @ 100
         order 1.1 new -> pending 10 @ 100
         send-new 1.1 10 @ 100
         > acked 1.1
         order 1.1 pending -> acked 10 @ 100
         > replace 1.1 15 @ 101
         order 1.1 acked -> pending-replace 15 @ 100
         send-replace 1.1 15 @ 101
         > outcome-unknown 1.1
         order 1.1 pending-replace -> unknown 15 @ 100
         send-query 1.1
         > working 1.1 0
         order 1.1 unknown -> pending-cancel 15 @ 100
         send-cancel 1.1",
    );
}

#[test]
fn what_dry_run_withholds_did_not_happen() {
    check(
        "> buy 10 @ 100
         order 1.1 new -> new 10 @ 100
         order 1.1 new -> pending 10 @ 100
         send-new 1.1 10 @ 100
         > withheld new 1.1
         order 1.1 pending -> rejected 0 @ 100
         > buy 10 @ 100
         order 1.2 new -> new 10 @ 100
         order 1.2 new -> pending 10 @ 100
         send-new 1.2 10 @ 100
         > acked 1.2
         order 1.2 pending -> acked 10 @ 100
         > replace 1.2 15 @ 101
         order 1.2 acked -> pending-replace 15 @ 100
         send-replace 1.2 15 @ 101
         > withheld replace 1.2
         order 1.2 pending-replace -> acked 10 @ 100
         > cancel 1.2
         order 1.2 acked -> pending-cancel 10 @ 100
         send-cancel 1.2
         > withheld cancel 1.2
         order 1.2 pending-cancel -> acked 10 @ 100
         > outcome-unknown 1.2
         order 1.2 acked -> unknown 10 @ 100
         send-query 1.2
         > withheld query 1.2
         > withheld new 1.3
         anomaly 100 77 0",
    );
}

#[test]
fn a_halt_cancels_everything_once_and_an_operator_may_ask_again() {
    check(
        "> buy 1 @ 100
         order 1.1 new -> new 1 @ 100
         order 1.1 new -> pending 1 @ 100
         send-new 1.1 1 @ 100
         > sell 1 @ 101
         order 1.2 new -> new 1 @ 101
         order 1.2 new -> pending 1 @ 101
         send-new 1.2 1 @ 101
         > disable 1
         > reducing
         > cancel 1.1
         order 1.1 pending -> pending-cancel 1 @ 100
         send-cancel 1.1
         > disable 0
         order 1.2 pending -> pending-cancel 1 @ 101
         send-cancel 1.2
         > halted
         > cancel-all
         send-cancel 1.1
         send-cancel 1.2",
    );
}

#[test]
fn a_full_table_rejects_and_a_slot_is_reused_once_its_order_is_over() {
    let mut bench = Bench::new();
    bench.input("session 1");
    for _ in 0..4 {
        bench.input("buy 1 @ 100");
    }
    let said = bench.input("buy 2 @ 100");
    assert_eq!(
        said,
        "order 1.5 new -> new 2 @ 100\norder 1.5 new -> rejected 0 @ 100\nanomaly 112 4 4\n"
    );
    bench.input("cancelled 1.3");
    // 1.6 would stand in the slot of 1.2, which is live; 1.7 may stand in the slot of 1.3.
    assert!(bench.input("buy 1 @ 100").ends_with("send-new 1.7 1 @ 100\n"));
    assert!(bench.input("fill 1.3 1 @ 100 cum 1 exec 1").contains("of nobody"));
    assert_eq!(bench.oms.open_count(), 4);
    assert_eq!(bench.oms.open_orders().count(), 4);
}

#[test]
fn the_last_counter_is_never_given_twice() {
    let mut bench = Bench::new();
    bench.oms.counter = ids::COUNTER_MAX - 1;
    assert!(bench.input("buy 1 @ 1").contains(&format!("send-new 0.{}", ids::COUNTER_MAX)));
    let said = bench.input("buy 1 @ 1");
    assert!(said.contains("new -> rejected"), "{said}");
    assert!(said.contains("anomaly 119"), "{said}");
}

/// Inputs that bring order 1.1 (10 @ 100) into each state; a new order is never at rest.
const WAYS: [(OrderState, &[&str]); 10] = [
    (OrderState::Pending, &[]),
    (OrderState::Acked, &["acked 1.1"]),
    (OrderState::PartiallyFilled, &["fill 1.1 4 @ 100 cum 4 exec 1"]),
    (OrderState::Filled, &["fill 1.1 10 @ 100 cum 10 exec 1"]),
    (OrderState::PendingCancel, &["acked 1.1", "cancel 1.1"]),
    (OrderState::Cancelled, &["acked 1.1", "cancelled 1.1"]),
    (OrderState::Rejected, &["rejected 1.1"]),
    (OrderState::Expired, &["acked 1.1", "expired 1.1"]),
    (OrderState::Unknown, &["acked 1.1", "outcome-unknown 1.1"]),
    (OrderState::PendingReplace, &["acked 1.1", "replace 1.1 20 @ 101"]),
];

#[rustfmt::skip]
const MATRIX: [(&str, [&str; 10]); 12] = [
    // from state                        pend  ackd  part  fill  pcan  canc  rejc  expr  unkn  prep
    ("acked 1.1",                     ["ackd", "=", "=", "=",    "=",    "=",    "=!",  "=",    "ackd", "="]),
    ("rejected 1.1",                  ["rejc", "unkn!", "unkn!", "=!", "unkn!", "=!", "=", "=!", "canc", "unkn!"]),
    ("fill 1.1 1 @ 100 cum 99 exec 7",["part!", "part!", "=!", "=!", "=!",   "=!",   "=!",  "=!",   "=!",  "=!"]),
    ("fill 1.1 20 @ 100 cum 99 exec 8",["fill!", "fill!", "fill!", "=!", "fill!", "=!", "=!", "=!", "fill!", "fill!"]),
    ("cancelled 1.1",                 ["canc", "canc", "canc", "=!", "canc", "=",    "=!",  "=",    "canc", "canc"]),
    ("expired 1.1",                   ["expr", "expr", "expr", "=!", "expr", "=",    "=!",  "=",    "expr", "expr"]),
    ("cancel-rejected 1.1",           ["=!",   "=!",   "=!",   "=",  "ackd", "=",    "=",   "=",    "=",    "=!"]),
    ("replaced 1.1 20 @ 101",         ["ackd!", "=!",  "=!",   "=!", "=!",   "=!",   "=!",  "=!",   "ackd!", "ackd"]),
    ("replace-rejected 1.1",          ["=!",   "=!",   "=!",   "=",  "=",    "=",    "=",   "=",    "=",    "ackd"]),
    ("not-found 1.1",                 ["=!",   "=!",   "=!",   "=",  "=!",   "=",    "=",   "=",    "canc", "=!"]),
    ("working 1.1 0",                 ["ackd", "=",    "=!",   "=",  "=",    "=!",   "=!",  "=!",   "ackd", "="]),
    ("outcome-unknown 1.1",           ["unkn", "unkn", "unkn", "=",  "unkn", "=",    "=",   "=",    "=",    "unkn"]),
];

/// Written from the venues' point of view, without a look at the table: `!` is an anomaly.
#[test]
fn every_report_in_every_state_does_what_the_matrix_says() {
    let short = |state: OrderState| match state {
        OrderState::New => "new",
        OrderState::Pending => "pend",
        OrderState::Acked => "ackd",
        OrderState::PartiallyFilled => "part",
        OrderState::Filled => "fill",
        OrderState::PendingCancel => "pcan",
        OrderState::Cancelled => "canc",
        OrderState::Rejected => "rejc",
        OrderState::Expired => "expr",
        OrderState::Unknown => "unkn",
        OrderState::PendingReplace => "prep",
    };
    for (input, row) in MATRIX {
        for ((state, way), wanted) in WAYS.iter().zip(row) {
            let mut bench = Bench::new();
            bench.input("session 1");
            bench.input("buy 10 @ 100");
            for line in *way {
                bench.input(line);
            }
            assert_eq!(bench.state("1.1"), *state, "the way is wrong");
            let said = bench.input(input);
            let now = bench.state("1.1");
            let mut got = if now == *state { "=" } else { short(now) }.to_string();
            if said.contains("anomaly") {
                got.push('!');
            }
            assert_eq!(got, wanted, "{input} in {}:\n{said}", state.name());
            assert_eq!(said.contains("send-query"), now == OrderState::Unknown && now != *state);
            let books = said.contains("fill 1.1");
            assert_eq!(books, input.starts_with("fill"), "a fill is always booked");
            assert_eq!(said.contains(" late"), books && state.is_terminal());
        }
    }
}

/// The process dies after every step; the venue's answer must settle what was open.
#[test]
fn a_crash_at_each_step_of_a_life_is_settled_by_the_answers() {
    let life = [
        "buy 10 @ 100",
        "acked 1.1",
        "fill 1.1 2 @ 100 cum 2 exec 1",
        "half 1.1 1 @ 100",
        "detail cum 3 exec 2",
        "replace 1.1 20 @ 101",
        "replaced 1.1 20 @ 101",
        "outcome-unknown 1.1",
        "working 1.1 3",
        "cancel 1.1",
        "fill 1.1 4 @ 101 cum 7 exec 3",
        "cancelled 1.1",
    ];
    // What the venue says of the order after the crash, and where that must lead.
    let answers: [(&[&str], &[OrderState]); 5] = [
        (&["not-found 1.1"], &[OrderState::Rejected, OrderState::Cancelled]),
        (&["cancelled 1.1"], &[OrderState::Cancelled]),
        (&["expired 1.1"], &[OrderState::Expired]),
        (&["fill 1.1 30 @ 100 cum 30 exec 99"], &[OrderState::Filled]),
        (&["working 1.1 3", "cancel-all", "cancelled 1.1"], &[OrderState::Cancelled]),
    ];
    for steps in 1..=life.len() {
        for (answer, wanted) in answers {
            let mut bench = Bench::new();
            bench.input("session 1");
            for line in &life[..steps] {
                bench.input(line);
            }
            let was_over = bench.state("1.1").is_terminal();
            let filled = bench.oms.order(id_of("1.1")).unwrap().filled;
            bench.input("save");
            let said = bench.input("session 2");
            assert_eq!(said.contains("send-query 1.1"), !was_over, "after {steps} steps");
            for line in answer {
                bench.input(line);
            }
            let order = *bench.oms.order(id_of("1.1")).unwrap();
            assert!(filled <= order.filled);
            assert_eq!((order.is_live(), order.leaves()), (false, 0), "after {steps} steps");
            assert!(was_over || wanted.contains(&order.state), "{steps} steps: {order:?}");
            assert_eq!(bench.oms.open_count(), 0);
        }
    }
}

#[test]
fn damaged_snapshots_are_refused_or_harmless_but_never_a_panic() {
    let mut bench = Bench::new();
    for line in ["session 1", "buy 10 @ 100", "acked 1.1", "replace 1.1 20 @ 101", "sell 1 @ 100"] {
        bench.input(line);
    }
    bench.input("half 1.1 4 @ 100");
    let bytes = saved(&bench.oms);
    let mut refused_count = 0;
    for length in 0..bytes.len() {
        let mut oms = Oms::new(config());
        let mut loader = Loader::new(&bytes[..length]);
        assert!(oms.load(&mut loader).is_err(), "length {length}");
    }
    for index in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[index] ^= 0x81;
        let mut bench = Bench::new();
        let mut loader = Loader::new(&damaged);
        if bench.oms.load(&mut loader).is_err() {
            refused_count += 1;
            continue;
        }
        for line in ["acked 1.1", "buy 1 @ 1", "session 2", "fill 1.1 9 @ 1 cum 9 exec 4"] {
            bench.input(line);
        }
    }
    assert!(50 < refused_count, "only {refused_count} of {} were noticed", bytes.len());
}
