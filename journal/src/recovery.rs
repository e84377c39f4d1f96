//! Looks at a journal directory, names what it finds, and does what the table allows without an operator.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytemuck::Zeroable;
use thiserror::Error;

use crate::case::{Case, Situation, StopKind, decide};
use crate::chain::{CHAIN_FILE, ChainFault, ChainSummary, read_chain};
use crate::files::{
    Context, FileError, is_live, list, quarantine_range, remove_temporaries, segment_file_name,
    sync_dir, system_words, try_lock, zero_range,
};
use crate::layout::{
    CAPACITY_RECORDS_MAX, HEADER_SIZE_BYTES, HeaderFault, HeaderPage, Identity, PAGE_SIZE_BYTES,
    RECORD_SIZE_BYTES, SegmentHeader, decode_page, to_u64, to_usize,
};
use crate::record::Record;
use crate::scan::Scan;
use crate::status::Durability;

/// Records read at a time: 256 KiB, so that they are still in the second-level cache when summed.
const READ_RECORDS: usize = 1 << 12;

/// What is wrong in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// What stands in the first place without its good record.
    Place(StopKind),
    /// Damage in a header page.
    Header(HeaderFault),
    /// The file has this many bytes and not that many.
    Length {
        /// By the header.
        expected: u64,
        /// By the file system.
        found: u64,
    },
    /// There is no such file.
    Missing,
    /// The header is that of another journal or another segment.
    Foreign,
    /// Damage in the chain file.
    Chain(ChainFault),
    /// An entry of the chain that the records do not hash to; they were changed.
    Tampered,
    /// The link line of a segment is not the chain's hash at that place.
    Link,
    /// The operating system's error number.
    Io(i32),
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Place(kind) => kind.fmt(f),
            Self::Header(HeaderFault::Header) => {
                f.write_str("both copies of the header are damaged")
            }
            Self::Header(HeaderFault::HeaderCopy) => {
                f.write_str("one copy of the header is damaged")
            }
            Self::Header(HeaderFault::Link) => f.write_str("the link line is damaged"),
            Self::Header(HeaderFault::Mark) => f.write_str("the sync mark is damaged"),
            Self::Header(HeaderFault::Reserved) => f.write_str("bytes that must be zero are not"),
            Self::Header(HeaderFault::Magic) => f.write_str("not a segment of a journal"),
            Self::Header(HeaderFault::Version(version)) => {
                write!(f, "format version {version} is not known to this program")
            }
            Self::Header(HeaderFault::Values) => f.write_str("the header has impossible values"),
            Self::Length { expected, found } => {
                write!(f, "the file has {found} bytes, {expected} are due")
            }
            Self::Missing => f.write_str("the file is missing"),
            Self::Foreign => f.write_str("the file belongs to another journal or another place"),
            Self::Chain(ChainFault::Missing) => f.write_str("the chain file is missing"),
            Self::Chain(ChainFault::Header) => f.write_str("the head of the chain file is damaged"),
            Self::Chain(ChainFault::Empty) => f.write_str("the chain file is empty"),
            Self::Chain(ChainFault::Entry(entry)) => write!(f, "chain entry {entry} is damaged"),
            Self::Chain(ChainFault::Order(entry)) => {
                write!(f, "chain entry {entry} does not continue the one before it")
            }
            Self::Tampered => {
                f.write_str("the records do not hash to the chain: they were changed")
            }
            Self::Link => f.write_str("the link line is not the chain's hash at that place"),
            Self::Io(errno) => write!(f, "the system answers: {}", system_words(*errno)),
        }
    }
}

/// The place that decided the case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// File.
    pub path: PathBuf,
    /// Byte offset in the file.
    pub offset: u64,
    /// Sequence that the place should hold; 0 outside the records.
    pub sequence: u64,
    /// What is wrong there.
    pub what: What,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, offset, sequence, what } = self;
        write!(formatter, "{} offset {offset} sequence {sequence}: {what}", path.display())
    }
}

/// One segment file.
#[derive(Clone, Debug)]
pub struct SegmentInfo {
    /// Path.
    pub path: PathBuf,
    /// What it says of itself.
    pub header: SegmentHeader,
    /// Last sequence and hash of the segment before it, once the chain has passed there.
    pub link: Option<(u64, [u8; 32])>,
    /// Sequence through which the disk had confirmed, as noted in this segment.
    pub mark: u64,
}

