//! Reads everything: each record's check, each block's hash, each segment's link; lists all damage.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::case::Case;
use crate::chain::{BlockReader, CHAIN_FILE, read_chain};
use crate::files::FileError;
use crate::layout::CHAIN_ENTRY_SIZE_BYTES;
use crate::recovery::{Recovery, What, inspect};

/// Findings listed; more than an operator reads, and a bound for a file of garbage.
const DAMAGE_MAX: usize = 256;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// File.
    pub path: PathBuf,
    /// Index of the segment, 0 outside the segments.
    pub segment: u64,
    /// Byte offset in the file.
    pub offset: u64,
    /// First sequence concerned, 0 outside the records.
    pub sequence: u64,
    /// What is wrong.
    pub what: What,
}

/// What a full reading found.
#[derive(Clone, Debug)]
pub struct VerifyReport {
    /// Nothing is wrong: a writer can go on from here without an operator.
    pub ok: bool,
    /// The case; `tampered-refused` only comes from here.
    pub case: Case,
    /// Good records.
    pub records: u64,
    /// Sequence through which the chain reaches.
    pub chained: u64,
    /// The chain file is good and every block hashes to it.
    pub chain_ok: bool,
    /// All findings, at most 256.
    pub damage: Vec<Damage>,
    /// The facts behind.
    pub recovery: Recovery,
    /// Entries of the chain before the first one that the records do not hash to.
    pub(crate) chain_entries_good: u64,
}

/// Why a journal could not be verified.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Reads the whole journal and changes nothing.
pub fn verify(dir: &Path) -> Result<VerifyReport, VerifyError> {
    Ok(verify_survey(inspect(dir))?)
}

pub(crate) fn verify_survey(recovery: Recovery) -> Result<VerifyReport, FileError> {
    let mut damage = Vec::new();
    if let (Some(finding), true) = (&recovery.finding, recovery.case.is_refused()) {
        let segment = match (recovery.identity, finding.sequence) {
            (Some(identity), 1..) => identity.segment_of(finding.sequence),
            _ => segment_of_path(&recovery, &finding.path),
        };
        damage.push(Damage {
            path: finding.path.clone(),
            segment,
            offset: finding.offset,
            sequence: finding.sequence,
            what: finding.what,
        });
    }
    let mut case = recovery.case;
    let listed = damage.len();
    let chain_entries_good = check_blocks(&recovery, &mut damage)?;
    if !case.is_refused() && listed < damage.len() {
        case = Case::TamperedRefused;
    }
    let chain_ok = listed == damage.len()
        && recovery.chain.fault.is_none()
        && recovery.case != Case::ForeignJournalRefused;
    Ok(VerifyReport {
        ok: !case.is_refused() && damage.is_empty(),
        case,
        records: recovery.last_sequence,
        chained: recovery.chain.last_sequence,
        chain_ok,
        damage,
        recovery,
        chain_entries_good,
    })
}

fn segment_of_path(recovery: &Recovery, path: &Path) -> u64 {
    (1..=crate::layout::to_u64(recovery.segments.len()) + 1)
        .find(|index| {
            path.file_name().is_some_and(|name| name == &*crate::files::segment_file_name(*index))
        })
        .unwrap_or(0)
}

/// Hashes each block whose records are all good; returns how many entries held before the first that did not.
fn check_blocks(recovery: &Recovery, damage: &mut Vec<Damage>) -> Result<u64, FileError> {
    let Some(identity) = recovery.identity else { return Ok(0) };
    let mut blocks = BlockReader::new(&recovery.dir, identity);
    let mut previous = identity.genesis_hash();
    let mut index = 0_u64;
    let mut good = None;
    let mut links = recovery.segments.iter().filter_map(|info| info.link).peekable();
    read_chain(&recovery.dir, |entry| {
        index += 1;
        // What was appended to the chain since the records were read is not looked at.
        if recovery.chain.entries < index {
            return Ok(());
        }
        let readable = entry.count == 0 || entry.last_sequence <= recovery.last_sequence;
        let holds = readable && blocks.hash(&previous, entry)? == entry.hash;
        if !holds {
            good.get_or_insert(index - 1);
        }
        if readable && !holds && damage.len() < DAMAGE_MAX {
            let sequence = entry.last_sequence + 1 - u64::from(entry.count);
            damage.push(Damage {
                path: recovery.dir.join(CHAIN_FILE),
                segment: if entry.count == 0 { 0 } else { identity.segment_of(sequence) },
                offset: index * CHAIN_ENTRY_SIZE_BYTES,
                sequence,
                what: What::Tampered,
            });
        }
        let before = entry.last_sequence - u64::from(entry.count);
        while let Some((last, hash)) =
            links.next_if(|(last, _)| *last < before || *last == before && entry.count != 0)
        {
            if last == before && hash != previous && damage.len() < DAMAGE_MAX {
                let segment = identity.segment_of(last + 1);
                damage.push(Damage {
                    path: recovery.dir.join(crate::files::segment_file_name(segment)),
                    segment,
                    offset: crate::layout::to_u64(crate::layout::LINK_OFFSET),
                    sequence: last + 1,
                    what: What::Link,
                });
            }
        }
        // The stored hash, so that one changed block is one finding and not all that follow.
        previous = entry.hash;
        Ok(())
    })?;
    Ok(good.unwrap_or(index))
}
