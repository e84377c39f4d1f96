//! The guard drill: engines are killed with kill -9; how long their orders stay at the venue.
//!
//! The guard looks, cancels, and looks again: three answers of the venue, one after another, are the floor of that.

use std::time::Duration;

use engine::clock::Clock;
use guard::record::{self, Act, Outcome};
use serde_json::json;

use super::Findings;
use super::scene::Scene;

/// From the death of the engine to a venue without its orders: what is promised.
const ACT_NS_MAX: u64 = 500_000_000;
/// How long a guard may take until it has written down what it did.
const RECORD_WAIT_NS_MAX: u64 = 60_000_000_000;
/// Pause between two looks at what it wrote.
const PAUSE: Duration = Duration::from_millis(20);
/// Orders that must be open at each death.
const ORDERS_MIN: u64 = 2;

/// Kills so many engines.
pub(super) fn drill(scene: &mut Scene, cycles: u32, clock: &Clock) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    let mut guard = scene.start("guard", &["guard", "--json"], "guard.log.txt")?;
    let (mut times_ns, mut notice_ns, mut cancelled) = (Vec::new(), Vec::new(), 0);
    let mut answer_ns = Vec::new();
    for cycle in 0..cycles {
        guard.check_running()?;
        // The guard's clock is disciplined too: without that both would part by milliseconds in a long drill.
        clock.discipline();
        let mut engine = scene.start_engine(cycle)?;
        scene.wait_for_orders(&mut engine, (ORDERS_MIN, false), clock)?;
        let told = record::read(&scene.data, 0)?.0.len();
        let killed_ns = clock.now_ns();
        engine.kill()?;
        let act = wait_for_act(scene, told, clock)?;
        let clean_ns = act.clean_ns.map(|ns| (act.noticed_ns + ns).saturating_sub(killed_ns));
        findings.check(act.outcome == Outcome::Clean && act.why == "gone", || {
            format!("cycle {cycle}: {}", act.words())
        });
        match clean_ns {
            Some(ns) => times_ns.push(ns),
            None => findings.failures.push(format!("cycle {cycle}: orders were left")),
        }
        notice_ns.push(act.noticed_ns.saturating_sub(killed_ns));
        cancelled += act.orders_cancelled;
        let asked_ns = clock.now_ns();
        let left = scene.open_orders(clock)?;
        answer_ns.push((clock.now_ns() - asked_ns) / scene.question_count());
        findings.check(left == 0, || format!("cycle {cycle}: {left} orders are open at the venue"));
    }
    guard.end(clock)?;
    let late = times_ns.iter().filter(|ns| ACT_NS_MAX < **ns).count();
    findings.check(late == 0, || {
        format!("{late} of {cycles} deaths left orders for more than {} ms", ACT_NS_MAX / 1_000_000)
    });
    for sample in [&mut times_ns, &mut notice_ns, &mut answer_ns] {
        sample.sort_unstable();
    }
    findings.figures = json!({
        "cycles": cycles,
        "orders_cancelled": cancelled,
        "noticed_us_p50": at(&notice_ns, 50) / 1_000,
        "noticed_us_p99": at(&notice_ns, 99) / 1_000,
        "noticed_us_max": at(&notice_ns, 100) / 1_000,
        "no_order_left_us_p50": at(&times_ns, 50) / 1_000,
        "no_order_left_us_p99": at(&times_ns, 99) / 1_000,
        "no_order_left_us_max": at(&times_ns, 100) / 1_000,
        "venue_answer_us_p50": at(&answer_ns, 50) / 1_000,
        "venue_answer_us_p99": at(&answer_ns, 99) / 1_000,
        "limit_us": ACT_NS_MAX / 1_000,
    });
    Ok(findings)
}

/// The value below which so many per cent lie: the nearest rank.
fn at(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0)
}

/// The end of the act after the first `told` lines of the log.
fn wait_for_act(scene: &Scene, told: usize, clock: &Clock) -> anyhow::Result<Act> {
    let start_ns = clock.now_ns();
    loop {
        let acts = record::read(&scene.data, 0)?.0;
        let found = acts.into_iter().skip(told).find(|act| act.outcome != Outcome::Begun);
        if let Some(act) = found {
            return Ok(act);
        }
        if RECORD_WAIT_NS_MAX < clock.now_ns() - start_ns {
            anyhow::bail!("the guard did not act on a death");
        }
        std::thread::park_timeout(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::at;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        assert_eq!(at(&[], 50), 0);
        assert_eq!(at(&[7], 99), 7);
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!([at(&hundred, 50), at(&hundred, 99), at(&hundred, 100)], [50, 99, 100]);
    }
}
