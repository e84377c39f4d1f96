//! `[audit]`: signed checkpoints of the journal's hash chain, and where they are kept besides.

use serde::{Deserialize, Serialize};

use crate::validate::range;
use crate::{Config, ConfigError};

/// Most places where checkpoints are kept besides; as the audit crate has it.
const ANCHOR_COUNT_MAX: usize = 8;

/// `[audit]`. Absent: nothing is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSection {
    /// Longest time between two checkpoints while the journal grows, s.
    pub interval_s: u32,
    /// Most records between two checkpoints.
    pub interval_records: u64,
    /// The private key (Ed25519, PKCS#8 PEM, mode 0600), when it is not `audit/key.pem` in the data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
    /// Where checkpoint lines are kept besides: `file:PATH` or `command:PROGRAM ARGUMENTS`.
    pub anchor: Vec<String>,
    /// Every so many checkpoints are anchored; the first and the last of a session always.
    pub anchor_every: u32,
}

impl Default for AuditSection {
    fn default() -> AuditSection {
        AuditSection {
            interval_s: 30,
            interval_records: 1_000_000,
            key_file: None,
            anchor: Vec::new(),
            anchor_every: 1,
        }
    }
}

impl Config {
    pub(crate) fn validate_audit(&self, origin: &str) -> Result<(), ConfigError> {
        let Some(audit) = &self.audit else { return Ok(()) };
        for (key, value, max) in [
            ("audit.interval_s", u64::from(audit.interval_s), 86_400),
            ("audit.interval_records", audit.interval_records, 1 << 40),
            ("audit.anchor_every", u64::from(audit.anchor_every), 1_000_000),
        ] {
            if value == 0 || max < value {
                return Err(range(origin, key, value, &format!("1 to {max}")));
            }
        }
        if ANCHOR_COUNT_MAX < audit.anchor.len() {
            let must = format!("at most {ANCHOR_COUNT_MAX} places");
            return Err(range(origin, "audit.anchor", audit.anchor.len(), &must));
        }
        for anchor in &audit.anchor {
            let rest = anchor.strip_prefix("file:").or_else(|| anchor.strip_prefix("command:"));
            if rest.is_none_or(|rest| rest.trim().is_empty()) {
                return Err(range(origin, "audit.anchor", anchor, "file:PATH or command:PROGRAM"));
            }
        }
        if audit.key_file.as_ref().is_some_and(String::is_empty) {
            return Err(range(origin, "audit.key_file", "", "the path of a file"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &str, expected: Result<(), &str>) {
        let base = crate::profile("generated").expect("a built-in profile");
        assert!(!base.contains("[audit]"), "the table would be there twice");
        let outcome = Config::parse(&format!("{base}\n[audit]\n{lines}\n"), "test");
        match (outcome, expected) {
            (Ok(config), Ok(())) => {
                let again = Config::parse(&config.to_toml(), "again").expect("what was written");
                assert_eq!(again.audit, config.audit);
                // How a verification sees that sessions of this configuration sign.
                assert!(config.to_toml().lines().any(|line| line == "[audit]"));
            }
            (Err(error), Err(key)) => assert!(error.to_string().contains(key), "{error}"),
            (outcome, _) => panic!("{lines}: {outcome:?}"),
        }
    }

    #[test]
    fn values_have_ranges_and_anchors_a_form() {
        check("", Ok(()));
        check("interval_s = 1", Ok(()));
        check("interval_s = 0", Err("audit.interval_s"));
        check("interval_s = 86400", Ok(()));
        check("interval_s = 86401", Err("audit.interval_s"));
        check("interval_records = 0", Err("audit.interval_records"));
        check("anchor_every = 0", Err("audit.anchor_every"));
        check("anchor = [\"file:/a/b\", \"command:keep it\"]", Ok(()));
        check("anchor = [\"/a/b\"]", Err("audit.anchor"));
        check("anchor = [\"file:\"]", Err("audit.anchor"));
        check("anchor = [\"command: \"]", Err("audit.anchor"));
        let nine = "\"file:/a\",".repeat(9);
        check(&format!("anchor = [{nine}]"), Err("audit.anchor"));
        check("key_file = \"\"", Err("audit.key_file"));
        check("key_file = \"/secret/key.pem\"", Ok(()));
        check("unknown = 1", Err("unknown"));
    }

    #[test]
    fn the_paper_profile_signs() {
        let text = crate::profile("paper").expect("a built-in profile");
        let config = Config::parse(text, "paper").expect("a good profile");
        assert!(config.audit.is_some());
    }
}
