//! The keeper: follows the chain of a running journal and signs how it stands.

use std::path::{Path, PathBuf};

use journal::{ChainPoint, ChainTail};

use crate::anchor::{Anchor, Feeder};
use crate::checkpoint::{Checkpoint, CheckpointKind, Statement, genesis};
use crate::files::{Context as _, IoError, sync_dir};
use crate::key::{KEY_FILE, KeyError, PUBLIC_KEY_FILE, SigningKey, publish};
use crate::log::{LogError, LogWriter};

/// Pause after an anchor failed.
const ANCHOR_RETRY_NS: u64 = 5_000_000_000;

/// What a keeper is told.
#[derive(Clone, Debug)]
pub struct KeeperSettings {
    /// The journal.
    pub journal_dir: PathBuf,
    /// Where checkpoints and keys are; made when absent.
    pub audit_dir: PathBuf,
    /// The private key, when it is not kept in the audit directory. It must exist.
    pub key_file: Option<PathBuf>,
    /// Where lines are kept besides.
    pub anchors: Vec<Anchor>,
    /// Every so many checkpoints are anchored, at least 1; the first and the last of a session always.
    pub anchor_every: u64,
    /// Longest time between two checkpoints while the chain grows.
    pub interval_ns: u64,
    /// Most records between two checkpoints.
    pub interval_records: u64,
}

impl KeeperSettings {
    /// Settings with everything at its place in a data directory, no anchor, a checkpoint every 30 s.
    pub fn of(journal_dir: &Path, audit_dir: &Path) -> KeeperSettings {
        KeeperSettings {
            journal_dir: journal_dir.to_path_buf(),
            audit_dir: audit_dir.to_path_buf(),
            key_file: None,
            anchors: Vec::new(),
            anchor_every: 1,
            interval_ns: 30_000_000_000,
            interval_records: 1_000_000,
        }
    }
}

/// Why nothing can be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeeperError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] IoError),
    /// A file operation of the journal failed.
    #[error(transparent)]
    Journal(#[from] journal::FileError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The checkpoint file cannot be continued.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The key is not the one that signed before.
    #[error(
        "the key {found} is not the one that signed before ({due}); a new key begins with a rotation"
    )]
    KeyChanged {
        /// Short form of the key at hand.
        found: String,
        /// Short form of the key that is due.
        due: String,
    },
    /// The chain has damage.
    #[error("the hash chain is damaged: {0:?}")]
    Chain(journal::ChainFault),
    /// The checkpoints are those of another journal.
    #[error("the checkpoints in {} are those of another journal", .0.display())]
    Foreign(PathBuf),
    /// The journal is not what was signed.
    #[error(
        "checkpoint {number} signed entry {entry} of the hash chain, and the journal does not have that entry: it was cut \
         or rewritten since; look with `audit verify`. After a repair that you ordered: `audit sign-repair`"
    )]
    Disagrees {
        /// The checkpoint.
        number: u64,
        /// The entry.
        entry: u64,
    },
    /// An anchor holds what the checkpoint file does not.
    #[error(
        "an anchor holds checkpoint {anchored}, the checkpoint file ends with {last}: lines were removed, or an older \
         backup was restored; look with `audit verify --anchor`"
    )]
    AnchorAhead {
        /// Last number in the anchor.
        anchored: u64,
        /// Last number in the checkpoint file.
        last: u64,
    },
    /// There is no cut in the chain that a statement could explain.
    #[error("the hash chain notes no cut by an operator: there is nothing to explain")]
    NotRepaired,
}

/// What a poll did.
#[derive(Debug, Default)]
pub struct Progress {
    /// A checkpoint was signed.
    pub signed: bool,
    /// Why an anchor did not take a line; it is tried again.
    pub anchor_error: Option<String>,
}

/// Signs checkpoints of one journal.
#[derive(Debug)]
pub struct Keeper {
    settings: KeeperSettings,
    key: SigningKey,
    log: LogWriter,
    chain: ChainTail,
    head: ChainPoint,
    journal_id: [u8; 16],
    feeders: Vec<Feeder>,
    signed_ns: u64,
    anchor_after_ns: u64,
}

/// The place of the key, and where a rotation prepares the next one.
fn key_paths(audit_dir: &Path, key_file: Option<&Path>) -> (PathBuf, PathBuf) {
    let key = key_file.map_or_else(|| audit_dir.join(KEY_FILE), Path::to_path_buf);
    let mut next = key.as_os_str().to_os_string();
    next.push(".next");
    (key, PathBuf::from(next))
}

