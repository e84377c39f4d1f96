//! API keys: the public name with the secret that signs, as TOML or JSON.
//!
//! ```text
//!   api_key = "..."                      {"api_key": "...", "private_key": "-----BEGIN ..."}
//!   secret = "..."
//! ```
//! A file holds TOML, a Vault secret is JSON by nature; both have the same names.

use serde::Deserialize;

use crate::{Secret, SecretError, SecretUri};

/// How a key signs.
#[derive(Debug)]
pub enum KeySecret {
    /// HMAC-SHA-256 with a shared secret.
    Hmac(Secret),
    /// Ed25519 with a private key, PKCS#8 PEM.
    Ed25519(Secret),
}

/// An API key.
pub struct ApiKey {
    /// The public name. It is in every request, so it is no secret; it is not printed either.
    pub api_key: String,
    /// What signs.
    pub secret: KeySecret,
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKey").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    api_key: String,
    secret: Option<String>,
    private_key: Option<String>,
}

impl ApiKey {
    /// Reads the text of a key; `uri` names it in errors, which say nothing of what is in it.
    pub fn parse(text: &Secret, uri: &SecretUri) -> Result<ApiKey, SecretError> {
        let malformed = || SecretError::Malformed {
            uri: uri.to_string(),
            must: "must have api_key, and either secret or private_key, as texts in TOML or JSON",
        };
        let text = text.expose();
        // What the parsers say of a broken text quotes it.
        let raw: Raw = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|_| malformed())?
        } else {
            toml::from_str(text).map_err(|_| malformed())?
        };
        let (secret, private_key) = (raw.secret.map(Secret::new), raw.private_key.map(Secret::new));
        let secret = match (secret, private_key) {
            (Some(secret), None) if !secret.is_empty() => KeySecret::Hmac(secret),
            (None, Some(pem)) if !pem.is_empty() => KeySecret::Ed25519(pem),
            (Some(_) | None, Some(_) | None) => return Err(malformed()),
        };
        if raw.api_key.is_empty() || !raw.api_key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(malformed());
        }
        Ok(ApiKey { api_key: raw.api_key, secret })
    }

    /// Whether both are the same key.
    pub fn is_same(&self, other: &ApiKey) -> bool {
        self.api_key == other.api_key
            && match (&self.secret, &other.secret) {
                (KeySecret::Hmac(one), KeySecret::Hmac(two))
                | (KeySecret::Ed25519(one), KeySecret::Ed25519(two)) => one.is_same(two),
                (KeySecret::Hmac(_), KeySecret::Ed25519(_))
                | (KeySecret::Ed25519(_), KeySecret::Hmac(_)) => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "canary-of-a-key";

    fn parse(text: &str) -> Result<ApiKey, SecretError> {
        ApiKey::parse(&Secret::new(text.to_string()), &SecretUri::file("/k"))
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let text = text.replace('?', CANARY);
        let found = match parse(&text) {
            Ok(key) => format!(
                "{} {} {key:?}",
                key.api_key,
                match key.secret {
                    KeySecret::Hmac(_) => "hmac",
                    KeySecret::Ed25519(_) => "ed25519",
                }
            ),
            Err(error) => error.to_string(),
        };
        assert!(found.contains(expected), "{text}: {found}");
        assert!(!found.contains(CANARY), "{found}");
    }

    #[test]
    fn keys_are_read_from_toml_and_json() {
        check("api_key = \"k\"\nsecret = \"?\"", "k hmac ApiKey");
        check("api_key = \"k\"\nprivate_key = \"\"\"\n?\n\"\"\"", "k ed25519 ApiKey");
        check("{\"api_key\":\"k\",\"secret\":\"?\"}", "k hmac");
        check("\n {\"api_key\":\"k\",\"private_key\":\"?\"}", "k ed25519");
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_quoted() {
        let must = "file:/k: must have api_key";
        check("api_key = \"k\"\nsecret = \"?\"\nprivate_key = \"?\"", must);
        check("api_key = \"k\"", must);
        check("secret = \"?\"", must);
        check("api_key = \"\"\nsecret = \"?\"", must);
        check("api_key = \"a\\nb\"\nsecret = \"?\"", must);
        check("api_key = \"k\"\nsecret = \"\"", must);
        check("api_key = \"k\"\nsecret = \"?\"\nother = \"?\"", must);
        check("secret = ?", must);
        check("{\"api_key\":\"k\",\"secret\":?", must);
        check("?", must);
        check("", must);
    }

    #[test]
    fn a_changed_key_is_another_key() {
        let hmac = parse("api_key = \"k\"\nsecret = \"s\"").unwrap();
        for (text, same) in [
            ("{\"api_key\":\"k\",\"secret\":\"s\"}", true),
            ("api_key = \"k\"\nsecret = \"t\"", false),
            ("api_key = \"l\"\nsecret = \"s\"", false),
            ("api_key = \"k\"\nprivate_key = \"s\"", false),
        ] {
            assert_eq!(hmac.is_same(&parse(text).unwrap()), same, "{text}");
        }
    }
}
