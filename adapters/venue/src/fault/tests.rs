//! Scripts are read, and rules fire when they say so.

use super::*;

#[track_caller]
fn refusal(text: &str) -> String {
    FaultPlan::parse(text).expect_err("a script that is refused").to_string()
}

fn only(text: &str) -> Fault {
    let mut plan = FaultPlan::parse(text).unwrap();
    assert_eq!(plan.faults.len(), 1, "{text}");
    plan.faults.remove(0)
}

#[test]
fn a_script_is_read_line_by_line() {
    let plan = FaultPlan::parse(concat!(
        "# a comment\n\n",
        r#"{"on":"request","method":"order.place","nth":2,"do":"status","status":503}"#,
        "\n",
        r#"{"on":"stream","stream":"btcusdt@depth*","probability_ppm":10000,"do":"drop"}"#,
        "\n",
        r#"{"on":"time","at_ms":500,"do":"cut","scope":"stream"}"#,
    ))
    .unwrap();
    assert_eq!(plan.faults.len(), 3);
    assert_eq!(plan.faults[0].nth, 2);
    assert_eq!(plan.faults[0].count_max, 1);
    assert_eq!(plan.faults[1].count_max, u64::MAX);
    assert_eq!(plan.faults[2].after_ns, 500_000_000);
    assert_eq!(plan.faults[2].action, Action::Cut { accepted: false, scope: Scope::Stream });
}

