//! Where each byte of a journal lies: offsets, headers, marks and chain entries, encoded and judged.
//!
//! ```text
//!   segment file 00000001.twj (all numbers little-endian)
//!   0        512      1024     1536     2048                    4096                       4096 + 64 * capacity
//!   +--------+--------+--------+--------+-----------------------+----+----+----+-- ... --+
//!   |header A|header B|link    |mark    |zero                   |rec1|rec2|rec3|         |
//!   +--------+--------+--------+--------+-----------------------+----+----+----+-- ... --+
//!     equal copies     64 bytes 64 bytes  each in a sector of its own, so that a torn write hits one
//!
//!   header (512 bytes)                                link: hash at the end of the previous segment
//!     0  magic "TWJRNL1\n"           8                  0  hash          32
//!     8  format version              4                 32  last sequence  8
//!    12  record size, 64             4                 40  zero          20
//!    16  segment index, from 1       8                 60  CRC-32C        4
//!    24  first sequence              8
//!    32  capacity in records         8                mark: what the disk has confirmed
//!    40  block size in records       4                  0  synced sequence 8
//!    44  durability at creation      4                  8  zero          52
//!    48  created ns (caller's)       8                 60  CRC-32C        4
//!    56  journal id                 16
//!    72  config hash                32                chain entry (64 bytes; file chain.twc)
//!   104  engine version text        64                  0  last sequence  8
//!   168  commit text                64                  8  count          4
//!   232  zero                      276                 12  flags          4
//!   508  CRC-32C of 0..508           4                 16  hash (BLAKE3) 32
//!                                                      48  zero          12
//!   chain header = the first 64 bytes of chain.twc     60  CRC-32C        4
//!     0 magic "TWCHAIN1"  8 version 4  12 block size 4  16 journal id 16  32 zero 28  60 CRC-32C 4
//! ```

use crate::crc::crc32c;
use crate::status::Durability;

/// Version of the format that this crate writes. Every version from 1 on can be read.
pub const FORMAT_VERSION: u32 = 1;
/// Size of a record.
pub const RECORD_SIZE_BYTES: u64 = 64;
/// Size of the page before the records.
pub const HEADER_SIZE_BYTES: u64 = 4096;
/// Size of an entry of the chain file, and of that file's header.
pub const CHAIN_ENTRY_SIZE_BYTES: u64 = 64;

pub(crate) const PAGE_SIZE_BYTES: usize = 4096;
pub(crate) const HEADER_COPY_SIZE_BYTES: usize = 512;
pub(crate) const HEADER_COPY_OFFSETS: [usize; 2] = [0, 512];
pub(crate) const LINK_OFFSET: usize = 1024;
pub(crate) const MARK_OFFSET: usize = 1536;
pub(crate) const LINE_SIZE_BYTES: usize = 64;
pub(crate) const TEXT_SIZE_BYTES: usize = 64;
/// 2^26 records = 4 GiB a segment; arbitrary, keeps a foreign header from asking for a huge mapping.
pub(crate) const CAPACITY_RECORDS_MAX: u64 = 1 << 26;
/// One page of records: smaller segments would share pages with the header's arithmetic for no gain.
pub(crate) const CAPACITY_RECORDS_MIN: u64 = 64;
/// 2^20 records = 64 MiB a block; a block is hashed in one piece of memory.
pub(crate) const BLOCK_RECORDS_MAX: u32 = 1 << 20;

const SEGMENT_MAGIC: [u8; 8] = *b"TWJRNL1\n";
const CHAIN_MAGIC: [u8; 8] = *b"TWCHAIN1";

const _: () = assert!(usize::BITS == 64);
const _: () = assert!(HEADER_SIZE_BYTES == 4096);
const _: () = assert!(HEADER_COPY_OFFSETS[1] == HEADER_COPY_OFFSETS[0] + HEADER_COPY_SIZE_BYTES);
const _: () = assert!(LINK_OFFSET == HEADER_COPY_OFFSETS[1] + HEADER_COPY_SIZE_BYTES);
const _: () = assert!(MARK_OFFSET == LINK_OFFSET + 512);
const _: () = assert!(MARK_OFFSET + LINE_SIZE_BYTES <= PAGE_SIZE_BYTES);
const _: () = assert!(168 + TEXT_SIZE_BYTES <= HEADER_COPY_SIZE_BYTES - 4);

/// A size as an index; the crate is 64-bit only.
#[inline]
pub(crate) fn to_usize(value: u64) -> usize {
    usize::try_from(value).expect("usize has 64 bits")
}

