//! The items of a preflight that need no venue, and the list of all of them.

use config::Config;
use engine::stats::ProcessId;
use guard::beat::Beat;

use crate::evidence::{self, Build, Drill};

use super::{Subject, permits};

const DAY_NS: u64 = 86_400_000_000_000;

/// Every item and whether it can be waived. Limits, drills, approval, guard, operators, reconcile, the account and
/// the secrets are what the losses of others were made of: nobody can waive them.
pub(super) const NAMES: [(&str, bool); 11] = [
    ("account", false),
    ("api-key", true),
    ("clock", true),
    ("limits", false),
    ("guard", false),
    ("kill-drill", false),
    ("reconcile", false),
    ("approval", false),
    ("dry-run", true),
    ("operators", false),
    ("secrets", false),
];

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Fail,
    Waived,
}

impl Verdict {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "FAIL",
            Verdict::Waived => "waived",
        }
    }
}

/// One line of a preflight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// One of [`NAMES`].
    pub(crate) name: &'static str,
    pub(crate) verdict: Verdict,
    /// In words and numbers.
    pub(crate) evidence: String,
    pub(crate) waivable: bool,
}

impl Item {
    pub(super) fn new(name: &'static str, holds: bool, evidence: String) -> Item {
        let verdict = if holds { Verdict::Pass } else { Verdict::Fail };
        let waivable = NAMES.iter().any(|(known, waivable)| *known == name && *waivable);
        Item { name, verdict, evidence, waivable }
    }

    pub(super) fn pass(name: &'static str, evidence: String) -> Item {
        Item::new(name, true, evidence)
    }

    pub(super) fn fail(name: &'static str, evidence: String) -> Item {
        Item::new(name, false, evidence)
    }
}

/// Everything that needs no venue.
pub(super) fn judge(subject: &Subject<'_>, day: u32) -> anyhow::Result<Vec<Item>> {
    Ok(vec![
        limits(subject.config, day),
        guard(subject),
        kill_drill(subject)?,
        reconcile(subject),
        permits::approval(subject)?,
        dry_run(subject),
        operators(subject.config),
        secrets(subject.config),
    ])
}

fn limits(config: &Config, day: u32) -> Item {
    let name = "limits";
    let risk = &config.risk;
    if risk.account.is_none() {
        return Item::fail(name, "risk.account is missing".to_string());
    }
    let has = |symbol: &str| risk.instrument.iter().any(|limits| limits.symbol == symbol);
    let missing: Vec<&str> = config
        .instrument
        .iter()
        .map(|instrument| instrument.symbol.as_str())
        .filter(|symbol| !has(symbol))
        .collect();
    if !missing.is_empty() {
        return Item::fail(name, format!("no [[risk.instrument]] for {}", missing.join(", ")));
    }
    let Some(step) = config.live.as_ref().and_then(|live| live.step(day)) else {
        return Item::fail(name, format!("the ramp has no step for day {day}"));
    };
    let caps = format!(
        "day {day}: at most {} instruments, {} an order, {} in all, {} orders a day",
        step.instruments_max, step.order_notional_max, step.notional_max, step.orders_daily_max
    );
    match config.clone().cap(step) {
        Ok(told) if told.is_empty() => Item::pass(name, format!("{caps}; every limit is within")),
        Ok(told) => {
            Item::pass(name, format!("{caps}; {} limits are tightened to that", told.len()))
        }
        Err(why) => Item::fail(name, format!("{caps}; {why}")),
    }
}

fn guard(subject: &Subject<'_>) -> Item {
    let name = "guard";
    let section = subject.config.guard.clone().unwrap_or_default();
    match Beat::read(subject.dir) {
        Some(beat) if beat.is_alive(subject.now_ns) => {
            let age_ms = subject.now_ns.saturating_sub(beat.time_ns) / 1_000_000;
            let trouble = beat.trouble.map(|text| format!("; trouble: {text}")).unwrap_or_default();
            let told = format!("process {}, last beat {age_ms} ms ago{trouble}", beat.pid);
            Item::new(name, trouble.is_empty(), told)
        }
        Some(_) | None if section.start => {
            let told = "started by the run, which does not trade without it (guard.start = true)";
            Item::pass(name, told.to_string())
        }
        Some(beat) => {
            let process = ProcessId {
                pid: beat.pid,
                start_ticks: beat.start_ticks,
                namespace: beat.namespace,
            };
            let state = if process.exists() == Some(false) { "is gone" } else { "does not beat" };
            let text =
                format!("the guard with process {} {state}: start `tickwheel guard`", beat.pid);
            Item::fail(name, text)
        }
        None => Item::fail(name, "no guard has run here: start `tickwheel guard`".to_string()),
    }
}

