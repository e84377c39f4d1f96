//! What an operator may order: a journal is cut after a sequence, its chain and headers are made good.
//!
//! Nothing is deleted: every byte that is removed or overwritten is first copied to `quarantine/`. A plan says
//! what would be done and changes nothing.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::case::Case;
use crate::chain::{CHAIN_FILE, ChainFault, ChainSummary, ChainWriter, FLAG_REPAIRED, read_chain};
use crate::files::{
    Context, FileError, list, quarantine_range, remove_temporaries, sync_dir, try_lock, zero_range,
};
use crate::layout::{
    ChainEntry, HEADER_COPY_OFFSETS, HEADER_SIZE_BYTES, Identity, MARK_OFFSET, PAGE_SIZE_BYTES,
    decode_page, encode_header, encode_mark, to_u64, to_usize,
};
use crate::recovery::{Recovery, survey};
use crate::verify::verify_survey;

/// One thing that a repair does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepairStep {
    /// The header page is written anew from its intact copy, without link.
    RestoreHeader {
        /// Segment file.
        path: PathBuf,
    },
    /// The file is moved to the quarantine: nothing in it is kept.
    MoveSegment {
        /// Segment file.
        path: PathBuf,
    },
    /// The file gets the length that its header says.
    SetLength {
        /// Segment file.
        path: PathBuf,
        /// By the header.
        expected: u64,
        /// By the file system.
        found: u64,
    },
    /// All places from `sequence` to the end of its segment are copied to the quarantine and zeroed.
    CutRecords {
        /// Segment file.
        path: PathBuf,
        /// First byte that is zeroed.
        offset: u64,
        /// First sequence that is cut.
        sequence: u64,
    },
    /// The chain keeps this many entries; the rest is copied to the quarantine and made anew from the records.
    RebuildChain {
        /// Entries kept.
        entries: u64,
    },
}

impl std::fmt::Display for RepairStep {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RestoreHeader { path } => {
                write!(formatter, "restore the header page of {}", path.display())
            }
            Self::MoveSegment { path } => {
                write!(formatter, "move {} to the quarantine", path.display())
            }
            Self::SetLength { path, expected, found } => {
                write!(formatter, "set the length of {} from {found} to {expected}", path.display())
            }
            Self::CutRecords { path, offset, sequence } => write!(
                formatter,
                "cut from sequence {sequence} on: {} from offset {offset} on",
                path.display()
            ),
            Self::RebuildChain { entries } => {
                write!(formatter, "keep {entries} chain entries, rebuild the rest from the records")
            }
        }
    }
}

/// What a repair would do. Made by [`propose_repair`]; making it changes nothing.
#[derive(Clone, Debug)]
pub struct RepairPlan {
    /// The directory.
    pub dir: PathBuf,
    /// What is wrong.
    pub case: Case,
    /// Sequence of the last record that is kept.
    pub keep_through: u64,
    /// Intact records that go with the cut: those before the damage that the operator gives up, and
    /// those behind the damage, which no order of records connects any more.
    pub good_records_lost: u64,
    /// Sequence through which the disk had confirmed; the records between are gone.
    pub mark: u64,
    /// In this order.
    pub steps: Vec<RepairStep>,
    identity: Identity,
}

/// What a repair did.
#[derive(Clone, Debug)]
pub struct RepairReport {
    /// Files in the quarantine that hold what was removed.
    pub quarantined: Vec<PathBuf>,
    /// What the journal is now.
    pub recovery: Recovery,
}