/// An index as a size; the crate is 64-bit only.
#[inline]
pub(crate) fn to_u64(value: usize) -> u64 {
    u64::try_from(value).expect("usize has 64 bits")
}

fn read_u32(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(read_array(bytes, offset))
}

fn read_u64(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(read_array(bytes, offset))
}

fn read_array<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[offset..offset + N]);
    out
}

fn seal<const N: usize>(bytes: &mut [u8; N]) {
    let sum = crc32c(&bytes[..N - 4]);
    bytes[N - 4..].copy_from_slice(&sum.to_le_bytes());
}

fn is_sealed(bytes: &[u8]) -> bool {
    let body = bytes.len() - 4;
    crc32c(&bytes[..body]) == read_u32(bytes, body)
}

pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

/// What all segments of one journal share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Chosen by the creator; tells this journal from every other.
    pub journal_id: [u8; 16],
    /// Records in a segment; a power of two.
    pub segment_records: u64,
    /// Records in a block of the hash chain; a power of two, at most `segment_records`.
    pub block_records: u32,
}

impl Identity {
    /// Size of each segment file.
    pub fn segment_bytes(&self) -> u64 {
        HEADER_SIZE_BYTES + self.segment_records * RECORD_SIZE_BYTES
    }

    /// Index (from 1) of the segment that holds `sequence` (from 1).
    pub fn segment_of(&self, sequence: u64) -> u64 {
        (sequence - 1) / self.segment_records + 1
    }

    /// First sequence of the segment with this index.
    pub fn first_sequence_of(&self, segment: u64) -> u64 {
        (segment - 1) * self.segment_records + 1
    }

    /// Offset of the record in its segment file.
    pub fn offset_of(&self, sequence: u64) -> u64 {
        HEADER_SIZE_BYTES + ((sequence - 1) % self.segment_records) * RECORD_SIZE_BYTES
    }

    /// What the first chain entry hashes in place of a previous hash.
    pub(crate) fn genesis_hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"tickwheel journal chain 1");
        hasher.update(&self.journal_id);
        hasher.update(&self.segment_records.to_le_bytes());
        hasher.update(&self.block_records.to_le_bytes());
        *hasher.finalize().as_bytes()
    }

    pub(crate) fn is_possible(&self) -> bool {
        self.segment_records.is_power_of_two()
            && (CAPACITY_RECORDS_MIN..=CAPACITY_RECORDS_MAX).contains(&self.segment_records)
            && self.block_records.is_power_of_two()
            && self.block_records <= BLOCK_RECORDS_MAX
            && u64::from(self.block_records) <= self.segment_records
    }
}

/// What a segment says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Shared by all segments of the journal.
    pub identity: Identity,
    /// From 1; equal to the number in the file name.
    pub segment_index: u64,
    /// Sequence of the first record's place.
    pub first_sequence: u64,
    /// Durability of the session that made the segment.
    pub durability: Durability,
    /// Given by the session that made the segment.
    pub created_ns: u64,
    /// Given by the session that made the segment.
    pub config_hash: [u8; 32],
    /// Given by the session that made the segment; at most 64 bytes.
    pub engine_version: String,
    /// Given by the session that made the segment; at most 64 bytes.
    pub git_commit: String,
}

/// Why a header page is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFault {
    /// Neither copy of the header is intact.
    Header,
    /// One copy of the header is damaged; the other one is intact.
    HeaderCopy,
    /// The link line is damaged.
    Link,
    /// The sync mark is damaged.
    Mark,
    /// Bytes that must be zero are not.
    Reserved,
    /// Not a segment of this format at all.
    Magic,
    /// A version that this program does not know.
    Version(u32),
    /// Intact, but with values that cannot be (sizes, record size).
    Values,
}

/// A header page, read and judged.
#[derive(Clone, Debug)]
pub(crate) struct HeaderPage {
    /// From the first intact copy.
    pub(crate) header: Option<SegmentHeader>,
    /// Last sequence and hash of the previous segment, when known.
    pub(crate) link: Option<(u64, [u8; 32])>,
    /// Sequence through which the disk had confirmed; 0 when never.
    pub(crate) mark: u64,
    /// The worst thing found.
    pub(crate) fault: Option<HeaderFault>,
}

