//! `tickwheel audit export`: who did what, when and why, as tables with a signed manifest.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use audit::{ExportError, ExportOptions, Exported, Format, SigningKey};
use clap::{Args, ValueEnum};
use config::Config;
use engine::clock::Clock;
use serde_json::json;

use super::{configured_key, places};
use crate::report::count;
use crate::{compose, exit, session};

/// Forms of the tables.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    Jsonl,
    Csv,
    Both,
}

/// Arguments of `tickwheel audit export`.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// Data directory or journal directory.
    dir: PathBuf,
    /// Directory that is made for the export.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// First record: a sequence, or a time such as 2026-01-31 or 2026-01-31T12:00 (UTC).
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Last record: a sequence, or a time before which records are taken.
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,
    /// Form of the tables.
    #[arg(long, value_enum, default_value = "both")]
    format: FormatArg,
    /// Give up when the tables get larger than so many MiB.
    #[arg(long, value_name = "MIB")]
    size_mib_max: Option<u64>,
    /// Export what is good before the damage of a damaged journal.
    #[arg(long)]
    damaged: bool,
    /// Do not sign the manifest.
    #[arg(long)]
    unsigned: bool,
    /// The private key; default: the one that the last session used.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let (journal_dir, audit_dir) = places(&args.dir)?;
    let reader = journal::Reader::open(&journal_dir)?;
    let found = reader.recovery();
    if found.case.is_refused() && !args.damaged {
        let (case, last) = (found.case.name(), reader.last_sequence());
        let message = format!("{} (--damaged exports those)", ExportError::Damaged { case, last });
        return Err(session::Coded::new(exit::DAMAGED, message).into());
    }
    let key = key(args, &journal_dir, &audit_dir)?;
    let from = match &args.from {
        Some(text) => when(&reader, "--from", text)?.0,
        None => 1,
    };
    let to = match &args.to {
        Some(text) => {
            let (sequence, is_time) = when(&reader, "--to", text)?;
            // A time is a bound, a sequence is the last one.
            if is_time { sequence.saturating_sub(1) } else { sequence }
        }
        None => u64::MAX,
    };
    let options = ExportOptions {
        journal_dir: &journal_dir,
        audit_dir: &audit_dir,
        out: &args.out,
        from,
        to,
        format: match args.format {
            FormatArg::Jsonl => Format::Jsonl,
            FormatArg::Csv => Format::Csv,
            FormatArg::Both => Format::Both,
        },
        size_bytes_max: args.size_mib_max.map_or(u64::MAX, |mib| mib.saturating_mul(1 << 20)),
        key: key.as_ref(),
        version: compose::VERSION_TEXT,
        now_ns: Clock::new().now_ns(),
    };
    let exported = audit::export(&reader, &options, &strategies)
        .with_context(|| format!("export {} to {}", args.dir.display(), args.out.display()))?;
    print(args, &exported);
    let is_whole = exported.complete.is_complete();
    Ok(ExitCode::from(if is_whole { exit::GOOD } else { exit::NO }))
}

/// Names of the strategies of a configuration.
fn strategies(config: &str) -> Vec<String> {
    Config::parse(config, "journal")
        .map(|config| config.strategy.iter().map(|it| it.name().to_string()).collect())
        .unwrap_or_default()
}

fn key(
    args: &ExportArgs,
    journal_dir: &Path,
    audit_dir: &Path,
) -> anyhow::Result<Option<SigningKey>> {
    if args.unsigned {
        return Ok(None);
    }
    let named = args.key_file.clone().or_else(|| configured_key(journal_dir));
    let path = named.unwrap_or_else(|| audit_dir.join(audit::KEY_FILE));
    if args.key_file.is_none() && !path.exists() {
        return Err(anyhow!(
            "{}: there is no key to sign with; --key-file names one, --unsigned goes without",
            path.display()
        ));
    }
    Ok(Some(SigningKey::read(&path)?))
}

/// The sequence that a text names, and whether the text is a time.
fn when(reader: &journal::Reader, option: &str, text: &str) -> anyhow::Result<(u64, bool)> {
    if let Ok(sequence) = text.parse() {
        return Ok((sequence, false));
    }
    let time_ns = audit::parse_time(text).ok_or_else(|| {
        anyhow!("{option} {text}: neither a sequence nor a time such as 2026-01-31T12:00")
    })?;
    Ok((audit::sequence_at(reader, time_ns), true))
}

fn print(args: &ExportArgs, exported: &Exported) {
    let complete = &exported.complete;
    if args.json {
        let rows: serde_json::Map<String, serde_json::Value> =
            exported.rows.iter().map(|(name, rows)| ((*name).to_string(), json!(rows))).collect();
        println!(
            "{}",
            json!({"out": args.out.display().to_string(), "first_sequence": exported.range.0,
                   "last_sequence": exported.range.1, "sessions": exported.sessions, "rows": rows,
                   "bytes": exported.bytes, "signed": exported.signed,
                   "checkpoint": exported.checkpoint, "complete": complete.is_complete(),
                   "records": complete.records, "missing_sequences": complete.missing_sequences,
                   "orders": complete.orders,
                   "orders_without_decision": complete.orders_without_decision,
                   "commands": complete.commands,
                   "commands_without_answer": complete.commands_without_answer})
        );
        return;
    }
    println!("exported     {}", args.out.display());
    println!("records      {} to {}", count(exported.range.0), count(exported.range.1));
    println!("sessions     {}", count(exported.sessions));
    for (name, rows) in &exported.rows {
        println!("rows         {} {name}", count(*rows));
    }
    println!("size         {} bytes", count(exported.bytes));
    println!(
        "complete     {} orders, {} without a decision; {} gaps in the sequence; {} commands, {} without an answer",
        count(complete.orders),
        count(complete.orders_without_decision),
        count(complete.missing_sequences),
        count(complete.commands),
        count(complete.commands_without_answer)
    );
    match exported.checkpoint {
        Some(number) => println!("checkpoint   {number} covers all of it"),
        None => println!("checkpoint   none covers the end of it yet"),
    }
    println!("manifest     {}", if exported.signed { "signed" } else { "NOT signed" });
}
