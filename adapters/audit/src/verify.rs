//! Verification: records against the chain, the chain against the checkpoints, the checkpoints against the anchor.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::event::{Event, Kind, TextTopic, session};
use journal::{Case, ChainPoint, ChainTail, What};

use crate::checkpoint::{Checkpoint, CheckpointKind, genesis};
use crate::files::{IoError, read_optional};
use crate::key::{KeyError, PUBLIC_KEY_FILE, PublicKey};
use crate::log::{CHECKPOINT_FILE, each_line, is_held};
use crate::report::{AuditReport, RepairSeen, code};

/// What to verify against, besides the directory itself.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// Where checkpoint lines were kept besides.
    pub anchor: Option<PathBuf>,
    /// The public key that must have signed.
    pub public_key: Option<PathBuf>,
}

/// Why nothing could be verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] IoError),
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] journal::VerifyError),
    /// The chain could not be read.
    #[error(transparent)]
    Chain(#[from] journal::FileError),
    /// The records could not be read.
    #[error(transparent)]
    Reader(#[from] journal::ReaderError),
    /// The public key could not be read.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A checkpoint whose line and signature are good.
#[derive(Clone, Copy, Debug)]
struct Seen {
    line: u64,
    number: u64,
    kind: CheckpointKind,
    entry: u64,
    sequence: u64,
    hash: [u8; 32],
    digest: [u8; 32],
    journal_id: [u8; 16],
}

/// The checkpoint file, read from its beginning.
#[derive(Debug, Default)]
struct Lines {
    seen: Vec<Seen>,
    /// Statements of repairs: index in `seen`, time, note.
    repairs: Vec<(usize, u64, String)>,
    keys: Vec<PublicKey>,
    count: u64,
    torn: bool,
}

/// Verifies the journal in `journal_dir` with the checkpoints in `audit_dir`. Changes nothing; works beside a writer.
pub fn verify(
    journal_dir: &Path,
    audit_dir: &Path,
    options: &VerifyOptions,
) -> Result<AuditReport, VerifyError> {
    let mut report = AuditReport::default();
    // The lines first: what they sign is in the chain already, also beside a writer.
    let held = is_held(audit_dir);
    let mut lines = read_lines(audit_dir, &mut report)?;
    let found = journal::verify(journal_dir)?;
    tell_journal(&found, &mut report);
    report.live = found.recovery.live || held || is_held(audit_dir);
    let sessions = Sessions::of(found.recovery.clone())?;
    let mut head = None;
    let mut points = chain_points(journal_dir, &lines, &mut head)?;
    let is_short = |lines: &Lines| lines.seen.last().map_or(0, |seen| seen.entry);
    if let Some(end) = head.filter(|end| end.closed && is_short(&lines) < end.entry) {
        // It may have been closed and signed while we read: look once more.
        report.damage.retain(|finding| !finding.what.starts_with("checkpoint-"));
        lines = read_lines(audit_dir, &mut report)?;
        points = chain_points(journal_dir, &lines, &mut head)?;
        report.live |= is_held(audit_dir);
        if !report.live
            && sessions.last_is_signed
            && is_short(&lines) < end.entry
            && 0 < lines.count
        {
            let detail = "the journal was closed in order and its end is not signed: the last checkpoints were \
                          removed, or the process was killed in the moment of closing";
            report.find(code::CLOSE_UNSIGNED, format!("chain entry {}", end.entry), detail);
        }
    }
    compare(&lines, (&points, head), &found, &mut report);
    check_keys(&lines, audit_dir, options, &mut report)?;
    let is_due = sessions.any_is_signed || options.anchor.is_some() || options.public_key.is_some();
    if lines.count == 0 {
        let place = audit_dir.join(CHECKPOINT_FILE).display().to_string();
        if is_due {
            let detail = "there is no checkpoint, and the journal, the anchor or the key says that it was signed";
            report.find(code::CHECKPOINTS_MISSING, place, detail);
        } else {
            report.notes.push(
                "no session of this journal was signed: a tail that was cut and a rewrite of everything cannot be \
                 seen"
                    .to_string(),
            );
        }
    }
    if let Some(anchor) = &options.anchor {
        check_anchor(anchor, &lines, &found, &mut report)?;
    }
    tell_notes(&lines, &found, options, &mut report);
    Ok(report)
}

fn tell_notes(
    lines: &Lines,
    found: &journal::VerifyReport,
    options: &VerifyOptions,
    report: &mut AuditReport,
) {
    if lines.torn {
        report.notes.push("the checkpoint file ends with half a line, as a crash leaves it".into());
    }
    let unsigned = found.records.saturating_sub(report.signed_through);
    if 0 < lines.count && 0 < unsigned {
        report.notes.push(format!("the last {unsigned} records are not signed yet"));
    }
    if 0 < lines.count && options.anchor.is_none() {
        report.notes.push(
            "without --anchor: who holds the key, or removes the newest checkpoints together with what they sign, is \
             not seen"
                .to_string(),
        );
    }
}

fn tell_journal(found: &journal::VerifyReport, report: &mut AuditReport) {
    report.case = found.case.name();
    report.records = found.records;
    for damage in &found.damage {
        let what = match damage.what {
            What::Place(_) if found.case == Case::TailTruncatedRefused => code::TRUNCATED,
            What::Place(_) => code::RECORD,
            What::Header(_) => code::HEADER,
            What::Length { .. } => code::LENGTH,
            What::Missing => code::MISSING,
            What::Foreign => code::FOREIGN,
            What::Chain(_) => code::CHAIN,
            What::Tampered => code::RECORDS_CHANGED,
            What::Link => code::LINK,
            What::Io(_) => code::UNREADABLE,
            // What later versions of the journal may find.
            _ => code::OTHER,
        };
        let place = format!(
            "{} offset {} record {}",
            damage.path.display(),
            damage.offset,
            damage.sequence
        );
        report.find(what, place, damage.what.to_string());
    }
    if !found.ok && found.damage.is_empty() {
        let place = found.recovery.dir.display().to_string();
        report.find(code::TRUNCATED, place, found.case.name());
    }
}

fn read_lines(audit_dir: &Path, report: &mut AuditReport) -> Result<Lines, IoError> {
    let path = audit_dir.join(CHECKPOINT_FILE);
    let mut lines = Lines::default();
    // What the next line must say: number, digest before (unknown after damage), key.
    let mut due_number = 1;
    let mut due_previous: Option<[u8; 32]> = None;
    let mut due_key: Option<PublicKey> = None;
    each_line::<IoError>(&path, 0, |line| {
        if !line.whole {
            lines.torn = true;
            return Ok(false);
        }
        lines.count += 1;
        let place = format!("{} line {}", path.display(), line.number);
        let checkpoint = match Checkpoint::from_line(line.bytes) {
            Ok(checkpoint) => checkpoint,
            Err(what) => {
                report.find(code::CHECKPOINT_DAMAGED, place, what);
                due_number += 1;
                due_previous = None;
                return Ok(true);
            }
        };
        let previous = match due_number {
            1 => Some(genesis(&checkpoint.journal_id)),
            _ => due_previous,
        };
        let key = due_key.unwrap_or(checkpoint.key);
        let number = checkpoint.number;
        let mut good = false;
        if number != due_number {
            let detail = format!("checkpoint {number} stands where {due_number} is due");
            report.find(code::CHECKPOINT_ORDER, place, detail);
        } else if previous.is_some_and(|previous| previous != checkpoint.previous) {
            report.find(code::CHECKPOINT_ORDER, place, "it does not follow the one before");
        } else if checkpoint.key != key {
            let detail = format!("signed by {}, {} is due", checkpoint.key.short(), key.short());
            report.find(code::CHECKPOINT_KEY, place, detail);
        } else if !checkpoint.is_signed() {
            report.find(code::CHECKPOINT_SIGNATURE, place, "the signature does not hold");
        } else {
            good = true;
        }
        due_number = number.saturating_add(1);
        due_previous = Some(checkpoint.digest());
        if good {
            lines.take(line.number, &checkpoint);
            due_key = Some(checkpoint.next_key());
        }
        Ok(true)
    })?;
    Ok(lines)
}

impl Lines {
    fn take(&mut self, line: u64, checkpoint: &Checkpoint) {
        for key in [checkpoint.key, checkpoint.next_key()] {
            if self.keys.last() != Some(&key) {
                self.keys.push(key);
            }
        }
        if checkpoint.kind == CheckpointKind::Repair {
            let (time_ns, note) = (checkpoint.time_ns, checkpoint.note.clone());
            self.repairs.push((self.seen.len(), time_ns, note));
        }
        self.seen.push(Seen {
            line,
            number: checkpoint.number,
            kind: checkpoint.kind,
            entry: checkpoint.entry,
            sequence: checkpoint.sequence,
            hash: checkpoint.hash,
            digest: checkpoint.digest(),
            journal_id: checkpoint.journal_id,
        });
    }
}

/// The entries of the chain that checkpoints name, and the last one.
fn chain_points(
    journal_dir: &Path,
    lines: &Lines,
    head: &mut Option<ChainPoint>,
) -> Result<BTreeMap<u64, ChainPoint>, VerifyError> {
    let mut points: BTreeMap<u64, Option<ChainPoint>> =
        lines.seen.iter().map(|seen| (seen.entry, None)).collect();
    *head = None;
    match ChainTail::open(journal_dir) {
        Ok(mut tail) => tail.poll(|point| {
            if let Some(place) = points.get_mut(&point.entry) {
                *place = Some(*point);
            }
            *head = Some(*point);
        })?,
        // The journal's own verification has told that it is not there.
        Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    Ok(points.into_iter().filter_map(|(entry, point)| point.map(|point| (entry, point))).collect())
}

fn matches(seen: &Seen, points: &BTreeMap<u64, ChainPoint>) -> bool {
    points
        .get(&seen.entry)
        .is_some_and(|point| point.hash == seen.hash && point.last_sequence == seen.sequence)
}

/// Each checkpoint must be an entry of the chain, or be superseded by a signed statement of a repair.
fn compare(
    lines: &Lines,
    (points, head): (&BTreeMap<u64, ChainPoint>, Option<ChainPoint>),
    found: &journal::VerifyReport,
    report: &mut AuditReport,
) {
    report.chain_entries = head.map_or(0, |head| head.entry);
    let journal_id = found.recovery.identity.map(|identity| identity.journal_id);
    let mut repairs: Vec<(Seen, u64, RepairSeen)> = Vec::new();
    for (index, time_ns, note) in &lines.repairs {
        let statement = lines.seen[*index];
        // The last earlier checkpoint that still fits: what was signed behind it is what the cut removed.
        let kept = lines.seen[..*index].iter().filter(|seen| matches(seen, points));
        let kept = kept.map(|seen| seen.entry).max().unwrap_or(0);
        let told = RepairSeen {
            number: statement.number,
            sequence: statement.sequence,
            time_ns: *time_ns,
            note: note.clone(),
            superseded: 0,
        };
        repairs.push((statement, kept, told));
    }
    for seen in &lines.seen {
        let place = format!("checkpoint {} (line {})", seen.number, seen.line);
        if journal_id.is_some_and(|id| id != seen.journal_id) {
            report.find(code::CHECKPOINT_FOREIGN, place, "it is one of another journal");
            continue;
        }
        if matches(seen, points) {
            let is_cut = points.get(&seen.entry).is_some_and(|point| point.repaired);
            if seen.kind == CheckpointKind::Repair && !is_cut {
                let detail = format!("the chain notes no cut at entry {}", seen.entry);
                report.find(code::REPAIR_UNKNOWN, place, detail);
                continue;
            }
            report.checkpoints += 1;
            report.signed_through = report.signed_through.max(seen.sequence);
            continue;
        }
        let statement = repairs
            .iter_mut()
            .find(|(statement, kept, _)| seen.number < statement.number && *kept < seen.entry);
        if let Some((_, _, told)) = statement {
            told.superseded += 1;
            report.checkpoints += 1;
            continue;
        }
        if report.chain_entries < seen.entry {
            let detail = format!(
                "it signed entry {} (record {}), the chain ends with entry {}: the tail was cut",
                seen.entry, seen.sequence, report.chain_entries
            );
            report.find(code::HEAD_MISSING, place, detail);
        } else {
            let detail = format!(
                "it signed another entry {} (record {}): the journal was rewritten",
                seen.entry, seen.sequence
            );
            report.find(code::HEAD_CHANGED, place, detail);
        }
    }
    report.repairs = repairs.into_iter().map(|(_, _, told)| told).collect();
    report.keys = lines.keys.iter().map(PublicKey::hex).collect();
}

fn check_keys(
    lines: &Lines,
    audit_dir: &Path,
    options: &VerifyOptions,
    report: &mut AuditReport,
) -> Result<(), VerifyError> {
    if lines.seen.is_empty() {
        return Ok(());
    }
    let beside = audit_dir.join(PUBLIC_KEY_FILE);
    let path = match &options.public_key {
        Some(path) => path.clone(),
        None if read_optional(&beside)?.is_some() => beside,
        None => {
            report.notes.push("there is no public.pem: the key is what the lines say".to_string());
            return Ok(());
        }
    };
    let trusted = match PublicKey::read(&path) {
        Ok(trusted) => trusted,
        Err(error) if options.public_key.is_some() => return Err(error.into()),
        Err(error) => {
            report.find(code::KEY_UNTRUSTED, path.display().to_string(), error.to_string());
            return Ok(());
        }
    };
    if !lines.keys.contains(&trusted) {
        let detail = format!("no checkpoint is signed by the trusted key {}", trusted.short());
        report.find(code::KEY_UNTRUSTED, path.display().to_string(), detail);
    }
    Ok(())
}

/// Every line of this journal in the anchor must be the same line in the checkpoint file.
fn check_anchor(
    anchor: &Path,
    lines: &Lines,
    found: &journal::VerifyReport,
    report: &mut AuditReport,
) -> Result<(), VerifyError> {
    let journal_id = found.recovery.identity.map(|identity| identity.journal_id);
    let by_number: BTreeMap<u64, &Seen> =
        lines.seen.iter().map(|seen| (seen.number, seen)).collect();
    let last_known = by_number.last_key_value().map_or(0, |(number, _)| *number);
    let (mut count, mut last) = (0, 0);
    if !anchor.exists() {
        report.find(code::ANCHOR_EMPTY, anchor.display().to_string(), "there is no such file");
        report.anchor = Some((0, 0));
        return Ok(());
    }
    each_line::<VerifyError>(anchor, 0, |line| {
        let place = format!("{} line {}", anchor.display(), line.number);
        let checkpoint = match Checkpoint::from_line(line.bytes) {
            Ok(checkpoint) => checkpoint,
            // Half a line: the next one begins anew, and the number is written again.
            Err(_) if !line.whole || line.bytes.is_empty() => return Ok(true),
            Err(what) => {
                report.notes.push(format!("{place}: {what}"));
                return Ok(true);
            }
        };
        if journal_id.is_some_and(|id| id != checkpoint.journal_id) {
            return Ok(true);
        }
        if !checkpoint.is_signed() {
            report.find(code::ANCHOR_DAMAGED, place, "the signature does not hold");
            return Ok(true);
        }
        count += 1;
        last = checkpoint.number.max(last);
        match by_number.get(&checkpoint.number) {
            Some(seen) if seen.digest == checkpoint.digest() => {}
            None if last_known < checkpoint.number => {
                let detail = format!(
                    "checkpoint {} (record {}) is anchored, the checkpoint file ends with {last_known}",
                    checkpoint.number, checkpoint.sequence
                );
                report.find(code::ANCHOR_AHEAD, place, detail);
            }
            Some(_) | None => {
                let detail = format!("checkpoint {} is another one there", checkpoint.number);
                report.find(code::ANCHOR_DIFFERS, place, detail);
            }
        }
        Ok(true)
    })?;
    if count == 0 {
        let detail = "it holds no checkpoint of this journal";
        report.find(code::ANCHOR_EMPTY, anchor.display().to_string(), detail);
    }
    report.anchor = Some((count, last));
    Ok(())
}

/// What the journal itself says: which of its sessions sign.
#[derive(Clone, Copy, Debug, Default)]
struct Sessions {
    any_is_signed: bool,
    last_is_signed: bool,
}

/// How a configuration that signs says so, as the configuration writes itself.
const SECTION: &[u8] = b"[audit]";
/// Longest configuration that is looked at.
const TEXT_SIZE_BYTES_MAX: usize = 1 << 20;

impl Sessions {
    fn of(recovery: journal::Recovery) -> Result<Sessions, VerifyError> {
        let reader = journal::Reader::from_recovery(recovery)?;
        let mut sessions = Sessions::default();
        let mut text = Vec::new();
        for record in reader.records_from(1) {
            let event: &Event = bytemuck::cast_ref(record);
            if event.kind == Kind::TEXT && event.code == TextTopic::Config as u16 {
                if event.source == session::TEXT_FIRST {
                    text.clear();
                }
                if text.len() < TEXT_SIZE_BYTES_MAX {
                    text.extend_from_slice(session::text_chunk(event));
                }
            } else if event.kind == Kind::SESSION_START {
                let signs = text.split(|byte| *byte == b'\n').any(|line| line == SECTION);
                sessions.last_is_signed = signs;
                sessions.any_is_signed |= signs;
            }
        }
        Ok(sessions)
    }
}

#[cfg(test)]
mod tests;
