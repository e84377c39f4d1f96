//! One question to a Vault and its answer. Blocks until the answer or the deadline.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::clock::Clock;
use rustls::ClientConfig;
use serde::de::DeserializeOwned;
use wire::endpoint::Endpoint;
use wire::http::{HttpAnswer, HttpConfig, HttpId, HttpRequest};
use wire::poller::{Poller, Turn};
use wire::session::{Frame, Handler, SessionEvent, SessionId};
use zeroize::Zeroizing;

use super::reply;
use crate::{Secret, SecretError};

/// Longest wait of one turn.
const TURN_NS_MAX: u64 = 50_000_000;
/// Largest answer; a secret of Vault has at most 1 MiB as a rule.
const BODY_SIZE_BYTES_MAX: usize = 1 << 20;
/// Addresses of a host that are looked at.
const ADDRESS_COUNT_MAX: usize = 64;
/// What of an error of Vault's is repeated.
const DETAIL_SIZE_BYTES_MAX: usize = 160;

/// A question.
pub(super) struct Call<'a> {
    method: &'a str,
    target: &'a str,
    token: Option<&'a Secret>,
    body: &'a [u8],
}

impl<'a> Call<'a> {
    pub(super) fn get(target: &'a str, token: Option<&'a Secret>) -> Call<'a> {
        Call { method: "GET", target, token, body: &[] }
    }

    pub(super) fn post(target: &'a str, token: Option<&'a Secret>, body: &'a [u8]) -> Call<'a> {
        Call { method: "POST", target, token, body }
    }
}

/// An answer, whatever its status is. The body is wiped when it is dropped.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// Who asks.
pub(super) struct Caller {
    pub(super) url: String,
    pub(super) namespace: Option<String>,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) timeout_ns: u64,
    pub(super) clock: Clock,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Why there is no answer.
struct NoAnswer {
    is_unsent: bool,
    why: String,
}

/// The answer, when it has come.
#[derive(Default)]
struct Answered {
    answer: Option<Result<Answer, NoAnswer>>,
}

impl Handler for Answered {
    fn frame(&mut self, _session: SessionId, _frame: Frame<'_>) {}

    fn changed(&mut self, _session: SessionId, _event: &SessionEvent) {}

    fn answered(&mut self, _http: HttpId, _token: u64, answer: HttpAnswer<'_>) {
        self.answer = Some(match answer {
            HttpAnswer::Response { status, body, .. } => {
                Ok(Answer { status, body: Zeroizing::new(body.to_vec()) })
            }
            HttpAnswer::Failed { why, may_have_been_sent } => {
                Err(NoAnswer { is_unsent: !may_have_been_sent, why: why.to_string() })
            }
        });
    }
}

impl Caller {
    fn unreachable(&self, detail: impl std::fmt::Display) -> SecretError {
        SecretError::Unreachable { place: self.url.clone(), detail: detail.to_string() }
    }

    /// An answer that Vault does not give.
    pub(super) fn strange(&self, what: &str) -> SecretError {
        self.unreachable(what)
    }

