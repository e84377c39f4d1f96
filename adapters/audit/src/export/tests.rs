//! An export tells who did what, when and why; it is whole or not there; every change of it is seen.

use std::collections::BTreeMap;

use engine::control::ALERT_HOLD_TIME;
use engine::event::{
    AnswerCode, BreakerState, CommandCode, Event, Kind, Mode, NO_STRATEGY, OrderState, OrderTerms,
    ReportCode, Scope, TextTopic, TripReason, flags, order, session,
};
use engine::risk::{LimitKey, Rule, UNLIMITED};
use serde_json::Value;

use super::names::Names;
use super::rows::{self, Around};
use super::sink::Cell;
use super::sink::tests::set_room;
use super::*;
use crate::key::KEY_FILE;
use crate::report::code;
use crate::rig::{Rig, START_NS, Session, instrument};

/// Appends events as they come; decisions name the place of what caused them, counted back from themselves.
struct Pen<'a> {
    session: &'a mut Session,
    now_ns: u64,
}

impl Pen<'_> {
    fn write(&mut self, mut event: Event, back: u64) -> u64 {
        let sequence = self.session.writer.next_sequence();
        event.cause = if back == 0 { 0 } else { sequence - back };
        self.now_ns += 1;
        self.session.append(&event, self.now_ns);
        sequence
    }
}

fn event(kind: Kind, price: i64, quantity: i64) -> Event {
    let mut event = Event::new(kind);
    (event.instrument, event.price, event.quantity, event.flags) =
        (0, price, quantity, flags::LAST);
    event
}

const ORDER_ID: u64 = 0x0100_0010_0000_0001;

/// An operator trips the breaker, and is answered.
fn operate(pen: &mut Pen<'_>) {
    let said = r#"{"command":501,"actor":"ann, \"risk\"","uid":1001,"role":"risk","verb":"trip","reason":"=odd fills","arguments":{"scope":"all"}}"#;
    for event in session::text(TextTopic::Command, said) {
        pen.write(event, 0);
    }
    let mut command = session::command(CommandCode::Trip, Scope::All.tag());
    (command.id, command.source) = (501, 1);
    pen.write(command, 0);
    let mut breaker = Event::new(Kind::BREAKER);
    breaker.code = BreakerState::Safe.code() | (BreakerState::Normal.code() << 8);
    (breaker.source, breaker.tag, breaker.id) = (TripReason::Operator.code(), Scope::All.tag(), 3);
    pen.write(breaker, 1);
    let mut answer = Event::new(Kind::ANSWER);
    (answer.code, answer.id) = (CommandCode::Trip as u16, 501);
    answer.price = i64::from(AnswerCode::Done.code());
    pen.write(answer, 2);
}

/// A market event, an order that fills, one that is refused, an operator who trips and a kill that closes.
fn write_session(rig: &mut Rig, with_verdict: bool) -> u64 {
    let mut session = rig.start(1, "[audit]\n");
    let mut pen = Pen { session: &mut session, now_ns: rig.now_ns };
    for event in session::text(TextTopic::Config, "[audit]\n") {
        pen.write(event, 0);
    }
    for event in instrument().to_events(0) {
        pen.write(event, 0);
    }
    pen.write(session::session_start(2, Mode::Paper), 0);
    let mut trade = event(Kind::TRADE, 6_000_000, 1_500);
    trade.flags |= flags::SELL;
    pen.write(trade, 0);
    let of = |mut event: Event, code: u16| {
        (event.source, event.code, event.tag) = (0, code, 9);
        event
    };
    let gtc = OrderTerms::LIMIT_GTC.code();
    pen.write(of(event(Kind::SIGNAL, 5, 6), 1), 1);
    pen.write(of(event(Kind::INTENT, 6_000_010, 250), gtc), 2);
    if with_verdict {
        pen.write(of(event(Kind::APPROVED, 6_000_010, 250), gtc), 1);
    }
    let order = |state: OrderState, before: OrderState, leaves: i64| {
        let code = u16::from(state.code()) | (u16::from(before.code()) << 8);
        let mut event = of(event(Kind::ORDER, 6_000_010, leaves), code);
        event.id = ORDER_ID;
        event
    };
    let birth = pen.write(order(OrderState::New, OrderState::New, 250), 1);
    let told = order::Execution {
        order_id: ORDER_ID,
        side: engine::event::Side::Buy,
        price: 6_000_010,
        quantity: 250,
        cumulative_quantity: 250,
        fee_e8: 1_500_000,
        execution_id: 77,
        maker: true,
    };
    for report in order::fill_report(0, &told) {
        pen.write(report, 0);
    }
    let mut fill = of(event(Kind::FILL, 6_000_010, 250), 0);
    (fill.id, fill.flags) = (ORDER_ID, flags::LAST | flags::MAKER);
    pen.write(fill, 1);
    pen.write(order(OrderState::Filled, OrderState::New, 0), 2);
    // A second wish, a child of a parent, is refused.
    pen.write(event(Kind::TRADE, 5_900_000, 10), 0);
    let of_parent = |event: Event| Event { id: 7, ..event };
    pen.write(of_parent(of(event(Kind::PARENT, 0, 2_000), 0)), 1);
    pen.write(of_parent(of(event(Kind::INTENT, 6_500_000, 1_000), gtc)), 2);
    let rule = Rule::OffTick;
    pen.write(of(event(Kind::REFUSED, 6_500_000, 6_100_000), rule as u16), 1);
    operate(&mut pen);
    let mut report = order::report(0, ORDER_ID, ReportCode::Expired, 0);
    report.price = 1;
    pen.write(report, 0);
    pen.write(session::session_end(2), 0);
    rig.now_ns = pen.now_ns;
    rig.end(session);
    birth
}

