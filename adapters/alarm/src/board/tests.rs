//! Tests of the board.

use proptest::prelude::*;

use super::naive::{Naive, Told};
use super::*;

const S: u64 = 1_000_000_000;
/// Ends with its condition; critical.
const LINK: (Code, Subject) = (Code::LinkDown, Subject::Venue(2));

fn settings() -> BoardSettings {
    BoardSettings {
        escalate_ns: 30 * S,
        repeat_ns: 50 * S,
        repeat_count_max: 2,
        cool_down_ns: 10 * S,
        quiet_ns: 20 * S,
        alarm_count_max: 256,
    }
}

fn board() -> Board {
    Board::new(settings(), BoardState::default())
}

fn raise((code, subject): (Code, Subject), time_s: u64) -> Signal {
    Signal::raise(code, subject, (time_s, time_s * S))
}

fn clear((code, subject): (Code, Subject), time_s: u64) -> Signal {
    Signal::clear(code, subject, (time_s, time_s * S))
}

/// Lines of `SECOND OPERATION [ARGUMENT] | NOTICES`. Alarms are those of `name`.
#[track_caller]
fn check(table: &str) {
    let mut board = board();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (step, expected) = line.split_once('|').expect("a step has an expectation");
        let mut words = step.split_whitespace();
        let second: u64 = words.next().unwrap().parse().unwrap();
        let operation = words.next().unwrap();
        let code = |text: Option<&str>| Code::from_text(text.unwrap()).expect("an alarm");
        let mut out = Vec::new();
        let now_ns = second * S;
        match operation {
            "raise" => {
                let key = (code(words.next()), Subject::Engine);
                board.signal(&raise(key, second), now_ns, &mut out);
            }
            "clear" => {
                let key = (code(words.next()), Subject::Engine);
                board.signal(&clear(key, second), now_ns, &mut out);
            }
            "seen" => {
                let number = words.next().unwrap().parse().unwrap();
                board.acknowledge(number, 1, now_ns, &mut out);
            }
            "silence" => {
                let until = words.next().unwrap().parse::<u64>().unwrap() * S;
                let silenced = words.map(|word| (code(Some(word)), until));
                board.set_silences(silenced.collect());
            }
            "time" => board.on_time(now_ns, &mut out),
            other => panic!("no operation {other}"),
        }
        let told: Vec<String> = out
            .iter()
            .map(|it| {
                let silenced = if it.silenced { " silenced" } else { "" };
                let (what, severity) = (it.what.name(), it.severity.name());
                format!("{} {what} {severity} x{}{silenced}", it.alarm, it.count)
            })
            .collect();
        assert_eq!(told.join(", "), expected.trim(), "{line}");
    }
}

#[test]
fn what_happens_again_is_a_count() {
    check(
        "0 raise link-down  | 1 raised CRITICAL x1
         1 raise link-down  |
         2 raise link-down  |
         3 clear link-down  |
         12 time            |
         13 time            | 1 cleared CRITICAL x3
         14 raise link-down | 2 raised CRITICAL x1",
    );
}

#[test]
fn a_condition_that_flaps_is_one_alarm() {
    check(
        "0 raise link-down  | 1 raised CRITICAL x1
         1 clear link-down  |
         9 raise link-down  |
         9 clear link-down  |
         18 time            |
         18 raise link-down |
         19 clear link-down |
         29 time            | 1 cleared CRITICAL x3
         30 time            |",
    );
}

#[test]
fn nobody_acknowledged_it_so_it_becomes_a_page_and_is_repeated_so_often() {
    check(
        "0 raise link-down | 1 raised CRITICAL x1
         29 time           |
         30 time           | 1 escalated PAGE x1
         79 time           |
         80 time           | 1 repeated PAGE x1
         130 time          | 1 repeated PAGE x1
         999 time          |",
    );
}

#[test]
fn a_warning_is_told_once() {
    check(
        "0 raise fills-late  | 1 raised WARNING x1
         19 raise fills-late |
         38 time             |
         39 time             | 1 cleared WARNING x2",
    );
}

#[test]
fn an_acknowledged_alarm_keeps_still_and_still_tells_its_end() {
    check(
        "0 raise link-down  | 1 raised CRITICAL x1
         5 seen 1           | 1 acknowledged CRITICAL x1
         6 seen 1           |
         99 time            |
         99 clear link-down |
         109 time           | 1 cleared CRITICAL x1
         110 seen 1         |
         110 seen 7         |",
    );
}