    /// Asks and waits. The connection is made for this one question: they are minutes apart.
    pub(super) fn call(&self, call: &Call<'_>) -> Result<Answer, SecretError> {
        let endpoint = Endpoint::resolve_http(&self.url).map_err(|why| self.unreachable(why))?;
        let addresses: BTreeSet<SocketAddr> =
            (0..ADDRESS_COUNT_MAX).map(|attempt| endpoint.address(attempt)).collect();
        let is_here = addresses.iter().all(|address| address.ip().is_loopback());
        if !endpoint.is_tls() && !is_here {
            let what =
                "secrets.vault.url must begin with https:// where Vault is not on this machine";
            return Err(SecretError::NotConfigured { uri: self.url.clone(), what });
        }
        let mut poller = Poller::new().map_err(|why| self.unreachable(why))?;
        let http = HttpConfig {
            connect_ns_max: self.timeout_ns,
            handshake_ns_max: self.timeout_ns,
            backoff_ns_min: 1_000_000,
            body_size_bytes_max: BODY_SIZE_BYTES_MAX,
            keeps_warm: false,
            tls: self.tls.clone(),
            ..HttpConfig::default()
        };
        let http = poller.add_http(endpoint, http).map_err(|why| self.unreachable(why))?;
        // Without this header an agent or proxy may refuse: it keeps browsers from being led here.
        let mut headers = vec![("X-Vault-Request", "true")];
        if let Some(token) = call.token {
            headers.push(("X-Vault-Token", token.expose()));
        }
        if let Some(namespace) = &self.namespace {
            headers.push(("X-Vault-Namespace", namespace));
        }
        if !call.body.is_empty() {
            headers.push(("Content-Type", "application/json"));
        }
        let request = HttpRequest {
            token: 1,
            method: call.method,
            target: call.target,
            headers: &headers,
            body: call.body,
            deadline_ns: self.clock.now_ns().saturating_add(self.timeout_ns),
        };
        // One address of several may be dead: each is tried once while not a byte was sent.
        let mut tries_left = addresses.len();
        let mut answered = Answered::default();
        poller.request(http, &request).map_err(|why| self.unreachable(why))?;
        // Ends at the deadline of the request at the latest.
        loop {
            match answered.answer.take() {
                None => {}
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(NoAnswer { is_unsent, why })) => {
                    tries_left = tries_left.saturating_sub(1);
                    if !is_unsent || tries_left == 0 || request.deadline_ns <= self.clock.now_ns() {
                        return Err(self.unreachable(why));
                    }
                    poller.request(http, &request).map_err(|why| self.unreachable(why))?;
                }
            }
            let turn = poller
                .run_once(Duration::from_nanos(TURN_NS_MAX), &self.clock, &mut answered)
                .map_err(|why| self.unreachable(why))?;
            debug_assert_eq!(turn, Turn::Continue, "nobody has a stopper of this poller");
        }
    }

    /// The body of an answer that says yes. `secret` is what the question was asked with.
    pub(super) fn good(
        &self,
        answer: Answer,
        secret: Option<&Secret>,
    ) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        match answer.status {
            200 | 204 => Ok(answer.body),
            403 => Err(denied(&self.url, &answer, secret)),
            503 => Err(SecretError::Sealed { url: self.url.clone() }),
            307 => {
                let detail =
                    "a standby node that sends us to another one: name the active one".into();
                Err(SecretError::Status { url: self.url.clone(), status: 307, detail })
            }
            status => {
                let detail = detail(&answer, secret);
                Err(SecretError::Status { url: self.url.clone(), status, detail })
            }
        }
    }

    /// What a body says; where it says nothing that we understand, none of it is repeated.
    pub(super) fn decode<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, SecretError> {
        serde_json::from_slice(body).map_err(|_| self.strange("an answer that is not Vault's"))
    }

    /// Whether it serves.
    pub(super) fn health(&self) -> Result<String, SecretError> {
        let answer = self.call(&Call::get("/v1/sys/health", None))?;
        let state = match answer.status {
            200 => "active",
            429 => "standby",
            472 => "recovery replica",
            473 => "performance standby",
            503 => return Err(SecretError::Sealed { url: self.url.clone() }),
            501 => {
                let detail = "it is not initialised".to_string();
                return Err(SecretError::Status { url: self.url.clone(), status: 501, detail });
            }
            _ => {
                self.good(answer, None)?;
                "active"
            }
        };
        Ok(format!("Vault at {} is {state}", self.url))
    }
}

/// Vault says no.
pub(super) fn denied(uri: &str, answer: &Answer, secret: Option<&Secret>) -> SecretError {
    SecretError::Denied { uri: uri.to_string(), detail: detail(answer, secret) }
}

/// What Vault says of an error, unless it holds what we asked with.
fn detail(answer: &Answer, secret: Option<&Secret>) -> String {
    let mut text = reply::errors(&answer.body).unwrap_or_else(|| "without a reason".to_string());
    text.retain(|letter| letter == ' ' || letter.is_ascii_graphic());
    if secret.is_some_and(|secret| !secret.is_empty() && text.contains(secret.expose())) {
        return "what it says holds the token, and is not shown".to_string();
    }
    text.truncate(DETAIL_SIZE_BYTES_MAX);
    text
}
