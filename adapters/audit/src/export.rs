//! The export: who did what, when and why, with the inputs of every decision, as tables with a signed manifest.
//!
//! ```text
//!   journal --one pass--> decisions, controls, commands, sessions (.jsonl, .csv)  --+
//!   checkpoints ----------------------------------------------------------------> manifest.json --> manifest.sig
//! ```
//! Everything is written into a hidden directory beside the wanted one, synced and renamed at the end: a full disk or a
//! crash leaves no half export. Memory does not depend on the length of the journal.

mod manifest;
mod names;
mod rows;
mod scan;
mod sink;

use std::path::{Path, PathBuf};

use engine::event::Event;
use engine::pipeline::manifest::ManifestError;

use crate::files::{Context as _, IoError, folder_of, sync_dir};
use crate::key::SigningKey;

pub use manifest::{ExportReport, MANIFEST_FILE, SIGNATURE_FILE, verify_export};

use scan::{Scan, Tables};
use sink::Table;

/// Names of the strategies of a configuration, in the order of their numbers.
pub type StrategyNames<'a> = &'a dyn Fn(&str) -> Vec<String>;

/// Records between two looks at the size.
const SIZE_CHECK_RECORDS: u64 = 4096;

/// Forms of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON Lines.
    Jsonl,
    /// CSV after RFC 4180.
    Csv,
    /// Both.
    Both,
}

impl Format {
    fn has_jsonl(self) -> bool {
        matches!(self, Format::Jsonl | Format::Both)
    }

    fn has_csv(self) -> bool {
        matches!(self, Format::Csv | Format::Both)
    }
}

/// What to export.
#[derive(Debug)]
pub struct ExportOptions<'a> {
    /// The journal.
    pub journal_dir: &'a Path,
    /// Its checkpoints.
    pub audit_dir: &'a Path,
    /// Directory that is made; it must not exist, or be empty.
    pub out: &'a Path,
    /// First sequence.
    pub from: u64,
    /// Last sequence; what is there if less is there.
    pub to: u64,
    /// Forms of the tables.
    pub format: Format,
    /// The export is given up when it gets larger; `u64::MAX` for no bound.
    pub size_bytes_max: u64,
    /// Signs the manifest.
    pub key: Option<&'a SigningKey>,
    /// Version of the program.
    pub version: &'a str,
    /// Now, ns since the epoch.
    pub now_ns: u64,
}

/// What is complete and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completeness {
    /// Records looked at, each once.
    pub records: u64,
    /// Places where a sequence is not one more than the one before.
    pub missing_sequences: u64,
    /// Orders that were born.
    pub orders: u64,
    /// Orders without intent and verdict.
    pub orders_without_decision: u64,
    /// Sequences of such orders, at most 16.
    pub samples: Vec<u64>,
    /// Commands.
    pub commands: u64,
    /// Numbered commands that nothing answers within the export.
    pub commands_without_answer: u64,
}

impl Completeness {
    /// Every sequence is there and every order has its decision.
    pub fn is_complete(&self) -> bool {
        self.missing_sequences == 0 && self.orders_without_decision == 0
    }
}