#[test]
fn what_only_a_person_ends_ends_with_the_acknowledgement() {
    check(
        "0 raise kill-used   | 1 raised PAGE x1
         1 clear kill-used   |
         40 time             |
         50 time             | 1 repeated PAGE x1
         60 raise kill-used  |
         61 seen 1           | 1 acknowledged PAGE x2
         62 raise kill-used  | 2 raised PAGE x1",
    );
}

#[test]
fn a_cleared_condition_does_not_escalate() {
    check(
        "0 raise link-down  | 1 raised CRITICAL x1
         25 clear link-down |
         31 time            |
         32 raise link-down |
         33 time            | 1 escalated PAGE x2",
    );
}

#[test]
fn a_silenced_alarm_stands_in_the_history_and_is_told_when_the_silence_is_over() {
    check(
        "0 silence 20 link-down |
         1 raise link-down      | 1 raised CRITICAL x1 silenced
         19 time                |
         20 time                | 1 raised CRITICAL x1
         30 time                |
         31 time                | 1 escalated PAGE x1",
    );
    check(
        "0 silence 20 link-down |
         1 raise link-down      | 1 raised CRITICAL x1 silenced
         2 clear link-down      |
         12 time                | 1 cleared CRITICAL x1 silenced
         30 time                |",
    );
}

#[test]
fn what_has_no_duration_is_told_and_not_kept() {
    let mut board = board();
    let mut out = Vec::new();
    for second in 0..3 {
        board.signal(&raise((Code::SessionStart, Subject::Engine), second), second * S, &mut out);
    }
    assert_eq!(out.len(), 3);
    assert_eq!(board.alarms().count(), 0);
}

#[test]
fn a_flood_of_one_cause_is_one_alarm_with_a_count() {
    let mut board = board();
    let mut out = Vec::new();
    for index in 0..100_000_u64 {
        let now_ns = index * 1_000_000;
        board.signal(&Signal::raise(LINK.0, LINK.1, (index, now_ns)), now_ns, &mut out);
        if index.is_multiple_of(100) {
            board.on_time(now_ns, &mut out);
        }
    }
    let told: Vec<&str> = out.iter().map(|notice| notice.what.name()).collect();
    assert_eq!(told, ["raised", "escalated", "repeated"], "100 seconds of it");
    assert_eq!(board.alarms().next().unwrap().count, 100_000);
}

#[test]
fn more_alarms_than_there_is_room_for_are_one_alarm() {
    let bounded = BoardSettings { alarm_count_max: 3, ..settings() };
    let mut board = Board::new(bounded, BoardState::default());
    let mut out = Vec::new();
    for number in 0..1_000 {
        board.signal(&raise((Code::LinkDown, Subject::Instrument(number)), 0), 0, &mut out);
    }
    assert_eq!(board.alarms().count(), 4);
    let overflow = board.alarms().find(|alarm| alarm.code == Code::AlarmsOverflow).unwrap();
    assert_eq!((overflow.count, overflow.measured, overflow.limit), (997, 997, 3));
    assert_eq!(out.len(), 4, "three and the overflow");

    // Room again: the overflow is over after its cool-down.
    out.clear();
    board.signal(&clear((Code::LinkDown, Subject::Instrument(0)), 1), S, &mut out);
    board.on_time(11 * S, &mut out);
    board.on_time(12 * S, &mut out);
    board.on_time(25 * S, &mut out);
    let cleared: Vec<Code> = out.iter().map(|notice| notice.code).collect();
    assert_eq!(cleared, [Code::LinkDown, Code::AlarmsOverflow]);
}

#[test]
fn time_does_not_run_backwards() {
    let mut board = board();
    let mut out = Vec::new();
    board.on_time(100 * S, &mut out);
    board.signal(&raise(LINK, 3), 3 * S, &mut out);
    assert_eq!(out[0].told_ns, 100 * S);
    assert_eq!(out[0].first_ns, 3 * S, "when it happened is what the event says");
}

/// One step of a random story.
#[derive(Clone, Debug)]
enum Step {
    Raise(Code, Subject),
    Clear(Code, Subject),
    Seen(u64),
    Silence(Code, u64),
    Loud,
    Time,
}

