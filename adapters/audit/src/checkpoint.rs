//! A checkpoint: one signed line that says what the hash chain was at one entry.
//!
//! ```text
//!   signature = Ed25519(key, canonical bytes)
//!   canonical = "tickwheel audit checkpoint 1\n" | kind (1) | number (8) | journal id (16) | entry (8)
//!             | sequence (8) | chain hash (32) | previous (32) | time (8) | key (32) | new key (32)
//!             | length of note (4) | note                                    little-endian
//!   previous  = BLAKE3(canonical | signature) of the checkpoint before; of the first one
//!               BLAKE3("tickwheel audit 1\n" | journal id)
//! ```
//! A line is accepted only if it is, byte for byte, what this program writes for what it says.

use data_encoding::HEXLOWER;
use journal::ChainPoint;
use serde::{Deserialize, Serialize};

use crate::key::{PublicKey, SIGNATURE_SIZE_BYTES, SigningKey};

/// Version of the lines.
const VERSION: u32 = 1;
/// Longest note, bytes.
pub(crate) const NOTE_SIZE_BYTES_MAX: usize = 1024;

/// What a checkpoint is for. Never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CheckpointKind {
    /// The chain stood so.
    Plain = 1,
    /// From here on another key signs; it signs this line too.
    Rotate = 2,
    /// An operator cut the journal; earlier checkpoints past the last one that still fits are superseded.
    Repair = 3,
}

impl CheckpointKind {
    /// Name in the lines.
    pub const fn name(self) -> &'static str {
        match self {
            CheckpointKind::Plain => "checkpoint",
            CheckpointKind::Rotate => "rotate",
            CheckpointKind::Repair => "repair",
        }
    }

    fn from_name(name: &str) -> Option<CheckpointKind> {
        [CheckpointKind::Plain, CheckpointKind::Rotate, CheckpointKind::Repair]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// One line of the checkpoint file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Place in the file, from 1.
    pub number: u64,
    /// What it is for.
    pub kind: CheckpointKind,
    /// Id of the journal.
    pub journal_id: [u8; 16],
    /// Entry of the chain, from 1.
    pub entry: u64,
    /// Last record that the entry covers.
    pub sequence: u64,
    /// Hash of the entry.
    pub hash: [u8; 32],
    /// Digest of the checkpoint before.
    pub previous: [u8; 32],
    /// When it was made, ns since the epoch, by the clock of the machine.
    pub time_ns: u64,
    /// Who signed.
    pub key: PublicKey,
    /// Who signs from here on, on `Rotate`.
    pub new_key: Option<PublicKey>,
    /// Who and why, on `Rotate` and `Repair`; printable ASCII.
    pub note: String,
    /// Of the canonical bytes, by `key`.
    pub signature: [u8; SIGNATURE_SIZE_BYTES],
    /// Of the canonical bytes, by `new_key`.
    pub cross: Option<[u8; SIGNATURE_SIZE_BYTES]>,
}

/// The line as JSON; the order of the fields is part of the form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    version: u32,
    number: u64,
    kind: String,
    journal: String,
    entry: u64,
    sequence: u64,
    hash: String,
    previous: String,
    time_ns: u64,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    new_key: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    note: String,
    signature: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    cross: Option<String>,
}

/// What a new checkpoint says besides the chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statement<'a> {
    pub(crate) number: u64,
    pub(crate) kind: CheckpointKind,
    pub(crate) journal_id: [u8; 16],
    pub(crate) previous: [u8; 32],
    pub(crate) time_ns: u64,
    pub(crate) note: &'a str,
    /// The new key, on `Rotate`.
    pub(crate) new_key: Option<&'a SigningKey>,
}

/// "Previous" of the first checkpoint of a journal.
pub(crate) fn genesis(journal_id: &[u8; 16]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"tickwheel audit 1\n");
    hasher.update(journal_id);
    *hasher.finalize().as_bytes()
}

/// What is left of a note: printable ASCII, bounded.
pub(crate) fn clean_note(note: &str) -> String {
    let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    note.chars().map(printable).take(NOTE_SIZE_BYTES_MAX).collect()
}

impl Checkpoint {
    /// Makes and signs one.
    pub(crate) fn sign(key: &SigningKey, point: &ChainPoint, says: &Statement<'_>) -> Checkpoint {
        assert!(says.new_key.is_some() == (says.kind == CheckpointKind::Rotate));
        let mut checkpoint = Checkpoint {
            number: says.number,
            kind: says.kind,
            journal_id: says.journal_id,
            entry: point.entry,
            sequence: point.last_sequence,
            hash: point.hash,
            previous: says.previous,
            time_ns: says.time_ns,
            key: key.public(),
            new_key: says.new_key.map(SigningKey::public),
            note: clean_note(says.note),
            signature: [0; SIGNATURE_SIZE_BYTES],
            cross: None,
        };
        let canonical = checkpoint.canonical();
        checkpoint.signature = key.sign(&canonical);
        checkpoint.cross = says.new_key.map(|new_key| new_key.sign(&canonical));
        checkpoint
    }

