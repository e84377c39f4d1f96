//! Secrets that systemd hands to a unit: `LoadCredential=` and `SetCredentialEncrypted=`.
//!
//! systemd puts them into a directory of memory that is never swapped, one file a credential, and names it
//! in `$CREDENTIALS_DIRECTORY`. Files have mode 0400, or 0440 with an ACL for the user of the unit; the group
//! of the file is then root's, so group bits are let pass here and only here.

use std::path::PathBuf;

use crate::provider::{Fetched, SecretProvider};
use crate::{SecretError, SecretUri, file};

/// Variable in which systemd names the directory.
pub const DIRECTORY_VARIABLE: &str = "CREDENTIALS_DIRECTORY";
/// Bits of a mode that let the world in, or let a group write.
const FORBIDDEN: u32 = 0o037;

/// Credentials of this unit.
#[derive(Clone, Debug)]
pub struct SystemdProvider {
    directory: Option<PathBuf>,
}

impl SystemdProvider {
    /// Those that systemd gave to this process.
    pub fn of_this_process() -> SystemdProvider {
        SystemdProvider { directory: std::env::var_os(DIRECTORY_VARIABLE).map(PathBuf::from) }
    }

    /// Those of a directory.
    pub fn at(directory: PathBuf) -> SystemdProvider {
        SystemdProvider { directory: Some(directory) }
    }

    fn directory(&self, uri: &str) -> Result<&PathBuf, SecretError> {
        self.directory.as_ref().filter(|path| path.is_absolute()).ok_or_else(|| {
            let what = "$CREDENTIALS_DIRECTORY is not set: this process was not started by a systemd \
                        unit with LoadCredential=";
            SecretError::NotConfigured { uri: uri.to_string(), what }
        })
    }
}

impl SecretProvider for SystemdProvider {
    fn fetch(&mut self, uri: &SecretUri) -> Result<Fetched, SecretError> {
        let SecretUri::Systemd(name) = uri else { return Err(crate::store::wrong_provider(uri)) };
        let text = uri.to_string();
        let path = self.directory(&text)?.join(name);
        file::read(&path, &text, FORBIDDEN)
    }

    fn health(&mut self) -> Result<String, SecretError> {
        let directory = self.directory("systemd:")?;
        Ok(format!("credentials in {}", directory.display()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[track_caller]
    fn check(mode: u32, name: &str, expected: &str) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        fs::write(&path, "canary").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let mut provider = SystemdProvider::at(directory.path().to_path_buf());
        let uri = SecretUri::Systemd(name.to_string());
        let found = match provider.fetch(&uri) {
            Ok(fetched) => format!("read {}", fetched.secret.size_bytes()),
            Err(error) => error.to_string(),
        };
        assert!(found.contains(expected), "{found}");
        assert!(!found.contains("canary"), "{found}");
    }

    #[test]
    fn credentials_are_files_of_their_directory() {
        check(0o400, "key", "read 6");
        check(0o440, "key", "read 6");
        check(0o444, "key", "mode 444");
        check(0o460, "key", "mode 460");
        check(0o400, "other", "systemd:other: there is no such secret");
    }

    #[test]
    fn without_systemd_it_says_so() {
        let mut provider = SystemdProvider { directory: None };
        let error = provider.fetch(&SecretUri::Systemd("key".to_string())).unwrap_err().to_string();
        assert!(error.contains("CREDENTIALS_DIRECTORY"), "{error}");
        assert!(provider.health().is_err());
    }
}
