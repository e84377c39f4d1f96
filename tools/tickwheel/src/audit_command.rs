//! `tickwheel audit`: verify what was signed, rotate keys, explain repairs, export and show decisions.

mod export;
mod show;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use audit::{AuditReport, KeeperError, VerifyOptions};
use clap::{Args, Subcommand};
use engine::clock::Clock;
use serde_json::json;

use crate::report::count;
use crate::{exit, session};

/// Arguments of `tickwheel audit`.
#[derive(Args, Debug)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Subcommand, Debug)]
enum AuditCommand {
    /// Check records, hash chain, signed checkpoints and, with --anchor, their copies elsewhere; or an export. Changes
    /// nothing.
    Verify {
        /// Data directory, journal directory, or the directory of an export.
        dir: PathBuf,
        /// Where checkpoint lines were kept besides.
        #[arg(long, value_name = "FILE")]
        anchor: Option<PathBuf>,
        /// The public key that must have signed; default: audit/public.pem.
        #[arg(long, value_name = "FILE")]
        public_key: Option<PathBuf>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Write who did what, when and why into tables with a signed manifest.
    Export(export::ExportArgs),
    /// Tell why an order was made, what an operator did, when a breaker tripped.
    Show(show::ShowArgs),
    /// Let a new key sign from here on; the old one signs it. Not beside a running engine.
    RotateKey {
        #[command(flatten)]
        signer: SignerArgs,
    },
    /// Sign that the cut of a repair was ordered, where `journal repair` could not do it.
    SignRepair {
        #[command(flatten)]
        signer: SignerArgs,
    },
}

/// Who signs, with what, why.
#[derive(Args, Debug)]
struct SignerArgs {
    /// Data directory or journal directory.
    dir: PathBuf,
    /// Why, for those who read it later.
    #[arg(long)]
    reason: String,
    /// Who; default: the user's name in the environment.
    #[arg(long)]
    actor: Option<String>,
    /// The private key; default: the one that the last session used.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &AuditArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        AuditCommand::Verify { dir, anchor, public_key, json } => {
            let options = VerifyOptions { anchor: anchor.clone(), public_key: public_key.clone() };
            verify(dir, &options, *json)
        }
        AuditCommand::Export(args) => export::run(args),
        AuditCommand::Show(args) => show::run(args),
        AuditCommand::RotateKey { signer } => rotate(signer),
        AuditCommand::SignRepair { signer } => sign_repair(signer),
    }
}

/// Journal and audit directory of a data directory, or of a journal directory within one.
pub(crate) fn places(dir: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let journal_dir = session::existing_journal_dir(dir)?;
    Ok((journal_dir.clone(), audit_dir(dir, &journal_dir)))
}

fn audit_dir(dir: &Path, journal_dir: &Path) -> PathBuf {
    let inner = dir.join("audit");
    let beside = journal_dir
        .canonicalize()
        .ok()
        .and_then(|path| path.parent().map(|parent| parent.join("audit")));
    match beside {
        Some(beside) if !inner.is_dir() && beside.is_dir() => beside,
        Some(_) | None => inner,
    }
}

/// The private key that the last session of a journal was told to use, when it is not in the audit directory.
pub(crate) fn configured_key(journal_dir: &Path) -> Option<PathBuf> {
    let reader = journal::Reader::open(journal_dir).ok()?;
    let config = crate::explain::last_config(&reader)?;
    config.audit?.key_file.map(PathBuf::from)
}

fn verify(dir: &Path, options: &VerifyOptions, as_json: bool) -> anyhow::Result<ExitCode> {
    if dir.join(audit::MANIFEST_FILE).is_file() {
        return verify_export(dir, options, as_json);
    }
    let (journal_dir, audit_dir) = places(dir)?;
    let report = audit::verify(&journal_dir, &audit_dir, options)
        .with_context(|| format!("verify {}", dir.display()))?;
    if as_json {
        println!("{}", report_json(&report));
    } else {
        print_report(&report);
    }
    Ok(ExitCode::from(if report.is_ok() { exit::GOOD } else { exit::DAMAGED }))
}

fn verify_export(dir: &Path, options: &VerifyOptions, as_json: bool) -> anyhow::Result<ExitCode> {
    if options.anchor.is_some() {
        return Err(anyhow!("--anchor: an export has none; verify the journal it came from"));
    }
    let report = audit::verify_export(dir, options.public_key.as_deref())
        .with_context(|| format!("verify {}", dir.display()))?;
    let ok = report.damage.is_empty();
    if as_json {
        let damage: Vec<_> = report
            .damage
            .iter()
            .map(|one| json!({"what": one.what, "where": one.place, "detail": one.detail}))
            .collect();
        println!(
            "{}",
            json!({"ok": ok, "damage": damage, "key": report.key, "first_sequence": report.range.0,
                   "last_sequence": report.range.1, "rows": report.rows, "files": report.files,
                   "complete": report.complete})
        );
    } else {
        println!("export       records {} to {}", count(report.range.0), count(report.range.1));
        println!("tables       {} rows in {} files", count(report.rows), report.files);
        println!("complete     {}", if report.complete { "yes" } else { "NO" });
        println!("signed by    {}", report.key.as_deref().unwrap_or("nobody"));
        for one in &report.damage {
            println!("damage       {} at {}: {}", one.what, one.place, one.detail);
        }
        println!("{}", if ok { "good" } else { "NOT GOOD" });
    }
    Ok(ExitCode::from(if ok { exit::GOOD } else { exit::DAMAGED }))
}

