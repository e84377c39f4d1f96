//! What Vault answers, as far as we look at it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use zeroize::{Zeroize as _, Zeroizing};

use crate::provider::{Fetched, SECRET_SIZE_BYTES_MAX};
use crate::{Secret, SecretError};

const SECOND_NS: u64 = 1_000_000_000;

/// The fields of a secret. Wiped when they are dropped.
#[derive(Deserialize)]
#[serde(transparent)]
struct Fields(BTreeMap<String, Value>);

impl Drop for Fields {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    deletion_time: String,
    #[serde(default)]
    destroyed: bool,
    #[serde(default)]
    version: u64,
}

#[derive(Deserialize)]
struct KvData {
    /// `null` for a version that was deleted.
    data: Option<Fields>,
    metadata: Option<Metadata>,
}

/// `GET /v1/MOUNT/data/PATH`
#[derive(Deserialize)]
pub(super) struct KvReply {
    data: Option<KvData>,
    #[serde(default)]
    lease_duration: u64,
}

impl KvReply {
    /// The secret, or one field of it.
    pub(super) fn into_secret(
        self,
        uri: &str,
        field: Option<&str>,
    ) -> Result<Fetched, SecretError> {
        let missing = || SecretError::Missing { uri: uri.to_string() };
        let KvData { data, metadata } = self.data.ok_or_else(missing)?;
        let Some(fields) = data else { return Err(gone(uri, metadata)) };
        let secret = match field {
            Some(name) => {
                let no_field = || SecretError::NoField { uri: uri.to_string() };
                let text = fields.0.get(name).and_then(Value::as_str).ok_or_else(no_field)?;
                Secret::new(text.to_string())
            }
            None => Secret::new(serde_json::to_string(&fields.0).map_err(|_| missing())?),
        };
        if secret.is_empty() || SECRET_SIZE_BYTES_MAX < secret.size_bytes() {
            let must = "must have 1 to 65536 bytes";
            return Err(SecretError::Malformed { uri: uri.to_string(), must });
        }
        let lease_ns =
            (self.lease_duration != 0).then(|| self.lease_duration.saturating_mul(SECOND_NS));
        let version = metadata.map(|metadata| metadata.version);
        Ok(Fetched { secret, version, lease_ns })
    }
}

fn gone(uri: &str, metadata: Option<Metadata>) -> SecretError {
    let uri = uri.to_string();
    match metadata {
        Some(Metadata { version, deletion_time, destroyed })
            if destroyed || !deletion_time.is_empty() =>
        {
            let mut deleted_at =
                if destroyed { "a time unknown (destroyed)".to_string() } else { deletion_time };
            deleted_at.retain(|letter| letter.is_ascii_graphic() || letter == ' ');
            deleted_at.truncate(64);
            SecretError::Deleted { uri, version, deleted_at }
        }
        Some(_) | None => SecretError::Missing { uri },
    }
}

/// What 404 means: nothing there (`{"errors":[]}`), or a version that was deleted.
pub(super) fn missing(uri: &str, body: &[u8]) -> SecretError {
    let metadata = serde_json::from_slice::<KvReply>(body)
        .ok()
        .and_then(|reply| reply.data)
        .and_then(|data| data.metadata);
    gone(uri, metadata)
}

/// What a token can do.
#[derive(Deserialize)]
pub(super) struct Auth {
    pub(super) client_token: String,
    #[serde(default)]
    pub(super) lease_duration: u64,
    #[serde(default)]
    pub(super) renewable: bool,
}

/// An answer that gives or renews a token.
#[derive(Deserialize)]
pub(super) struct AuthReply {
    pub(super) auth: Option<Auth>,
}

/// `GET /v1/auth/token/lookup-self`
#[derive(Deserialize)]
pub(super) struct Lookup {
    pub(super) data: LookupData,
}

/// What of it we look at.
#[derive(Deserialize)]
pub(super) struct LookupData {
    #[serde(default)]
    pub(super) ttl: u64,
    #[serde(default)]
    pub(super) renewable: bool,
}

/// `{"errors":["permission denied"]}`
pub(super) fn errors(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<String>,
    }
    let Errors { errors } = serde_json::from_slice(body).ok()?;
    (!errors.is_empty()).then(|| errors.join("; "))
}

/// The body of a login.
pub(super) fn login_body(role_id: &str, secret_id: &Secret) -> Zeroizing<Vec<u8>> {
    let text = |text: &str| Zeroizing::new(Value::from(text).to_string());
    let (role, secret) = (text(role_id), text(secret_id.expose()));
    let mut body = Zeroizing::new(Vec::with_capacity(role.len() + secret.len() + 32));
    for part in [r#"{"role_id":"#, role.as_str(), r#","secret_id":"#, secret.as_str(), "}"] {
        body.extend_from_slice(part.as_bytes());
    }
    body
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Answers of Vault's, to be damaged.
    const ANSWERS: [&str; 4] = [
        r#"{"errors":[]}"#,
        r#"{"data":{"data":{"f":"canary"},"metadata":{"version":2,"deletion_time":"","destroyed":false}}}"#,
        r#"{"data":{"data":null,"metadata":{"version":1,"deletion_time":"2026-11-02T09:00:00Z"}}}"#,
        r#"{"auth":{"client_token":"canary","lease_duration":60,"renewable":true}}"#,
    ];

    fn read(body: &[u8]) -> Vec<String> {
        let told = |error: SecretError| error.to_string();
        let mut words = vec![told(missing("vault:a/data/b", body))];
        words.extend(errors(body));
        if let Ok(reply) = serde_json::from_slice::<KvReply>(body) {
            let whole = reply.into_secret("vault:a/data/b", None);
            words.extend(whole.err().map(told));
        }
        drop(serde_json::from_slice::<AuthReply>(body));
        drop(serde_json::from_slice::<Lookup>(body));
        words
    }

    proptest! {
        #[test]
        fn whatever_comes_is_an_error_without_a_secret_at_worst(
            which in 0..ANSWERS.len(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut body = ANSWERS[which].as_bytes().to_vec();
            let place = at.index(body.len());
            body[place] = byte;
            body.truncate(cut.index(body.len()) + 1);
            for words in read(&body) {
                prop_assert!(!words.contains("canary"), "{}", words);
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(!read(&body).is_empty());
        }
    }
}