fn step() -> impl Strategy<Value = (u64, Step)> {
    let code = prop::sample::select(vec![
        Code::LinkDown,
        Code::KillUsed,
        Code::BreakerSafe,
        Code::Difference,
        Code::LimitNear,
        Code::RiskReducing,
        Code::SessionStart,
    ]);
    let subject = prop::sample::select(vec![Subject::Engine, Subject::Venue(1)]);
    let step = prop_oneof![
        6 => (code.clone(), subject.clone()).prop_map(|(code, subject)| Step::Raise(code, subject)),
        4 => (code.clone(), subject).prop_map(|(code, subject)| Step::Clear(code, subject)),
        2 => (1..12_u64).prop_map(Step::Seen),
        1 => (code, 0..60_u64).prop_map(|(code, seconds)| Step::Silence(code, seconds)),
        1 => Just(Step::Loud),
        8 => Just(Step::Time),
    ];
    (0..15_u64, step)
}

fn told(notice: &Notice) -> Told {
    Told {
        what: notice.what,
        alarm: notice.alarm,
        code: notice.code,
        subject: notice.subject,
        count: usize::try_from(notice.count).unwrap(),
        severity: notice.severity,
        silenced: notice.silenced,
    }
}

/// Runs both; the board is saved and made anew now and then, as over restarts.
fn agree(steps: &[(u64, Step)]) -> Result<(), TestCaseError> {
    let (mut board, mut naive) = (board(), Naive::new(settings()));
    let (mut now, mut silences, mut notices) = (0, BTreeMap::new(), 0);
    for (index, (wait, step)) in steps.iter().enumerate() {
        now += wait * S;
        let mut out = Vec::new();
        match *step {
            Step::Raise(code, subject) => {
                board.signal(&Signal::raise(code, subject, (1, now)), now, &mut out);
                naive.raise(code, subject, now);
            }
            Step::Clear(code, subject) => {
                board.signal(&Signal::clear(code, subject, (1, now)), now, &mut out);
                naive.clear(code, subject, now);
            }
            Step::Seen(number) => {
                board.acknowledge(number, 1, now, &mut out);
                naive.acknowledge(number, now);
            }
            Step::Silence(code, seconds) => {
                silences.insert(code, now + seconds * S);
            }
            Step::Loud => silences.clear(),
            Step::Time => {
                board.on_time(now, &mut out);
                naive.on_time(now);
            }
        }
        board.set_silences(silences.clone());
        naive.silence(silences.clone());
        for notice in &out {
            notices += 1;
            prop_assert_eq!(notice.notice, notices, "numbers rise by one");
        }
        let found: Vec<Told> = out.iter().map(told).collect();
        prop_assert_eq!(found, naive.take(), "step {}: {:?}", index, step);
        if index % 7 == 3 {
            let text = serde_json::to_string(&board.state()).unwrap();
            board = Board::new(settings(), serde_json::from_str(&text).unwrap());
            board.set_silences(silences.clone());
        }
    }
    Ok(())
}

/// What people get of one alarm, whatever happens.
fn notices_are_few(steps: &[(u64, Step)]) -> Result<(), TestCaseError> {
    let mut board = board();
    let (mut now, mut all) = (0, Vec::new());
    for (wait, step) in steps {
        now += wait * S;
        match *step {
            Step::Raise(code, subject) => {
                board.signal(&Signal::raise(code, subject, (1, now)), now, &mut all);
            }
            Step::Clear(code, subject) => {
                board.signal(&Signal::clear(code, subject, (1, now)), now, &mut all);
            }
            Step::Seen(number) => drop(board.acknowledge(number, 1, now, &mut all)),
            Step::Silence(..) | Step::Loud | Step::Time => board.on_time(now, &mut all),
        }
    }
    let numbers = all.iter().map(|notice| notice.alarm).max().unwrap_or(0);
    for number in 1..=numbers {
        let of = |what| all.iter().filter(|it| it.alarm == number && it.what == what).count();
        prop_assert_eq!(of(What::Raised), 1);
        prop_assert!(of(What::Escalated) <= 1);
        prop_assert!(of(What::Repeated) <= 2);
        prop_assert!(of(What::Acknowledged) <= 1);
        prop_assert!(of(What::Cleared) <= 1);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(400)) })]

    #[test]
    fn board_and_naive_twin_tell_the_same(steps in prop::collection::vec(step(), 1..80)) {
        agree(&steps)?;
    }

    #[test]
    fn of_one_alarm_there_are_few_notices(steps in prop::collection::vec(step(), 1..120)) {
        notices_are_few(&steps)?;
    }
}