fn report_json(report: &AuditReport) -> serde_json::Value {
    let damage: Vec<_> = report
        .damage
        .iter()
        .map(|one| json!({"what": one.what, "where": one.place, "detail": one.detail}))
        .collect();
    let repairs: Vec<_> = report
        .repairs
        .iter()
        .map(|one| {
            json!({"checkpoint": one.number, "kept_through": one.sequence, "time_ns": one.time_ns,
                   "note": one.note, "superseded": one.superseded})
        })
        .collect();
    let anchor =
        report.anchor.map(|(lines, last)| json!({"lines": lines, "last_checkpoint": last}));
    json!({"ok": report.is_ok(), "damage": damage, "notes": report.notes, "case": report.case,
           "live": report.live, "records": report.records, "chain_entries": report.chain_entries,
           "checkpoints": report.checkpoints, "signed_through": report.signed_through,
           "keys": report.keys, "repairs": repairs, "anchor": anchor})
}

fn print_report(report: &AuditReport) {
    let live = if report.live { ", being written" } else { "" };
    println!("journal      {}{live}", report.case);
    println!("records      {}", count(report.records));
    println!("chain        {} entries", count(report.chain_entries));
    println!(
        "checkpoints  {} good, signed through record {}",
        count(report.checkpoints),
        count(report.signed_through)
    );
    for key in &report.keys {
        println!("key          {key}");
    }
    if let Some((lines, last)) = report.anchor {
        println!("anchor       {} lines, the last is checkpoint {last}", count(lines));
    }
    for repair in &report.repairs {
        println!(
            "repaired     after record {}, signed as checkpoint {}: {} ({} checkpoints superseded)",
            count(repair.sequence),
            repair.number,
            repair.note,
            repair.superseded
        );
    }
    for note in &report.notes {
        println!("note         {note}");
    }
    for one in &report.damage {
        println!("damage       {} at {}: {}", one.what, one.place, one.detail);
    }
    println!("{}", if report.is_ok() { "good" } else { "NOT GOOD" });
}

/// `by ann: why`
pub(crate) fn note(actor: Option<&str>, reason: &str) -> String {
    let user = || std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).ok();
    let actor = actor.map(str::to_string).or_else(user);
    format!("by {}: {reason}", actor.as_deref().unwrap_or("an unnamed user"))
}

impl SignerArgs {
    fn key(&self, journal_dir: &Path) -> Option<PathBuf> {
        self.key_file.clone().or_else(|| configured_key(journal_dir))
    }

    fn note(&self) -> anyhow::Result<String> {
        if self.reason.trim().is_empty() {
            return Err(anyhow!("--reason: must say something"));
        }
        Ok(note(self.actor.as_deref(), &self.reason))
    }

    fn print(&self, what: &str, checkpoint: &audit::Checkpoint) {
        let key = checkpoint.next_key().hex();
        if self.json {
            let (number, sequence) = (checkpoint.number, checkpoint.sequence);
            println!(
                "{}",
                json!({"checkpoint": number, "kind": checkpoint.kind.name(), "sequence": sequence,
                       "note": checkpoint.note, "key": key})
            );
        } else {
            println!("{what} as checkpoint {}; key {key}", checkpoint.number);
        }
    }
}

fn rotate(args: &SignerArgs) -> anyhow::Result<ExitCode> {
    let (journal_dir, audit_dir) = places(&args.dir)?;
    let key = args.key(&journal_dir);
    let now_ns = Clock::new().now_ns();
    let note = args.note()?;
    let checkpoint = audit::rotate(&journal_dir, &audit_dir, key.as_deref(), (&note, now_ns))
        .map_err(|error| coded(&error))?;
    args.print("rotated", &checkpoint);
    Ok(ExitCode::SUCCESS)
}

fn sign_repair(args: &SignerArgs) -> anyhow::Result<ExitCode> {
    let (journal_dir, audit_dir) = places(&args.dir)?;
    let key = args.key(&journal_dir);
    let now_ns = Clock::new().now_ns();
    let note = args.note()?;
    let checkpoint = audit::sign_repair(&journal_dir, &audit_dir, key.as_deref(), (&note, now_ns))
        .map_err(|error| coded(&error))?;
    args.print("signed", &checkpoint);
    Ok(ExitCode::SUCCESS)
}

/// The error with its exit code: what disagrees with signatures is damage.
pub(crate) fn coded(error: &KeeperError) -> anyhow::Error {
    let is_damage = matches!(
        error,
        KeeperError::Disagrees { .. }
            | KeeperError::AnchorAhead { .. }
            | KeeperError::Foreign(_)
            | KeeperError::Chain(_)
    );
    let code = if is_damage { exit::DAMAGED } else { exit::USAGE };
    anyhow!(session::Coded::new(code, format!("audit: {error}")))
}

/// After a repair: signs its cut, where the journal was signed. What was done, in words.
pub(crate) fn after_repair(
    dir: &Path,
    (actor, reason): (Option<&str>, Option<&str>),
) -> anyhow::Result<Option<String>> {
    let (journal_dir, audit_dir) = places(dir)?;
    if !audit_dir.join(audit::CHECKPOINT_FILE).exists() {
        return Ok(None);
    }
    let key = configured_key(&journal_dir);
    let note = note(actor, reason.unwrap_or("journal repair, no reason given"));
    let now_ns = Clock::new().now_ns();
    match audit::sign_repair(&journal_dir, &audit_dir, key.as_deref(), (&note, now_ns)) {
        Ok(checkpoint) => Ok(Some(format!("signed as checkpoint {}", checkpoint.number))),
        Err(KeeperError::NotRepaired) => Ok(None),
        Err(error) => Ok(Some(format!(
            "NOT signed ({error}); until `tickwheel audit sign-repair` it counts as damage"
        ))),
    }
}
