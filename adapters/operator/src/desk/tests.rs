//! The desk beside a core that is played by the test: who may, what is published, what is told.

use engine::event::session::text_chunk;
use engine::event::{CommandCode, TextTopic, flags};
use engine::risk::Rule;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::command::tests::view;
use crate::protocol::Key;
use crate::role::Role;
use crate::roster::hash_of_key;

const UID: u32 = 1000;
const TICKET: Ticket = Ticket(7);
const NOW_NS: u64 = 1_800_000_000_000_000_000;

#[derive(Default)]
struct Core {
    runs: Vec<Vec<Event>>,
    replies: Vec<(Ticket, Reply)>,
    told: Vec<String>,
    is_full: bool,
}

impl Edge for Core {
    fn publish(&mut self, run: &[Event]) -> bool {
        if !self.is_full {
            self.runs.push(run.to_vec());
        }
        !self.is_full
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply) {
        self.replies.push((ticket, reply.clone()));
    }

    fn stats(&mut self) -> Option<Snapshot> {
        None
    }

    fn tell(&mut self, text: &str) {
        self.told.push(text.to_string());
    }
}

impl Core {
    /// The JSON object of a run's text.
    fn said(&self, run: usize) -> Value {
        let bytes: Vec<u8> = self.runs[run]
            .iter()
            .filter(|event| event.kind == Kind::TEXT)
            .flat_map(|event| {
                assert_eq!(event.code, TextTopic::Command as u16);
                text_chunk(event).to_vec()
            })
            .collect();
        serde_json::from_slice(&bytes).unwrap()
    }

    fn last(&self) -> &Reply {
        &self.replies.last().expect("a reply").1
    }
}

fn operator(number: u16, name: &str, role: Role, key: Option<&str>) -> Operator {
    let (name, key_hash) = (name.to_string(), key.map(hash_of_key));
    Operator { number, name, role, uid: Some(UID), key_hash }
}

fn desk() -> Desk {
    let roster = Roster::new(vec![
        operator(1, "ann", Role::Admin, None),
        operator(2, "bob", Role::Risk, Some("bob")),
        operator(3, "cy", Role::Trade, Some("cy")),
        operator(4, "dee", Role::View, Some("dee")),
    ]);
    Desk::new(roster.unwrap(), view())
}

fn request(verb: Verb, who: &str, arguments: Value) -> Request {
    let arguments = serde_json::from_value(arguments).unwrap();
    let mut request = Request::new(verb, arguments);
    if who != "ann" {
        request.operator = Some(who.to_string());
        request.key = Some(Key(who.to_string()));
    }
    request.reason = "because".to_string();
    request
}

fn ask(desk: &mut Desk, core: &mut Core, request: &Request) {
    let line = request.to_line();
    desk.on_line((TICKET, Peer { uid: UID, pid: 1 }), &line[..line.len() - 1], NOW_NS, core);
}

/// The last run and what the core decides, as the journal has them; an inbound record ends the cascade.
fn journal(desk: &mut Desk, core: &mut Core, decisions: &[Event]) {
    let inbound = core.runs.last().cloned().unwrap_or_default();
    for event in inbound.iter().chain(decisions) {
        desk.on_record(event, NOW_NS, core);
    }
}

fn clock(desk: &mut Desk, core: &mut Core) {
    desk.on_record(&engine::event::session::clock().at(NOW_NS), NOW_NS, core);
}

fn number(core: &Core) -> u64 {
    core.runs.last().and_then(|run| run.last()).expect("a command").id
}

fn answer(command: CommandCode, code: AnswerCode, number: u64) -> Event {
    let mut event = Event::new(Kind::ANSWER);
    event.code = command as u16;
    event.price = i64::from(code.code());
    event.id = number;
    event
}

fn kill(phase: KillPhase, cancelled: i64, left: i64) -> Event {
    let mut event = Event::new(Kind::KILL).at(NOW_NS);
    event.code = phase.code();
    (event.price, event.quantity, event.id) = (cancelled, left, 5_000);
    event
}

