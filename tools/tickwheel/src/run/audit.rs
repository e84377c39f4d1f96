//! The audit thread: signs how the journal's hash chain stands, and gives the signed lines to the anchors.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use audit::{Anchor, Keeper, KeeperSettings};
use config::audit::AuditSection;

use super::beside::{Body, Context, Job, Life, Loss};

/// Pause between two looks at the chain, which grows about once a second.
const PAUSE: Duration = Duration::from_millis(200);
/// Time between two tellings of the same trouble.
const TELL_INTERVAL_NS: u64 = 60_000_000_000;

/// Where checkpoints and keys of a data directory are.
pub(crate) fn directory(data_dir: &std::path::Path) -> PathBuf {
    data_dir.join("audit")
}

/// The thread, when `[audit]` is configured. The first checkpoint is signed here, before the session's first record.
pub(crate) fn job(context: &Context<'_>) -> anyhow::Result<Option<Job>> {
    let Some(section) = &context.config.audit else { return Ok(None) };
    let settings = KeeperSettings {
        journal_dir: context.journal_dir.to_path_buf(),
        audit_dir: directory(context.data_dir),
        key_file: section.key_file.as_ref().map(PathBuf::from),
        anchors: anchors(section)?,
        anchor_every: u64::from(section.anchor_every),
        interval_ns: u64::from(section.interval_s) * 1_000_000_000,
        interval_records: section.interval_records,
    };
    let keeper = Keeper::open(settings, context.clock.now_ns())
        .map_err(|error| crate::audit_command::coded(&error))?;
    let body: Body = Box::new(|life| follow(keeper, life));
    Ok(Some(Job { name: "audit", loss: Loss::GoesOn, body }))
}

fn anchors(section: &AuditSection) -> anyhow::Result<Vec<Anchor>> {
    section.anchor.iter().map(|text| Anchor::parse(text).map_err(|why| anyhow!(why))).collect()
}

/// What was told last, so that one trouble is one line a minute.
#[derive(Debug, Default)]
struct Trouble {
    told_ns: u64,
    text: String,
}

impl Trouble {
    fn tell(&mut self, life: &Life, text: String) {
        let now_ns = life.now_ns();
        if text != self.text || TELL_INTERVAL_NS <= now_ns - self.told_ns {
            life.tell(&text);
            eprintln!("\n{text}");
            (self.told_ns, self.text) = (now_ns, text);
        }
    }
}

fn follow(mut keeper: Keeper, life: &Life) -> anyhow::Result<()> {
    let mut trouble = Trouble::default();
    while life.goes_on() {
        match keeper.poll(life.now_ns()) {
            Ok(progress) => {
                if let Some(why) = progress.anchor_error {
                    trouble.tell(life, format!("audit: checkpoints are not anchored: {why}"));
                }
            }
            // A full disk may get room again; what is not signed now is signed with the next checkpoint.
            Err(error) => trouble.tell(life, format!("audit: nothing is signed: {error}")),
        }
        life.pause(PAUSE);
    }
    let progress = keeper.finish(life.now_ns()).context("sign the end of the journal")?;
    match progress.anchor_error {
        Some(why) => Err(anyhow!("the last checkpoints are not anchored: {why}")),
        None => Ok(()),
    }
}