/// The key that is due after `last`; ends a rotation that was cut off between its line and its rename.
fn due_key(
    audit_dir: &Path,
    key_file: Option<&Path>,
    last: Option<&Checkpoint>,
) -> Result<SigningKey, KeeperError> {
    let (path, next) = key_paths(audit_dir, key_file);
    // Only a first key is made: a journal that was signed before must not go on with another one unnoticed.
    let key = match (last, key_file) {
        (None, None) => SigningKey::read_or_create(&path)?,
        (Some(_), _) | (None, Some(_)) => SigningKey::read(&path)?,
    };
    let Some(due) = last.map(Checkpoint::next_key) else { return Ok(key) };
    if key.public() == due {
        return Ok(key);
    }
    if next.exists() {
        let prepared = SigningKey::read(&next)?;
        if prepared.public() == due {
            std::fs::rename(&next, &path).at("rename", &next)?;
            sync_dir(crate::files::folder_of(&path))?;
            return Ok(prepared);
        }
    }
    Err(KeeperError::KeyChanged { found: key.public().short(), due: due.short() })
}

/// The end of the chain, and whether it still has what `last` signed.
fn head_of(
    chain: &mut ChainTail,
    last: Option<&Checkpoint>,
    head: &mut Option<ChainPoint>,
) -> Result<bool, KeeperError> {
    let mut agrees = last.is_none();
    chain.poll(|point| {
        if let Some(last) = last {
            agrees |= last.entry == point.entry
                && last.hash == point.hash
                && last.sequence == point.last_sequence;
        }
        *head = Some(*point);
    })?;
    match chain.fault() {
        Some(fault) => Err(KeeperError::Chain(fault)),
        None => Ok(agrees),
    }
}

/// Everything that signing needs, opened and compared.
#[derive(Debug)]
struct Desk {
    key: SigningKey,
    log: LogWriter,
    chain: ChainTail,
    head: ChainPoint,
    journal_id: [u8; 16],
    agrees: bool,
}

fn open_desk(
    journal_dir: &Path,
    audit_dir: &Path,
    key_file: Option<&Path>,
) -> Result<Desk, KeeperError> {
    std::fs::create_dir_all(audit_dir).at("create", audit_dir)?;
    let log = LogWriter::open(audit_dir)?;
    let key = due_key(audit_dir, key_file, log.last())?;
    let mut chain = ChainTail::open(journal_dir)?;
    let mut head = None;
    let agrees = head_of(&mut chain, log.last(), &mut head)?;
    let journal_id = chain.journal_id().ok_or(KeeperError::Chain(journal::ChainFault::Header))?;
    if log.last().is_some_and(|last| last.journal_id != journal_id) {
        return Err(KeeperError::Foreign(audit_dir.to_path_buf()));
    }
    let head = head.ok_or(KeeperError::Chain(journal::ChainFault::Empty))?;
    publish(&audit_dir.join(PUBLIC_KEY_FILE), key.public())?;
    Ok(Desk { key, log, chain, head, journal_id, agrees })
}

impl Desk {
    fn disagreement(&self) -> KeeperError {
        let (number, entry) = self.log.last().map_or((0, 0), |last| (last.number, last.entry));
        KeeperError::Disagrees { number, entry }
    }
}

fn sign(
    log: &mut LogWriter,
    key: &SigningKey,
    point: &ChainPoint,
    (journal_id, time_ns): ([u8; 16], u64),
    (kind, note, new_key): (CheckpointKind, &str, Option<&SigningKey>),
) -> Result<Checkpoint, KeeperError> {
    let number = log.last().map_or(1, |last| last.number + 1);
    let previous = log.last().map_or_else(|| genesis(&journal_id), Checkpoint::digest);
    let says = Statement { number, kind, journal_id, previous, time_ns, note, new_key };
    let checkpoint = Checkpoint::sign(key, point, &says);
    debug_assert!(checkpoint.is_signed());
    log.append(checkpoint.clone())?;
    Ok(checkpoint)
}

