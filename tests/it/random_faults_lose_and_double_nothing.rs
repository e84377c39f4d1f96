//! A sample of the long run: random faults from seeds, engine and venue equal in the end.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use simulator::wire_rig::runs::{Report, fault_run};

/// Runs at once: most of each is waiting.
const WORKER_COUNT: usize = 4;

#[test]
fn a_sample_of_seeded_fault_runs_ends_with_both_sides_equal() {
    let (first, count) = if simulator::is_slow_wanted() { (1, 1_000) } else { (1, 60) };
    println!("seeds {first} to {}; fault-runs --seed S --runs 1 repeats one", first + count - 1);
    let next = AtomicU64::new(first);
    let outcomes: Mutex<Vec<Result<Report, String>>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKER_COUNT {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if first + count <= seed {
                        return;
                    }
                    let outcome = fault_run(seed);
                    outcomes.lock().unwrap().push(outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    let failures: Vec<&String> = outcomes.iter().filter_map(|o| o.as_ref().err()).collect();
    assert!(failures.is_empty(), "{failures:#?}");
    let sum = |of: fn(&Report) -> u64| outcomes.iter().flatten().map(of).sum::<u64>();
    let orders = sum(|report| report.summary.order_count);
    let fills = sum(|report| report.summary.fill_count);
    let faults = sum(|report| report.struck.values().sum());
    println!("{count} runs: {orders} orders, {fills} executions, {faults} faults");
    assert!(0 < orders && 0 < fills && 0 < faults, "nothing happened");
}
