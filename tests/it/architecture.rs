//! The shape of the house as a test: who may depend on whom, and what lives in which room.
//!
//! Every rule is a pure function of a source or of the dependency list, and every rule is shown a
//! planted violation: a rule that cannot fail says nothing.

pub(crate) mod dependencies;
mod rooms;
pub(crate) mod sources;
mod stages;
pub(crate) mod tokens;

/// Fails with every violation of a rule, one a line.
#[track_caller]
pub(crate) fn assert_none(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}\n  {}\n", violations.join("\n  "));
}