#[test]
fn a_command_is_one_run_with_who_and_why_before_it() {
    let (mut desk, mut core) = (desk(), Core::default());
    ask(&mut desk, &mut core, &request(Verb::Disable, "cy", json!({"strategy": "taker"})));
    let run = &core.runs[0];
    let command = run.last().unwrap();
    assert_eq!((command.kind, command.source, command.tag), (Kind::COMMAND, 3, 1));
    assert_eq!((command.id, command.time_ns), (NOW_NS, NOW_NS));
    assert!(run[..run.len() - 1].iter().all(|event| event.kind == Kind::TEXT));
    assert_eq!(
        core.said(0),
        json!({
            "command": NOW_NS, "actor": "cy", "uid": UID, "role": "trade", "verb": "disable",
            "reason": "because", "arguments": {"strategy": "taker"},
        })
    );
    assert!(core.replies.is_empty(), "the core has not answered yet");
    ask(&mut desk, &mut core, &request(Verb::Alive, "cy", json!({})));
    assert_eq!(number(&core), NOW_NS + 1, "numbers rise though the clock stands still");
}

#[test]
fn the_reply_comes_when_the_cascade_of_the_answer_is_over() {
    let (mut desk, mut core) = (desk(), Core::default());
    ask(&mut desk, &mut core, &request(Verb::Disable, "ann", json!({"strategy": "taker"})));
    let done = answer(CommandCode::StrategyDisable, AnswerCode::Done, number(&core));
    journal(&mut desk, &mut core, &[done]);
    assert!(core.replies.is_empty());
    clock(&mut desk, &mut core);
    assert_eq!((core.last().outcome, core.last().command), (Outcome::Done, Some(NOW_NS)));
    assert_eq!(core.replies[0].0, TICKET);
    assert!(!desk.is_waiting());
}

#[test]
fn a_silent_journal_does_not_keep_a_reply_back() {
    let (mut desk, mut core) = (desk(), Core::default());
    ask(&mut desk, &mut core, &request(Verb::Alive, "ann", json!({})));
    let done = answer(CommandCode::Alive, AnswerCode::Done, number(&core));
    journal(&mut desk, &mut core, &[done]);
    assert_eq!(desk.due_ns(), Some(NOW_NS + SETTLE_NS));
    desk.on_time(NOW_NS + SETTLE_NS - 1, &mut core);
    assert!(core.replies.is_empty());
    desk.on_time(NOW_NS + SETTLE_NS, &mut core);
    assert_eq!(core.last().outcome, Outcome::Done);
    assert_eq!(desk.due_ns(), None);
}

/// Who, verb, and whether it is let through.
#[test]
fn a_role_covers_what_it_says_and_nothing_more() {
    let arguments = |verb: Verb| match verb {
        Verb::Enable | Verb::Disable => json!({"strategy": "maker"}),
        Verb::Approve | Verb::Rearm => json!({"trip": 1}),
        Verb::Confirm => json!({"command": 1}),
        Verb::Acknowledge => json!({"alarm": 1}),
        Verb::LimitsSet => json!({"limit": "orders_open_max", "value": "1"}),
        Verb::Order | Verb::Appraise => {
            json!({"instrument": "BTCUSDT", "side": "buy", "price": "1", "quantity": "1"})
        }
        Verb::Status
        | Verb::Flags
        | Verb::LimitsShow
        | Verb::Kill
        | Verb::Trip
        | Verb::Pause
        | Verb::Cancel
        | Verb::Flatten
        | Verb::Alive
        | Verb::Resume
        | Verb::AcceptBalances => json!({}),
    };
    for (who, role) in
        [("dee", Role::View), ("cy", Role::Trade), ("bob", Role::Risk), ("ann", Role::Admin)]
    {
        for verb in Verb::ALL.iter().copied() {
            let (mut desk, mut core) = (desk(), Core::default());
            ask(&mut desk, &mut core, &request(verb, who, arguments(verb)));
            let commands = core.runs.iter().flatten().filter(|it| it.kind == Kind::COMMAND).count();
            let what = format!("{who} {}", verb.name());
            if role < verb.role() {
                assert_eq!(core.last().outcome, Outcome::NotPermitted, "{what}");
                assert_eq!(commands, 0, "{what}");
                let said = core.said(0);
                assert!(said["refused"].as_str().unwrap().contains(verb.role().name()), "{said}");
                assert_eq!((&said["actor"], &said["verb"]), (&json!(who), &json!(verb.name())));
            } else if verb.changes() {
                assert_eq!(commands, 1, "{what}");
            } else {
                assert_eq!((core.last().outcome, commands), (Outcome::Done, 0), "{what}");
            }
        }
    }
}

