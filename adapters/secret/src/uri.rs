//! Names of secrets: `file:/path`, `env:NAME`, `systemd:NAME`, `vault:mount/data/path#field`.
//!
//! A name is no secret: it stands in configurations, logs and errors.

use std::fmt;
use std::path::{Path, PathBuf};

/// Longest name.
pub const URI_SIZE_BYTES_MAX: usize = 1024;

/// Why a text names no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// Nothing that we know stands in front of the colon. The text is not repeated: it may be a secret
    /// that was pasted where its name belongs.
    #[error("must begin with file:, env:, systemd: or vault: (a name of a secret, not the secret)")]
    Scheme,
    /// What stands behind the colon does not fit the scheme.
    #[error("{scheme}: {must}")]
    Name {
        /// The scheme.
        scheme: &'static str,
        /// What is expected.
        must: &'static str,
    },
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretUri {
    /// A file that only its owner can read.
    File(PathBuf),
    /// A variable of the environment; not in live mode.
    Env(String),
    /// A credential that systemd put into `$CREDENTIALS_DIRECTORY`.
    Systemd(String),
    /// A secret of a Vault KV engine, version 2.
    Vault {
        /// Path below `/v1/`, `data/` included: `secret/data/tickwheel`.
        path: String,
        /// One of its fields; `None` for all of them as a JSON object.
        field: Option<String>,
    },
}

impl fmt::Display for SecretUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretUri::File(path) => write!(f, "file:{}", path.display()),
            SecretUri::Env(name) => write!(f, "env:{name}"),
            SecretUri::Systemd(name) => write!(f, "systemd:{name}"),
            SecretUri::Vault { path, field: None } => write!(f, "vault:{path}"),
            SecretUri::Vault { path, field: Some(field) } => write!(f, "vault:{path}#{field}"),
        }
    }
}

impl SecretUri {
    /// The file of a path, as `wire.key_file` names it.
    pub fn file(path: impl AsRef<Path>) -> SecretUri {
        SecretUri::File(path.as_ref().to_path_buf())
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Result<SecretUri, UriError> {
        let (scheme, name) = text.split_once(':').ok_or(UriError::Scheme)?;
        let check = |scheme, is_good: bool, must| {
            let is_good = is_good && text.len() <= URI_SIZE_BYTES_MAX;
            if is_good { Ok(()) } else { Err(UriError::Name { scheme, must }) }
        };
        let name = name.to_string();
        match scheme {
            "file" => {
                let is_good = name.starts_with('/') && !name.contains('\0');
                check("file", is_good, "an absolute path")?;
                Ok(SecretUri::File(PathBuf::from(name)))
            }
            "env" => {
                check("env", is_variable(&name), "a name of letters, digits and underscores")?;
                Ok(SecretUri::Env(name))
            }
            "systemd" => {
                check("systemd", is_file_name(&name), "a name without slashes")?;
                Ok(SecretUri::Systemd(name))
            }
            "vault" => {
                let (path, field) = match name.split_once('#') {
                    Some((path, field)) => (path.to_string(), Some(field.to_string())),
                    None => (name, None),
                };
                let is_good = is_kv_path(&path) && field.as_deref().is_none_or(is_file_name);
                check("vault", is_good, "mount/data/path, and #field where one field is meant")?;
                Ok(SecretUri::Vault { path, field })
            }
            _ => Err(UriError::Scheme),
        }
    }

    /// What stands in front of the colon.
    pub const fn scheme(&self) -> &'static str {
        match self {
            SecretUri::File(_) => "file",
            SecretUri::Env(_) => "env",
            SecretUri::Systemd(_) => "systemd",
            SecretUri::Vault { .. } => "vault",
        }
    }
}

fn is_variable(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_letter) && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}

/// A name that stays in its directory and can stand in a request.
fn is_file_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && name.bytes().all(is_letter) && name.bytes().any(|byte| byte != b'.')
}

/// Mount (one or more parts), `data`, and at least one part behind it.
fn is_kv_path(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let data = parts.iter().skip(1).position(|part| *part == "data");
    parts.iter().all(|part| is_file_name(part)) && data.is_some_and(|at| at + 2 < parts.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found = match SecretUri::parse(text) {
            Ok(uri) => {
                assert_eq!(uri.to_string(), text, "a name is printed as it is read");
                format!("{uri:?}")
            }
            Err(error) => error.to_string(),
        };
        assert!(found.contains(expected), "{text}: {found}");
    }

    #[test]
    fn names_are_read_and_printed_alike() {
        check("file:/a/b.toml", "File(\"/a/b.toml\")");
        check("env:TICKWHEEL_KEY", "Env(\"TICKWHEEL_KEY\")");
        check("systemd:binance.key", "Systemd(\"binance.key\")");
        check("vault:secret/data/a#key", "path: \"secret/data/a\", field: Some(\"key\")");
        check("vault:team/kv/data/a/b", "path: \"team/kv/data/a/b\", field: None");
    }

    #[test]
    fn names_that_could_lead_elsewhere_are_refused() {
        check("file:key.toml", "absolute path");
        check("file:", "absolute path");
        check("env:1A", "letters");
        check("env:", "letters");
        check("env:A=B", "letters");
        check("systemd:../shadow", "without slashes");
        check("systemd:..", "without slashes");
        check("systemd:", "without slashes");
        check("vault:secret/a", "mount/data/path");
        check("vault:data/a", "mount/data/path");
        check("vault:secret/data", "mount/data/path");
        check("vault:secret/data/", "mount/data/path");
        check("vault:secret/data/../sys/x", "mount/data/path");
        check("vault:secret/data/a?version=1", "mount/data/path");
        check("vault:secret/data/a#", "mount/data/path");
        check("vault:secret/data/a\r\nX: y#f", "mount/data/path");
        check(&format!("file:/{}", "a".repeat(URI_SIZE_BYTES_MAX)), "absolute path");
    }

    proptest! {
        /// Whatever is read as a name is printed as it was read, and leads nowhere but to its place.
        #[test]
        fn what_is_read_is_printed_and_stays_in_its_place(text in "(file|env|systemd|vault|x)?:?[ -~]{0,40}") {
            if let Ok(uri) = SecretUri::parse(&text) {
                prop_assert_eq!(uri.to_string(), text.clone());
                match uri {
                    SecretUri::File(path) => prop_assert!(path.is_absolute()),
                    SecretUri::Env(name) => prop_assert!(!name.contains(['=', '\0'])),
                    SecretUri::Systemd(name) => prop_assert!(!name.contains('/') && name != ".."),
                    SecretUri::Vault { path, .. } => {
                        prop_assert!(path.contains("/data/"));
                        prop_assert!(path.split('/').all(|part| part != ".." && !part.is_empty()));
                        prop_assert!(!path.contains(['?', '#', ' ', '%']));
                    }
                }
            }
        }
    }

    #[test]
    fn a_secret_in_the_place_of_its_name_is_not_repeated() {
        for text in ["hunter2-canary", "canary:hunter2-canary", ""] {
            let error = SecretUri::parse(text).unwrap_err().to_string();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
