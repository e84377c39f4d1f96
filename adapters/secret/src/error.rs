//! Why there is no secret. Names and places, never a byte of what is behind them.

use std::path::PathBuf;

/// Why a secret could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is no such thing.
    #[error("{uri}: there is no such secret")]
    Missing {
        /// Its name.
        uri: String,
    },
    /// There was one, and it was deleted.
    #[error("{uri}: version {version} was deleted at {deleted_at}")]
    Deleted {
        /// Its name.
        uri: String,
        /// Version of the secret.
        version: u64,
        /// As Vault says it.
        deleted_at: String,
    },
    /// The secret is there, its field is not.
    #[error("{uri}: the secret has no text of that name in it")]
    NoField {
        /// Its name.
        uri: String,
    },
    /// It is not ours to read.
    #[error("{uri}: permission denied ({detail})")]
    Denied {
        /// Its name.
        uri: String,
        /// What the system or Vault says.
        detail: String,
    },
    /// A file that others can read or replace.
    #[error("{path}: {why}")]
    Insecure {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// Variables can be read by every child and every crash reporter.
    #[error(
        "{uri}: secrets do not come from the environment in live mode: every child process inherits it \
         and many tools record it; use file:, systemd: or vault:"
    )]
    EnvironmentInLive {
        /// Its name.
        uri: String,
    },
    /// Not a text, or larger than a secret is.
    #[error("{uri}: {must}")]
    Malformed {
        /// Its name.
        uri: String,
        /// What it must be.
        must: &'static str,
    },
    /// No `[secrets.vault]`, no `$CREDENTIALS_DIRECTORY`.
    #[error("{uri}: {what}")]
    NotConfigured {
        /// Its name.
        uri: String,
        /// What is missing.
        what: &'static str,
    },
    /// Vault is sealed or not initialised.
    #[error("{url}: Vault is sealed or down for maintenance (503)")]
    Sealed {
        /// Whom.
        url: String,
    },
    /// No answer, or one that is none.
    #[error("{place}: {detail}")]
    Unreachable {
        /// Vault's address, or the file.
        place: String,
        /// Why.
        detail: String,
    },
    /// An answer with another status.
    #[error("{url}: Vault answers {status} ({detail})")]
    Status {
        /// Whom.
        url: String,
        /// Status code.
        status: u16,
        /// Its errors, shortened.
        detail: String,
    },
    /// The last good value is older than it may be in live mode.
    #[error("{uri}: the last good value is older than {ttl_s} s and cannot be renewed: {why}")]
    Stale {
        /// Its name.
        uri: String,
        /// How old a value may be.
        ttl_s: u64,
        /// Why it was not renewed.
        why: Box<SecretError>,
    },
}

impl SecretError {
    /// Whether the same question may have another answer a moment later.
    pub fn is_retryable(&self) -> bool {
        match self {
            SecretError::Sealed { .. } | SecretError::Unreachable { .. } => true,
            SecretError::Status { status, .. } => {
                *status == 429 || *status == 412 || 500 <= *status
            }
            SecretError::Stale { why, .. } => why.is_retryable(),
            SecretError::Missing { .. }
            | SecretError::Deleted { .. }
            | SecretError::NoField { .. }
            | SecretError::Denied { .. }
            | SecretError::Insecure { .. }
            | SecretError::EnvironmentInLive { .. }
            | SecretError::Malformed { .. }
            | SecretError::NotConfigured { .. } => false,
        }
    }
}