#[test]
fn who_is_not_known_is_refused_and_journaled_without_his_key() {
    let (mut desk, mut core) = (desk(), Core::default());
    let mut forged = request(Verb::Kill, "bob", json!({}));
    forged.key = Some(Key("guessed-key".to_string()));
    ask(&mut desk, &mut core, &forged);
    assert_eq!(core.last().outcome, Outcome::NotPermitted);
    let said = core.said(0);
    assert_eq!((&said["actor"], &said["role"]), (&json!("?"), &json!("none")));
    assert!(!said.to_string().contains("guessed-key"));
    assert_eq!(core.runs[0].last().map(|event| event.has(flags::LAST)), Some(true));
    // A stranger's uid.
    let line = request(Verb::Status, "ann", json!({})).to_line();
    desk.on_line((TICKET, Peer { uid: 1, pid: 1 }), &line[..line.len() - 1], NOW_NS, &mut core);
    assert_eq!(core.last().outcome, Outcome::NotPermitted);
    assert_eq!(core.said(1)["uid"], json!(1));
}

#[test]
fn a_flood_of_refusals_does_not_fill_the_journal() {
    let (mut desk, mut core) = (desk(), Core::default());
    for _ in 0..500 {
        ask(&mut desk, &mut core, &request(Verb::Kill, "dee", json!({})));
    }
    assert_eq!(core.replies.len(), 500, "each is told");
    assert_eq!(core.runs.len(), usize::try_from(REFUSED_COUNT_MAX).unwrap());
    assert_eq!(core.told.len(), 1, "and it is said once that no more is journaled");
}

#[test]
fn a_command_without_a_reason_or_with_wrong_arguments_does_not_reach_the_core() {
    let (mut desk, mut core) = (desk(), Core::default());
    for (reason, arguments) in
        [("", json!({})), ("two\nlines", json!({})), ("x", json!({"trip": 1}))]
    {
        let mut kill = request(Verb::Kill, "ann", arguments);
        kill.reason = reason.to_string();
        ask(&mut desk, &mut core, &kill);
        assert_eq!(core.last().outcome, Outcome::Invalid, "{reason}");
    }
    assert!(core.runs.iter().flatten().all(|event| event.kind == Kind::TEXT));
}

#[test]
fn a_kill_tells_its_steps_and_its_end() {
    let (mut desk, mut core) = (desk(), Core::default());
    ask(&mut desk, &mut core, &request(Verb::Kill, "cy", json!({})));
    let done = answer(CommandCode::Kill, AnswerCode::Done, number(&core));
    journal(&mut desk, &mut core, &[kill(KillPhase::Blocked, 0, 3), done]);
    clock(&mut desk, &mut core);
    assert!(core.replies.is_empty(), "it is not over");
    desk.on_record(&kill(KillPhase::Cancelling, 2, 1), NOW_NS, &mut core);
    assert_eq!((core.last().is_final, core.last().outcome), (false, Outcome::Progress));
    desk.on_record(&kill(KillPhase::Done, 3, 0), NOW_NS + 9_000, &mut core);
    let last = core.last();
    assert_eq!((last.is_final, last.outcome), (true, Outcome::Done));
    assert_eq!(last.data["orders_cancelled"], 3);
    assert_eq!(last.data["positions_flat"], true);
    assert_eq!(last.data["elapsed_us"], 9, "from acceptance to the end");
    assert_eq!(last.data["kill_phase"], "done");
}

#[test]
fn a_kill_that_was_over_in_its_own_cascade_is_told_at_once() {
    let (mut desk, mut core) = (desk(), Core::default());
    ask(&mut desk, &mut core, &request(Verb::Kill, "cy", json!({})));
    let done = answer(CommandCode::Kill, AnswerCode::Done, number(&core));
    journal(&mut desk, &mut core, &[kill(KillPhase::Done, 0, 0), done]);
    clock(&mut desk, &mut core);
    assert_eq!(core.last().outcome, Outcome::Done);
}

#[test]
fn the_end_of_an_older_kill_is_not_taken_for_this_one() {
    let (mut desk, mut core) = (desk(), Core::default());
    desk.on_record(&kill(KillPhase::Done, 9, 0).at(NOW_NS - 1), NOW_NS, &mut core);
    ask(&mut desk, &mut core, &request(Verb::Flatten, "cy", json!({})));
    let done = answer(CommandCode::Flatten, AnswerCode::Done, number(&core));
    journal(&mut desk, &mut core, &[done]);
    clock(&mut desk, &mut core);
    assert!(core.replies.is_empty());
    desk.on_record(&kill(KillPhase::Late, 1, 1), NOW_NS, &mut core);
    assert_eq!(core.last().outcome, Outcome::Late);
}

