//! Tests of the watchman: deaths are noticed, lateness of the guard itself is not one.

use engine::stats::EngineRow;

use super::*;

const MS: u64 = 1_000_000;
/// What the watchman of these tests bears.
const DEAD_NS: u64 = 300 * MS;

fn row(name: &str, state: ThreadState, beat_count: u64) -> ThreadRow {
    ThreadRow {
        name: name.to_string(),
        state,
        last_beat_ns: beat_count,
        beat_count,
        beat_age_ns_max: 2_000 * MS,
        tid: 1,
        pinned_cpu: None,
    }
}

fn pulse(state: RunState, threads: Vec<ThreadRow>) -> Pulse {
    let engine = EngineRow {
        instance: "test".to_string(),
        engine_version: String::new(),
        commit: String::new(),
        mode: "paper".to_string(),
        journal_dir: String::new(),
        process: ProcessId { pid: 7, start_ticks: 8, namespace: 9 },
        start_ns: 10,
        state,
        end_ns: 0,
    };
    Pulse { engine, threads }
}

/// Lines: time in ms, run state, process (`there`, `gone`, `?`), core and orders as state letter and beat, and what
/// is seen. Threads: `a5` alive with beat 5, `s5` stopped, `d5` dead, `-` none.
#[track_caller]
fn check(table: &str) {
    let mut watch = Watch::new(DEAD_NS);
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [time, state, process, core, orders, expected] = words[..] else { panic!("{line}") };
        let state = match state {
            "starting" => RunState::Starting,
            "running" => RunState::Running,
            "stopped" => RunState::Stopped,
            "failed" => RunState::Failed,
            _ => panic!("{line}"),
        };
        let exists = match process {
            "there" => Some(true),
            "gone" => Some(false),
            _ => None,
        };
        let threads = [("core", core), ("orders", orders), ("feed", "a1")]
            .into_iter()
            .filter(|(_, word)| *word != "-")
            .map(|(name, word)| {
                let state = match &word[..1] {
                    "a" => ThreadState::Alive,
                    "s" => ThreadState::Stopped,
                    _ => ThreadState::Dead,
                };
                row(name, state, word[1..].parse().unwrap())
            });
        let pulse = pulse(state, threads.collect());
        let found = match watch.look(&pulse, exists, time.parse::<u64>().unwrap() * MS) {
            Sight::Working => "works".to_string(),
            Sight::Ended => "ended".to_string(),
            Sight::Lost(cause) => cause.name().to_string(),
        };
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn a_process_that_is_gone_is_noticed_at_the_first_look() {
    check(
        "0 running there a1 a1 works
         5 running gone  a2 a2 gone
         6 running gone  a2 a2 gone",
    );
    check("0 starting gone - - gone");
    check("0 starting there - - works");
}

#[test]
fn an_engine_that_ended_in_order_is_not_lost_and_one_that_failed_is() {
    check(
        "0 running there a1 a1 works
         5 stopped there s1 s1 ended
         9 stopped gone  s1 s1 ended",
    );
    check("0 failed there s1 s1 failed");
    check("0 failed gone s1 s1 failed");
    // Between the end of its threads and its last word.
    check(
        "0   running there s1 s1 works
         900 running there s1 s1 works",
    );
}

#[test]
fn a_dead_core_or_order_entry_is_noticed_and_another_thread_is_the_supervisors() {
    check("0 running there d1 a1 thread-dead");
    check("0 running there a1 d1 thread-dead");
}

#[test]
fn silence_of_the_core_counts_to_its_limit_and_a_beat_forgives_it() {
    // Looks every 50 ms at most add what passed: 300 ms are borne, more is not.
    check(
        "0   running there a1 a1 works
         50  running there a1 a2 works
         100 running there a1 a3 works
         150 running there a1 a4 works
         200 running there a1 a5 works
         250 running there a1 a6 works
         300 running there a1 a7 works
         301 running there a1 a8 stuck
         302 running there a2 a9 works
         350 running there a2 a10 works",
    );
}

#[test]
fn order_entry_may_be_silent_for_as_long_as_it_promised() {
    let mut watch = Watch::new(DEAD_NS);
    let mut found = None;
    for look in 0..100 {
        let threads =
            vec![row("core", ThreadState::Alive, look), row("orders", ThreadState::Alive, 1)];
        let now_ns = look * 50 * MS;
        if let Sight::Lost(cause) =
            watch.look(&pulse(RunState::Running, threads), Some(true), now_ns)
        {
            found = Some((now_ns / MS, cause.name()));
            break;
        }
    }
    assert_eq!(found, Some((2_050, "stuck")));
}

#[test]
fn a_guard_that_was_held_up_itself_does_not_take_it_for_a_death() {
    // A minute passed between two looks: this machine slept, or was busy.
    check(
        "0     running there a1 a1 works
         60000 running there a1 a1 works
         60010 running there a1 a1 works
         60020 running there a9 a9 works",
    );
}

#[test]
fn where_the_process_table_says_nothing_the_beats_decide() {
    let working = (0..=6).map(|look| format!("{} running ? a1 a1 works\n", look * 50));
    let lines = working.collect::<String>() + "350 running ? a1 a1 stuck";
    check(&lines);
}

#[test]
fn a_new_engine_begins_without_the_silence_of_the_old_one() {
    let mut watch = Watch::new(DEAD_NS);
    let threads = || vec![row("core", ThreadState::Alive, 1)];
    for look in 0..7 {
        watch.look(&pulse(RunState::Running, threads()), Some(true), look * 50 * MS);
    }
    let mut next = pulse(RunState::Running, threads());
    next.engine.start_ns = 11;
    assert_eq!(watch.look(&next, Some(true), 351 * MS), Sight::Working);
    assert_eq!(watch.engine(), Some(EngineId { pid: 7, start_ticks: 8, start_ns: 11 }));
}
