//! The items of a preflight that need no venue, and the list of all of them.

use config::Config;
use engine::clock::Clock;
use engine::event::Mode;
use engine::stats::ProcessId;
use guard::beat::Beat;

use crate::evidence::{self, Build, Drill};

use super::{Subject, permits};

const DAY_NS: u64 = 86_400_000_000_000;

/// Every item and whether it can be waived. Limits, drills, approval, guard, operators, reconcile, the account and
/// the secrets are what the losses of others were made of: nobody can waive them.
pub(super) const NAMES: [(&str, bool); 12] = [
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
    ("alarms", true),
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
        alarms(subject.config),
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

/// The key can be had, from a place that live mode allows.
fn secrets(config: &Config) -> Item {
    let name = "secrets";
    match crate::secrets::configured_key(config, Mode::Live, &Clock::new()) {
        // Where it is, not what it is.
        Ok((_, uri)) => Item::pass(name, format!("the key is in {uri}")),
        Err(error) => Item::fail(name, crate::chain(&error)),
    }
}

fn alarms(config: &Config) -> Item {
    let name = "alarms";
    let Some(section) = &config.alarms else {
        return Item::fail(name, "no [alarms]: nobody would be told".to_string());
    };
    let webhooks = section.webhook.iter().map(|channel| channel.name.as_str());
    let names: Vec<&str> = webhooks.chain(section.smtp.iter().map(|it| it.name.as_str())).collect();
    if names.is_empty() {
        return Item::fail(
            name,
            "neither a webhook nor mail: only who sits before it is told".to_string(),
        );
    }
    Item::pass(name, format!("channels: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::history::History;
    use super::*;

    fn live() -> Config {
        let text = ::config::profile("live-first-day").unwrap();
        Config::parse(text, "live-first-day").unwrap()
    }

    #[track_caller]
    fn check(item: &Item, holds: bool, words: &[&str]) {
        assert_eq!(item.verdict == Verdict::Pass, holds, "{item:?}");
        for word in words {
            assert!(item.evidence.contains(word), "\"{word}\" is not in {item:?}");
        }
    }

    #[test]
    fn every_item_is_in_the_list_and_none_is_judged_twice() {
        let dir = tempfile::tempdir().unwrap();
        let (config, history) = (live(), History::default());
        let subject = Subject {
            config: &config,
            origin: "live",
            dir: dir.path(),
            history: &history,
            now_ns: 1,
        };
        let mut names: Vec<&str> = judge(&subject, 1).unwrap().iter().map(|it| it.name).collect();
        // The others are asked of the venue.
        names.extend(["account", "api-key", "clock"]);
        names.sort_unstable();
        let mut listed: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        listed.sort_unstable();
        assert_eq!(names, listed);
    }

    #[test]
    fn limits_must_be_there_for_everything_and_fit_the_day() {
        let config = live();
        check(&limits(&config, 1), true, &["day 1", "100 an order", "500 in all", "tightened"]);
        let mut none = config.clone();
        none.risk.account = None;
        check(&limits(&none, 1), false, &["risk.account"]);
        let mut missing = config.clone();
        missing.risk.instrument.clear();
        check(&limits(&missing, 1), false, &["BTCUSDT"]);
        let mut many = config;
        let (instrument, limit) = (many.instrument[0].clone(), many.risk.instrument[0].clone());
        for symbol in ["ETHUSDT", "SOLUSDT"] {
            let mut other = instrument.clone();
            other.symbol = symbol.to_string();
            many.instrument.push(other);
            let mut other = limit.clone();
            other.symbol = symbol.to_string();
            many.risk.instrument.push(other);
        }
        check(&limits(&many, 3), false, &["3 instruments", "2 are allowed"]);
        check(&limits(&many, 4), true, &["at most 4 instruments"]);
    }

    #[test]
    fn operators_alarms_and_secrets_must_be_configured() {
        let mut config = live();
        check(&operators(&config), false, &["no [[operator]]"]);
        check(&alarms(&config), false, &["no [alarms]"]);
        config.alarms = Some(::config::alarm::AlarmsSection::default());
        check(&alarms(&config), false, &["neither a webhook nor mail"]);
        check(&secrets(&config), false, &["/etc/tickwheel/key.toml"]);
        config.wire.as_mut().unwrap().key_file = None;
        check(&secrets(&config), false, &["neither secrets.key nor wire.key_file"]);
        let named = |key: String| ::config::secrets::SecretsSection {
            key: Some(key),
            ..Default::default()
        };
        config.secrets = Some(named("systemd:venue".to_string()));
        check(&secrets(&config), false, &["systemd:venue", "LoadCredential"]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("venue.toml");
        std::fs::write(&path, "api_key = \"k\"\nsecret = \"s\"\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        config.secrets = Some(named(format!("file:{}", path.display())));
        check(&secrets(&config), true, &["the key is in file:", "venue.toml"]);
        config.secrets.as_mut().unwrap().key = Some("env:KEY".to_string());
        check(&secrets(&config), false, &["environment"]);
    }

    #[test]
    fn a_drill_counts_when_the_last_of_this_build_passed_and_is_young() {
        let dir = tempfile::tempdir().unwrap();
        let (config, history) = (live(), History::default());
        let build = Build::this().unwrap();
        let now_ns = 100 * DAY_NS;
        let subject =
            Subject { config: &config, origin: "live", dir: dir.path(), history: &history, now_ns };
        let put = |build: &Build, time_ns: u64, passed: bool| {
            let drill = Drill {
                kind: "kill-drill".to_string(),
                build: build.clone(),
                config_hash: String::new(),
                time_ns,
                passed,
                figures: serde_json::json!({ "orders_cancelled": 4, "elapsed_us": 900 }),
                failures: if passed { Vec::new() } else { vec!["not flat".to_string()] },
            };
            evidence::write(dir.path(), "kill-drill", time_ns, &drill).unwrap();
        };
        check(&kill_drill(&subject).unwrap(), false, &["none on this build (0 on others)"]);
        let other = Build { binary: "00".to_string(), ..build.clone() };
        put(&other, 99 * DAY_NS, true);
        check(&kill_drill(&subject).unwrap(), false, &["1 on others"]);
        put(&build, 93 * DAY_NS - 1, true);
        check(&kill_drill(&subject).unwrap(), false, &["7 days ago, at most 7"]);
        put(&build, 93 * DAY_NS, true);
        check(&kill_drill(&subject).unwrap(), true, &["4 orders cancelled in 900 us"]);
        put(&build, 98 * DAY_NS, false);
        check(&kill_drill(&subject).unwrap(), false, &["failed: not flat"]);
        // From the future: a clock was set back.
        put(&build, 101 * DAY_NS, true);
        check(&kill_drill(&subject).unwrap(), false, &[]);
    }

    #[test]
    fn a_guard_must_live_or_be_started_by_the_run() {
        let dir = tempfile::tempdir().unwrap();
        let (mut config, history) = (live(), History::default());
        let judged = |config: &Config| {
            let origin = "live";
            guard(&Subject { config, origin, dir: dir.path(), history: &history, now_ns: 5 })
        };
        check(&judged(&config), true, &["started by the run"]);
        config.guard.as_mut().unwrap().start = false;
        check(&judged(&config), false, &["tickwheel guard"]);
        let ProcessId { pid, start_ticks, namespace } = ProcessId::this();
        let mut beat = Beat {
            pid,
            start_ticks,
            namespace,
            time_ns: 5,
            phase: ::guard::beat::Phase::Idle,
            engine: None,
            venue_open: false,
            can_sign: false,
            trouble: None,
        };
        beat.write(dir.path()).unwrap();
        check(&judged(&config), true, &["last beat 0 ms ago"]);
        beat.trouble = Some("key file: no such file".to_string());
        beat.write(dir.path()).unwrap();
        check(&judged(&config), false, &["no such file"]);
    }
}
