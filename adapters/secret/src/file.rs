//! Secrets in files: regular, owned by us, readable by nobody else, in a directory that others cannot change.
//!
//! A symbolic link is followed first and the file behind it is checked, because it is that file that is
//! read. What is checked is the open file, not its name: nobody can exchange it in between.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

use crate::provider::{Fetched, SECRET_SIZE_BYTES_MAX, SecretProvider};
use crate::{Secret, SecretError, SecretUri};

/// Bits of a mode that let others in.
const OTHERS: u32 = 0o077;
/// Bits that let others change a directory, and the one that keeps them from each other's files.
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;
const ROOT: u32 = 0;

/// Files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileProvider;

impl SecretProvider for FileProvider {
    fn fetch(&mut self, uri: &SecretUri) -> Result<Fetched, SecretError> {
        let SecretUri::File(path) = uri else { return Err(crate::store::wrong_provider(uri)) };
        read(path, &uri.to_string(), OTHERS)
    }

    fn health(&mut self) -> Result<String, SecretError> {
        Ok("files of this machine".to_string())
    }
}

/// Reads a file of which nobody else may have any of the bits in `forbidden`.
pub(crate) fn read(path: &Path, uri: &str, forbidden: u32) -> Result<Fetched, SecretError> {
    let failed = |error: &std::io::Error| {
        let (place, detail) = (uri.to_string(), error.to_string());
        if error.kind() == std::io::ErrorKind::NotFound {
            SecretError::Missing { uri: place }
        } else if error.kind() == std::io::ErrorKind::PermissionDenied {
            SecretError::Denied { uri: place, detail }
        } else {
            SecretError::Unreachable { place, detail }
        }
    };
    let path = path.canonicalize().map_err(|error| failed(&error))?;
    // A pipe that is not written to would hold us for ever, so the open does not wait.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let opened =
        rustix::fs::open(&path, flags, Mode::empty()).map_err(|error| failed(&error.into()))?;
    let mut file = File::from(opened);
    check(&path, &file, forbidden).map_err(|why| match why {
        Unfit::Unknown(error) => failed(&error),
        Unfit::Open { path, why } => SecretError::Insecure { path, why },
    })?;
    let metadata = file.metadata().map_err(|error| failed(&error))?;
    let malformed = |must| SecretError::Malformed { uri: uri.to_string(), must };
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_SIZE_BYTES_MAX + 1));
    let limit = u64::try_from(SECRET_SIZE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    (&mut file).take(limit).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    if SECRET_SIZE_BYTES_MAX < bytes.len() {
        return Err(malformed("must have at most 65536 bytes"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| malformed("must be text"))?;
    let secret = Secret::new(text.to_string()).without_line_end();
    if secret.is_empty() {
        return Err(malformed("must not be empty"));
    }
    let changed_ns =
        i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    Ok(Fetched { secret, version: u64::try_from(changed_ns).ok(), lease_ns: None })
}

enum Unfit {
    Unknown(std::io::Error),
    Open { path: PathBuf, why: String },
}

impl From<std::io::Error> for Unfit {
    fn from(error: std::io::Error) -> Unfit {
        Unfit::Unknown(error)
    }
}

fn check(path: &Path, file: &File, forbidden: u32) -> Result<(), Unfit> {
    let unfit = |path: &Path, why: String| Err(Unfit::Open { path: path.to_path_buf(), why });
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return unfit(path, "is no regular file".to_string());
    }
    let (owner, we) = (metadata.uid(), rustix::process::geteuid().as_raw());
    // systemd's credentials belong to root where the unit has a user of its own.
    if owner != we && owner != ROOT {
        return unfit(
            path,
            format!("belongs to user {owner}, and we are user {we}; chown {we} it"),
        );
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & forbidden != 0 {
        let mode = mode & 0o777;
        return unfit(path, format!("has mode {mode:03o}: others can read it; chmod 600 it"));
    }
    let Some(directory) = path.parent() else { return Ok(()) };
    let metadata = std::fs::metadata(directory)?;
    let mode = metadata.permissions().mode() & 0o7777;
    let owner = metadata.uid();
    if owner != we && owner != ROOT {
        return unfit(
            directory,
            format!("belongs to user {owner}, who could exchange the files in it"),
        );
    }
    // A sticky directory, such as /tmp, lets nobody exchange a file of ours.
    if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
        let mode = mode & 0o777;
        return unfit(
            directory,
            format!("has mode {mode:03o}: others can exchange the files in it; chmod go-w it"),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::symlink;

    use super::*;

    const CANARY: &str = "canary-of-a-file";

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn place(text: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, text).unwrap();
        set(&path, mode);
        (directory, path)
    }

    #[track_caller]
    fn check(path: &Path, expected: &str) {
        let found = match FileProvider.fetch(&SecretUri::file(path)) {
            Ok(fetched) => format!("read {} bytes", fetched.secret.size_bytes()),
            Err(error) => error.to_string(),
        };
        assert!(found.contains(expected), "\"{expected}\" is not in: {found}");
        assert!(!found.contains(CANARY), "{found}");
    }

    #[test]
    fn only_the_owner_may_read_a_file_of_a_secret() {
        for (mode, expected) in [
            (0o600, "read 16 bytes"),
            (0o400, "read 16 bytes"),
            (0o700, "read 16 bytes"),
            (0o640, "mode 640"),
            (0o620, "mode 620"),
            (0o610, "mode 610"),
            (0o604, "mode 604"),
            (0o602, "mode 602"),
            (0o601, "mode 601"),
            (0o666, "chmod 600"),
        ] {
            let (_directory, path) = place(CANARY.as_bytes(), mode);
            check(&path, expected);
        }
    }

    #[test]
    fn the_directory_must_keep_others_from_exchanging_the_file() {
        for (mode, expected) in [
            (0o700, "read 16 bytes"),
            (0o755, "read 16 bytes"),
            (0o1777, "read 16 bytes"),
            (0o770, "mode 770"),
            (0o757, "mode 757"),
        ] {
            let (directory, path) = place(CANARY.as_bytes(), 0o600);
            set(directory.path(), mode);
            check(&path, expected);
        }
    }

    #[test]
    fn a_link_is_judged_by_what_it_leads_to() {
        let (directory, path) = place(CANARY.as_bytes(), 0o600);
        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        check(&link, "read 16 bytes");
        set(&path, 0o644);
        check(&link, "mode 644");
        let (open, behind) = place(CANARY.as_bytes(), 0o600);
        set(open.path(), 0o777);
        let other = directory.path().join("other");
        symlink(&behind, &other).unwrap();
        check(&other, "exchange");
        let nowhere = directory.path().join("nowhere");
        symlink(directory.path().join("gone"), &nowhere).unwrap();
        check(&nowhere, "no such secret");
    }

    #[test]
    fn what_is_no_secret_is_named() {
        let (directory, path) = place(b"", 0o600);
        check(&path, "empty");
        check(directory.path(), "no regular file");
        check(&directory.path().join("gone"), "no such secret");
        let (_directory, path) = place(&[0xff, 0xfe], 0o600);
        check(&path, "must be text");
        let (_directory, path) = place(&vec![b'a'; SECRET_SIZE_BYTES_MAX + 1], 0o600);
        check(&path, "at most 65536");
        let (_directory, path) = place(&vec![b'a'; SECRET_SIZE_BYTES_MAX], 0o600);
        check(&path, "read 65536 bytes");
        let (_directory, path) = place(b"abc\r\n", 0o600);
        check(&path, "read 3 bytes");
        let fifo = directory.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        check(&fifo, "no regular file");
    }

    #[test]
    fn a_change_of_the_file_has_a_later_version() {
        let (_directory, path) = place(b"one", 0o600);
        let uri = SecretUri::file(&path);
        let first = FileProvider.fetch(&uri).unwrap();
        let later = File::options().write(true).open(&path).unwrap();
        let time = later.metadata().unwrap().modified().unwrap();
        fs::write(&path, "two").unwrap();
        later.set_modified(time + std::time::Duration::from_secs(1)).unwrap();
        let second = FileProvider.fetch(&uri).unwrap();
        assert!(first.version < second.version);
        assert!(!first.secret.is_same(&second.secret));
    }
}