/// The 512 bytes of a header copy.
pub(crate) fn encode_header(header: &SegmentHeader) -> [u8; HEADER_COPY_SIZE_BYTES] {
    assert!(header.identity.is_possible());
    assert!(header.engine_version.len() <= TEXT_SIZE_BYTES);
    assert!(header.git_commit.len() <= TEXT_SIZE_BYTES);
    let mut bytes = [0_u8; HEADER_COPY_SIZE_BYTES];
    bytes[0..8].copy_from_slice(&SEGMENT_MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes[12..16].copy_from_slice(&64_u32.to_le_bytes());
    bytes[16..24].copy_from_slice(&header.segment_index.to_le_bytes());
    bytes[24..32].copy_from_slice(&header.first_sequence.to_le_bytes());
    bytes[32..40].copy_from_slice(&header.identity.segment_records.to_le_bytes());
    bytes[40..44].copy_from_slice(&header.identity.block_records.to_le_bytes());
    bytes[44..48].copy_from_slice(&header.durability.code().to_le_bytes());
    bytes[48..56].copy_from_slice(&header.created_ns.to_le_bytes());
    bytes[56..72].copy_from_slice(&header.identity.journal_id);
    bytes[72..104].copy_from_slice(&header.config_hash);
    bytes[104..104 + header.engine_version.len()].copy_from_slice(header.engine_version.as_bytes());
    bytes[168..168 + header.git_commit.len()].copy_from_slice(header.git_commit.as_bytes());
    seal(&mut bytes);
    bytes
}

/// The page before the records of a new segment: both copies, no link, no mark.
pub(crate) fn encode_page(header: &SegmentHeader) -> Vec<u8> {
    let copy = encode_header(header);
    let mut page = vec![0_u8; PAGE_SIZE_BYTES];
    for offset in HEADER_COPY_OFFSETS {
        page[offset..offset + HEADER_COPY_SIZE_BYTES].copy_from_slice(&copy);
    }
    page
}

/// The link line.
pub(crate) fn encode_link(last_sequence: u64, hash: &[u8; 32]) -> [u8; LINE_SIZE_BYTES] {
    let mut bytes = [0_u8; LINE_SIZE_BYTES];
    bytes[0..32].copy_from_slice(hash);
    bytes[32..40].copy_from_slice(&last_sequence.to_le_bytes());
    seal(&mut bytes);
    bytes
}

/// The mark line.
pub(crate) fn encode_mark(synced: u64) -> [u8; LINE_SIZE_BYTES] {
    let mut bytes = [0_u8; LINE_SIZE_BYTES];
    bytes[0..8].copy_from_slice(&synced.to_le_bytes());
    seal(&mut bytes);
    bytes
}

/// Reads one header copy.
pub(crate) fn decode_header(bytes: &[u8]) -> Result<SegmentHeader, HeaderFault> {
    if !is_sealed(bytes) {
        let foreign = bytes[0..8] != SEGMENT_MAGIC;
        return Err(if foreign { HeaderFault::Magic } else { HeaderFault::Header });
    }
    if bytes[0..8] != SEGMENT_MAGIC {
        return Err(HeaderFault::Magic);
    }
    let version = read_u32(bytes, 8);
    if version != FORMAT_VERSION {
        return Err(HeaderFault::Version(version));
    }
    let header = SegmentHeader {
        identity: Identity {
            segment_records: read_u64(bytes, 32),
            block_records: read_u32(bytes, 40),
            journal_id: read_array(bytes, 56),
        },
        segment_index: read_u64(bytes, 16),
        first_sequence: read_u64(bytes, 24),
        durability: Durability::from_code(read_u32(bytes, 44)).ok_or(HeaderFault::Values)?,
        created_ns: read_u64(bytes, 48),
        config_hash: read_array(bytes, 72),
        engine_version: read_text(&bytes[104..168]),
        git_commit: read_text(&bytes[168..232]),
    };
    if read_u32(bytes, 12) != 64 || !header.identity.is_possible() || !is_zero(&bytes[232..508]) {
        return Err(HeaderFault::Values);
    }
    Ok(header)
}

/// Text up to its zero padding; what is not UTF-8 is shown as replacement characters.
fn read_text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Reads and judges a whole header page of 4,096 bytes.
pub(crate) fn decode_page(page: &[u8]) -> HeaderPage {
    assert!(page.len() == PAGE_SIZE_BYTES);
    let copies = HEADER_COPY_OFFSETS.map(|offset| &page[offset..offset + HEADER_COPY_SIZE_BYTES]);
    let decoded = copies.map(decode_header);
    let (fault, intact) = match &decoded {
        [Ok(_), Ok(_)] if copies[0] == copies[1] => (None, Some(0)),
        [Ok(_), _] => (Some(HeaderFault::HeaderCopy), Some(0)),
        [Err(_), Ok(_)] => (Some(HeaderFault::HeaderCopy), Some(1)),
        // Both agree on a stranger; otherwise damage is the likelier reading.
        [Err(first), Err(second)] if first == second => (Some(*first), None),
        [Err(HeaderFault::Version(version)), Err(_)]
        | [Err(_), Err(HeaderFault::Version(version))] => {
            (Some(HeaderFault::Version(*version)), None)
        }
        [Err(_), Err(_)] => (Some(HeaderFault::Header), None),
    };
    let link_line = &page[LINK_OFFSET..LINK_OFFSET + LINE_SIZE_BYTES];
    let mark_line = &page[MARK_OFFSET..MARK_OFFSET + LINE_SIZE_BYTES];
    let link_good = is_zero(link_line) || is_sealed(link_line) && is_zero(&link_line[40..60]);
    let mark_good = is_zero(mark_line) || is_sealed(mark_line) && is_zero(&mark_line[8..60]);
    let reserved_good = is_zero(&page[LINK_OFFSET + LINE_SIZE_BYTES..MARK_OFFSET])
        && is_zero(&page[MARK_OFFSET + LINE_SIZE_BYTES..]);
    let fault = fault
        .or_else(|| (!link_good).then_some(HeaderFault::Link))
        .or_else(|| (!mark_good).then_some(HeaderFault::Mark))
        .or_else(|| (!reserved_good).then_some(HeaderFault::Reserved));
    HeaderPage {
        header: intact.and_then(|index| decoded[index].clone().ok()),
        link: (link_good && !is_zero(link_line))
            .then(|| (read_u64(link_line, 32), read_array(link_line, 0))),
        mark: if mark_good { read_u64(mark_line, 0) } else { 0 },
        fault,
    }
}

/// Judges the first 4,096 bytes of a segment file; fewer are no header. Pure.
pub fn check_header_page(bytes: &[u8]) -> Result<SegmentHeader, HeaderFault> {
    let page = bytes.first_chunk::<PAGE_SIZE_BYTES>().ok_or(HeaderFault::Header)?;
    let page = decode_page(page);
    match page.fault {
        Some(fault) => Err(fault),
        None => page.header.ok_or(HeaderFault::Header),
    }
}

/// The first 64 bytes of the chain file.
pub(crate) fn encode_chain_header(identity: &Identity) -> [u8; LINE_SIZE_BYTES] {
    let mut bytes = [0_u8; LINE_SIZE_BYTES];
    bytes[0..8].copy_from_slice(&CHAIN_MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes[12..16].copy_from_slice(&identity.block_records.to_le_bytes());
    bytes[16..32].copy_from_slice(&identity.journal_id);
    seal(&mut bytes);
    bytes
}

/// Journal id and block size of a chain header, when it is intact and of a known version.
pub(crate) fn decode_chain_header(bytes: &[u8; LINE_SIZE_BYTES]) -> Option<([u8; 16], u32)> {
    let good = is_sealed(bytes)
        && bytes[0..8] == CHAIN_MAGIC
        && read_u32(bytes, 8) == FORMAT_VERSION
        && is_zero(&bytes[32..60]);
    good.then(|| (read_array(bytes, 16), read_u32(bytes, 12)))
}

/// One entry of the chain file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChainEntry {
    pub(crate) last_sequence: u64,
    pub(crate) count: u32,
    pub(crate) flags: u32,
    pub(crate) hash: [u8; 32],
}

pub(crate) fn encode_chain_entry(entry: &ChainEntry) -> [u8; LINE_SIZE_BYTES] {
    let mut bytes = [0_u8; LINE_SIZE_BYTES];
    bytes[0..8].copy_from_slice(&entry.last_sequence.to_le_bytes());
    bytes[8..12].copy_from_slice(&entry.count.to_le_bytes());
    bytes[12..16].copy_from_slice(&entry.flags.to_le_bytes());
    bytes[16..48].copy_from_slice(&entry.hash);
    seal(&mut bytes);
    bytes
}

pub(crate) fn decode_chain_entry(bytes: &[u8; LINE_SIZE_BYTES]) -> Option<ChainEntry> {
    (is_sealed(bytes) && is_zero(&bytes[48..60])).then(|| ChainEntry {
        last_sequence: read_u64(bytes, 0),
        count: read_u32(bytes, 8),
        flags: read_u32(bytes, 12),
        hash: read_array(bytes, 16),
    })
}

#[cfg(test)]
mod tests;