#[test]
fn who_waits_too_long_is_told_what_is_known() {
    let (mut desk, mut core) = (desk(), Core::default());
    let mut kill = request(Verb::Kill, "ann", json!({}));
    kill.wait_ms = Some(50);
    ask(&mut desk, &mut core, &kill);
    desk.on_time(NOW_NS + 49_000_000, &mut core);
    assert!(core.replies.is_empty());
    desk.on_time(NOW_NS + 50_000_000, &mut core);
    assert_eq!((core.last().outcome, core.last().is_final), (Outcome::Unanswered, true));
    ask(&mut desk, &mut core, &kill);
    let done = answer(CommandCode::Kill, AnswerCode::Done, number(&core));
    journal(&mut desk, &mut core, &[self::kill(KillPhase::Cancelling, 1, 4), done]);
    clock(&mut desk, &mut core);
    desk.on_time(NOW_NS + 60_000_000, &mut core);
    assert_eq!(core.last().outcome, Outcome::Late);
    assert_eq!(core.last().data["orders_cancelled"], 1);
}

#[test]
fn a_refused_order_comes_with_the_rule_and_its_numbers() {
    let (mut desk, mut core) = (desk(), Core::default());
    let order = json!({"instrument": "BTCUSDT", "side": "buy", "price": "100", "quantity": "9"});
    ask(&mut desk, &mut core, &request(Verb::Order, "cy", order));
    let mut refused = Event::new(Kind::REFUSED);
    (refused.code, refused.price, refused.quantity) = (Rule::OrderQuantity.code(), 900_000, 20_000);
    let no = answer(CommandCode::OrderNew, AnswerCode::Refused, number(&core));
    journal(&mut desk, &mut core, &[refused, no]);
    clock(&mut desk, &mut core);
    let last = core.last();
    assert_eq!(last.outcome, Outcome::Refused);
    assert_eq!(last.data["refused"]["rule"], "order-quantity");
    assert!(last.text.contains("order-quantity"), "{}", last.text);
}

#[test]
fn an_accepted_order_comes_with_its_id() {
    let (mut desk, mut core) = (desk(), Core::default());
    let order = json!({"instrument": "BTCUSDT", "side": "buy", "price": "100", "quantity": "0.1"});
    ask(&mut desk, &mut core, &request(Verb::Order, "cy", order));
    let mut born = Event::new(Kind::ORDER);
    (born.code, born.id, born.instrument) = (1, 0xab, 0);
    let done = answer(CommandCode::OrderNew, AnswerCode::Done, number(&core));
    journal(&mut desk, &mut core, &[born, done]);
    clock(&mut desk, &mut core);
    assert_eq!(core.last().data["order"], "00000000000000ab");
}

#[test]
fn an_appraisal_shows_worth_limits_and_what_is_usual() {
    let (mut desk, mut core) = (desk(), Core::default());
    let mut approved = Event::new(Kind::APPROVED);
    // 0.01 at 100,000.00 and 0.03 at the same: 1,000 and 3,000.
    (approved.instrument, approved.price) = (0, 10_000_000);
    for quantity in [1_000, 3_000] {
        desk.on_record(&Event { quantity, ..approved }, NOW_NS, &mut core);
    }
    let mut position = Event::new(Kind::POSITION);
    (position.instrument, position.source, position.quantity) = (0, 1, -5_000);
    desk.on_record(&position, NOW_NS, &mut core);
    let order =
        json!({"instrument": "BTCUSDT", "side": "buy", "price": "100000", "quantity": "0.15"});
    ask(&mut desk, &mut core, &request(Verb::Appraise, "dee", order));
    let data = &core.last().data;
    assert_eq!((&data["notional"], &data["median_notional"]), (&json!("15000"), &json!("3000")));
    assert_eq!((&data["percent_of_median"], &data["is_largest"]), (&json!("500"), &json!(true)));
    assert_eq!(
        (&data["position_before"], &data["position_after"]),
        (&json!("-0.05"), &json!("0.1"))
    );
    assert_eq!(
        data["limits"],
        json!([
            {"limit": "order_quantity_max", "value": "0.15", "now": "0.2", "percent": 75},
            {"limit": "order_notional_max", "value": "15000", "now": "13000", "percent": 115},
            {"limit": "position_quantity_max", "value": "0.1", "now": "0.5", "percent": 20},
        ])
    );
}

