//! What a verification found, in words and with stable codes.

/// Findings listed; more than an operator reads.
pub(crate) const FINDING_COUNT_MAX: usize = 256;

/// Codes of findings. They are part of the machine-readable output: never renamed.
pub mod code {
    /// A place of the journal does not hold its good record.
    pub const RECORD: &str = "record-damaged";
    /// A header page of a segment.
    pub const HEADER: &str = "header-damaged";
    /// A segment that is longer or shorter than it says.
    pub const LENGTH: &str = "file-length";
    /// A file that must be there is not.
    pub const MISSING: &str = "file-missing";
    /// A segment of another journal or another place.
    pub const FOREIGN: &str = "file-foreign";
    /// The chain file itself.
    pub const CHAIN: &str = "chain-damaged";
    /// Records that do not hash to the chain.
    pub const RECORDS_CHANGED: &str = "records-changed";
    /// The link line of a segment.
    pub const LINK: &str = "link-changed";
    /// The system could not read.
    pub const UNREADABLE: &str = "unreadable";
    /// Something else that the journal's own verification found.
    pub const OTHER: &str = "journal-damaged";
    /// The records end before what the disk had confirmed.
    pub const TRUNCATED: &str = "tail-truncated";
    /// The journal says that it is signed, and there is no checkpoint.
    pub const CHECKPOINTS_MISSING: &str = "checkpoints-missing";
    /// A line of the checkpoint file is not a checkpoint as it was written.
    pub const CHECKPOINT_DAMAGED: &str = "checkpoint-damaged";
    /// A checkpoint does not follow the one before: lines were removed, doubled or moved.
    pub const CHECKPOINT_ORDER: &str = "checkpoint-order";
    /// A signature does not hold.
    pub const CHECKPOINT_SIGNATURE: &str = "checkpoint-signature";
    /// Signed by a key that nobody gave the work to.
    pub const CHECKPOINT_KEY: &str = "checkpoint-key";
    /// The checkpoint is one of another journal.
    pub const CHECKPOINT_FOREIGN: &str = "checkpoint-foreign";
    /// The chain ends before an entry that was signed.
    pub const HEAD_MISSING: &str = "head-missing";
    /// The chain has another hash where a checkpoint was signed.
    pub const HEAD_CHANGED: &str = "head-changed";
    /// A statement explains a cut that the chain does not have.
    pub const REPAIR_UNKNOWN: &str = "repair-unknown";
    /// The journal was closed in order, and its end is not signed.
    pub const CLOSE_UNSIGNED: &str = "close-unsigned";
    /// The public key that is trusted signs nothing here.
    pub const KEY_UNTRUSTED: &str = "key-untrusted";
    /// The anchor holds another line than the checkpoint file.
    pub const ANCHOR_DIFFERS: &str = "anchor-differs";
    /// The anchor holds checkpoints that the checkpoint file has no more.
    pub const ANCHOR_AHEAD: &str = "anchor-ahead";
    /// The anchor has no line of this journal, or cannot be read.
    pub const ANCHOR_EMPTY: &str = "anchor-empty";
    /// The manifest of an export.
    pub const EXPORT_MANIFEST: &str = "export-manifest";
    /// The signature of an export.
    pub const EXPORT_SIGNATURE: &str = "export-signature";
    /// A file of an export that is missing or changed.
    pub const EXPORT_FILE: &str = "export-file";
    /// A file that the manifest of an export does not name.
    pub const EXPORT_STRANGER: &str = "export-stranger";
    /// A line of the anchor is not a checkpoint.
    pub const ANCHOR_DAMAGED: &str = "anchor-damaged";
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// One of [`code`].
    pub what: &'static str,
    /// File, offset, record or line.
    pub place: String,
    /// In words.
    pub detail: String,
}

/// An operator's cut that is explained by a signed statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairSeen {
    /// Number of the statement.
    pub number: u64,
    /// Last record that was kept.
    pub sequence: u64,
    /// When it was signed.
    pub time_ns: u64,
    /// Who and why.
    pub note: String,
    /// Checkpoints that it supersedes.
    pub superseded: u64,
}

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub struct AuditReport {
    /// Findings, at most 256. Empty means that everything holds together.
    pub damage: Vec<Finding>,
    /// What a reader should know and what is no damage.
    pub notes: Vec<String>,
    /// The journal's own case.
    pub case: &'static str,
    /// A writer is at work.
    pub live: bool,
    /// Good records.
    pub records: u64,
    /// Entries of the chain.
    pub chain_entries: u64,
    /// Good checkpoints.
    pub checkpoints: u64,
    /// Last record that a checkpoint covers.
    pub signed_through: u64,
    /// Public keys that signed, in order.
    pub keys: Vec<String>,
    /// Cuts by operators, explained.
    pub repairs: Vec<RepairSeen>,
    /// Good lines of the anchor and the last number in it, when one was given.
    pub anchor: Option<(u64, u64)>,
}

impl AuditReport {
    /// Nothing is wrong.
    pub fn is_ok(&self) -> bool {
        self.damage.is_empty()
    }

    pub(crate) fn find(&mut self, what: &'static str, place: String, detail: impl Into<String>) {
        if self.damage.len() < FINDING_COUNT_MAX {
            self.damage.push(Finding { what, place, detail: detail.into() });
        }
    }
}