impl Keeper {
    /// Opens what there is, signs how the chain stands now, and brings the anchors up to date.
    ///
    /// It is called before the session's first record: from then on a journal without checkpoints is one that lost them.
    pub fn open(settings: KeeperSettings, now_ns: u64) -> Result<Keeper, KeeperError> {
        assert!(0 < settings.anchor_every);
        assert!(0 < settings.interval_records);
        let desk =
            open_desk(&settings.journal_dir, &settings.audit_dir, settings.key_file.as_deref())?;
        if !desk.agrees {
            return Err(desk.disagreement());
        }
        let Desk { key, log, chain, head, journal_id, .. } = desk;
        let feeders = settings
            .anchors
            .iter()
            .map(|anchor| {
                let every = settings.anchor_every;
                Feeder::new(anchor.clone(), every, &settings.audit_dir, &journal_id)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let last = log.last().map_or(0, |last| last.number);
        let anchored = feeders.iter().map(|feeder| feeder.sent).max().unwrap_or(0);
        if last < anchored {
            return Err(KeeperError::AnchorAhead { anchored, last });
        }
        let mut keeper = Keeper {
            settings,
            key,
            log,
            chain,
            head,
            journal_id,
            feeders,
            signed_ns: now_ns,
            anchor_after_ns: 0,
        };
        keeper.sign_head(now_ns)?;
        Ok(keeper)
    }

    /// The last checkpoint.
    pub fn last(&self) -> Option<&Checkpoint> {
        self.log.last()
    }

    /// Number of the last checkpoint that every anchor has; `None` without anchors.
    pub fn anchored(&self) -> Option<u64> {
        self.feeders.iter().map(|feeder| feeder.sent).min()
    }

    /// Signs if it is time, and feeds the anchors. Call it a few times a second.
    pub fn poll(&mut self, now_ns: u64) -> Result<Progress, KeeperError> {
        self.follow()?;
        let (entry, sequence) = self.log.last().map_or((0, 0), |last| (last.entry, last.sequence));
        let is_new = entry < self.head.entry;
        let is_due = self.settings.interval_ns <= now_ns.saturating_sub(self.signed_ns)
            || self.settings.interval_records <= self.head.last_sequence.saturating_sub(sequence);
        let signed = is_new && is_due && self.sign_head(now_ns)?;
        Ok(Progress { signed, anchor_error: self.feed(now_ns, false) })
    }

    /// The journal was closed: signs its end, and gives the anchors everything.
    pub fn finish(mut self, now_ns: u64) -> Result<Progress, KeeperError> {
        self.follow()?;
        let signed = self.sign_head(now_ns)?;
        self.anchor_after_ns = 0;
        Ok(Progress { signed, anchor_error: self.feed(now_ns, true) })
    }

    fn follow(&mut self) -> Result<(), KeeperError> {
        let mut head = None;
        head_of(&mut self.chain, None, &mut head)?;
        self.head = head.unwrap_or(self.head);
        Ok(())
    }

    fn sign_head(&mut self, now_ns: u64) -> Result<bool, KeeperError> {
        if self.log.last().is_some_and(|last| last.entry == self.head.entry) {
            return Ok(false);
        }
        // What is signed must not be lost by a power failure: it would look as if somebody had cut it.
        self.chain.sync()?;
        let plain = (CheckpointKind::Plain, "", None);
        sign(&mut self.log, &self.key, &self.head, (self.journal_id, now_ns), plain)?;
        self.signed_ns = now_ns;
        Ok(true)
    }

    fn feed(&mut self, now_ns: u64, all: bool) -> Option<String> {
        if now_ns < self.anchor_after_ns {
            return None;
        }
        let (path, size) = (self.log.path().to_path_buf(), self.log.size());
        let mut failed = None;
        for feeder in &mut self.feeders {
            if let Err(error) = feeder.feed(&path, size, all) {
                failed = Some(error.to_string());
            }
        }
        if failed.is_some() {
            self.anchor_after_ns = now_ns + ANCHOR_RETRY_NS;
        }
        failed
    }
}

/// From here on another key signs. The old key signs the new one, and the new key signs that it was given the work. The
/// new key replaces the old one in its place. Not beside a running engine.
pub fn rotate(
    journal_dir: &Path,
    audit_dir: &Path,
    key_file: Option<&Path>,
    (note, now_ns): (&str, u64),
) -> Result<Checkpoint, KeeperError> {
    let mut desk = open_desk(journal_dir, audit_dir, key_file)?;
    if !desk.agrees {
        return Err(desk.disagreement());
    }
    let (path, next) = key_paths(audit_dir, key_file);
    let new_key = SigningKey::create(&next)?;
    desk.chain.sync()?;
    let says = (CheckpointKind::Rotate, note, Some(&new_key));
    let place = (desk.journal_id, now_ns);
    let checkpoint = sign(&mut desk.log, &desk.key, &desk.head, place, says)?;
    std::fs::rename(&next, &path).at("rename", &next)?;
    sync_dir(crate::files::folder_of(&path))?;
    publish(&audit_dir.join(PUBLIC_KEY_FILE), new_key.public())?;
    Ok(checkpoint)
}

/// Signs that the cut which the chain notes was ordered, by whom and why.
pub fn sign_repair(
    journal_dir: &Path,
    audit_dir: &Path,
    key_file: Option<&Path>,
    (note, now_ns): (&str, u64),
) -> Result<Checkpoint, KeeperError> {
    let mut cut = None;
    ChainTail::open(journal_dir)?.poll(|point| {
        if point.repaired {
            cut = Some(*point);
        }
    })?;
    let cut = cut.ok_or(KeeperError::NotRepaired)?;
    let mut desk = open_desk(journal_dir, audit_dir, key_file)?;
    desk.chain.sync()?;
    let says = (CheckpointKind::Repair, note, None);
    sign(&mut desk.log, &desk.key, &cut, (desk.journal_id, now_ns), says)
}

#[cfg(test)]
mod tests;