#[test]
fn a_second_person_confirms_with_the_role_of_what_he_confirms() {
    let (mut desk, mut core) = (desk(), Core::default());
    ask(&mut desk, &mut core, &request(Verb::Rearm, "ann", json!({"trip": 1})));
    let first = number(&core);
    let waits = answer(CommandCode::Rearm, AnswerCode::NeedsConfirm, first);
    journal(&mut desk, &mut core, &[waits]);
    clock(&mut desk, &mut core);
    assert_eq!(core.last().outcome, Outcome::NeedsConfirm);
    assert!(core.last().text.contains(&format!("ctl confirm {first}")));
    assert_eq!(desk.view.waiting[&first].actor, "ann");
    // bob has the role risk, and rearm needs admin.
    let confirm = request(Verb::Confirm, "bob", json!({"command": first}));
    ask(&mut desk, &mut core, &confirm);
    assert_eq!(core.last().outcome, Outcome::NotPermitted);
    // What the core says to the confirmation, and then to what was confirmed.
    ask(&mut desk, &mut core, &request(Verb::Confirm, "ann", json!({"command": first})));
    let second = number(&core);
    let done = [
        answer(CommandCode::Rearm, AnswerCode::Done, first),
        answer(CommandCode::Confirm, AnswerCode::Done, second),
    ];
    journal(&mut desk, &mut core, &done);
    clock(&mut desk, &mut core);
    assert_eq!((core.last().outcome, core.last().command), (Outcome::Done, Some(second)));
    assert_eq!(core.last().data["confirmed"]["command"], json!(first));
    assert!(desk.view.waiting.is_empty());
}

#[test]
fn every_answer_of_the_core_has_an_outcome() {
    use Outcome as O;
    for (code, outcome) in [
        (AnswerCode::Done, O::Done),
        (AnswerCode::NeedsConfirm, O::NeedsConfirm),
        (AnswerCode::AlreadySo, O::Done),
        (AnswerCode::NoSuchTarget, O::Refused),
        (AnswerCode::OutOfRange, O::Refused),
        (AnswerCode::AboveCeiling, O::Refused),
        (AnswerCode::WrongTrip, O::Refused),
        (AnswerCode::NotClear, O::Refused),
        (AnswerCode::SamePerson, O::Refused),
        (AnswerCode::Refused, O::Refused),
        (AnswerCode::WrongState, O::Refused),
        (AnswerCode::Expired, O::Refused),
        (AnswerCode::NotPermitted, O::NotPermitted),
    ] {
        let (mut desk, mut core) = (desk(), Core::default());
        ask(&mut desk, &mut core, &request(Verb::Enable, "ann", json!({"strategy": "maker"})));
        let said = answer(CommandCode::StrategyEnable, code, number(&core));
        journal(&mut desk, &mut core, &[said]);
        clock(&mut desk, &mut core);
        assert_eq!(core.last().outcome, outcome, "{}", code.name());
    }
    let (mut desk, mut core) = (desk(), Core::default());
    ask(&mut desk, &mut core, &request(Verb::Alive, "ann", json!({})));
    let mut said = answer(CommandCode::Alive, AnswerCode::Done, number(&core));
    said.price = 9_999;
    journal(&mut desk, &mut core, &[said]);
    clock(&mut desk, &mut core);
    assert_eq!(core.last().outcome, O::Refused);
}

#[test]
fn nothing_changed_is_no_success_while_the_engine_stays_killed() {
    let (mut desk, mut core) = (desk(), Core::default());
    let mut breaker = Event::new(Kind::BREAKER);
    breaker.code = engine::event::BreakerState::Killed.code();
    (breaker.id, breaker.source) = (4, engine::event::TripReason::Operator.code());
    desk.on_record(&breaker, NOW_NS, &mut core);
    ask(&mut desk, &mut core, &request(Verb::Resume, "ann", json!({})));
    let same = answer(CommandCode::Continue, AnswerCode::AlreadySo, number(&core));
    journal(&mut desk, &mut core, &[same]);
    clock(&mut desk, &mut core);
    assert_eq!(core.last().outcome, Outcome::Refused);
    assert!(core.last().text.contains("rearm"), "{}", core.last().text);
}

#[test]
fn a_kill_overtakes_what_waits_for_room() {
    let (mut desk, mut core) = (desk(), Core { is_full: true, ..Core::default() });
    ask(&mut desk, &mut core, &request(Verb::Alive, "ann", json!({})));
    ask(&mut desk, &mut core, &request(Verb::Kill, "ann", json!({})));
    assert!(core.runs.is_empty() && desk.is_waiting());
    core.is_full = false;
    desk.on_time(NOW_NS, &mut core);
    let codes: Vec<u16> = core.runs.iter().filter_map(|run| run.last()).map(|it| it.code).collect();
    assert_eq!(codes, [CommandCode::Kill as u16, CommandCode::Alive as u16]);
}

