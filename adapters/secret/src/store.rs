//! All places behind one door, with a cache: a secret is asked for again when its time is over.
//!
//! | | place answers | place fails for a moment | place says no |
//! |---|---|---|---|
//! | practice | the new value | the last good value, for ever | error |
//! | live | the new value | the last good value until it is older than its time | error |

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::clock::Clock;

use crate::environment::EnvironmentProvider;
use crate::file::FileProvider;
use crate::provider::{Fetched, SecretProvider};
use crate::systemd::SystemdProvider;
use crate::vault::{VaultProvider, VaultSettings};
use crate::{Secret, SecretError, SecretUri};

const SECOND_NS: u64 = 1_000_000_000;

/// How much is forgiven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Paper, dry-run, backtest.
    Practice,
    /// Real money: nothing from the environment, nothing that is older than its time.
    Live,
}

/// What a store is made of.
#[derive(Debug)]
pub struct StoreSettings {
    /// How much is forgiven.
    pub strictness: Strictness,
    /// How long a value is used before it is asked for again, ns.
    pub ttl_ns: u64,
    /// The Vault, if there is one.
    pub vault: Option<VaultSettings>,
}

/// Files, environment and systemd: what needs no other secret to be read.
#[derive(Debug)]
pub(crate) struct Local {
    file: FileProvider,
    environment: EnvironmentProvider,
    systemd: SystemdProvider,
}

impl Local {
    pub(crate) fn new(strictness: Strictness) -> Local {
        Local {
            file: FileProvider,
            environment: EnvironmentProvider { strictness },
            systemd: SystemdProvider::of_this_process(),
        }
    }

    pub(crate) fn fetch(&mut self, uri: &SecretUri) -> Result<Fetched, SecretError> {
        match uri {
            SecretUri::File(_) => self.file.fetch(uri),
            SecretUri::Env(_) => self.environment.fetch(uri),
            SecretUri::Systemd(_) => self.systemd.fetch(uri),
            SecretUri::Vault { .. } => Err(wrong_provider(uri)),
        }
    }
}

/// A provider was asked for a secret of another place.
pub(crate) fn wrong_provider(uri: &SecretUri) -> SecretError {
    SecretError::NotConfigured { uri: uri.to_string(), what: "this place cannot be used here" }
}

#[derive(Debug)]
struct Cached {
    secret: Arc<Secret>,
    version: Option<u64>,
    fetched_ns: u64,
    until_ns: u64,
}

/// A value that was asked for again.
#[derive(Debug)]
pub struct Renewal {
    /// Its name.
    pub uri: SecretUri,
    /// The new value where it differs, nothing where it is the same, or why it could not be had.
    pub outcome: Result<Option<Arc<Secret>>, SecretError>,
}

/// The store.
pub struct SecretStore {
    strictness: Strictness,
    ttl_ns: u64,
    local: Local,
    vault: Option<VaultProvider>,
    cache: BTreeMap<SecretUri, Cached>,
    clock: Clock,
}

impl std::fmt::Debug for SecretStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretStore")
            .field("strictness", &self.strictness)
            .field("names", &self.cache.keys())
            .finish_non_exhaustive()
    }
}

impl SecretStore {
    /// A store that has asked for nothing yet.
    pub fn new(settings: StoreSettings, clock: Clock) -> SecretStore {
        let StoreSettings { strictness, ttl_ns, vault } = settings;
        let vault = vault.map(|vault| VaultProvider::new(vault, strictness, clock.clone()));
        SecretStore {
            strictness,
            ttl_ns,
            local: Local::new(strictness),
            vault,
            cache: BTreeMap::new(),
            clock,
        }
    }

    /// A store of files, environment and systemd that remembers nothing for longer than a second.
    pub fn local(strictness: Strictness, clock: Clock) -> SecretStore {
        SecretStore::new(StoreSettings { strictness, ttl_ns: SECOND_NS, vault: None }, clock)
    }

    /// A secret, from the cache while it is fresh.
    pub fn get(&mut self, uri: &SecretUri) -> Result<Arc<Secret>, SecretError> {
        let now_ns = self.clock.now_ns();
        if let Some(cached) = self.cache.get(uri).filter(|cached| now_ns < cached.until_ns) {
            return Ok(Arc::clone(&cached.secret));
        }
        match self.fetch(uri) {
            Ok(secret) => Ok(secret),
            Err(error) => self.last_good(uri, error),
        }
    }

    /// The value that was good, where that is allowed after this error.
    fn last_good(&self, uri: &SecretUri, error: SecretError) -> Result<Arc<Secret>, SecretError> {
        let Some(cached) = self.cache.get(uri).filter(|_| error.is_retryable()) else {
            return Err(error);
        };
        match self.strictness {
            Strictness::Practice => Ok(Arc::clone(&cached.secret)),
            Strictness::Live => Err(SecretError::Stale {
                uri: uri.to_string(),
                ttl_s: (cached.until_ns - cached.fetched_ns) / SECOND_NS,
                why: Box::new(error),
            }),
        }
    }

    /// A secret, asked for now.
    pub fn fetch(&mut self, uri: &SecretUri) -> Result<Arc<Secret>, SecretError> {
        let fetched = match (uri, &mut self.vault) {
            (SecretUri::Vault { .. }, Some(vault)) => vault.fetch(uri)?,
            (SecretUri::Vault { .. }, None) => {
                let what = "there is no [secrets.vault] in the configuration";
                return Err(SecretError::NotConfigured { uri: uri.to_string(), what });
            }
            (SecretUri::File(_) | SecretUri::Env(_) | SecretUri::Systemd(_), _) => {
                self.local.fetch(uri)?
            }
        };
        let fetched_ns = self.clock.now_ns();
        let lasts_ns = fetched.lease_ns.map_or(self.ttl_ns, |lease_ns| lease_ns.min(self.ttl_ns));
        let secret = Arc::new(fetched.secret);
        let cached = Cached {
            secret: Arc::clone(&secret),
            version: fetched.version,
            fetched_ns,
            until_ns: fetched_ns.saturating_add(lasts_ns),
        };
        self.cache.insert(uri.clone(), cached);
        Ok(secret)
    }

    /// Which version of a secret is in the cache.
    pub fn version(&self, uri: &SecretUri) -> Option<u64> {
        self.cache.get(uri).and_then(|cached| cached.version)
    }

    /// Asks again for all that is no longer fresh, and says what became of it.
    pub fn renew(&mut self) -> Vec<Renewal> {
        let now_ns = self.clock.now_ns();
        let due: Vec<(SecretUri, Arc<Secret>)> = self
            .cache
            .iter()
            .filter(|(_, cached)| cached.until_ns <= now_ns)
            .map(|(uri, cached)| (uri.clone(), Arc::clone(&cached.secret)))
            .collect();
        due.into_iter()
            .map(|(uri, before)| {
                let outcome = self.fetch(&uri).map(|now| (!now.is_same(&before)).then_some(now));
                Renewal { uri, outcome }
            })
            .collect()
    }

    /// How the Vault is, in a few words; `None` without one.
    pub fn vault_health(&mut self) -> Option<Result<String, SecretError>> {
        self.vault.as_mut().map(SecretProvider::health)
    }
}

#[cfg(test)]
mod tests;
