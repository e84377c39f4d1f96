//! Secrets of a Vault (or `OpenBao`) KV engine, version 2, over its HTTP API.
//!
//! ```text
//!   GET  /v1/MOUNT/data/PATH            X-Vault-Token, X-Vault-Request: true, X-Vault-Namespace
//!   GET  /v1/auth/token/lookup-self     how long the token lasts
//!   POST /v1/auth/token/renew-self      before two thirds of that are over
//!   POST /v1/auth/approle/login         role and secret id for a token
//!   GET  /v1/sys/health                 200, 429, 472, 473 in order; 501, 503 not
//! ```
//! The token is itself a secret of another place (`file:`, `systemd:`, and `env:` in practice). It is read
//! again with every fetch, so an agent may replace it at any time.
//!
//! **Invariant:** a token leaves only over TLS or to this machine, and is in no error: what Vault says is
//! looked at for it before it is repeated.

mod call;
mod reply;
#[cfg(test)]
#[expect(unreachable_pub, reason = "the simulator shows the same file to the system tests")]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use engine::clock::Clock;
use rustls::ClientConfig;

use crate::provider::{Fetched, SecretProvider};
use crate::store::{Local, wrong_provider};
use crate::{Secret, SecretError, SecretUri, Strictness};
use call::{Answer, Call, Caller, denied};
use reply::{Auth, KvReply, Lookup};

const SECOND_NS: u64 = 1_000_000_000;

/// Where the token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultAuth {
    /// It is a secret of another place.
    Token(SecretUri),
    /// It is given for a role and its secret id.
    AppRole {
        /// Where the method is mounted; `approle` as a rule.
        mount: String,
        /// The role.
        role_id: String,
        /// Where its secret id is.
        secret_id: SecretUri,
    },
}

/// What a Vault is asked with.
#[derive(Clone, Debug)]
pub struct VaultSettings {
    /// Such as `https://vault.example:8200`; `http://` only on this machine.
    pub url: String,
    /// Where the token comes from.
    pub auth: VaultAuth,
    /// For `X-Vault-Namespace`.
    pub namespace: Option<String>,
    /// Needed for `https://`.
    pub tls: Option<Arc<ClientConfig>>,
    /// From a question to its answer, connecting included, ns.
    pub timeout_ns: u64,
}

/// How long a token lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lease {
    /// When it must be renewed; `u64::MAX`: never.
    renew_at_ns: u64,
    ends_ns: u64,
    is_renewable: bool,
}

impl Lease {
    const ENDLESS: Lease = Lease { renew_at_ns: u64::MAX, ends_ns: u64::MAX, is_renewable: false };

    /// Vault says 0 for a token that does not end.
    fn new(duration_s: u64, is_renewable: bool, now_ns: u64) -> Lease {
        if duration_s == 0 {
            return Lease::ENDLESS;
        }
        let lasts_ns = duration_s.saturating_mul(SECOND_NS);
        Lease {
            renew_at_ns: now_ns.saturating_add(lasts_ns / 3 * 2),
            ends_ns: now_ns.saturating_add(lasts_ns),
            is_renewable,
        }
    }
}

/// A token that works, as far as we know.
#[derive(Debug)]
struct Held {
    token: Secret,
    lease: Lease,
}

/// A Vault.
#[derive(Debug)]
pub struct VaultProvider {
    caller: Caller,
    auth: VaultAuth,
    local: Local,
    held: Option<Held>,
    clock: Clock,
}

impl VaultProvider {
    /// A Vault that was not asked yet.
    pub fn new(settings: VaultSettings, strictness: Strictness, clock: Clock) -> VaultProvider {
        let VaultSettings { url, auth, namespace, tls, timeout_ns } = settings;
        VaultProvider {
            caller: Caller { url, namespace, tls, timeout_ns, clock: clock.clone() },
            auth,
            local: Local::new(strictness),
            held: None,
            clock,
        }
    }