fn kill_drill(subject: &Subject<'_>) -> anyhow::Result<Item> {
    let name = "kill-drill";
    let build = Build::this()?;
    let days_max = subject.config.live.as_ref().map_or(0, |live| live.drill_days_max);
    let drills: Vec<Drill> = evidence::read(subject.dir, name);
    let age = |drill: &Drill| subject.now_ns.saturating_sub(drill.time_ns);
    let is_young = |drill: &Drill| {
        drill.time_ns <= subject.now_ns && age(drill) <= u64::from(days_max) * DAY_NS
    };
    let own = drills.iter().rev().find(|drill| drill.build.binary == build.binary);
    Ok(match own {
        // The newest of this build decides: a drill that failed is not undone by an older one.
        Some(drill) if drill.passed && is_young(drill) => Item::pass(
            name,
            format!(
                "passed {} h ago on this build: {} orders cancelled in {} us",
                age(drill) / (DAY_NS / 24),
                drill.figures["orders_cancelled"],
                drill.figures["elapsed_us"],
            ),
        ),
        Some(drill) if drill.passed => {
            let days = age(drill) / DAY_NS;
            Item::fail(
                name,
                format!("passed {days} days ago, at most {days_max}: `tickwheel drill kill`"),
            )
        }
        Some(drill) => {
            Item::fail(name, format!("the last one failed: {}", drill.failures.join("; ")))
        }
        None => {
            let others = drills.len();
            let text = format!("none on this build ({others} on others): `tickwheel drill kill`");
            Item::fail(name, text)
        }
    })
}

fn reconcile(subject: &Subject<'_>) -> Item {
    let name = "reconcile";
    let Some(last) = subject.history.last() else {
        return Item::fail(name, "the journal has no session yet".to_string());
    };
    let told = format!(
        "session {}: {}, venue {} at its end, compared and equal {} times, {} differences since",
        last.number,
        if last.ended { "ended in order" } else { "did not end in order" },
        if last.locked { "locked" } else { "not locked" },
        last.unlocks,
        last.differences,
    );
    let is_clean = last.ended && !last.locked && 0 < last.unlocks && last.differences == 0;
    Item::new(name, is_clean, told)
}

fn dry_run(subject: &Subject<'_>) -> Item {
    let days_min = subject.config.live.as_ref().map_or(0, |live| live.dry_run_days_min);
    let days = subject.history.rehearsal_days();
    let sessions = subject.history.sessions.len();
    let told = format!(
        "{days} days of dry-run or paper in {sessions} sessions of the journal, at least {days_min}"
    );
    Item::new("dry-run", u32::try_from(days).is_ok_and(|days| days_min <= days), told)
}

fn operators(config: &Config) -> Item {
    let named: Vec<String> =
        config.operator.iter().map(|it| format!("{} ({})", it.name, it.role)).collect();
    let may_kill = config.operator.iter().any(|it| matches!(it.role.as_str(), "risk" | "admin"));
    let told = match (named.is_empty(), may_kill) {
        (true, _) => "no [[operator]] is configured".to_string(),
        (false, true) => named.join(", "),
        (false, false) => format!("{}: nobody may kill", named.join(", ")),
    };
    Item::new("operators", may_kill && config.socket_in_force().enabled, told)
}

fn secrets(config: &Config) -> Item {
    let name = "secrets";
    let wire_key = config.wire.as_ref().and_then(|wire| wire.key_file.as_deref());
    let provider = config.secrets.as_ref().and_then(|secrets| secrets.key.as_deref());
    match (provider, wire_key) {
        (Some(source), _) if source.starts_with("env:") => Item::fail(
            name,
            "the key comes from the environment, which every child process sees".to_string(),
        ),
        (Some(source), _) => {
            // Where it is, not what it is.
            let scheme = source.split(':').next().unwrap_or_default();
            Item::pass(name, format!("the key comes from provider {scheme}"))
        }
        (None, Some(path)) => match config::key::Key::read(std::path::Path::new(path)) {
            Ok(_) => Item::pass(name, format!("key file {path}, readable by its owner alone")),
            Err(error) => Item::fail(name, error.to_string()),
        },
        (None, None) => Item::fail(name, "no key is configured".to_string()),
    }
}