/// Why a journal was not repaired.
#[derive(Debug, Error)]
pub enum RepairError {
    /// A file operation failed. The repair may have been begun; propose anew.
    #[error(transparent)]
    File(#[from] FileError),
    /// A writer is at work.
    #[error("journal {} has a writer", .0.display())]
    Locked(PathBuf),
    /// The first segment's header is gone in both copies, or the disk gives errors: use a backup.
    #[error("journal {} cannot be repaired: {case}", dir.display())]
    NotRepairable {
        /// The directory.
        dir: PathBuf,
        /// What is wrong.
        case: Case,
    },
    /// The sequence to keep is behind the last good record.
    #[error("cannot keep sequence {wanted}: good records end at {last_good}")]
    KeepTooMuch {
        /// What the operator asked for.
        wanted: u64,
        /// The most that can be kept.
        last_good: u64,
    },
    /// The journal is no longer what the plan was made for.
    #[error("journal {} changed since the plan was made", .0.display())]
    Stale(PathBuf),
}

/// Says what a repair would do: keep all records through `keep_through`, or all good ones.
pub fn propose_repair(dir: &Path, keep_through: Option<u64>) -> Result<RepairPlan, RepairError> {
    let first = survey(dir, false);
    let Some(identity) = first.identity else {
        return Err(RepairError::NotRepairable { dir: dir.to_path_buf(), case: first.case });
    };
    if first.case == Case::UnreadableRefused {
        return Err(RepairError::NotRepairable { dir: dir.to_path_buf(), case: first.case });
    }
    let mut planner = Planner { dir, identity, steps: Vec::new(), last_good: 0 };
    planner.plan_segments()?;
    let last_good = planner.last_good;
    let keep = keep_through.unwrap_or(last_good);
    if last_good < keep {
        return Err(RepairError::KeepTooMuch { wanted: keep, last_good });
    }
    planner.plan_cut(keep)?;
    let mark = first.mark;
    let intact_behind = first.scan.good_after_count();
    let case = planner.plan_chain(first, keep)?;
    Ok(RepairPlan {
        dir: dir.to_path_buf(),
        case,
        keep_through: keep,
        good_records_lost: last_good - keep + intact_behind,
        mark,
        steps: planner.steps,
        identity,
    })
}

struct Planner<'a> {
    dir: &'a Path,
    identity: Identity,
    steps: Vec<RepairStep>,
    last_good: u64,
}

impl Planner<'_> {
    /// Which segment files can stay, and how far the good records go in them.
    fn plan_segments(&mut self) -> Result<(), RepairError> {
        let capacity = self.identity.segment_records;
        for (position, (index, path)) in list(self.dir)?.segments.into_iter().enumerate() {
            let first = (index - 1) * capacity + 1;
            let follows = index == to_u64(position) + 1 && self.last_good + 1 == first;
            if !follows || !self.plan_header(index, &path)? {
                self.steps.push(RepairStep::MoveSegment { path });
                continue;
            }
            let found = fs::metadata(&path).context("stat", &path)?.len();
            let expected = self.identity.segment_bytes();
            self.last_good = scan_file(&path, first, expected.min(found))?;
            if found != expected {
                self.steps.push(RepairStep::SetLength { path, expected, found });
            }
        }
        Ok(())
    }

    /// True when the segment's header says, in one copy at least, that it belongs here.
    fn plan_header(&mut self, index: u64, path: &Path) -> Result<bool, RepairError> {
        let file = fs::File::open(path).context("open", path)?;
        if file.metadata().context("stat", path)?.len() < HEADER_SIZE_BYTES {
            return Ok(false);
        }
        let mut page = [0_u8; PAGE_SIZE_BYTES];
        file.read_exact_at(&mut page, 0).context("read", path)?;
        let page = decode_page(&page);
        let belongs = page.header.as_ref().is_some_and(|header| {
            header.identity == self.identity
                && header.segment_index == index
                && header.first_sequence == self.identity.first_sequence_of(index)
        });
        if belongs && page.fault.is_some() {
            self.steps.push(RepairStep::RestoreHeader { path: path.to_path_buf() });
        }
        Ok(belongs)
    }

    /// The cut in the segment of the first record that goes, and the files behind it.
    fn plan_cut(&mut self, keep: u64) -> Result<(), RepairError> {
        let cut = self.identity.segment_of(keep + 1);
        for (index, path) in list(self.dir)?.segments {
            let moved = RepairStep::MoveSegment { path: path.clone() };
            if self.steps.contains(&moved) {
                continue;
            }
            if cut < index || (cut == index && self.is_first_kept_blank(keep, index)) {
                self.steps.retain(|step| step_path(step) != Some(&path));
                self.steps.push(moved);
            } else if cut == index {
                let (offset, sequence) = (self.identity.offset_of(keep + 1), keep + 1);
                self.steps.push(RepairStep::CutRecords { path, offset, sequence });
            }
        }
        Ok(())
    }

    /// A segment of which nothing is kept can go, but not the first one: it carries the identity.
    fn is_first_kept_blank(&self, keep: u64, index: u64) -> bool {
        1 < index && keep < self.identity.first_sequence_of(index)
    }

    /// How much of the chain agrees with the records that stay.
    fn plan_chain(&mut self, first: Recovery, keep: u64) -> Result<Case, RepairError> {
        let own =
            first.chain.header == Some((self.identity.journal_id, self.identity.block_records));
        // A mark line or length that is wrong does not keep the blocks from being hashed.
        let report = verify_survey(Recovery { last_sequence: self.last_good, ..first })?;
        if report.ok && keep == self.last_good {
            // Nothing is wrong and nothing is to go: what a start would do by itself needs no order.
            self.steps.clear();
            return Ok(report.case);
        }
        let mut entries = 0;
        if own {
            read_chain(self.dir, |entry| {
                let in_order = entries < report.chain_entries_good;
                if in_order && entry.last_sequence <= keep {
                    entries += 1;
                }
                Ok(())
            })?;
        }
        self.steps.push(RepairStep::RebuildChain { entries });
        Ok(report.case)
    }
}

