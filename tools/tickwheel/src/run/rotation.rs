//! The key of the venue is looked at again while the engine trades: a changed one is tried, then handed to order entry.
//!
//! ```text
//!   tw-secrets: store --changed key--> probe (one signed question) --good--> channel --> tw-orders: rekey
//! ```
//! **Invariant:** a key that the venue refuses never takes the place of one that works.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use binance::account::{AccountError, AccountQuery, AccountState};
use binance::orders::machine::NewKey;
use engine::clock::Clock;
use secret::key::ApiKey;
use secret::{SecretError, SecretStore, SecretUri};
use wire::http::HttpConfig;

use super::beside::{Job, Life, Loss};
use super::guarded;
use crate::secrets::{self, Credentials};

/// Pause between two looks at the clock.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the venue may take for each question of a probe.
const PROBE_NS_MAX: u64 = 10_000_000_000;

/// What is needed to exchange the key of a running session.
#[derive(Debug)]
pub(crate) struct Rotation {
    pub(crate) store: SecretStore,
    pub(crate) uri: SecretUri,
    /// The key in use.
    pub(crate) key: ApiKey,
    /// Where the session that the guard reads is.
    pub(crate) dir: PathBuf,
    /// How often it is looked at.
    pub(crate) interval_ns: u64,
    /// Where a new key is tried.
    pub(crate) rest_url: String,
    pub(crate) http: HttpConfig,
}

/// What a look found.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Same,
    /// It was handed over.
    Exchanged,
    /// In words. The old key stays in use.
    Kept(String),
}

impl Rotation {
    /// The thread, and where its keys come out.
    pub(crate) fn job(self) -> (Job, Receiver<NewKey>) {
        let (sender, receiver) = sync_channel(1);
        let body = Box::new(move |life: &Life| {
            self.watch(life, &sender);
            Ok(())
        });
        (Job { name: "secrets", loss: Loss::GoesOn, body }, receiver)
    }

    fn watch(mut self, life: &Life, keys: &SyncSender<NewKey>) {
        let clock = Clock::new();
        let mut told = None;
        let mut next_ns = life.now_ns().saturating_add(self.interval_ns);
        while life.goes_on() {
            if life.now_ns() < next_ns {
                life.pause(PAUSE);
                continue;
            }
            match self.look(&clock, keys) {
                Look::Same => told = None,
                Look::Exchanged => {
                    life.tell(&format!("{}: the key was exchanged", self.uri));
                    if let Err(error) = guarded::renew_session(&self.dir, life.now_ns()) {
                        life.tell(&crate::chain(&error));
                    }
                    told = None;
                }
                // Once for each reason: it may last for hours.
                Look::Kept(why) => {
                    if told.as_ref() != Some(&why) {
                        life.tell(&why);
                        told = Some(why);
                    }
                }
            }
            next_ns = life.now_ns().saturating_add(self.interval_ns);
        }
    }

    fn look(&mut self, clock: &Clock, keys: &SyncSender<NewKey>) -> Look {
        let found = match secrets::fetch_key(&mut self.store, &self.uri) {
            Ok(found) if found.is_same(&self.key) => return Look::Same,
            Ok(found) => found,
            Err(error) => return Look::Kept(kept(&error)),
        };
        let credentials = match Credentials::of(&found, &self.uri) {
            Ok(credentials) => credentials,
            Err(error) => {
                return Look::Kept(format!("{}; the old key is kept", crate::chain(&error)));
            }
        };
        if let Err(error) = self.probe(&credentials, clock) {
            return Look::Kept(format!("{}: {error}; the old key is kept", self.uri));
        }
        let Credentials { api_key, signer } = credentials;
        match keys.try_send(NewKey { signer, api_key }) {
            Ok(()) => {
                self.key = found;
                Look::Exchanged
            }
            // Order entry has not taken the last one: the next look tries again.
            Err(TrySendError::Full(_)) => Look::Same,
            Err(TrySendError::Disconnected(_)) => {
                Look::Kept("order entry takes no key any more".to_string())
            }
        }
    }

    /// Whether the venue takes the new key.
    fn probe(
        &self,
        credentials: &Credentials,
        clock: &Clock,
    ) -> Result<AccountState, AccountError> {
        let query = AccountQuery {
            rest_url: &self.rest_url,
            http: self.http.clone(),
            signer: &credentials.signer,
            api_key: &credentials.api_key,
            timeout_ns_max: PROBE_NS_MAX,
        };
        AccountState::fetch(&query, clock)
    }
}

fn kept(error: &SecretError) -> String {
    format!("{error}; the key in use is kept, and the venue decides whether it is good")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use secret::Strictness;
    use venue::serve::{Venue, VenueConfig};
    use venue::{ApiKey as VenueKey, KeyKind};

    use super::*;

    fn write(path: &Path, api_key: &str, secret: &str) {
        fs::write(path, format!("api_key = \"{api_key}\"\nsecret = \"{secret}\"\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn a_changed_key_is_tried_before_it_is_handed_over() {
        let venue = Venue::start(VenueConfig::local(7)).unwrap();
        let first = &venue.accounts[0].keys[0];
        let KeyKind::Hmac { secret } = &first.kind else { panic!("keys of the venue are HMAC") };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.toml");
        write(&path, &first.api_key, secret);
        let uri = SecretUri::file(&path);
        let clock = Clock::new();
        let mut store = SecretStore::local(Strictness::Live, clock.clone());
        let key = secrets::fetch_key(&mut store, &uri).unwrap();
        let mut rotation = Rotation {
            store,
            uri,
            key,
            dir: directory.path().to_path_buf(),
            interval_ns: 1,
            rest_url: venue.urls.rest.clone(),
            http: HttpConfig::default(),
        };
        let (sender, receiver) = sync_channel(1);
        assert_eq!(rotation.look(&clock, &sender), Look::Same);
        let check = |rotation: &mut Rotation, words: &str| {
            let Look::Kept(why) = rotation.look(&clock, &sender) else { panic!("not {words}") };
            assert!(why.contains(words) && !why.contains("canary"), "{why}");
            assert!(receiver.try_recv().is_err());
        };
        write(&path, "second", "canary-2");
        check(&mut rotation, "code -2015");
        write(&path, &first.api_key, "canary-wrong");
        check(&mut rotation, "code -1022");
        fs::write(&path, "canary").unwrap();
        check(&mut rotation, "must have api_key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        check(&mut rotation, "mode 644");
        let kind = KeyKind::Hmac { secret: "canary-2".to_string() };
        let key = VenueKey { api_key: "second".to_string(), kind };
        venue.handle.add_key("alpha", key).unwrap();
        write(&path, "second", "canary-2");
        assert_eq!(rotation.look(&clock, &sender), Look::Exchanged);
        assert_eq!(receiver.try_recv().unwrap().api_key, "second");
        assert_eq!(rotation.look(&clock, &sender), Look::Same);
        drop(receiver);
        write(&path, &first.api_key, secret);
        let why = rotation.look(&clock, &sender);
        assert!(matches!(why, Look::Kept(ref words) if words.contains("order entry")), "{why:?}");
        venue.stop().unwrap();
    }
}