/// What is in a journal directory.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// The directory.
    pub dir: PathBuf,
    /// The name of what was found.
    pub case: Case,
    /// The place that decided the case, where there is one.
    pub finding: Option<Finding>,
    /// Shared facts of all segments; `None` in an empty directory or when no header could be read.
    pub identity: Option<Identity>,
    /// Sequence of the last good record; 0 when there is none.
    pub last_sequence: u64,
    /// Sequence through which the disk had confirmed, as far as the files tell.
    pub mark: u64,
    /// Durability of the last session.
    pub durability: Durability,
    /// The chain file in short.
    pub chain: ChainSummary,
    /// Segments whose header is good, in order.
    pub segments: Vec<SegmentInfo>,
    /// A writer was at work while we looked.
    pub live: bool,
    /// Files into which removed bytes were moved.
    pub quarantined: Vec<PathBuf>,
    pub(crate) scan: Scan,
}

impl Recovery {
    /// Path and offset of the place of `sequence`.
    pub(crate) fn place(&self, sequence: u64) -> (PathBuf, u64) {
        let Some(identity) = self.identity else { return (self.dir.clone(), 0) };
        let path = self.dir.join(segment_file_name(identity.segment_of(sequence)));
        (path, identity.offset_of(sequence))
    }

    fn refuse(&mut self, case: Case, path: PathBuf, offset: u64, what: What) {
        if self.finding.is_none() {
            self.case = case;
            self.finding = Some(Finding { path, offset, sequence: 0, what });
        }
    }
}

/// Why a journal cannot be opened for writing.
#[derive(Debug, Error)]
pub enum RecoverError {
    /// Only an operator may go on; the journal is as it was.
    #[error("{case}: {place}", case = .0.case, place = describe(.0))]
    Refused(Box<Recovery>),
    /// Another writer is at work.
    #[error("journal {} has a writer already", .0.display())]
    Locked(PathBuf),
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
}

fn describe(recovery: &Recovery) -> String {
    recovery.finding.as_ref().map_or_else(|| recovery.dir.display().to_string(), Finding::to_string)
}

/// Looks at a journal and changes nothing; works on read-only media and beside a writer.
pub fn inspect(dir: &Path) -> Recovery {
    // The look at the lock comes first. Should a writer start after it, a refusal is looked at once more.
    let live = is_live(dir);
    let recovery = survey(dir, live);
    if recovery.case.is_refused() && !live && is_live(dir) {
        return survey(dir, true);
    }
    recovery
}

/// Looks at a journal and brings it into the state in which a writer can go on, if the table allows.
///
/// Bytes that it removes are kept under `quarantine/`. Refused cases leave the journal as it was.
pub fn recover(dir: &Path) -> Result<Recovery, RecoverError> {
    if list(dir)?.segments.is_empty() {
        let recovery = survey(dir, false);
        if recovery.case == Case::EmptyDirectory {
            return Ok(recovery);
        }
    }
    let Some(_lock) = try_lock(dir)? else {
        return Err(RecoverError::Locked(dir.to_path_buf()));
    };
    let mut recovery = survey(dir, false);
    if recovery.case.is_refused() {
        return Err(RecoverError::Refused(Box::new(recovery)));
    }
    remove_temporaries(dir)?;
    if recovery.case == Case::TailCompleted {
        complete_tail(&mut recovery)?;
    } else if matches!(recovery.case, Case::TornTailCut | Case::HoleCut) {
        let moved = cut_records(&recovery, recovery.last_sequence + 1)?;
        recovery.quarantined.extend(moved);
    }
    if recovery.chain.torn {
        cut_chain(&mut recovery)?;
    }
    Ok(recovery)
}

/// Stores the commit word that the last record lacks.
fn complete_tail(recovery: &mut Recovery) -> Result<(), FileError> {
    let sequence = recovery.last_sequence + 1;
    let (path, offset) = recovery.place(sequence);
    let file = OpenOptions::new().write(true).open(&path).context("open", &path)?;
    file.write_all_at(&sequence.to_le_bytes(), offset).context("write", &path)?;
    file.sync_all().context("sync", &path)?;
    recovery.last_sequence = sequence;
    Ok(())
}

/// Moves all that is not blank from the place of `from` on into the quarantine.
pub(crate) fn cut_records(recovery: &Recovery, from: u64) -> Result<Vec<PathBuf>, FileError> {
    let mut moved = Vec::new();
    let Some(identity) = recovery.identity else { return Ok(moved) };
    let last = recovery.scan.after_range().map_or(0, |(_, last)| last);
    let last = last
        .max(recovery.scan.stop().map_or(recovery.scan.next_sequence() - 1, |stop| stop.sequence));
    let mut first = from;
    let mut ranges = Vec::new();
    while first <= last {
        let segment = identity.segment_of(first);
        let end = (identity.first_sequence_of(segment + 1) - 1).min(last);
        let (path, offset) = recovery.place(first);
        ranges.push((path, offset, identity.offset_of(end) + RECORD_SIZE_BYTES));
        first = end + 1;
    }
    for (path, offset, end) in &ranges {
        moved.push(quarantine_range(&recovery.dir, path, *offset, *end)?);
    }
    // The last one first: killed in between, what is left is still a journal with a hole or a torn tail.
    for (path, offset, end) in ranges.iter().rev() {
        zero_range(path, *offset, *end)?;
    }
    Ok(moved)
}

