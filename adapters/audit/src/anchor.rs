//! Anchors: checkpoint lines are also kept where who can rewrite the journal cannot.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::checkpoint::{Checkpoint, CheckpointKind};
use crate::files::{Context as _, IoError, read_optional, write_atomic};
use crate::log::each_line;

/// Longest list of anchors; arbitrary.
pub const ANCHOR_COUNT_MAX: usize = 8;
/// How long a command may take: 500 looks of 20 ms.
const COMMAND_LOOKS_MAX: u32 = 500;
const COMMAND_PAUSE: Duration = Duration::from_millis(20);

/// Where checkpoint lines go besides the checkpoint file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Appended to this file: on another disk, a mounted write-once share, a git working copy.
    File(PathBuf),
    /// Given to a program on its standard input, one line a call; exit code 0 is "kept".
    Command(Vec<String>),
}

/// Why a line was not anchored.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] IoError),
    /// The program said no.
    #[error("anchor command {program} ended with {status}")]
    Refused {
        /// The program.
        program: String,
        /// How it ended.
        status: String,
    },
    /// The program did not end in time and was killed.
    #[error("anchor command {program} did not end within 10 s")]
    Late {
        /// The program.
        program: String,
    },
}

impl Anchor {
    /// `file:/path` or `command:program argument ...` (divided at blanks, no shell).
    pub fn parse(text: &str) -> Result<Anchor, String> {
        if let Some(path) = text.strip_prefix("file:") {
            if path.is_empty() {
                return Err(format!("anchor \"{text}\": names no file"));
            }
            return Ok(Anchor::File(PathBuf::from(path)));
        }
        if let Some(command) = text.strip_prefix("command:") {
            let words: Vec<String> = command.split_whitespace().map(str::to_string).collect();
            if words.is_empty() {
                return Err(format!("anchor \"{text}\": names no program"));
            }
            return Ok(Anchor::Command(words));
        }
        Err(format!("anchor \"{text}\": must begin with file: or command:"))
    }

    /// Name of the file in which the audit directory notes what a command was given.
    fn mark(words: &[String]) -> String {
        let hash = blake3::hash(words.join(" ").as_bytes());
        format!("anchor-{}.sent", data_encoding::HEXLOWER.encode(&hash.as_bytes()[..8]))
    }

    /// Number of the last checkpoint of this journal that is anchored, 0 for none.
    fn last_number(&self, dir: &Path, journal_id: &[u8; 16]) -> Result<u64, IoError> {
        match self {
            Anchor::File(path) => {
                let mut last = 0;
                each_line::<IoError>(path, 0, |line| {
                    if let Ok(checkpoint) = Checkpoint::from_line(line.bytes)
                        && checkpoint.journal_id == *journal_id
                        && line.whole
                    {
                        last = checkpoint.number.max(last);
                    }
                    Ok(true)
                })?;
                Ok(last)
            }
            Anchor::Command(words) => {
                let bytes = read_optional(&dir.join(Anchor::mark(words)))?;
                let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
                Ok(text.and_then(|text| text.trim().parse().ok()).unwrap_or(0))
            }
        }
    }

    fn keep(&self, dir: &Path, number: u64, line: &[u8]) -> Result<(), AnchorError> {
        match self {
            Anchor::File(path) => append(path, line).map_err(AnchorError::from),
            Anchor::Command(words) => {
                tell(words, line)?;
                let mark = dir.join(Anchor::mark(words));
                Ok(write_atomic(&mark, format!("{number}\n").as_bytes(), 0o644)?)
            }
        }
    }
}

fn append(path: &Path, line: &[u8]) -> Result<(), IoError> {
    let mut file =
        OpenOptions::new().read(true).append(true).create(true).open(path).at("open", path)?;
    let size = file.metadata().at("stat", path)?.len();
    let mut bytes = Vec::with_capacity(line.len() + 2);
    if let Some(last) = size.checked_sub(1) {
        let mut end = [0];
        file.read_exact_at(&mut end, last).at("read", path)?;
        // Half a line of a start that was cut off stays what it is; this line begins a new one.
        if end != *b"\n" {
            bytes.push(b'\n');
        }
    }
    bytes.extend(line);
    bytes.push(b'\n');
    file.write_all(&bytes).at("append to", path)?;
    file.sync_data().at("sync", path)
}

fn tell(words: &[String], line: &[u8]) -> Result<(), AnchorError> {
    let program = words[0].clone();
    let path = Path::new(&program);
    let mut child = Command::new(path)
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .at("start", path)?;
    if let Some(mut input) = child.stdin.take() {
        // One line fits into a pipe. A program that does not read it is judged by its exit code.
        let told = input.write_all(line).and_then(|()| input.write_all(b"\n"));
        drop(told);
    }
    for _ in 0..COMMAND_LOOKS_MAX {
        if let Some(status) = child.try_wait().at("wait for", path)? {
            if status.success() {
                return Ok(());
            }
            return Err(AnchorError::Refused { program, status: status.to_string() });
        }
        std::thread::park_timeout(COMMAND_PAUSE);
    }
    child.kill().at("kill", path)?;
    child.wait().at("wait for", path)?;
    Err(AnchorError::Late { program })
}

/// Brings the lines of the checkpoint file to one anchor, in order.
#[derive(Debug)]
pub(crate) struct Feeder {
    anchor: Anchor,
    /// Every so many lines are kept.
    every: u64,
    /// Last number kept.
    pub(crate) sent: u64,
    /// Offset in the checkpoint file behind what was looked at.
    offset: u64,
}

impl Feeder {
    pub(crate) fn new(
        anchor: Anchor,
        every: u64,
        dir: &Path,
        journal_id: &[u8; 16],
    ) -> Result<Feeder, IoError> {
        assert!(0 < every);
        let sent = anchor.last_number(dir, journal_id)?;
        Ok(Feeder { anchor, every, sent, offset: 0 })
    }

    /// Keeps what is new in the checkpoint file `log` of `size` bytes; `all`: also lines that are not due.
    pub(crate) fn feed(&mut self, log: &Path, size: u64, all: bool) -> Result<(), AnchorError> {
        let dir = crate::files::folder_of(log);
        let mut held = false;
        while self.offset < size && !held {
            let (sent, every) = (self.sent, self.every);
            let mut due: Option<(u64, Vec<u8>)> = None;
            let mut offset = self.offset;
            each_line::<IoError>(log, self.offset, |line| {
                if size < line.end || !line.whole {
                    return Ok(false);
                }
                let is_last = line.end == size;
                if let Ok(checkpoint) = Checkpoint::from_line(line.bytes)
                    && sent < checkpoint.number
                {
                    let number = checkpoint.number;
                    let is_due = number == 1
                        || number.is_multiple_of(every)
                        || checkpoint.kind != CheckpointKind::Plain
                        || (all && is_last);
                    if is_due {
                        due = Some((number, line.bytes.to_vec()));
                        offset = line.end;
                        return Ok(false);
                    }
                    if is_last {
                        // It may still be asked for at the end of the session.
                        held = true;
                        return Ok(false);
                    }
                }
                offset = line.end;
                Ok(true)
            })?;
            if let Some((number, line)) = due {
                self.anchor.keep(dir, number, &line)?;
                self.sent = number;
            }
            if offset == self.offset {
                break;
            }
            self.offset = offset;
        }
        Ok(())
    }
}
