//! A text that is never shown.

use std::fmt;

/// An address with a token in it, a password. `Debug` shows nothing of it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Takes it; spaces and line ends around it are no part of it.
    pub fn new(text: &str) -> SecretText {
        SecretText(text.trim().to_string())
    }

    /// The text, for the one place that sends it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

/// Where a secret comes from, asked before each new connection: what is rotated is used at the next one.
pub type SecretSource = Box<dyn Fn() -> Option<SecretText> + Send>;