/// Moves what follows the last good entry of the chain file into the quarantine.
pub(crate) fn cut_chain(recovery: &mut Recovery) -> Result<(), FileError> {
    let path = recovery.dir.join(CHAIN_FILE);
    let size = std::fs::metadata(&path).context("stat", &path)?.len();
    let keep = recovery.chain.good_bytes();
    let moved = quarantine_range(&recovery.dir, &path, keep, size)?;
    let file = OpenOptions::new().write(true).open(&path).context("open", &path)?;
    file.set_len(keep).context("truncate", &path)?;
    file.sync_all().context("sync", &path)?;
    sync_dir(&recovery.dir)?;
    recovery.quarantined.push(moved);
    recovery.chain.torn = false;
    Ok(())
}

/// Reads everything but the blocks' hashes and names what it finds.
pub(crate) fn survey(dir: &Path, live: bool) -> Recovery {
    let mut recovery = Recovery {
        dir: dir.to_path_buf(),
        case: Case::EmptyDirectory,
        finding: None,
        identity: None,
        last_sequence: 0,
        mark: 0,
        durability: Durability::Process,
        chain: ChainSummary::default(),
        segments: Vec::new(),
        live,
        quarantined: Vec::new(),
        scan: Scan::new(1),
    };
    if let Err(error) = survey_into(&mut recovery) {
        let errno = error.errno();
        recovery.refuse(Case::UnreadableRefused, error.path, 0, What::Io(errno));
    }
    recovery
}

fn survey_into(recovery: &mut Recovery) -> Result<(), FileError> {
    let dir = recovery.dir.clone();
    // Headers and chain before records: beside a writer the marks must not be younger than the scan.
    let listing = list(&dir)?;
    recovery.chain = read_chain(&dir, |_| Ok(()))?;
    recovery.durability = recovery.chain.durability.unwrap_or_default();
    if listing.segments.is_empty() {
        judge_without_segments(recovery);
        return Ok(());
    }
    for (position, (index, path)) in listing.segments.iter().enumerate() {
        if *index != to_u64(position) + 1 {
            let missing = dir.join(segment_file_name(to_u64(position) + 1));
            recovery.refuse(Case::MissingSegmentRefused, missing, 0, What::Missing);
            break;
        }
        if !survey_header(recovery, *index, path)? {
            break;
        }
    }
    judge_chain_file(recovery);
    scan_records(recovery)?;
    recovery.mark = recovery.segments.iter().map(|segment| segment.mark).max().unwrap_or(0);
    recovery.mark = recovery.mark.max(recovery.chain.last_sequence);
    judge_records(recovery);
    Ok(())
}

/// No segment: nothing was ever appended, unless the chain says so.
fn judge_without_segments(recovery: &mut Recovery) {
    let path = recovery.dir.join(CHAIN_FILE);
    match recovery.chain.fault {
        None if recovery.chain.last_sequence == 0 => {}
        None => {
            let first = recovery.dir.join(segment_file_name(1));
            recovery.refuse(Case::MissingSegmentRefused, first, 0, What::Missing);
        }
        Some(ChainFault::Missing) => recovery.chain.fault = None,
        Some(fault) => {
            recovery.refuse(Case::ChainDamagedRefused, path, 0, What::Chain(fault));
        }
    }
}