/// What was exported.
#[derive(Clone, Debug)]
pub struct Exported {
    /// First and last sequence.
    pub range: (u64, u64),
    /// Rows by table.
    pub rows: Vec<(&'static str, u64)>,
    /// Bytes of all tables.
    pub bytes: u64,
    /// Sessions.
    pub sessions: u64,
    /// What is complete.
    pub complete: Completeness,
    /// Whether the manifest is signed.
    pub signed: bool,
    /// Number of the checkpoint that covers the last sequence, if one does.
    pub checkpoint: Option<u64>,
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A file operation failed. A full disk is named by the system's words.
    #[error("nothing was exported: {0}")]
    File(#[from] IoError),
    /// The journal could not be read.
    #[error(transparent)]
    Reader(#[from] journal::ReaderError),
    /// A session's manifest is damaged.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The journal has damage; what is before it can be exported with the flag that says so.
    #[error("the journal is damaged ({case}): good records end with {last}")]
    Damaged {
        /// The case.
        case: &'static str,
        /// Last good record.
        last: u64,
    },
    /// The target is there already.
    #[error("{}: is there already and not empty", .0.display())]
    Exists(PathBuf),
    /// There is nothing in the range.
    #[error("no record from {from} to {to}: the journal ends with {last}")]
    Empty {
        /// First wanted.
        from: u64,
        /// Last wanted.
        to: u64,
        /// Last record.
        last: u64,
    },
    /// It got larger than was allowed.
    #[error("nothing was exported: it would be larger than {size_bytes_max} bytes")]
    TooLarge {
        /// The bound.
        size_bytes_max: u64,
    },
    /// No number for so much.
    #[error("the manifest cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// Sequence of the first record at or after a time; one more than the last when there is none.
pub fn sequence_at(reader: &journal::Reader, time_ns: u64) -> u64 {
    let (mut low, mut high) = (1, reader.last_sequence() + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let event: Option<&Event> = reader.get(middle).map(bytemuck::cast_ref);
        if event.is_some_and(|event| event.time_ns < time_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// Exports the records of `reader`.
pub fn export(
    reader: &journal::Reader,
    options: &ExportOptions<'_>,
    strategies: StrategyNames<'_>,
) -> Result<Exported, ExportError> {
    let last = reader.last_sequence();
    let range = (options.from.max(1), options.to.min(last));
    if range.1 < range.0 {
        return Err(ExportError::Empty { from: options.from, to: options.to, last });
    }
    let is_there = std::fs::read_dir(options.out).is_ok_and(|mut entries| entries.next().is_some());
    if is_there || options.out.is_file() {
        return Err(ExportError::Exists(options.out.to_path_buf()));
    }
    let parent = folder_of(options.out);
    std::fs::create_dir_all(parent).at("create", parent)?;
    let name = options.out.file_name().unwrap_or_default().to_string_lossy();
    let partial = parent.join(format!(".{name}.partial-{}", std::process::id()));
    std::fs::create_dir(&partial).at("create", &partial)?;
    let outcome = write(reader, options, (strategies, range), &partial).and_then(|exported| {
        sync_dir(&partial)?;
        std::fs::rename(&partial, options.out).at("rename", &partial)?;
        sync_dir(parent)?;
        Ok(exported)
    });
    if outcome.is_err() {
        // The error that is told is the first one; a directory that cannot be removed is hidden and named .partial.
        drop(std::fs::remove_dir_all(&partial));
    }
    outcome
}

fn write(
    reader: &journal::Reader,
    options: &ExportOptions<'_>,
    (strategies, range): (StrategyNames<'_>, (u64, u64)),
    dir: &Path,
) -> Result<Exported, ExportError> {
    let table = |form| Table::create(dir, form, options.format);
    let mut tables = Tables {
        decisions: table(rows::DECISIONS)?,
        controls: table(rows::CONTROLS)?,
        commands: table(rows::COMMANDS)?,
        sessions: table(rows::SESSIONS)?,
    };
    let mut scan = Scan::new(reader, strategies, range.0);
    for record in reader.records_from(1) {
        let event: &Event = bytemuck::cast_ref(record);
        if range.1 < event.sequence {
            break;
        }
        scan.take(event, &mut tables)?;
        let is_time = event.sequence.is_multiple_of(SIZE_CHECK_RECORDS);
        if is_time && options.size_bytes_max < tables.size_bytes() {
            return Err(ExportError::TooLarge { size_bytes_max: options.size_bytes_max });
        }
    }
    scan.finish(reader.recovery().live, &mut tables)?;
    let bytes = tables.size_bytes();
    if options.size_bytes_max < bytes {
        return Err(ExportError::TooLarge { size_bytes_max: options.size_bytes_max });
    }
    let Tables { decisions, controls, commands, sessions } = tables;
    let mut done = Vec::new();
    for table in [decisions, controls, commands, sessions] {
        done.push(table.finish()?);
    }
    let checkpoint = manifest::covering(options.audit_dir, range.1)?;
    manifest::write(
        dir,
        options,
        &manifest::Content {
            reader,
            range,
            scan: &scan,
            tables: &done,
            checkpoint: checkpoint.as_ref(),
        },
    )?;
    Ok(Exported {
        range,
        rows: done.iter().map(|table| (table.name, table.rows)).collect(),
        bytes,
        sessions: scan.session_count,
        complete: scan.complete.clone(),
        signed: options.key.is_some(),
        checkpoint: checkpoint.map(|checkpoint| checkpoint.number),
    })
}

#[cfg(test)]
mod tests;