#[test]
fn every_action_has_a_line() {
    let lines = [
        r#"{"on":"user","do":"delay","us":20}"#,
        r#"{"on":"request","do":"drop","accepted":true}"#,
        r#"{"on":"stream","do":"duplicate"}"#,
        r#"{"on":"stream","do":"reorder"}"#,
        r#"{"on":"stream","do":"gap","frames":3}"#,
        r#"{"on":"stream","do":"half"}"#,
        r#"{"on":"stream","do":"garbage","kind":"opcode"}"#,
        r#"{"on":"open","path":"/ws*","do":"mute","ms":5,"pings":true}"#,
        r#"{"on":"open","do":"deaf","ms":5}"#,
        r#"{"do":"clock","offset_ms":-7000,"at_ms":1}"#,
        r#"{"do":"restart","at_ms":1}"#,
        r#"{"do":"shutdown","ms":10}"#,
        r#"{"do":"expire","scope":"ws_api"}"#,
    ];
    let plan = FaultPlan::parse(&lines.join("\n")).unwrap();
    assert_eq!(plan.faults.len(), lines.len());
    let answer = only(r#"{"on":"request","do":"status","status":429}"#).action;
    let Action::Answer { code: -1003, retry_after_s: Some(1), accepted: false, .. } = answer else {
        panic!("{answer:?}");
    };
}

#[test]
fn a_wrong_line_is_named() {
    for (text, word) in [
        ("{", "line 1: "),
        ("\n{\"do\":\"explode\"}", "line 2: `do` does not know \"explode\""),
        (r#"{"on":"stream"}"#, "`do` is missing"),
        (r#"{"on":"stream","do":"drop","color":1}"#, "unknown field `color`"),
        (r#"{"on":"stream","method":"a","do":"drop"}"#, "`method` does not go with this `on`"),
        (r#"{"on":"stream","nth":0,"do":"drop"}"#, "begin at 1"),
        (r#"{"on":"stream","probability_ppm":1000001,"do":"drop"}"#, "at most 1000000"),
        (r#"{"on":"stream","do":"delay"}"#, "`ms` is missing"),
        (r#"{"on":"stream","do":"delay","ms":99999999999}"#, "`ms` is at most"),
        (r#"{"on":"time","at_ms":99999999999,"do":"restart"}"#, "a time is at most"),
    ] {
        let found = refusal(text);
        assert!(found.contains(word), "{text}: {found}");
    }
    let many = "{\"do\":\"restart\"}\n".repeat(RULE_COUNT_MAX + 1);
    assert_eq!(refusal(&many), "1025 faults, 1024 at most");
}

/// Which of `total` matches of `name` fire.
fn fired(fault: &Fault, name: &str, total: u64, seed: u64) -> Vec<u64> {
    let mut faults = Faults::new(&FaultPlan { faults: vec![fault.clone()] }, seed, 1_000);
    let hit =
        |at: &u64| faults.decide(fault.place, Some(Channel::Rest), name, 1_000 + at).is_some();
    (1..=total).filter(hit).collect()
}

#[test]
fn a_rule_fires_when_it_says_so() {
    let base = Fault::new(Place::Stream, "", Action::Drop { accepted: false });
    assert_eq!(fired(&base, "a", 5, 1), [1]);
    assert_eq!(fired(&base.clone().nth(3), "a", 5, 1), [3]);
    assert_eq!(fired(&base.clone().times(2), "a", 5, 1), [1, 2]);
    assert_eq!(fired(&base.clone().after(4), "a", 5, 1), [4]);
    let every = Fault { every: 2, count_max: u64::MAX, ..base.clone() };
    assert_eq!(fired(&every, "a", 5, 1), [2, 4]);
    let until = Fault { until_ns: 3, count_max: u64::MAX, ..base.clone() };
    assert_eq!(fired(&until, "a", 5, 1), [1, 2]);
    assert_eq!(fired(&base.clone().by(Channel::WsApi), "a", 5, 1), Vec::<u64>::new());
    assert_eq!(fired(&base.by(Channel::Rest), "a", 5, 1), [1]);
}

#[test]
fn names_match_whole_or_by_their_beginning() {
    let named = |name: &str| Fault::new(Place::User, name, Action::Drop { accepted: false });
    assert_eq!(fired(&named("executionReport*"), "executionReport/NEW", 1, 1), [1]);
    assert_eq!(fired(&named("executionReport"), "executionReport/NEW", 1, 1), Vec::<u64>::new());
    assert_eq!(fired(&named("*"), "anything", 1, 1), [1]);
}

#[test]
fn chances_come_from_the_seed_and_have_their_size() {
    let fault =
        Fault::new(Place::Stream, "", Action::Drop { accepted: false }).with_chance(100_000);
    let first = fired(&fault, "a", 10_000, 7);
    assert_eq!(first, fired(&fault, "a", 10_000, 7), "seed 7");
    assert_ne!(first, fired(&fault, "a", 10_000, 8));
    assert!((850..1150).contains(&first.len()), "seed 7: {}", first.len());
}

#[test]
fn the_first_rule_that_fires_wins_and_the_others_count() {
    let mut faults = Faults::new(&FaultPlan::default(), 1, 0);
    let cut = Action::Cut { accepted: false, scope: Scope::Own };
    let first = faults.add(Fault::new(Place::Stream, "", Action::Restart));
    let second = faults.add(Fault::new(Place::Stream, "", cut.clone()).nth(2));
    assert_eq!(faults.decide(Place::Stream, None, "x", 1), Some(Action::Restart));
    assert_eq!(faults.decide(Place::Stream, None, "x", 1), Some(cut));
    assert_eq!(faults.decide(Place::Stream, None, "x", 1), None);
    assert_eq!((faults.fired(first), faults.fired(second), faults.fired_count()), (1, 1, 2));
    faults.clear();
    assert_eq!(faults.fired(first), 0);
}

#[test]
fn faults_of_the_time_happen_by_themselves_once() {
    let mut faults = Faults::new(&FaultPlan::default(), 1, 100);
    assert_eq!(faults.next_ns(), None);
    faults.add(Fault::new(Place::Time, "", Action::Restart).after(50));
    assert_eq!(faults.next_ns(), Some(150));
    assert_eq!(faults.due(149), None);
    assert_eq!(faults.due(150), Some(Action::Restart));
    assert_eq!(faults.due(1_000), None);
    assert_eq!(faults.next_ns(), None);
}

#[test]
fn a_full_table_loses_what_is_done_and_then_the_oldest() {
    let mut faults = Faults::new(&FaultPlan::default(), 1, 0);
    let drop = || Fault::new(Place::Stream, "", Action::Drop { accepted: false });
    for _ in 0..=RULE_COUNT_MAX {
        faults.add(drop());
    }
    let mut count = 0;
    while faults.decide(Place::Stream, None, "x", 1).is_some() {
        count += 1;
    }
    assert_eq!(count, RULE_COUNT_MAX);
}