fn step_path(step: &RepairStep) -> Option<&PathBuf> {
    match step {
        RepairStep::RestoreHeader { path }
        | RepairStep::MoveSegment { path }
        | RepairStep::SetLength { path, .. }
        | RepairStep::CutRecords { path, .. } => Some(path),
        RepairStep::RebuildChain { .. } => None,
    }
}

/// Last good sequence of one segment file of `size` bytes whose first place is that of `first`.
fn scan_file(path: &Path, first: u64, size: u64) -> Result<u64, FileError> {
    let file = fs::File::open(path).context("open", path)?;
    let mut buffer = vec![0_u8; 1 << 16];
    let mut scan = crate::scan::Scan::new(first);
    let mut offset = HEADER_SIZE_BYTES;
    while offset + 64 <= size && scan.stop().is_none() {
        let part = to_usize((size - offset).min(to_u64(buffer.len()))) / 64 * 64;
        file.read_exact_at(&mut buffer[..part], offset).context("read", path)?;
        for chunk in buffer[..part].chunks_exact(64) {
            scan.feed(&[bytemuck::pod_read_unaligned(chunk)]);
        }
        offset += to_u64(part);
    }
    Ok(scan.last_good())
}

/// Does what a plan says, under the writer's lock.
pub fn repair(plan: &RepairPlan) -> Result<RepairReport, RepairError> {
    let dir = &plan.dir;
    let Some(_lock) = try_lock(dir)? else {
        return Err(RepairError::Locked(dir.clone()));
    };
    let now = propose_repair(dir, Some(plan.keep_through))?;
    if now.steps != plan.steps {
        return Err(RepairError::Stale(dir.clone()));
    }
    remove_temporaries(dir)?;
    let mut quarantined = Vec::new();
    for step in &plan.steps {
        quarantined.extend(apply(plan, step)?);
    }
    sync_dir(dir)?;
    Ok(RepairReport { quarantined, recovery: survey(dir, false) })
}