fn strategies(_config: &str) -> Vec<String> {
    vec!["maker".to_string()]
}

struct Made {
    rig: Rig,
    out: PathBuf,
    done: Exported,
    birth: u64,
}

fn options<'a>(
    rig: &'a (PathBuf, PathBuf),
    out: &'a Path,
    key: Option<&'a SigningKey>,
) -> ExportOptions<'a> {
    ExportOptions {
        journal_dir: &rig.0,
        audit_dir: &rig.1,
        out,
        from: 1,
        to: u64::MAX,
        format: Format::Both,
        size_bytes_max: u64::MAX,
        key,
        version: "test",
        now_ns: START_NS,
    }
}

fn made(with_verdict: bool) -> Made {
    let mut rig = Rig::new();
    let birth = write_session(&mut rig, with_verdict);
    rig.is_good();
    let reader = journal::Reader::open(&rig.journal()).unwrap();
    let key = SigningKey::read(&rig.audit().join(KEY_FILE)).unwrap();
    let out = rig.dir.path().join("out");
    let places = (rig.journal(), rig.audit());
    let done = export(&reader, &options(&places, &out, Some(&key)), &strategies).unwrap();
    Made { rig, out, done, birth }
}

fn rows(made: &Made, table: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(made.out.join(format!("{table}.jsonl"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_kind<'a>(rows: &'a [Value], kind: &str) -> Vec<&'a Value> {
    rows.iter().filter(|row| row["kind"] == kind).collect()
}

#[test]
fn a_decision_has_its_words_amounts_and_causes() {
    let made = made(true);
    let all = rows(&made, "decisions");
    let intent = of_kind(&all, "intent")[0];
    assert_eq!(intent["actor"], "maker");
    assert_eq!(intent["instrument"], "BTCUSD");
    assert_eq!((&intent["price"], &intent["quantity"]), (&"60000.1".into(), &"0.25".into()));
    assert_eq!((&intent["side"], &intent["terms"]), (&"buy".into(), &"limit gtc".into()));
    assert_eq!(intent["input"], "trade BTCUSD sell 1.5 @ 60000");
    let birth = of_kind(&all, "order")[0];
    assert_eq!(birth["sequence"], made.birth);
    assert_eq!(birth["order_id"], "0100001000000001");
    let causes: Vec<u64> =
        (1..=4).map(|back| made.birth - back).filter(|it| *it != made.birth - 3).collect();
    assert_eq!(birth["causes"], serde_json::json!(causes));
    assert_eq!(birth["time"], crate::calendar::format_time(birth["time_ns"].as_u64().unwrap()));
    let fill = of_kind(&all, "fill")[0];
    assert_eq!((&fill["note"], &fill["quantity"]), (&"maker".into(), &"0.25".into()));
    let refused = of_kind(&all, "refused")[0];
    assert_eq!(refused["rule"], "off-tick");
    assert_eq!((&refused["measured"], &refused["limit"]), (&"65000".into(), &"61000".into()));
    assert_eq!(
        (&refused["price"], &refused["quantity"]),
        (&"65000".into(), &"1".into()),
        "what was wanted"
    );
    let parent = of_kind(&all, "parent")[0];
    assert_eq!((&parent["note"], &parent["quantity"]), (&"parent 7".into(), &"2".into()));
    assert_eq!((&parent["side"], &parent["actor"]), (&"buy".into(), &"maker".into()));
    let notes: Vec<&Value> = of_kind(&all, "intent").iter().map(|row| &row["note"]).collect();
    assert_eq!(notes, [&Value::Null, &"parent 7".into()]);
    let detail = of_kind(&all, "report-detail")[0];
    assert_eq!((&detail["money"], &detail["execution_id"]), (&"0.015".into(), &77.into()));
    assert_eq!(of_kind(&all, "report")[0]["actor"], "venue");
}

#[test]
fn a_command_has_its_person_reason_and_answer_and_what_it_did_names_them() {
    let made = made(true);
    let commands = rows(&made, "commands");
    assert_eq!(commands.len(), 2);
    let command = &commands[0];
    assert_eq!(command["actor"], "ann, \"risk\"");
    assert_eq!((&command["uid"], &command["role"]), (&1001.into(), &"risk".into()));
    assert_eq!((&command["command"], &command["number"]), (&"trip".into(), &501.into()));
    assert_eq!(
        (&command["reason"], &command["arguments"]),
        (&"=odd fills".into(), &"{\"scope\":\"all\"}".into())
    );
    assert_eq!(commands[1]["answer"], "done");
    assert_eq!(commands[1]["number"], 501);
    let controls = rows(&made, "controls");
    let breaker = of_kind(&controls, "breaker")[0];
    assert_eq!(breaker["actor"], "operator ann, \"risk\"");
    assert_eq!((&breaker["state"], &breaker["state_before"]), (&"SAFE".into(), &"NORMAL".into()));
    assert_eq!((&breaker["scope"], &breaker["reason"]), (&"all".into(), &"operator".into()));
    assert_eq!(breaker["code"], TripReason::Operator.code());
    // In a spreadsheet the reason is a text and no formula.
    let csv = std::fs::read_to_string(made.out.join("commands.csv")).unwrap();
    assert!(csv.contains(",'=odd fills,"), "{csv}");
    assert!(csv.contains("\"ann, \"\"risk\"\"\""), "{csv}");
}

#[test]
fn a_trip_a_limit_and_an_alert_have_words_and_units_beside_their_numbers() {
    let names = Names { strategies: vec!["maker".to_string()], ..Names::default() };
    let row = |event: &Event| {
        let cells = rows::control(event, &names, &Around::default());
        let columns = rows::CONTROLS.1.iter().zip(cells);
        let text = |cell: Cell| match cell {
            Cell::Text(text) => text,
            Cell::Number(number) => number.to_string(),
            Cell::Numbers(numbers) => format!("{numbers:?}"),
            Cell::Empty => String::new(),
        };
        columns.map(|(name, cell)| (*name, text(cell))).collect::<BTreeMap<_, _>>()
    };
    let check = |event: &Event, expected: &[(&str, &str)]| {
        let row = row(event);
        for (column, value) in expected {
            assert_eq!(row[column], *value, "{column} of {row:?}");
        }
    };
    let trip = |reason: TripReason, price, quantity| {
        let mut event = Event::new(Kind::BREAKER);
        event.code = BreakerState::Safe.code() | (BreakerState::Normal.code() << 8);
        (event.source, event.tag, event.id) = (reason.code(), Scope::Strategy(0).tag(), 3);
        (event.price, event.quantity) = (price, quantity);
        event
    };
    let loss = trip(TripReason::LossDaily, 50_050_000_000, 50_000_000_000);
    check(
        &loss,
        &[
            ("scope", "strategy maker"),
            ("state", "SAFE"),
            ("state_before", "NORMAL"),
            ("reason", "loss-daily"),
            ("code", "2"),
            ("measured", "500.5"),
            ("limit", "500"),
            ("unit", "money"),
            ("number", "3"),
        ],
    );
    let held = trip(TripReason::HoldTime, 60_000_000_001, 60_000_000_000);
    check(&held, &[("measured", "60000000001"), ("limit", "60000000000"), ("unit", "ns")]);
    check(&trip(TripReason::RejectRate, 20, 20), &[("measured", "20"), ("unit", "count")]);
    check(&trip(TripReason::Operator, 0, 0), &[("measured", ""), ("limit", ""), ("unit", "")]);

    let mut limit = Event::new(Kind::LIMIT);
    (limit.code, limit.id, limit.source) = (LimitKey::LossDaily.code(), 9, NO_STRATEGY);
    (limit.price, limit.quantity) = (50_000_000_000, 40_000_000_000);
    check(
        &limit,
        &[
            ("name", "loss_daily_max"),
            ("code", "22"),
            ("state_before", "500"),
            ("state", "400"),
            ("unit", "money"),
            ("number", "9"),
        ],
    );
    limit.code = LimitKey::StrategyOrdersOpen.code();
    (limit.price, limit.quantity, limit.source) = (UNLIMITED, 16, 0);
    check(&limit, &[("state_before", "unlimited"), ("state", "16"), ("strategy", "maker")]);
    limit.code = 999;
    check(&limit, &[("name", "limit 999"), ("code", "999"), ("unit", "count")]);

    let mut alert = Event::new(Kind::ALERT);
    (alert.code, alert.source, alert.tag) = (ALERT_HOLD_TIME, 0, 100);
    (alert.price, alert.quantity) = (60_000_000_001, 60_000_000_000);
    check(&alert, &[("name", "hold-time"), ("unit", "ns"), ("note", "100 percent of the limit")]);
    (alert.code, alert.tag) = (Rule::GrossNotional.code(), 0);
    check(&alert, &[("name", "gross-notional"), ("unit", "money"), ("note", "soft limit passed")]);
}

#[test]
fn both_forms_have_the_same_rows_and_the_manifest_counts_them() {
    let made = made(true);
    let text = std::fs::read_to_string(made.out.join(MANIFEST_FILE)).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(manifest["first_sequence"], 1);
    assert_eq!(manifest["last_sequence"], made.done.range.1);
    assert_eq!(manifest["checkpoint"]["sequence"], made.done.range.1);
    let by_kind = manifest["records_by_kind"].as_object().unwrap();
    let sum: u64 = by_kind.values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(sum, made.done.range.1, "every record is counted once");
    for (table, count) in &made.done.rows {
        let json = rows(&made, table);
        assert_eq!(u64::try_from(json.len()).unwrap(), *count, "{table}");
        if *table != "sessions" {
            let csv = std::fs::read_to_string(made.out.join(format!("{table}.csv"))).unwrap();
            assert_eq!(csv.lines().count(), json.len() + 1, "{table}");
            for (line, row) in csv.lines().skip(1).zip(&json) {
                assert_eq!(line.split(',').next().unwrap(), row["sequence"].to_string());
            }
        }
    }
    assert_eq!(rows(&made, "sessions").len(), 2);
    assert_eq!(rows(&made, "sessions")[1]["ended"], "in order");
    assert_eq!(rows(&made, "sessions")[0]["ended"], "cut off");
}

#[test]
fn an_order_without_a_verdict_and_a_command_without_an_answer_are_counted() {
    let whole = made(true);
    assert!(whole.done.complete.is_complete());
    assert_eq!((whole.done.complete.orders, whole.done.complete.commands_without_answer), (1, 0));
    let broken = made(false);
    assert!(!broken.done.complete.is_complete());
    assert_eq!(broken.done.complete.orders_without_decision, 1);
    assert_eq!(broken.done.complete.samples, [broken.birth]);
    let report = verify_export(&broken.out, None).unwrap();
    assert!(report.damage.is_empty() && !report.complete);
}

#[test]
fn a_part_of_a_journal_has_its_names_and_causes_too() {
    let made = made(true);
    let reader = journal::Reader::open(&made.rig.journal()).unwrap();
    let places = (made.rig.journal(), made.rig.audit());
    let out = made.rig.dir.path().join("part");
    let part = ExportOptions { from: made.birth, to: made.birth, ..options(&places, &out, None) };
    let done = export(&reader, &part, &strategies).unwrap();
    assert_eq!(done.rows, [("decisions", 1), ("controls", 0), ("commands", 0), ("sessions", 1)]);
    assert!(!done.signed && done.complete.is_complete());
    let text = std::fs::read_to_string(out.join("decisions.jsonl")).unwrap();
    let whole = std::fs::read_to_string(made.out.join("decisions.jsonl")).unwrap();
    assert!(whole.contains(&text), "{text}");
    let beyond = ExportOptions { from: done.range.1 + 1000, ..options(&places, &out, None) };
    assert!(matches!(export(&reader, &beyond, &strategies), Err(ExportError::Empty { .. })));
    // By time.
    let event: &Event = bytemuck::cast_ref(reader.get(made.birth).unwrap());
    assert_eq!(sequence_at(&reader, event.time_ns), made.birth);
    assert_eq!(sequence_at(&reader, event.time_ns + 1), made.birth + 1);
    assert_eq!(sequence_at(&reader, 0), 1);
    assert_eq!(sequence_at(&reader, u64::MAX), reader.last_sequence() + 1);
}

#[test]
fn a_full_disk_at_any_byte_leaves_nothing_and_says_so() {
    let made = made(true);
    let reader = journal::Reader::open(&made.rig.journal()).unwrap();
    let places = (made.rig.journal(), made.rig.audit());
    let out = made.rig.dir.path().join("full");
    let size = usize::try_from(made.done.bytes).unwrap();
    for room in (0..size).step_by(97) {
        set_room(Some(room));
        let outcome = export(&reader, &options(&places, &out, None), &strategies);
        set_room(None);
        let text = outcome.unwrap_err().to_string();
        assert!(text.contains("nothing was exported") && text.contains("No space left"), "{text}");
        let left = std::fs::read_dir(made.rig.dir.path()).unwrap();
        let names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert!(!names.iter().any(|name| name.to_string_lossy().contains("full")), "{names:?}");
    }
    let small = ExportOptions { size_bytes_max: 1000, ..options(&places, &out, None) };
    assert!(matches!(export(&reader, &small, &strategies), Err(ExportError::TooLarge { .. })));
    assert!(!out.exists());
    // What is there is never overwritten.
    let twice = options(&places, &made.out, None);
    assert!(matches!(export(&reader, &twice, &strategies), Err(ExportError::Exists(_))));
}

#[test]
fn every_change_of_an_export_is_seen() {
    let made = made(true);
    let found = |what: &str| {
        let report = verify_export(&made.out, None).unwrap();
        let codes: Vec<&str> = report.damage.iter().map(|one| one.what).collect();
        assert!(!codes.is_empty(), "{what}");
        codes
    };
    assert!(verify_export(&made.out, None).unwrap().damage.is_empty());
    let mut paths: Vec<_> =
        std::fs::read_dir(&made.out).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert_eq!(paths.len(), 10);
    for path in &paths {
        let bytes = std::fs::read(path).unwrap();
        let step = if bytes.len() < 8_192 { 1 } else { 13 };
        for at in (0..bytes.len()).step_by(step) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            std::fs::write(path, changed).unwrap();
            found(&format!("{} byte {at}", path.display()));
        }
        std::fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
        found(&format!("{} is short", path.display()));
        std::fs::remove_file(path).unwrap();
        if path.ends_with(MANIFEST_FILE) {
            assert!(verify_export(&made.out, None).is_err());
        } else {
            found(&format!("{} is gone", path.display()));
        }
        std::fs::write(path, &bytes).unwrap();
    }
    let stranger = made.out.join("more.csv");
    std::fs::write(&stranger, "x").unwrap();
    assert_eq!(found("a stranger"), [code::EXPORT_STRANGER]);
    std::fs::remove_file(&stranger).unwrap();
    let other = SigningKey::create(&made.rig.dir.path().join("other")).unwrap();
    let public = made.rig.dir.path().join("other.pem");
    std::fs::write(&public, other.public().to_pem()).unwrap();
    let report = verify_export(&made.out, Some(&public)).unwrap();
    assert_eq!(report.damage[0].what, code::KEY_UNTRUSTED);
    let own = made.rig.audit().join(crate::key::PUBLIC_KEY_FILE);
    assert!(verify_export(&made.out, Some(&own)).unwrap().damage.is_empty());
}

#[test]
fn a_manifest_that_names_files_elsewhere_opens_none_of_them() {
    let made = made(true);
    let path = made.out.join(MANIFEST_FILE);
    let text = std::fs::read_to_string(&path).unwrap();
    for name in ["../journal/chain.twc", "/dev/zero", "..", "."] {
        std::fs::write(&path, text.replace("decisions.csv", name)).unwrap();
        let report = verify_export(&made.out, None).unwrap();
        let refused = |one: &crate::report::Finding| one.detail.contains("not the name of a file");
        assert!(report.damage.iter().any(refused), "{name}: {:?}", report.damage);
    }
}