/// Reads a header page; false when the case is decided by it.
fn survey_header(recovery: &mut Recovery, index: u64, path: &Path) -> Result<bool, FileError> {
    let file = File::open(path).context("open", path)?;
    let metadata = file.metadata().context("stat", path)?;
    let path = path.to_path_buf();
    if !metadata.is_file() {
        let what = What::Io(rustix::io::Errno::ISDIR.raw_os_error());
        recovery.refuse(Case::UnreadableRefused, path, 0, what);
        return Ok(false);
    }
    let found = metadata.len();
    if found < HEADER_SIZE_BYTES {
        let expected = recovery.identity.map_or(HEADER_SIZE_BYTES, |own| own.segment_bytes());
        let what = What::Length { expected, found };
        recovery.refuse(Case::SegmentLengthRefused, path, found, what);
        return Ok(false);
    }
    let mut bytes = [0_u8; PAGE_SIZE_BYTES];
    file.read_exact_at(&mut bytes, 0).context("read", &path)?;
    let page = decode_page(&bytes);
    if let Some(fault) = page.fault {
        let case = match fault {
            HeaderFault::Version(_) => Case::ForeignVersionRefused,
            HeaderFault::Magic => Case::ForeignJournalRefused,
            HeaderFault::Header
            | HeaderFault::HeaderCopy
            | HeaderFault::Link
            | HeaderFault::Mark
            | HeaderFault::Reserved
            | HeaderFault::Values => Case::HeaderDamagedRefused,
        };
        recovery.refuse(case, path, 0, What::Header(fault));
        // A journal of one segment can still be read when only one copy of its header is gone.
        if recovery.identity.is_none() {
            recovery.identity = page.header.map(|header| header.identity);
        }
        return Ok(false);
    }
    Ok(accept_segment(recovery, index, path, page, found))
}

fn accept_segment(
    recovery: &mut Recovery,
    index: u64,
    path: PathBuf,
    page: HeaderPage,
    found: u64,
) -> bool {
    let header = page.header.expect("a page without a fault has a header");
    let identity = *recovery.identity.get_or_insert(header.identity);
    let in_place = header.identity == identity
        && header.segment_index == index
        && header.first_sequence == identity.first_sequence_of(index)
        && page.link.is_none_or(|(last, _)| last + 1 == header.first_sequence);
    if !in_place {
        recovery.refuse(Case::ForeignJournalRefused, path, 0, What::Foreign);
        return false;
    }
    let expected = identity.segment_bytes();
    if found != expected {
        let what = What::Length { expected, found };
        recovery.refuse(Case::SegmentLengthRefused, path, found.min(expected), what);
        return false;
    }
    recovery.segments.push(SegmentInfo { path, header, link: page.link, mark: page.mark });
    true
}

fn judge_chain_file(recovery: &mut Recovery) {
    let path = recovery.dir.join(CHAIN_FILE);
    let chain = recovery.chain.clone();
    let fault = chain.fault.or_else(|| (chain.entries == 0).then_some(ChainFault::Empty));
    if let Some(fault) = fault {
        let offset = if chain.header.is_some() { chain.good_bytes() } else { 0 };
        recovery.refuse(Case::ChainDamagedRefused, path, offset, What::Chain(fault));
        return;
    }
    if let (Some((journal_id, block)), Some(own)) = (chain.header, recovery.identity)
        && (journal_id != own.journal_id || block != own.block_records)
    {
        recovery.refuse(Case::ForeignJournalRefused, path, 0, What::Foreign);
    }
}

/// Sums every record of every segment whose header is good.
fn scan_records(recovery: &mut Recovery) -> Result<(), FileError> {
    let mut buffer = vec![Record::zeroed(); READ_RECORDS];
    for segment in &recovery.segments {
        let path = &segment.path;
        let file = File::open(path).context("open", path)?;
        let mut left = segment.header.identity.segment_records.min(CAPACITY_RECORDS_MAX);
        let mut offset = HEADER_SIZE_BYTES;
        while 0 < left {
            let count = to_usize(left.min(to_u64(READ_RECORDS)));
            let records = &mut buffer[..count];
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(records);
            file.read_exact_at(bytes, offset).context("read", path)?;
            recovery.scan.feed(records);
            left -= to_u64(count);
            offset += to_u64(count) * RECORD_SIZE_BYTES;
        }
        recovery.last_sequence = recovery.scan.last_good();
    }
    Ok(())
}

/// Puts the facts to the table.
fn judge_records(recovery: &mut Recovery) {
    if recovery.finding.is_some() {
        return;
    }
    let situation = Situation {
        stop: recovery.scan.situation(),
        below_mark: recovery.last_sequence < recovery.mark,
        closed: recovery.chain.closed && recovery.chain.last_sequence == recovery.last_sequence,
        durability: recovery.durability,
        live: recovery.live,
    };
    recovery.case = decide(&situation);
    if matches!(recovery.case, Case::CleanEnd | Case::UncleanEnd) {
        return;
    }
    let sequence = recovery.last_sequence + 1;
    let kind = recovery.scan.stop().map_or(StopKind::Blank, |stop| stop.kind);
    // Stray bytes behind blank places are the finding, not the blank place before them.
    let place = match (recovery.scan.after_range(), kind) {
        (Some((first, _)), StopKind::Blank) if recovery.case == Case::BitRotRefused => first,
        _ => sequence,
    };
    let (path, offset) = recovery.place(place);
    let what = What::Place(kind);
    recovery.finding = Some(Finding { path, offset, sequence: place, what });
}
