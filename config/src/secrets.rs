//! `[secrets]`: where keys and tokens are. Names only: a configuration goes into the journal and is shown.

use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::schema::Config;
use crate::validate::{conflict, range};

/// `[secrets]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecretsSection {
    /// The API key at the venue: `file:/path`, `systemd:NAME`, `vault:mount/data/path#field`, or `env:NAME` outside
    /// live mode. Instead of `wire.key_file`.
    pub key: Option<String>,
    /// How long a value is used before it is asked for again, s. A changed key is taken without a restart.
    pub ttl_s: u32,
    /// A Vault with a KV engine of version 2.
    pub vault: Option<VaultSection>,
}

impl Default for SecretsSection {
    fn default() -> SecretsSection {
        SecretsSection { key: None, ttl_s: 60, vault: None }
    }
}

/// `[secrets.vault]`: either `token`, or `role_id` with `secret_id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultSection {
    /// Such as `https://vault.example:8200`; `http://` only on this machine.
    pub url: String,
    /// Where the token is, such as `file:/run/vault-agent/token`.
    pub token: Option<String>,
    /// Role of an `AppRole` login.
    pub role_id: Option<String>,
    /// Where the secret id of that role is.
    pub secret_id: Option<String>,
    /// Where the `AppRole` method is mounted.
    #[serde(default = "approle")]
    pub approle_mount: String,
    /// For `X-Vault-Namespace`.
    pub namespace: Option<String>,
    /// PEM file of the authority that signed Vault's certificate; default: the public ones.
    pub ca_file: Option<String>,
    /// Longest wait for an answer, ms.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u32,
}

fn approle() -> String {
    "approle".to_string()
}
fn timeout_ms() -> u32 {
    5_000
}

/// What the name of a secret begins with. The crate `secret` reads the rest.
pub const SCHEMES: [&str; 4] = ["file:", "env:", "systemd:", "vault:"];

impl Config {
    /// Whether there is a key to sign with.
    pub fn has_key(&self) -> bool {
        let in_wire = self.wire.as_ref().is_some_and(|wire| wire.key_file.is_some());
        in_wire || self.secrets.as_ref().is_some_and(|secrets| secrets.key.is_some())
    }

    pub(crate) fn validate_secrets(&self, origin: &str) -> Result<(), ConfigError> {
        let Some(secrets) = &self.secrets else { return Ok(()) };
        if !(1..=86_400).contains(&secrets.ttl_s) {
            return Err(range(origin, "secrets.ttl_s", secrets.ttl_s, "between 1 and 86400"));
        }
        self.check_secret_name(origin, "secrets.key", secrets.key.as_deref())?;
        let in_wire = self.wire.as_ref().is_some_and(|wire| wire.key_file.is_some());
        if secrets.key.is_some() && in_wire {
            let what = "both secrets.key and wire.key_file name the key of the venue".to_string();
            return Err(conflict(origin, what));
        }
        if secrets.key.is_some() && self.wire.is_none() {
            let what = "secrets.key is for a venue, and there is no [wire]".to_string();
            return Err(conflict(origin, what));
        }
        let Some(vault) = &secrets.vault else {
            return match &secrets.key {
                Some(key) if key.starts_with("vault:") => {
                    let what = "secrets.key is in a Vault, and there is no [secrets.vault]";
                    Err(conflict(origin, what.to_string()))
                }
                Some(_) | None => Ok(()),
            };
        };
        self.check_secret_name(origin, "secrets.vault.token", vault.token.as_deref())?;
        self.check_secret_name(origin, "secrets.vault.secret_id", vault.secret_id.as_deref())?;
        vault.check(origin)
    }

    /// Whether this names a secret that this mode may have. What is wrong is not quoted: it may be a secret
    /// that was pasted where its name belongs.
    pub fn check_secret_name(
        &self,
        origin: &str,
        key: &str,
        name: Option<&str>,
    ) -> Result<(), ConfigError> {
        let Some(name) = name else { return Ok(()) };
        if !SCHEMES.iter().any(|scheme| name.starts_with(scheme)) {
            let what = format!(
                "{key} must be the name of a secret (file:, env:, systemd: or vault:), not the secret itself"
            );
            return Err(conflict(origin, what));
        }
        if self.engine.mode == "live" && name.starts_with("env:") {
            let what = format!(
                "{key} = \"{name}\": secrets do not come from the environment in live mode: every child \
                 process inherits it and many tools record it; use file:, systemd: or vault:"
            );
            return Err(conflict(origin, what));
        }
        Ok(())
    }
}

