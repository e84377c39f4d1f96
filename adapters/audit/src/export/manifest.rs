//! The manifest of an export, its signature, and the check of both.
//!
//! `manifest.sig` signs BLAKE3("tickwheel audit export 1\n" | the bytes of `manifest.json`).

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::scan::Scan;
use super::sink::TableDone;
use super::{ExportError, ExportOptions};
use crate::calendar::format_time;
use crate::checkpoint::Checkpoint;
use crate::files::{Context as _, IoError, write_atomic};
use crate::key::{KeyError, PublicKey};
use crate::log::{CHECKPOINT_FILE, each_line};
use crate::report::{Finding, code};

/// Name of the manifest in an export.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Name of its signature.
pub const SIGNATURE_FILE: &str = "manifest.sig";
/// Version of manifest and signature.
const VERSION: u32 = 1;
/// A manifest has a few kilobytes.
const MANIFEST_SIZE_BYTES_MAX: u64 = 1 << 20;

/// What stands in a manifest besides the options.
pub(super) struct Content<'a> {
    pub(super) reader: &'a journal::Reader,
    pub(super) range: (u64, u64),
    pub(super) scan: &'a Scan<'a>,
    pub(super) tables: &'a [TableDone],
    pub(super) checkpoint: Option<&'a Checkpoint>,
}

/// The signature file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    version: u32,
    manifest_blake3: String,
    key: String,
    signature: String,
}

impl Signature {
    fn to_line(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string(self)? + "\n")
    }
}

fn digest(manifest: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"tickwheel audit export 1\n");
    hasher.update(manifest);
    *hasher.finalize().as_bytes()
}

/// The first checkpoint that covers `sequence`.
pub(super) fn covering(audit_dir: &Path, sequence: u64) -> Result<Option<Checkpoint>, IoError> {
    let mut found = None;
    each_line::<IoError>(&audit_dir.join(CHECKPOINT_FILE), 0, |line| {
        let checkpoint = Checkpoint::from_line(line.bytes).ok().filter(|_| line.whole);
        found = checkpoint.filter(|checkpoint| sequence <= checkpoint.sequence);
        Ok(found.is_none())
    })?;
    Ok(found)
}

/// Writes manifest and signature into `dir`.
pub(super) fn write(
    dir: &Path,
    options: &ExportOptions<'_>,
    content: &Content<'_>,
) -> Result<(), ExportError> {
    let Content { reader, range, scan, tables, checkpoint } = content;
    let found = reader.recovery();
    let tables: Vec<Value> = tables
        .iter()
        .map(|table| {
            let files: Vec<Value> = table
                .files
                .iter()
                .map(|file| json!({"file": file.file, "bytes": file.bytes, "blake3": file.blake3}))
                .collect();
            json!({"name": table.name, "rows": table.rows, "columns": table.columns, "files": files})
        })
        .collect();
    let complete = &scan.complete;
    let checkpoint = match checkpoint {
        Some(checkpoint) => serde_json::from_str(&checkpoint.to_line())?,
        None => Value::Null,
    };
    let manifest = json!({
        "version": VERSION,
        "program": options.version,
        "made": format_time(options.now_ns),
        "journal": {
            "id": found.identity.map(|identity| HEXLOWER.encode(&identity.journal_id)),
            "case": found.case.name(),
            "records": reader.last_sequence(),
            "live": found.live,
        },
        "first_sequence": range.0,
        "last_sequence": range.1,
        "first_time": format_time(scan.first_time_ns),
        "last_time": format_time(scan.last_time_ns),
        "sessions": scan.session_count,
        "records_by_kind": scan.kinds,
        "tables": tables,
        "complete": {
            "ok": complete.is_complete(),
            "records": complete.records,
            "missing_sequences": complete.missing_sequences,
            "orders": complete.orders,
            "orders_without_decision": complete.orders_without_decision,
            "samples": complete.samples,
            "commands": complete.commands,
            "commands_without_answer": complete.commands_without_answer,
        },
        "checkpoint": checkpoint,
        "signed_by": options.key.map(|key| key.public().hex()),
    });
    let mut bytes = serde_json::to_vec_pretty(&manifest)?;
    bytes.push(b'\n');
    write_atomic(&dir.join(MANIFEST_FILE), &bytes, 0o644)?;
    if let Some(key) = options.key {
        let digest = digest(&bytes);
        let signature = Signature {
            version: VERSION,
            manifest_blake3: HEXLOWER.encode(&digest),
            key: key.public().hex(),
            signature: HEXLOWER.encode(&key.sign(&digest)),
        };
        write_atomic(&dir.join(SIGNATURE_FILE), signature.to_line()?.as_bytes(), 0o644)?;
    }
    Ok(())
}

/// What the check of an export found.
#[derive(Clone, Debug, Default)]
pub struct ExportReport {
    /// Findings. Empty means that the export is what was written.
    pub damage: Vec<Finding>,
    /// Key of the signature, when there is a good one.
    pub key: Option<String>,
    /// First and last sequence.
    pub range: (u64, u64),
    /// Rows of all tables.
    pub rows: u64,
    /// Files whose hash was compared.
    pub files: u64,
    /// What the manifest says of completeness.
    pub complete: bool,
}

impl ExportReport {
    fn find(&mut self, what: &'static str, path: &Path, detail: impl Into<String>) {
        let place = path.display().to_string();
        self.damage.push(Finding { what, place, detail: detail.into() });
    }
}

