//! The secrets of a configuration: which there are, where they are, and the key that signs.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use binance::sign::Signer;
use config::Config;
use config::secrets::{SecretsSection, VaultSection};
use engine::clock::Clock;
use engine::event::Mode;
use rustls::ClientConfig;
use secret::key::{ApiKey, KeySecret};
use secret::vault::{VaultAuth, VaultSettings};
use secret::{SecretError, SecretStore, SecretUri, StoreSettings, Strictness};
use wire::tls::{self, TlsRoots};

const NS_PER_MS: u64 = 1_000_000;
const NS_PER_S: u64 = 1_000_000_000;

/// A key that signs.
pub(crate) struct Credentials {
    pub(crate) api_key: String,
    pub(crate) signer: Signer,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Credentials {
    /// A signer for a key; `uri` names it in errors.
    pub(crate) fn of(key: &ApiKey, uri: &SecretUri) -> anyhow::Result<Credentials> {
        let signer = match &key.secret {
            KeySecret::Hmac(secret) => Signer::hmac(secret.expose()),
            KeySecret::Ed25519(pem) => Signer::ed25519(pem.expose()),
        };
        let signer = signer.with_context(|| format!("the key in {uri}"))?;
        Ok(Credentials { api_key: key.api_key.clone(), signer })
    }
}

/// How much is forgiven in a mode.
pub(crate) fn strictness(mode: Mode) -> Strictness {
    if mode == Mode::Live { Strictness::Live } else { Strictness::Practice }
}

/// Reads the name of a secret; `key` is where it stands.
pub(crate) fn parse(key: &str, name: &str) -> anyhow::Result<SecretUri> {
    SecretUri::parse(name).with_context(|| key.to_string())
}

/// Where the key of the venue is; `None` where the configuration names none.
pub(crate) fn key_uri(config: &Config) -> anyhow::Result<Option<SecretUri>> {
    let named = config.secrets.as_ref().and_then(|secrets| secrets.key.as_ref());
    if let Some(name) = named {
        return parse("secrets.key", name).map(Some);
    }
    let file = config.wire.as_ref().and_then(|wire| wire.key_file.as_ref());
    Ok(file.map(SecretUri::file))
}

/// The places of a configuration.
pub(crate) fn store(config: &Config, mode: Mode, clock: &Clock) -> anyhow::Result<SecretStore> {
    store_of(&config.secrets.clone().unwrap_or_default(), strictness(mode), clock)
}

/// The places of a section.
pub(crate) fn store_of(
    section: &SecretsSection,
    strictness: Strictness,
    clock: &Clock,
) -> anyhow::Result<SecretStore> {
    let vault = section.vault.as_ref().map(vault_settings).transpose()?;
    let settings = StoreSettings { strictness, ttl_ns: u64::from(section.ttl_s) * NS_PER_S, vault };
    Ok(SecretStore::new(settings, clock.clone()))
}

/// Whether this is the name of a secret and not a path.
pub(crate) fn is_name(text: &str) -> bool {
    config::secrets::SCHEMES.iter().any(|scheme| text.starts_with(scheme))
}

/// The key that a configuration names, from where it is, and the name of that place.
pub(crate) fn configured_key(
    config: &Config,
    mode: Mode,
    clock: &Clock,
) -> anyhow::Result<(Credentials, SecretUri)> {
    let uri = key_uri(config)?.context("neither secrets.key nor wire.key_file is there")?;
    let mut store = store(config, mode, clock)?;
    let credentials = Credentials::of(&fetch_key(&mut store, &uri)?, &uri)?;
    Ok((credentials, uri))
}

fn vault_settings(section: &VaultSection) -> anyhow::Result<VaultSettings> {
    let auth = match (&section.token, &section.role_id, &section.secret_id) {
        (Some(token), _, _) => VaultAuth::Token(parse("secrets.vault.token", token)?),
        (None, Some(role_id), Some(secret_id)) => VaultAuth::AppRole {
            mount: section.approle_mount.clone(),
            role_id: role_id.clone(),
            secret_id: parse("secrets.vault.secret_id", secret_id)?,
        },
        (None, _, _) => {
            return Err(anyhow!("[secrets.vault] needs token, or role_id and secret_id"));
        }
    };
    let is_tls = section.url.starts_with("https://");
    let tls = if is_tls {
        let file = section.ca_file.as_ref();
        Some(client_config(file, "secrets.vault.ca_file")?)
    } else {
        None
    };
    Ok(VaultSettings {
        url: section.url.trim_end_matches('/').to_string(),
        auth,
        namespace: section.namespace.clone(),
        tls,
        timeout_ns: u64::from(section.timeout_ms) * NS_PER_MS,
    })
}

/// TLS with the authority of a PEM file, or the public ones.
pub(crate) fn client_config(
    ca_file: Option<&String>,
    key: &str,
) -> anyhow::Result<Arc<ClientConfig>> {
    let Some(path) = ca_file else { return Ok(tls::client_config(TlsRoots::WebPki)?) };
    let pem = std::fs::read(path).with_context(|| format!("read {key} {path}"))?;
    tls::client_config(TlsRoots::Pem(&pem)).with_context(|| format!("{key} {path}"))
}

/// Fetches the key that is named.
pub(crate) fn fetch_key(store: &mut SecretStore, uri: &SecretUri) -> Result<ApiKey, SecretError> {
    let text = store.fetch(uri)?;
    ApiKey::parse(&text, uri)
}

/// The key in a file.
pub(crate) fn read_key(path: &Path) -> anyhow::Result<Credentials> {
    let uri = SecretUri::file(path);
    let mut store = SecretStore::local(Strictness::Live, Clock::new());
    Credentials::of(&fetch_key(&mut store, &uri)?, &uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paper() -> Config {
        let text = config::profile("paper").unwrap();
        Config::parse(text, "paper").unwrap()
    }

    #[test]
    fn the_key_is_named_by_either_section() {
        let mut config = paper();
        assert_eq!(key_uri(&config).unwrap(), None);
        config.wire.as_mut().unwrap().key_file = Some("k.toml".to_string());
        assert_eq!(key_uri(&config).unwrap(), Some(SecretUri::file("k.toml")));
        config.wire.as_mut().unwrap().key_file = None;
        let key = Some("vault:secret/data/a#b".to_string());
        config.secrets = Some(SecretsSection { key, ..SecretsSection::default() });
        let uri = key_uri(&config).unwrap().unwrap();
        assert_eq!(uri.to_string(), "vault:secret/data/a#b");
        config.secrets.as_mut().unwrap().key = Some("vault:secret".to_string());
        let error = crate::chain(&key_uri(&config).unwrap_err());
        assert_eq!(
            error,
            "secrets.key: vault: mount/data/path, and #field where one field is meant"
        );
    }

    /// What the configuration lets begin a name, and what is read as one, are the same.
    #[test]
    fn schemes_of_the_configuration_are_those_that_are_read() {
        let rests = ["/a", "A", "a", "secret/data/a"];
        for (scheme, rest) in config::secrets::SCHEMES.iter().zip(rests) {
            let uri = SecretUri::parse(&format!("{scheme}{rest}")).unwrap();
            assert_eq!(format!("{}:", uri.scheme()), *scheme);
        }
    }

    #[test]
    fn a_key_that_does_not_sign_is_named_by_its_place() {
        let uri = SecretUri::file("/k");
        let text = "{\"api_key\":\"k\",\"private_key\":\"canary\"}".to_string();
        let key = ApiKey::parse(&secret::Secret::new(text), &uri).unwrap();
        let error = crate::chain(&Credentials::of(&key, &uri).unwrap_err());
        assert_eq!(error, "the key in file:/k: the private key is no pkcs8 pem block");
    }
}
