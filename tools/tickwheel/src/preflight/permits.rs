//! Approvals and waivers: who takes the responsibility, for which build and configuration, and why.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use config::Config;
use serde::{Deserialize, Serialize};

use crate::evidence::{self, Build};
use crate::{exit, session};

use super::Subject;
use super::items::{self, Item, Verdict};

/// Kind of the evidence of approvals.
const APPROVED: &str = "approved";
/// Kind of the evidence of waivers.
const WAIVED: &str = "waived";
const HOUR_NS: u64 = 3_600_000_000_000;
const DAY_NS: u64 = 24 * HOUR_NS;
/// Shortest reason: less says nothing to whoever reads it a year later.
const REASON_LENGTH_MIN: usize = 8;
/// Longest reason.
const REASON_LENGTH_MAX: usize = 1_000;

/// Who, and why.
#[derive(Debug)]
pub(super) struct By<'a> {
    pub(super) operator: &'a str,
    pub(super) reason: &'a str,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Permit {
    /// Of a waiver: which item.
    item: Option<String>,
    operator: String,
    /// User on this machine.
    uid: u32,
    reason: String,
    build: Build,
    config_hash: String,
    /// ns since the epoch.
    time_ns: u64,
    /// It is good until then.
    until_ns: u64,
}

/// Who may give permits: a configured operator, on the own user where one is configured.
fn check(config: &Config, by: &By<'_>) -> anyhow::Result<u32> {
    let uid = rustix::process::getuid().as_raw();
    let refused = |text: String| Err(session::Coded::new(exit::NO, text).into());
    let length = by.reason.trim().len();
    if !(REASON_LENGTH_MIN..=REASON_LENGTH_MAX).contains(&length) {
        return Err(anyhow!("--reason: {REASON_LENGTH_MIN} to {REASON_LENGTH_MAX} characters"));
    }
    let Some(operator) = config.operator.iter().find(|operator| operator.name == by.operator)
    else {
        return refused(format!("no [[operator]] is named \"{}\"", by.operator));
    };
    if !matches!(operator.role.as_str(), "risk" | "admin") {
        return refused(format!(
            "operator {} has role {}: risk or admin is needed",
            by.operator, operator.role
        ));
    }
    match operator.uid {
        Some(expected) if expected != uid => {
            refused(format!("operator {} is user {expected}, this is user {uid}", by.operator))
        }
        Some(_) | None => Ok(uid),
    }
}

/// Approves this very binary with that configuration.
pub(super) fn approve(
    config: &Config,
    origin: &str,
    dir: &Path,
    by: &By<'_>,
    now_ns: u64,
) -> anyhow::Result<PathBuf> {
    let uid = check(config, by)?;
    let live = config.live.as_ref().ok_or_else(|| anyhow!("{origin}: has no [live]"))?;
    let until_ns = now_ns + u64::from(live.approval_days_max) * DAY_NS;
    write(dir, APPROVED, &permit(config, by, uid, (now_ns, until_ns))?)
}

/// Waives an item.
pub(super) fn write_waiver(
    config: &Config,
    origin: &str,
    dir: &Path,
    (item, hours): (&str, u32),
    by: &By<'_>,
    now_ns: u64,
) -> anyhow::Result<PathBuf> {
    let uid = check(config, by)?;
    let Some((_, waivable)) = items::NAMES.iter().find(|(name, _)| *name == item) else {
        let names: Vec<&str> = items::NAMES.iter().map(|(name, _)| *name).collect();
        return Err(anyhow!("{origin}: no item \"{item}\"; there are {}", names.join(", ")));
    };
    if !waivable {
        let text = format!("{item} cannot be waived by anybody");
        return Err(session::Coded::new(exit::NO, text).into());
    }
    let until_ns = now_ns + u64::from(hours) * HOUR_NS;
    let mut waiver = permit(config, by, uid, (now_ns, until_ns))?;
    waiver.item = Some(item.to_string());
    write(dir, WAIVED, &waiver)
}

fn permit(
    config: &Config,
    by: &By<'_>,
    uid: u32,
    (time_ns, until_ns): (u64, u64),
) -> anyhow::Result<Permit> {
    Ok(Permit {
        item: None,
        operator: by.operator.to_string(),
        uid,
        reason: by.reason.trim().to_string(),
        build: Build::this()?,
        config_hash: evidence::config_hash(config),
        time_ns,
        until_ns,
    })
}

fn write(dir: &Path, kind: &str, permit: &Permit) -> anyhow::Result<PathBuf> {
    evidence::write(dir, kind, permit.time_ns, permit)
}

/// Permits of a kind that hold now, for this build and configuration.
fn in_force(subject: &Subject<'_>, kind: &str) -> anyhow::Result<Vec<Permit>> {
    let (build, config_hash) = (Build::this()?, evidence::config_hash(subject.config));
    let mut permits: Vec<Permit> = evidence::read(subject.dir, kind);
    permits.retain(|permit| {
        let is_now = permit.time_ns <= subject.now_ns && subject.now_ns < permit.until_ns;
        is_now && permit.build.binary == build.binary && permit.config_hash == config_hash
    });
    Ok(permits)
}

/// The item of the approval.
pub(super) fn approval(subject: &Subject<'_>) -> anyhow::Result<Item> {
    let name = "approval";
    let build = Build::this()?;
    let config_hash = evidence::config_hash(subject.config);
    let permits = in_force(subject, APPROVED)?;
    let who: BTreeSet<&str> = permits.iter().map(|permit| permit.operator.as_str()).collect();
    let needed = subject.config.live.as_ref().map_or(1, |live| live.approvers_min);
    let needed = usize::try_from(needed).unwrap_or(usize::MAX);
    let this = format!(
        "build {} (binary {}), configuration {}",
        build.commit,
        &build.binary[..12],
        &config_hash[..12]
    );
    if needed <= who.len() {
        let names: Vec<&str> = who.into_iter().collect();
        return Ok(Item::pass(name, format!("{this}: approved by {}", names.join(", "))));
    }
    let all: Vec<Permit> = evidence::read(subject.dir, APPROVED);
    let why = match all.last() {
        None => "nobody has approved anything".to_string(),
        Some(last) if last.build.binary != build.binary => {
            format!("the last approval is of build {}", last.build.commit)
        }
        Some(last) if last.config_hash != config_hash => {
            format!(
                "the last approval is of configuration {}",
                &last.config_hash[..12.min(last.config_hash.len())]
            )
        }
        Some(last) if last.until_ns <= subject.now_ns => "the last approval is over".to_string(),
        Some(_) => format!("{} of {needed} people have approved", who.len()),
    };
    Ok(Item::fail(name, format!("{this}: {why}")))
}

/// Turns failed items into waived ones where somebody took the responsibility.
pub(super) fn waive(subject: &Subject<'_>, items: &mut [Item]) -> anyhow::Result<()> {
    let waivers = in_force(subject, WAIVED)?;
    for item in items.iter_mut().filter(|item| item.verdict == Verdict::Fail && item.waivable) {
        let waiver = waivers.iter().rev().find(|waiver| waiver.item.as_deref() == Some(item.name));
        if let Some(Permit { operator, reason, .. }) = waiver {
            item.verdict = Verdict::Waived;
            item.evidence = format!("{} - waived by {operator}: {reason}", item.evidence);
        }
    }
    Ok(())
}
