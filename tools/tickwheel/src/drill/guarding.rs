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
/// Deaths at one venue. Each takes its share of what that allows in a minute: the looks of the guard alone 560 of 6,000.
/// A release build kills one every four seconds; the sixth engine got no order to the venue any more, and the ninth
/// death was refused with 429 (measured).
const VENUE_DEATHS_MAX: u32 = 4;
/// Orders that must be open at each death.
const ORDERS_MIN: u64 = 2;

/// What was measured of all deaths.
#[derive(Debug, Default)]
struct Tally {
    findings: Findings,
    /// From the kill to the notice.
    notice_ns: Vec<u64>,
    /// From the kill to a venue without orders of the engine.
    clean_ns: Vec<u64>,
    /// One answer of the venue.
    answer_ns: Vec<u64>,
    cancelled: usize,
}

/// Kills so many engines. `open` makes a scene with a venue of its own; the first is there.
pub(super) fn drill(
    first: Scene,
    open: &dyn Fn(u32) -> anyhow::Result<Scene>,
    cycles: u32,
    clock: &Clock,
) -> anyhow::Result<Findings> {
    let mut tally = Tally::default();
    let mut first = Some(first);
    for start in (0..cycles).step_by(VENUE_DEATHS_MAX as usize) {
        let mut scene = first.take().map_or_else(|| open(start), Ok)?;
        let end = cycles.min(start.saturating_add(VENUE_DEATHS_MAX));
        let mut guard = scene.start("guard", &["guard", "--json"], "guard.log.txt")?;
        for cycle in start..end {
            guard.check_running()?;
            tally.kill(&mut scene, cycle, clock)?;
        }
        guard.end(clock)?;
    }
    Ok(tally.end(cycles))
}

impl Tally {
    /// Kills one engine and sees what the guard does.
    fn kill(&mut self, scene: &mut Scene, cycle: u32, clock: &Clock) -> anyhow::Result<()> {
        // The guard's clock is disciplined too: without that both would part by milliseconds in a long drill.
        clock.discipline();
        let mut engine = scene.start_engine(cycle)?;
        scene.wait_for_orders(&mut engine, (ORDERS_MIN, false), clock)?;
        let told = record::read(&scene.data, 0)?.0.len();
        let killed_ns = clock.now_ns();
        engine.kill()?;
        let act = wait_for_act(scene, told, clock)?;
        self.findings.check(act.outcome == Outcome::Clean && act.why == "gone", || {
            format!("cycle {cycle}: {}", act.words())
        });
        match act.clean_ns {
            Some(ns) => self.clean_ns.push((act.noticed_ns + ns).saturating_sub(killed_ns)),
            None => self.findings.failures.push(format!("cycle {cycle}: orders were left")),
        }
        self.notice_ns.push(act.noticed_ns.saturating_sub(killed_ns));
        self.cancelled += act.orders_cancelled;
        let asked_ns = clock.now_ns();
        let left = scene.open_orders(clock)?;
        self.answer_ns.push((clock.now_ns() - asked_ns) / scene.question_count());
        self.findings
            .check(left == 0, || format!("cycle {cycle}: {left} orders are open at the venue"));
        Ok(())
    }

    fn end(mut self, cycles: u32) -> Findings {
        let late = self.clean_ns.iter().filter(|ns| ACT_NS_MAX < **ns).count();
        self.findings.check(late == 0, || {
            let limit_ms = ACT_NS_MAX / 1_000_000;
            format!("{late} of {cycles} deaths left orders for more than {limit_ms} ms")
        });
        for sample in [&mut self.clean_ns, &mut self.notice_ns, &mut self.answer_ns] {
            sample.sort_unstable();
        }
        let us = |sample: &[u64], percent| at(sample, percent) / 1_000;
        self.findings.figures = json!({
            "cycles": cycles,
            "orders_cancelled": self.cancelled,
            "noticed_us_p50": us(&self.notice_ns, 50),
            "noticed_us_p99": us(&self.notice_ns, 99),
            "noticed_us_max": us(&self.notice_ns, 100),
            "no_order_left_us_p50": us(&self.clean_ns, 50),
            "no_order_left_us_p99": us(&self.clean_ns, 99),
            "no_order_left_us_max": us(&self.clean_ns, 100),
            "venue_answer_us_p50": us(&self.answer_ns, 50),
            "venue_answer_us_p99": us(&self.answer_ns, 99),
            "limit_us": ACT_NS_MAX / 1_000,
        });
        self.findings
    }
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