fn apply(plan: &RepairPlan, step: &RepairStep) -> Result<Option<PathBuf>, FileError> {
    let dir = &plan.dir;
    match step {
        RepairStep::RestoreHeader { path } => {
            let moved = quarantine_range(dir, path, 0, HEADER_SIZE_BYTES)?;
            restore_header(path, plan.keep_through)?;
            Ok(Some(moved))
        }
        RepairStep::MoveSegment { path } => {
            let size = fs::metadata(path).context("stat", path)?.len();
            let moved = quarantine_range(dir, path, 0, size)?;
            fs::remove_file(path).context("remove", path)?;
            sync_dir(dir)?;
            Ok(Some(moved))
        }
        RepairStep::SetLength { path, expected, found } => {
            let moved = if expected < found {
                Some(quarantine_range(dir, path, *expected, *found)?)
            } else {
                None
            };
            let file = OpenOptions::new().write(true).open(path).context("open", path)?;
            file.set_len(*expected).context("resize", path)?;
            file.sync_all().context("sync", path)?;
            // A short file has no blocks behind its end; written zeros give it some.
            if found < expected {
                zero_range(path, *found, *expected)?;
            }
            Ok(moved)
        }
        RepairStep::CutRecords { path, offset, .. } => {
            let end = plan.identity.segment_bytes();
            let moved = quarantine_range(dir, path, *offset, end)?;
            zero_range(path, *offset, end)?;
            Ok(Some(moved))
        }
        RepairStep::RebuildChain { entries } => rebuild_chain(plan, *entries),
    }
}

/// Writes a header page anew from its intact copy; the link is left out, the mark is what is kept.
fn restore_header(path: &Path, keep: u64) -> Result<(), FileError> {
    let file = OpenOptions::new().read(true).write(true).open(path).context("open", path)?;
    let mut page = [0_u8; PAGE_SIZE_BYTES];
    file.read_exact_at(&mut page, 0).context("read", path)?;
    let header = decode_page(&page).header.expect("the plan saw an intact copy");
    let copy = encode_header(&header);
    let mut page = [0_u8; PAGE_SIZE_BYTES];
    for offset in HEADER_COPY_OFFSETS {
        page[offset..offset + copy.len()].copy_from_slice(&copy);
    }
    let mark = encode_mark(keep);
    page[MARK_OFFSET..MARK_OFFSET + mark.len()].copy_from_slice(&mark);
    file.write_all_at(&page, 0).context("write", path)?;
    file.sync_all().context("sync", path)
}

/// Lowers marks, drops links, and makes the chain reach the last record that is kept.
fn rebuild_chain(plan: &RepairPlan, entries: u64) -> Result<Option<PathBuf>, FileError> {
    let (dir, identity, keep) = (&plan.dir, plan.identity, plan.keep_through);
    for (_, path) in list(dir)?.segments {
        restore_header(&path, keep)?;
    }
    let path = dir.join(CHAIN_FILE);
    let kept = kept_chain(dir, entries)?;
    let moved = match fs::metadata(&path) {
        Ok(found) => Some(quarantine_range(dir, &path, 0, found.len())?),
        Err(_) => None,
    };
    let mut chain = match kept {
        Some(summary) if 0 < summary.entries => {
            let file = OpenOptions::new().write(true).open(&path).context("open", &path)?;
            file.set_len(summary.good_bytes()).context("truncate", &path)?;
            file.sync_all().context("sync", &path)?;
            ChainWriter::open(dir, identity, &summary)?
        }
        Some(_) | None => ChainWriter::create(dir, identity, crate::status::Durability::Process)?,
    };
    while chain.advance(keep)? {}
    chain.append(keep, FLAG_REPAIRED)?;
    chain.sync()?;
    Ok(moved)
}

/// The chain as it stands after its first `entries` entries.
fn kept_chain(dir: &Path, entries: u64) -> Result<Option<ChainSummary>, FileError> {
    let mut last: Option<ChainEntry> = None;
    let mut seen = 0;
    let summary = read_chain(dir, |entry| {
        if seen < entries {
            seen += 1;
            last = Some(*entry);
        }
        Ok(())
    })?;
    if matches!(summary.fault, Some(ChainFault::Missing | ChainFault::Header)) {
        return Ok(None);
    }
    Ok(last.map(|entry| ChainSummary::after(seen, &entry)))
}
