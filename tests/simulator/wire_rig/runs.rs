//! Runs of random faults against a gambler: the seed makes the plan.
//!
//! A plan is rules at the venue's door, blows at random times, deaths of the engine, and how both are
//! connected. The same seed makes the same plan; when exactly what meets what is up to the machine, as it
//! is for a trader.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use binance::feed::FeedPolicy;
use engine::pipeline::core_thread::panic_message;
use venue::fault::{Action, Channel, Fault, FaultId, Garbage, Place, Scope};

use super::check::Summary;
use super::faults::answer;
use super::{MS_NS, Rig, RigConfig, RigMarket, Trader};
use crate::random::Random;

/// Most rules of a plan.
const RULE_COUNT_MAX: u64 = 6;
/// Most blows and deaths of a plan.
const BLOW_COUNT_MAX: u64 = 4;

/// How far the venue's clock jumps.
const CLOCK_MS: i64 = 400;
/// What order entry is told to expect of the venue's clock in runs in which it jumps. A clock that goes
/// back by more can accept an order that waited in a socket after the venue said that it is not there;
/// no client can know that.
const CLOCK_ERROR_NS: u64 = 850 * MS_NS;

/// A run that ended well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What the check counted.
    pub summary: Summary,
    /// How often which fault struck.
    pub struck: BTreeMap<&'static str, u64>,
}