    /// What is signed.
    pub fn canonical(&self) -> Vec<u8> {
        let mut bytes = b"tickwheel audit checkpoint 1\n".to_vec();
        bytes.push(self.kind as u8);
        bytes.extend(self.number.to_le_bytes());
        bytes.extend(self.journal_id);
        bytes.extend(self.entry.to_le_bytes());
        bytes.extend(self.sequence.to_le_bytes());
        bytes.extend(self.hash);
        bytes.extend(self.previous);
        bytes.extend(self.time_ns.to_le_bytes());
        bytes.extend(self.key.0);
        bytes.extend(self.new_key.map_or([0; 32], |key| key.0));
        let length = u32::try_from(self.note.len()).expect("a note has at most 1,024 bytes");
        bytes.extend(length.to_le_bytes());
        bytes.extend(self.note.as_bytes());
        bytes
    }

    /// What the next checkpoint says of this one.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.canonical());
        hasher.update(&self.signature);
        *hasher.finalize().as_bytes()
    }

    /// Whether every signature in it holds.
    pub fn is_signed(&self) -> bool {
        let canonical = self.canonical();
        let crossed = match (self.kind, self.new_key, &self.cross) {
            (CheckpointKind::Rotate, Some(key), Some(cross)) => key.holds(&canonical, cross),
            (CheckpointKind::Plain | CheckpointKind::Repair, None, None) => true,
            (
                CheckpointKind::Plain | CheckpointKind::Rotate | CheckpointKind::Repair,
                Some(_) | None,
                Some(_) | None,
            ) => false,
        };
        crossed && self.key.holds(&canonical, &self.signature)
    }

    /// The key that signs the checkpoint after this one.
    pub fn next_key(&self) -> PublicKey {
        self.new_key.unwrap_or(self.key)
    }

    /// The line, without its end.
    pub fn to_line(&self) -> String {
        let line = Line {
            version: VERSION,
            number: self.number,
            kind: self.kind.name().to_string(),
            journal: HEXLOWER.encode(&self.journal_id),
            entry: self.entry,
            sequence: self.sequence,
            hash: HEXLOWER.encode(&self.hash),
            previous: HEXLOWER.encode(&self.previous),
            time_ns: self.time_ns,
            key: self.key.hex(),
            new_key: self.new_key.map(|key| key.hex()),
            note: self.note.clone(),
            signature: HEXLOWER.encode(&self.signature),
            cross: self.cross.map(|cross| HEXLOWER.encode(&cross)),
        };
        serde_json::to_string(&line).expect("strings and numbers have a JSON text")
    }

    /// The checkpoint that `line` holds, or what is wrong with it. Signatures are not looked at.
    pub fn from_line(line: &[u8]) -> Result<Checkpoint, &'static str> {
        let parsed: Line = serde_json::from_slice(line).map_err(|_| "not a checkpoint")?;
        if parsed.version != VERSION {
            return Err("of another version");
        }
        let bad = "a field has the wrong form";
        let checkpoint = Checkpoint {
            number: parsed.number,
            kind: CheckpointKind::from_name(&parsed.kind).ok_or("of an unknown kind")?,
            journal_id: bytes(&parsed.journal).ok_or(bad)?,
            entry: parsed.entry,
            sequence: parsed.sequence,
            hash: bytes(&parsed.hash).ok_or(bad)?,
            previous: bytes(&parsed.previous).ok_or(bad)?,
            time_ns: parsed.time_ns,
            key: PublicKey(bytes(&parsed.key).ok_or(bad)?),
            new_key: match &parsed.new_key {
                Some(text) => Some(PublicKey(bytes(text).ok_or(bad)?)),
                None => None,
            },
            note: parsed.note,
            signature: bytes(&parsed.signature).ok_or(bad)?,
            cross: match &parsed.cross {
                Some(text) => Some(bytes(text).ok_or(bad)?),
                None => None,
            },
        };
        if NOTE_SIZE_BYTES_MAX < checkpoint.note.len() {
            return Err("its note is too long");
        }
        if checkpoint.to_line().as_bytes() != line {
            return Err("not in the form in which it was written");
        }
        Ok(checkpoint)
    }
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests;
