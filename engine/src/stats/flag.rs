//! The kill flag: one word in a small mapped file, for the moment when nothing else can be reached.
//!
//! ```text
//!  byte  0       8         16     24    32        40          64
//!        +-------+---------+------+-----+---------+-----------+
//!        | magic | version | word | uid | time_ns | free      |   little-endian words, each an atomic
//!        +-------+---------+------+-----+---------+-----------+
//! ```
//! `word` 0: not set. Anything else: set; the number is the time at which it was set, so that a second setting
//! is another word. Whoever may write the file (mode 0600: the engine's own user) may kill; no thread of the
//! engine but the core has to live for it, no socket and no ring. The core thread reads the word once a turn.
//!
//! **Invariant:** the flag stays set over a restart: an engine that finds it set begins killed.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};

/// Name of the file in the data directory.
pub const FLAG_FILE_NAME: &str = "kill";

const FLAG_BYTES: usize = 64;
const FLAG_MAGIC: u64 = u64::from_le_bytes(*b"TWKILL\0\0");
const FLAG_VERSION: u64 = 1;

#[repr(C)]
struct Words {
    magic: AtomicU64,
    version: AtomicU64,
    word: AtomicU64,
    uid: AtomicU64,
    time_ns: AtomicU64,
    free: [AtomicU64; 3],
}

const _: () = assert!(size_of::<Words>() == FLAG_BYTES);

/// Who set the flag, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlagSet {
    /// The word that was found; not 0.
    pub word: u64,
    /// User who set it.
    pub uid: u32,
    /// When, ns since the Unix epoch, by the clock of who set it.
    pub time_ns: u64,
}

/// Why a flag file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FlagError {
    /// The file system refused.
    #[error("cannot {step} the kill flag {}", path.display())]
    Io {
        /// What was being done.
        step: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} is no kill flag: {what}", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// The mapped flag.
pub struct KillFlag {
    map: MmapRaw,
}

impl KillFlag {
    /// Opens the flag of a data directory, or makes one that is not set. For the engine.
    pub fn create_in(data_dir: &Path) -> Result<KillFlag, FlagError> {
        let path = data_dir.join(FLAG_FILE_NAME);
        let fail = |step, source| FlagError::Io { step, path: path.clone(), source };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|source| fail("open", source))?;
        let is_new = file.metadata().map_err(|source| fail("look at", source))?.size() == 0;
        if is_new {
            let size = u64::try_from(FLAG_BYTES).unwrap_or(u64::MAX);
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, size)
                .map_err(|source| fail("allocate", source.into()))?;
        }
        let flag = KillFlag::map(&file, &path)?;
        if is_new {
            let words = flag.words();
            words.version.store(FLAG_VERSION, Ordering::Relaxed);
            words.magic.store(FLAG_MAGIC, Ordering::Release);
        }
        flag.check(&path)?;
        Ok(flag)
    }

    /// Opens the flag of a data directory that an engine made. For tools.
    pub fn open_in(data_dir: &Path) -> Result<KillFlag, FlagError> {
        let path = data_dir.join(FLAG_FILE_NAME);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file =
            file.map_err(|source| FlagError::Io { step: "open", path: path.clone(), source })?;
        let flag = KillFlag::map(&file, &path)?;
        flag.check(&path)?;
        Ok(flag)
    }

    fn map(file: &File, path: &Path) -> Result<KillFlag, FlagError> {
        let fail = |step, source| FlagError::Io { step, path: path.to_owned(), source };
        let metadata = file.metadata().map_err(|source| fail("look at", source))?;
        if metadata.size() != u64::try_from(FLAG_BYTES).unwrap_or(u64::MAX) {
            return Err(FlagError::Foreign { path: path.to_owned(), what: "its size" });
        }
        let map = MmapOptions::new().len(FLAG_BYTES).map_raw(file);
        Ok(KillFlag { map: map.map_err(|source| fail("map", source))? })
    }

    fn check(&self, path: &Path) -> Result<(), FlagError> {
        let foreign = |what| Err(FlagError::Foreign { path: path.to_owned(), what });
        if self.words().magic.load(Ordering::Acquire) != FLAG_MAGIC {
            return foreign("its first bytes");
        }
        if self.words().version.load(Ordering::Relaxed) != FLAG_VERSION {
            return foreign("its version");
        }
        Ok(())
    }

    /// Kills: the core thread sees it within its next turn, whatever else is dead. Returns the word that
    /// stands there now; a flag that is set already stays as it is.
    pub fn set(&self, uid: u32, now_ns: u64) -> u64 {
        let words = self.words();
        let found = words.word.load(Ordering::Acquire);
        if found != 0 {
            return found;
        }
        words.uid.store(u64::from(uid), Ordering::Relaxed);
        words.time_ns.store(now_ns, Ordering::Relaxed);
        let word = now_ns.max(1);
        // Two who set it at once mean the same.
        match words.word.compare_exchange(0, word, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => word,
            Err(other) => other,
        }
    }

    /// The word: 0 while it is not set. What the core thread asks once a turn.
    #[inline]
    pub fn word(&self) -> u64 {
        self.words().word.load(Ordering::Relaxed)
    }

    /// Who set it, and when; `None` while it is not set.
    pub fn get(&self) -> Option<FlagSet> {
        let words = self.words();
        let word = words.word.load(Ordering::Acquire);
        (word != 0).then(|| FlagSet {
            word,
            uid: u32::try_from(words.uid.load(Ordering::Relaxed)).unwrap_or(u32::MAX),
            time_ns: words.time_ns.load(Ordering::Relaxed),
        })
    }

    /// Takes the flag back, if it still is what was seen. The engine does it when the kill was lifted.
    pub fn clear(&self, word: u64) -> bool {
        let cleared =
            self.words().word.compare_exchange(word, 0, Ordering::AcqRel, Ordering::Relaxed);
        cleared.is_ok()
    }

    fn words(&self) -> &Words {
        #[expect(clippy::cast_ptr_alignment, reason = "a mapping starts at a page")]
        let start = self.map.as_ptr().cast::<Words>();
        #[expect(unsafe_code, reason = "a flag is shared memory")]
        // SAFETY: the mapping is `FLAG_BYTES` long (checked against the file when it was made), begins at a page,
        // lives as long as `self`, and every bit pattern is a valid `Words`, which consists of `AtomicU64` alone.
        // Other processes change the bytes only as atomic words.
        unsafe {
            &*start
        }
    }
}