/// What happens by itself in a run.
#[derive(Clone, Debug)]
enum Stroke {
    Venue(&'static str, Action),
    /// The engine is killed and started again.
    Death,
}

struct Plan {
    config: RigConfig,
    span_ns: u64,
    rules: Vec<(&'static str, Fault)>,
    /// By time since the start.
    strokes: Vec<(u64, Stroke)>,
}

const METHODS: &[&str] =
    &["order.place", "order.cancel", "order.cancelReplace", "order.*", "order.status", ""];
const EVENTS: &[&str] = &["executionReport/NEW", "executionReport/TRADE", "executionReport*", ""];
const STREAMS: &[&str] = &["btcusdt@depth*", "btcusdt@bookTicker", "ethusdt*", ""];

fn pick<T: Copy>(random: &mut Random, from: &[T]) -> T {
    let count = u64::try_from(from.len()).expect("a table is short");
    from[usize::try_from(random.below(count)).expect("below the length")]
}

fn wait_ns(random: &mut Random) -> u64 {
    (1 + random.below(120)) * MS_NS
}

/// An answer that is not the true one; limits name their end, or every request would wait a minute.
fn false_answer(random: &mut Random) -> (&'static str, Action) {
    let accepted = random.chance(500);
    match random.below(6) {
        0 => ("-1006", answer(400, -1006, accepted)),
        1 => ("-1007", answer(408, -1007, accepted)),
        2 => ("-1008", answer(503, -1008, false)),
        3 => ("429", answer(429, -1003, false)),
        _ if accepted => ("5xx after acceptance", answer(503, -1000, true)),
        _ => ("5xx before acceptance", answer(500, -1000, false)),
    }
}

fn garbage(random: &mut Random) -> Garbage {
    pick(random, &[Garbage::Json, Garbage::Utf8, Garbage::Opcode, Garbage::Http])
}

/// Something that a request, a report or a frame can meet.
fn at_the_door(random: &mut Random, place: Place) -> (&'static str, Action) {
    let accepted = random.chance(500);
    let scope = if random.chance(800) { Scope::Own } else { Scope::All };
    match random.below(11) {
        0 => ("delay", Action::Delay { wait_ns: wait_ns(random) }),
        1 => ("drop", Action::Drop { accepted }),
        2 => ("duplicate", Action::Duplicate { copy_count: 1 + u32::from(accepted) }),
        3 => ("reorder", Action::Reorder { wait_ns: wait_ns(random) }),
        4 => ("gap", Action::Gap { frame_count: 3 }),
        5 => ("cut", Action::Cut { accepted, scope }),
        6 => ("half a frame", Action::Half { scope }),
        7 => ("garbage", Action::Garbage { kind: garbage(random), scope }),
        8 => ("mute", mute(random, scope)),
        9 => ("slow reader", Action::Deaf { wait_ns: wait_ns(random), scope }),
        _ if place == Place::Request => false_answer(random),
        _ => ("drop", Action::Drop { accepted }),
    }
}

fn mute(random: &mut Random, scope: Scope) -> Action {
    Action::Mute { wait_ns: wait_ns(random), with_pings: random.chance(500), scope }
}

fn rule(random: &mut Random) -> (&'static str, Fault) {
    let (place, names) = pick(
        random,
        &[
            (Place::Request, METHODS),
            (Place::Request, METHODS),
            (Place::User, EVENTS),
            (Place::User, EVENTS),
            (Place::Stream, STREAMS),
        ],
    );
    let (what, action) = at_the_door(random, place);
    let name = pick(random, names);
    // Pulls and snapshots of a whole minute would outlast the run.
    let is_limit = what == "429";
    let name = if is_limit { "order.place" } else { name };
    let fault = Fault::new(place, name, action);
    let fault = match random.below(10) {
        0 if place == Place::Request && !is_limit => fault.by(Channel::Rest),
        _ => fault,
    };
    let fault = match random.below(3) {
        0 if place == Place::Stream => fault.with_chance(20_000),
        0 => fault.with_chance(100_000),
        1 => fault.nth(1 + random.below(12)),
        _ => fault.after(random.below(100) * MS_NS).times(1 + random.below(3)),
    };
    (what, fault)
}

fn stroke(random: &mut Random) -> Stroke {
    let scope = pick(random, &[Scope::All, Scope::All, Scope::WsApi, Scope::Stream, Scope::Rest]);
    let (what, action) = match random.below(11) {
        0 => ("cut", Action::Cut { accepted: false, scope }),
        1 => ("mute", mute(random, scope)),
        2 => ("slow reader", Action::Deaf { wait_ns: wait_ns(random), scope }),
        3 => ("half a frame", Action::Half { scope }),
        4 => ("garbage", Action::Garbage { kind: garbage(random), scope }),
        5 => ("wrong clock", Action::Clock { offset_ms: random.between(-CLOCK_MS, CLOCK_MS) }),
        6 => ("venue restart", Action::Restart),
        7 => ("24 h disconnect", Action::Expire { scope }),
        8 => ("shutdown", Action::Shutdown { wait_ns: wait_ns(random) }),
        _ => return Stroke::Death,
    };
    Stroke::Venue(what, action)
}

/// Orders go stale within the run.
fn sweeps_soon(config: &mut config::Config) {
    if let Some(wire) = &mut config.wire {
        wire.reconcile.stale_order_ms = 60;
        wire.reconcile.sweep_interval_ms = 20;
    }
}

impl Plan {
    fn of(seed: u64) -> Plan {
        let mut random = Random::new(seed);
        let mut config = RigConfig::gambler(seed);
        config.market = RigMarket::Generated { speed_percent: 100 + random32(&mut random, 500) };
        config.trader = Trader::Gambler { eagerness: 50 + random.below(300) };
        config.links.tls = random.chance(50);
        config.links.feed_count = 1 + usize::from(random.chance(300));
        config.links.policy = pick(&mut random, &FeedPolicy::ALL);
        config.links.logs_on = random.chance(200);
        if random.chance(150) {
            config.adjust = sweeps_soon;
        }
        let rules = &mut config.links.rules;
        rules.place_by_rest = random.chance(500);
        (rules.ping_ns_max, rules.clock_error_ns_max) = (60 * MS_NS, 60 * MS_NS);
        if random.chance(100) {
            config.links.renew_ns = (30 + random.below(100)) * MS_NS;
        }
        let span_ns = (40 + random.below(160)) * MS_NS;
        let rules = (0..random.below(RULE_COUNT_MAX)).map(|_| rule(&mut random)).collect();
        let strokes =
            (0..random.below(BLOW_COUNT_MAX)).map(|_| (random.below(span_ns), stroke(&mut random)));
        let mut strokes: Vec<(u64, Stroke)> = strokes.collect();
        strokes.sort_by_key(|(at_ns, _)| *at_ns);
        let is_clock = |stroke: &Stroke| matches!(stroke, Stroke::Venue(_, Action::Clock { .. }));
        if strokes.iter().any(|(_, stroke)| is_clock(stroke)) {
            config.links.rules.clock_error_ns_max = CLOCK_ERROR_NS;
        }
        Plan { config, span_ns, rules, strokes }
    }
}

fn random32(random: &mut Random, count: u64) -> u32 {
    u32::try_from(random.below(count)).unwrap_or(0)
}

/// What a seed plans, in words.
pub fn plan_of(seed: u64) -> String {
    let plan = Plan::of(seed);
    format!("{:#?}\n{:#?}\n{:#?}", plan.config, plan.rules, plan.strokes)
}

/// One run; what went wrong in words.
pub fn fault_run(seed: u64) -> Result<Report, String> {
    catch_unwind(AssertUnwindSafe(|| run(&Plan::of(seed))))
        .unwrap_or_else(|panic| Err(format!("panic: {}", panic_message(panic.as_ref()))))
        .map_err(|why| format!("seed {seed}: {why}"))
}

fn run(plan: &Plan) -> Result<Report, String> {
    let mut report = Report::default();
    let mut rig = Rig::start(plan.config.clone());
    rig.until_ready()?;
    let rules: Vec<(&'static str, FaultId)> =
        plan.rules.iter().map(|(what, fault)| (*what, rig.fault(fault.clone()))).collect();
    let start_ns = rig.clock.now_ns();
    for (at_ns, stroke) in &plan.strokes {
        let at_ns = start_ns + at_ns;
        let left_ns = at_ns.saturating_sub(rig.clock.now_ns());
        rig.run_for(left_ns)?;
        let what = match stroke {
            Stroke::Venue(what, action) => {
                rig.affect(action);
                *what
            }
            Stroke::Death => {
                rig.restart()?;
                "engine killed"
            }
        };
        *report.struck.entry(what).or_default() += 1;
    }
    rig.run_for((start_ns + plan.span_ns).saturating_sub(rig.clock.now_ns()))?;
    for (what, id) in rules {
        let fired = rig.venue.handle.fired(id);
        if 0 < fired {
            *report.struck.entry(what).or_default() += fired;
        }
    }
    rig.calm();
    rig.until_ready()?;
    for instrument in [0, 1] {
        rig.until_books_agree(instrument)?;
    }
    report.summary = rig.finish()?;
    Ok(report)
}