    /// Makes sure that there is a token, and that it lasts.
    fn hold(&mut self) -> Result<(), SecretError> {
        match self.auth.clone() {
            VaultAuth::Token(uri) => {
                let token = self.local.fetch(&uri)?.secret;
                if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
                    let must = "must be a token: one line without spaces";
                    return Err(SecretError::Malformed { uri: uri.to_string(), must });
                }
                if self.held.as_ref().is_none_or(|held| !held.token.is_same(&token)) {
                    let lease = self.look_up(&token)?;
                    self.held = Some(Held { token, lease });
                }
            }
            VaultAuth::AppRole { .. } => {
                let now_ns = self.clock.now_ns();
                if self.held.as_ref().is_none_or(|held| held.lease.ends_ns <= now_ns) {
                    self.log_in()?;
                }
            }
        }
        self.keep()
    }

    /// How long a token lasts. A policy may forbid the question; then the reads will tell.
    fn look_up(&self, token: &Secret) -> Result<Lease, SecretError> {
        let call = Call::get("/v1/auth/token/lookup-self", Some(token));
        let answer = self.caller.call(&call)?;
        if answer.status == 403 {
            return Ok(Lease::ENDLESS);
        }
        let body = self.caller.good(answer, Some(token))?;
        let Lookup { data } = self.caller.decode(&body)?;
        Ok(Lease::new(data.ttl, data.renewable, self.clock.now_ns()))
    }

    fn log_in(&mut self) -> Result<(), SecretError> {
        let VaultAuth::AppRole { mount, role_id, secret_id } = &self.auth else { return Ok(()) };
        let secret = self.local.fetch(secret_id)?.secret;
        let target = format!("/v1/auth/{mount}/login");
        let body = reply::login_body(role_id, &secret);
        let answer = self.caller.call(&Call::post(&target, None, &body))?;
        let body = match answer.status {
            400 | 403 => return Err(denied(&target, &answer, Some(&secret))),
            _ => self.caller.good(answer, Some(&secret))?,
        };
        self.held = Some(self.held_of(&body)?);
        Ok(())
    }

    fn held_of(&self, body: &[u8]) -> Result<Held, SecretError> {
        let reply: reply::AuthReply = self.caller.decode(body)?;
        let Auth { client_token, lease_duration, renewable } =
            reply.auth.ok_or_else(|| self.caller.strange("an answer without a token"))?;
        let lease = Lease::new(lease_duration, renewable, self.clock.now_ns());
        Ok(Held { token: Secret::new(client_token), lease })
    }

    /// Renews the token when two thirds of its time are over; where that fails, it is used until its end,
    /// and a role logs in again.
    fn keep(&mut self) -> Result<(), SecretError> {
        let now_ns = self.clock.now_ns();
        let Some(held) = &self.held else { return Ok(()) };
        if now_ns < held.lease.renew_at_ns {
            return Ok(());
        }
        let renewed = if held.lease.is_renewable { self.renew_token(&held.token) } else { None };
        if let (Some(lease), Some(held)) = (renewed, &mut self.held) {
            held.lease = lease;
            return Ok(());
        }
        match self.auth {
            VaultAuth::AppRole { .. } => self.log_in(),
            VaultAuth::Token(_) => Ok(()),
        }
    }

    fn renew_token(&self, token: &Secret) -> Option<Lease> {
        let call = Call::post("/v1/auth/token/renew-self", Some(token), b"{}");
        let answer = self.caller.call(&call).ok()?;
        let body = self.caller.good(answer, Some(token)).ok()?;
        let reply: reply::AuthReply = self.caller.decode(&body).ok()?;
        let auth = reply.auth?;
        drop(Secret::new(auth.client_token));
        Some(Lease::new(auth.lease_duration, auth.renewable, self.clock.now_ns()))
    }

    fn read(&self, path: &str) -> Result<Answer, SecretError> {
        let held = self.held.as_ref().ok_or_else(|| self.caller.strange("no token"))?;
        self.caller.call(&Call::get(&format!("/v1/{path}"), Some(&held.token)))
    }

    fn token(&self) -> Option<&Secret> {
        self.held.as_ref().map(|held| &held.token)
    }
}

impl SecretProvider for VaultProvider {
    fn fetch(&mut self, uri: &SecretUri) -> Result<Fetched, SecretError> {
        let SecretUri::Vault { path, field } = uri else { return Err(wrong_provider(uri)) };
        self.hold()?;
        let mut answer = self.read(path)?;
        if answer.status == 403 && matches!(self.auth, VaultAuth::AppRole { .. }) {
            // The token may have been revoked; the role decides whether there is another one.
            self.log_in()?;
            answer = self.read(path)?;
        }
        let name = uri.to_string();
        match answer.status {
            403 => Err(denied(&name, &answer, self.token())),
            404 => Err(reply::missing(&name, &answer.body)),
            _ => {
                let body = self.caller.good(answer, self.token())?;
                let reply: KvReply = self.caller.decode(&body)?;
                reply.into_secret(&name, field.as_deref())
            }
        }
    }

    fn health(&mut self) -> Result<String, SecretError> {
        let health = self.caller.health()?;
        self.hold()?;
        let now_ns = self.clock.now_ns();
        let token = match self.held.as_ref().map(|held| held.lease) {
            Some(lease) if lease == Lease::ENDLESS => "the token does not end".to_string(),
            Some(lease) => {
                let left_s = lease.ends_ns.saturating_sub(now_ns) / SECOND_NS;
                let word = if lease.is_renewable { "renewable" } else { "not renewable" };
                format!("the token ends in {left_s} s, {word}")
            }
            None => "no token".to_string(),
        };
        Ok(format!("{health}, {token}"))
    }
}