impl fmt::Debug for KillFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KillFlag").field("word", &self.word()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_one_sets_the_other_sees_and_a_restart_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let engine = KillFlag::create_in(dir.path()).unwrap();
        assert_eq!((engine.word(), engine.get()), (0, None));
        let tool = KillFlag::open_in(dir.path()).unwrap();
        assert_eq!(tool.set(1000, 77), 77);
        assert_eq!(tool.set(1001, 78), 77, "the first one counts");
        assert_eq!(engine.get(), Some(FlagSet { word: 77, uid: 1000, time_ns: 77 }));
        drop((engine, tool));
        let engine = KillFlag::create_in(dir.path()).unwrap();
        assert_eq!(engine.word(), 77);
        assert_eq!(format!("{engine:?}"), "KillFlag { word: 77 }");
        assert!(!engine.clear(76), "another word is another kill");
        assert!(engine.clear(77));
        assert_eq!(engine.word(), 0);
        assert_eq!(engine.set(5, 0), 1, "time 0 sets it all the same");
    }

    #[test]
    fn only_its_owner_may_write_it() {
        let dir = tempfile::tempdir().unwrap();
        let flag = KillFlag::create_in(dir.path()).unwrap();
        drop(flag);
        let metadata = std::fs::metadata(dir.path().join(FLAG_FILE_NAME)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_flag_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(KillFlag::open_in(dir.path()), Err(FlagError::Io { step: "open", .. })));
        let path = dir.path().join(FLAG_FILE_NAME);
        let check = |bytes: &[u8], wanted: &str| {
            std::fs::write(&path, bytes).unwrap();
            match KillFlag::open_in(dir.path()) {
                Err(FlagError::Foreign { what, .. }) => assert_eq!(what, wanted),
                other => panic!("{other:?}"),
            }
        };
        check(b"x", "its size");
        check(&[0; 64], "its first bytes");
        let mut bytes = [0; 64];
        bytes[..8].copy_from_slice(b"TWKILL\0\0");
        check(&bytes, "its version");
        assert!(KillFlag::create_in(dir.path()).is_err());
    }
}