#[test]
fn too_many_commands_wait_but_a_kill_always_finds_room() {
    let (mut desk, mut core) = (desk(), Core { is_full: true, ..Core::default() });
    for _ in 0..ASKED_COUNT_MAX {
        ask(&mut desk, &mut core, &request(Verb::Alive, "ann", json!({})));
    }
    assert!(core.replies.is_empty());
    ask(&mut desk, &mut core, &request(Verb::Alive, "ann", json!({})));
    assert_eq!(core.last().outcome, Outcome::Refused);
    ask(&mut desk, &mut core, &request(Verb::Kill, "ann", json!({})));
    core.is_full = false;
    desk.flush(&mut core);
    assert_eq!(core.runs[0].last().map(|it| it.code), Some(CommandCode::Kill as u16));
}

#[test]
fn what_a_lost_connection_asked_for_is_done_and_told_to_nobody() {
    let (mut desk, mut core) = (desk(), Core::default());
    ask(&mut desk, &mut core, &request(Verb::Alive, "ann", json!({})));
    desk.forget(TICKET);
    let done = answer(CommandCode::Alive, AnswerCode::Done, number(&core));
    journal(&mut desk, &mut core, &[done]);
    clock(&mut desk, &mut core);
    assert!(core.replies.is_empty() && !desk.is_waiting());
}

#[test]
fn after_the_session_nothing_is_taken_and_who_waits_is_told() {
    let (mut desk, mut core) = (desk(), Core::default());
    ask(&mut desk, &mut core, &request(Verb::Alive, "ann", json!({})));
    desk.on_record(&engine::event::session::session_end(1), NOW_NS, &mut core);
    ask(&mut desk, &mut core, &request(Verb::Kill, "ann", json!({})));
    assert_eq!(core.last().outcome, Outcome::Refused);
    assert_eq!(core.runs.len(), 1, "nothing is published any more");
    desk.end(&mut core);
    assert_eq!(core.last().outcome, Outcome::Unanswered);
    assert!(!desk.is_waiting());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Any lines, any records: no panic, one final reply a line at most, nothing but whole runs.
    #[test]
    fn no_line_and_no_record_upsets_the_desk(
        steps in proptest::collection::vec((0u8..4, any::<[u8; 64]>(), 0usize..40), 1..60),
    ) {
        let (mut desk, mut core) = (desk(), Core::default());
        let mut line_count = 0;
        for (what, bytes, index) in steps {
            match what {
                0 => {
                    line_count += 1;
                    desk.on_line((TICKET, Peer { uid: UID, pid: 1 }), &bytes, NOW_NS, &mut core);
                }
                1 => {
                    line_count += 1;
                    let verb = Verb::ALL[index % Verb::ALL.len()];
                    ask(&mut desk, &mut core, &request(verb, "ann", json!({})));
                }
                2 => {
                    let event = some_event(&bytes);
                    desk.on_record(&event, NOW_NS, &mut core);
                }
                _ => desk.on_time(NOW_NS + u64::from(bytes[0]) * 1_000_000_000, &mut core),
            }
        }
        desk.end(&mut core);
        let final_count = core.replies.iter().filter(|(_, reply)| reply.is_final).count();
        prop_assert_eq!(final_count, line_count, "each line is answered once");
        for run in &core.runs {
            prop_assert!(run.last().is_some_and(|event| event.has(flags::LAST)));
            prop_assert!(run.len() <= engine::border::RUN_COUNT_MAX);
        }
    }
}

/// Any 64 bytes as an event of a kind that there is.
fn some_event(bytes: &[u8; 64]) -> Event {
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let kinds = Kind::ALL;
    let mut event = Event::new(kinds[usize::from(bytes[0]) % kinds.len()].0);
    event.code = u16::from(bytes[1] % 24) | (u16::from(bytes[2] % 4) << 8);
    event.instrument = u16::from(bytes[3] % 4);
    event.source = u16::from(bytes[4] % 24);
    event.price = word(8).cast_signed();
    event.quantity = word(16).cast_signed();
    event.id = if bytes[5].is_multiple_of(2) { NOW_NS + u64::from(bytes[6] % 8) } else { word(24) };
    event.tag = u32::from(bytes[7]) << 16 | u32::from(bytes[8]);
    event.flags = bytes[9];
    event
}
