//! What every place of secrets can do.

use std::fmt::Debug;

use crate::{Secret, SecretError, SecretUri};

/// Largest secret, bytes.
pub const SECRET_SIZE_BYTES_MAX: usize = 64 * 1024;

/// A secret as it was fetched.
#[derive(Debug)]
pub struct Fetched {
    /// The text.
    pub secret: Secret,
    /// Which one: Vault's version, the change time of a file in ns. Grows with each change; `None` where
    /// the place has no versions.
    pub version: Option<u64>,
    /// How long it may be used at most, ns; `None` where the place does not say.
    pub lease_ns: Option<u64>,
}

impl Fetched {
    /// One without version and lease.
    pub fn plain(secret: Secret) -> Fetched {
        Fetched { secret, version: None, lease_ns: None }
    }
}

/// A place where secrets are.
pub trait SecretProvider: Debug + Send {
    /// Fetches a secret now; blocks as long as disk or network take, with a bound.
    fn fetch(&mut self, uri: &SecretUri) -> Result<Fetched, SecretError>;

    /// Whether the place itself is in order, in a few words that a person reads.
    fn health(&mut self) -> Result<String, SecretError>;
}
