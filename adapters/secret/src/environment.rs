//! Secrets in variables of the environment: for development, refused in live mode.
//!
//! A variable is inherited by every child, stands in `/proc/PID/environ` for as long as the process
//! lives, and is what crash reporters collect first. It cannot be wiped.

use zeroize::Zeroizing;

use crate::provider::{Fetched, SECRET_SIZE_BYTES_MAX, SecretProvider};
use crate::{Secret, SecretError, SecretUri, Strictness};

/// The environment of this process.
#[derive(Clone, Copy, Debug)]
pub struct EnvironmentProvider {
    /// In live mode nothing comes from here.
    pub strictness: Strictness,
}

impl SecretProvider for EnvironmentProvider {
    fn fetch(&mut self, uri: &SecretUri) -> Result<Fetched, SecretError> {
        let SecretUri::Env(name) = uri else { return Err(crate::store::wrong_provider(uri)) };
        let place = || uri.to_string();
        if self.strictness == Strictness::Live {
            return Err(SecretError::EnvironmentInLive { uri: place() });
        }
        let value = std::env::var_os(name).ok_or_else(|| SecretError::Missing { uri: place() })?;
        let malformed = |must| SecretError::Malformed { uri: place(), must };
        let text = value.into_string().map_err(|bytes| {
            drop(Zeroizing::new(bytes.into_encoded_bytes()));
            malformed("must be text")
        })?;
        let secret = Secret::new(text);
        if secret.is_empty() || SECRET_SIZE_BYTES_MAX < secret.size_bytes() {
            return Err(malformed("must have 1 to 65536 bytes"));
        }
        Ok(Fetched::plain(secret))
    }

    fn health(&mut self) -> Result<String, SecretError> {
        Ok(match self.strictness {
            Strictness::Live => "not used in live mode".to_string(),
            Strictness::Practice => "the environment of this process".to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_read_in_practice_and_refused_in_live() {
        // PATH is the one variable that every test has.
        let uri = SecretUri::Env("PATH".to_string());
        let found = EnvironmentProvider { strictness: Strictness::Practice }.fetch(&uri).unwrap();
        assert_eq!(found.secret.expose(), std::env::var("PATH").unwrap());
        let error = EnvironmentProvider { strictness: Strictness::Live }.fetch(&uri).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("live mode") && text.contains("env:PATH"), "{text}");
        assert!(!error.is_retryable());
    }

    #[test]
    fn a_variable_that_is_not_there_is_named() {
        let uri = SecretUri::Env("TICKWHEEL_NO_SUCH_VARIABLE".to_string());
        let error =
            EnvironmentProvider { strictness: Strictness::Practice }.fetch(&uri).unwrap_err();
        assert_eq!(error, SecretError::Missing { uri: uri.to_string() });
    }
}