/// The parts of a manifest that are checked.
#[derive(Deserialize)]
struct Manifest {
    first_sequence: u64,
    last_sequence: u64,
    tables: Vec<TableSaid>,
    complete: CompleteSaid,
    signed_by: Option<String>,
}

#[derive(Deserialize)]
struct CompleteSaid {
    ok: bool,
}

#[derive(Deserialize)]
struct TableSaid {
    rows: u64,
    files: Vec<FileSaid>,
}

#[derive(Deserialize)]
struct FileSaid {
    file: String,
    bytes: u64,
    blake3: String,
}

/// Checks an export against its manifest, and the manifest against its signature.
pub fn verify_export(dir: &Path, public_key: Option<&Path>) -> Result<ExportReport, KeyError> {
    let mut report = ExportReport::default();
    let path = dir.join(MANIFEST_FILE);
    let size = std::fs::metadata(&path).at("stat", &path)?.len();
    if MANIFEST_SIZE_BYTES_MAX < size {
        report.find(code::EXPORT_MANIFEST, &path, "too large for a manifest");
        return Ok(report);
    }
    let bytes = std::fs::read(&path).at("read", &path)?;
    let manifest: Manifest = match serde_json::from_slice(&bytes) {
        Ok(manifest) => manifest,
        Err(error) => {
            report.find(code::EXPORT_MANIFEST, &path, error.to_string());
            return Ok(report);
        }
    };
    check_signature(dir, (&bytes, &manifest), public_key, &mut report)?;
    report.range = (manifest.first_sequence, manifest.last_sequence);
    report.complete = manifest.complete.ok;
    let mut known: BTreeSet<String> =
        [MANIFEST_FILE, SIGNATURE_FILE].into_iter().map(str::to_string).collect();
    for table in &manifest.tables {
        report.rows += table.rows;
        for said in &table.files {
            known.insert(said.file.clone());
            check_file(dir, said, &mut report)?;
        }
    }
    for entry in std::fs::read_dir(dir).at("list", dir)? {
        let path = entry.at("list", dir)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !known.contains(&name) {
            report.find(code::EXPORT_STRANGER, &path, "the manifest does not name it");
        }
    }
    Ok(report)
}

fn check_signature(
    dir: &Path,
    (bytes, manifest): (&[u8], &Manifest),
    public_key: Option<&Path>,
    report: &mut ExportReport,
) -> Result<(), KeyError> {
    let path = dir.join(SIGNATURE_FILE);
    let trusted = public_key.map(PublicKey::read).transpose()?;
    let Some(text) = crate::files::read_optional(&path)? else {
        if manifest.signed_by.is_some() || trusted.is_some() {
            report.find(code::EXPORT_SIGNATURE, &path, "the signature is missing");
        }
        return Ok(());
    };
    let digest = digest(bytes);
    let said = serde_json::from_slice::<Signature>(&text).ok().filter(|said| {
        // As this program writes it, byte for byte.
        said.version == VERSION && said.to_line().is_ok_and(|line| line.as_bytes() == text)
    });
    let Some(said) = said else {
        report.find(code::EXPORT_SIGNATURE, &path, "not a signature");
        return Ok(());
    };
    let key = HEXLOWER.decode(said.key.as_bytes()).ok().and_then(|key| key.try_into().ok());
    let signature = HEXLOWER.decode(said.signature.as_bytes()).unwrap_or_default();
    let holds = said.manifest_blake3 == HEXLOWER.encode(&digest)
        && key.is_some_and(|key| PublicKey(key).holds(&digest, &signature));
    if !holds {
        report.find(code::EXPORT_SIGNATURE, &path, "it does not hold for this manifest");
    } else if manifest.signed_by.as_ref() != Some(&said.key) {
        report.find(code::EXPORT_SIGNATURE, &path, "signed by another key than the manifest says");
    } else if trusted.is_some_and(|trusted| trusted.hex() != said.key) {
        report.find(code::KEY_UNTRUSTED, &path, "not signed by the trusted key");
    } else {
        report.key = Some(said.key);
    }
    Ok(())
}

fn check_file(dir: &Path, said: &FileSaid, report: &mut ExportReport) -> Result<(), IoError> {
    let path = dir.join(&said.file);
    // A manifest may come from anywhere: it names files of its own directory and no others.
    let is_plain = Path::new(&said.file).file_name().is_some_and(|name| *name == *said.file);
    if !is_plain {
        report.find(code::EXPORT_FILE, &path, "not the name of a file of this directory");
        return Ok(());
    }
    let Ok(mut file) = std::fs::File::open(&path) else {
        report.find(code::EXPORT_FILE, &path, "it is missing");
        return Ok(());
    };
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    let mut size = 0_u64;
    loop {
        let count = file.read(&mut buffer).at("read", &path)?;
        if count == 0 {
            break;
        }
        size += u64::try_from(count).unwrap_or(0);
        hasher.update(&buffer[..count]);
    }
    report.files += 1;
    let hash = HEXLOWER.encode(hasher.finalize().as_bytes());
    if size != said.bytes || hash != said.blake3 {
        let detail = format!("{size} bytes with another hash than the manifest says");
        report.find(code::EXPORT_FILE, &path, detail);
    }
    Ok(())
}