impl VaultSection {
    fn check(&self, origin: &str) -> Result<(), ConfigError> {
        let is_url = self.url.starts_with("https://") || self.url.starts_with("http://");
        if !is_url || self.url.contains('@') {
            let what = "secrets.vault.url must be https://host:port (http:// only on this machine), without a \
                        user";
            return Err(conflict(origin, what.to_string()));
        }
        let is_approle = self.role_id.is_some() || self.secret_id.is_some();
        let is_good = match (&self.token, &self.role_id, &self.secret_id) {
            (Some(_), None, None) => true,
            (None, Some(_), Some(secret_id)) => !secret_id.starts_with("vault:"),
            (_, _, _) => false,
        };
        let is_circle = self.token.as_ref().is_some_and(|token| token.starts_with("vault:"));
        if !is_good || is_circle {
            let what = if is_approle { "role_id and secret_id, and no token" } else { "token" };
            return Err(conflict(
                origin,
                format!(
                    "[secrets.vault] needs {what}; neither token nor secret_id can be in the Vault itself"
                ),
            ));
        }
        let is_plain = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
        };
        for (key, text) in [
            ("secrets.vault.approle_mount", Some(&self.approle_mount)),
            ("secrets.vault.namespace", self.namespace.as_ref()),
        ] {
            if let Some(text) = text.filter(|text| !is_plain(text)) {
                return Err(range(origin, key, text, "letters, digits, dots, hyphens and slashes"));
            }
        }
        if !(1..=60_000).contains(&self.timeout_ms) {
            let must = "between 1 and 60000";
            return Err(range(origin, "secrets.vault.timeout_ms", self.timeout_ms, must));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "canary-hunter2";

    /// The text of `[secrets]` for the paper profile in a mode, and words of the verdict.
    #[track_caller]
    fn check(mode: &str, section: &str, expected: &str) {
        let paper = crate::profile("paper").unwrap();
        let mut config = Config::parse(paper, "paper").unwrap();
        config.engine.mode = mode.to_string();
        let section = section.replace('?', CANARY);
        let found = match toml::from_str::<SecretsSection>(&section) {
            Err(error) => error.message().to_string(),
            Ok(section) => {
                config.secrets = Some(section);
                match config.validate_secrets("x") {
                    Ok(()) => "good".to_string(),
                    Err(error) => error.to_string(),
                }
            }
        };
        assert!(found.contains(expected), "{section}: {found}");
        assert!(!found.contains(CANARY), "{found}");
    }

    #[test]
    fn names_of_secrets_are_taken() {
        check("paper", "", "good");
        check("paper", "key = \"file:/k\"", "good");
        check("paper", "key = \"env:K\"", "good");
        check("live", "key = \"systemd:k\"\nttl_s = 1", "good");
        let vault = "key = \"vault:secret/data/a\"\n[vault]\nurl = \"https://v:8200\"\n";
        check("live", &format!("{vault}token = \"file:/t\""), "good");
        check("live", &format!("{vault}role_id = \"r\"\nsecret_id = \"systemd:s\""), "good");
    }

    #[test]
    fn secrets_themselves_are_refused_and_not_repeated() {
        check("paper", "key = \"?\"", "secrets.key must be the name");
        check(
            "paper",
            "[vault]\nurl = \"https://v\"\ntoken = \"?\"",
            "secrets.vault.token must be",
        );
        check(
            "paper",
            "[vault]\nurl = \"https://v\"\nrole_id = \"r\"\nsecret_id = \"?\"",
            "secrets.vault.secret_id must be",
        );
        check("paper", "[vault]\nurl = \"https://a:?@v\"\ntoken = \"file:/t\"", "without a user");
    }

    #[test]
    fn live_mode_takes_nothing_from_the_environment() {
        check("live", "key = \"env:K\"", "live mode");
        check("live", "[vault]\nurl = \"https://v\"\ntoken = \"env:T\"", "live mode");
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        check("paper", "key = \"vault:secret/data/a\"", "no [secrets.vault]");
        check("paper", "ttl_s = 0", "between 1 and 86400");
        check("paper", "ttl_s = 86401", "between 1 and 86400");
        let vault = "[vault]\nurl = \"https://v\"\n";
        check("paper", vault, "needs token");
        check("paper", &format!("{vault}role_id = \"r\""), "needs role_id and secret_id");
        check("paper", &format!("{vault}token = \"vault:a/data/b\""), "in the Vault itself");
        check(
            "paper",
            &format!("{vault}role_id = \"r\"\nsecret_id = \"file:/s\"\ntoken = \"file:/t\""),
            "and no token",
        );
        let token = format!("{vault}token = \"file:/t\"\n");
        check("paper", &format!("{token}namespace = \"a b\""), "namespace = a b");
        check("paper", &format!("{token}timeout_ms = 0"), "between 1 and 60000");
        check("paper", "[vault]\nurl = \"v:8200\"\ntoken = \"file:/t\"", "must be https://");
        check("paper", "other = 1", "unknown field");
    }

    #[test]
    fn a_key_is_named_once() {
        let paper = crate::profile("paper").unwrap();
        let mut config = Config::parse(paper, "paper").unwrap();
        assert!(!config.has_key());
        let named = SecretsSection { key: Some("file:/k".to_string()), ..Default::default() };
        config.secrets = Some(named.clone());
        assert!(config.has_key());
        config.wire.as_mut().unwrap().key_file = Some("/k".to_string());
        let error = config.validate_secrets("x").unwrap_err().to_string();
        assert!(error.contains("both secrets.key and wire.key_file"), "{error}");
        config.secrets = None;
        assert!(config.has_key());
        config.wire = None;
        config.secrets = Some(named);
        assert!(config.validate_secrets("x").unwrap_err().to_string().contains("no [wire]"));
    }
}
