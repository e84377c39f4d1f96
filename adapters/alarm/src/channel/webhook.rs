//! The webhook: one HTTP POST a message, over the client of `wire`, with or without TLS.
//!
//! **Invariant:** the address is a secret: no error, log or file has it.

#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use engine::clock::Clock;
use wire::endpoint::{Endpoint, EndpointError};
use wire::http::{HttpAnswer, HttpConfig, HttpFailure, HttpId, HttpRequest};
use wire::poller::{Poller, Turn};
use wire::session::{CloseReason, Frame, Handler, SessionEvent, SessionId};

use super::shape::Shape;
use super::{Courier, DeliveryError, Message, SecretSource};

const MS_NS: u64 = 1_000_000;
/// What is asked to wait without a number of seconds waits so long.
const BUSY_NS: u64 = 5_000 * MS_NS;

/// Where and how.
pub struct WebhookSettings {
    /// Gives the address.
    pub url: SecretSource,
    /// Whose it is.
    pub shape: Shape,
    /// For `https`: whom to believe.
    pub tls: Arc<rustls::ClientConfig>,
    /// From the first packet to the whole answer.
    pub request_ns_max: u64,
}

impl std::fmt::Debug for WebhookSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookSettings").field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// Brings messages to a webhook. A connection a message: they are rare, and a kept one would be dead.
#[derive(Debug)]
pub struct Webhook {
    settings: WebhookSettings,
}

impl Webhook {
    /// A courier that connects when there is something to bring.
    pub fn new(settings: WebhookSettings) -> Webhook {
        Webhook { settings }
    }
}

/// How the one request ended.
#[derive(Debug, Default)]
struct Outcome {
    answer: Option<Result<(), DeliveryError>>,
    /// Why the connection could not be made.
    close: Option<DeliveryError>,
}

impl Handler for Outcome {
    fn frame(&mut self, _: SessionId, _: Frame<'_>) {}

    fn changed(&mut self, _: SessionId, _: &SessionEvent) {}

    fn answered(&mut self, _: HttpId, _: u64, answer: HttpAnswer<'_>) {
        self.answer = Some(match answer {
            HttpAnswer::Response { status: 200..300, .. } => Ok(()),
            HttpAnswer::Response { status, headers, .. } => {
                let wait_s = headers.get("retry-after").and_then(|text| text.trim().parse().ok());
                Err(judge(status, wait_s))
            }
            HttpAnswer::Failed { why, .. } => Err(self.close.unwrap_or(failed(&why))),
        });
    }

    fn http_changed(&mut self, _: HttpId, event: &SessionEvent) {
        if let SessionEvent::Closed { why: CloseReason::Io(error), .. } = event
            && error.kind() == ErrorKind::InvalidData
        {
            self.close = Some(DeliveryError::Untrusted);
        }
    }
}

/// What a status that is no success means.
fn judge(status: u16, wait_s: Option<u64>) -> DeliveryError {
    let wait_ns = wait_s.map_or(BUSY_NS, |seconds| seconds.saturating_mul(1_000 * MS_NS));
    match status {
        408 | 425 | 429 | 503 => DeliveryError::Busy { status, wait_ns },
        500..600 => DeliveryError::Busy { status, wait_ns: 0 },
        _ => DeliveryError::Refused { status },
    }
}

fn failed(why: &HttpFailure) -> DeliveryError {
    match why {
        HttpFailure::Connect { .. } => DeliveryError::Unreachable,
        HttpFailure::Malformed { .. } | HttpFailure::TooLarge { .. } => DeliveryError::Protocol,
        HttpFailure::Io(
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe,
        ) => DeliveryError::Silent,
        HttpFailure::Io(kind) => DeliveryError::System(*kind),
        HttpFailure::Deadline | HttpFailure::Cut | HttpFailure::Dropped | HttpFailure::Stopped => {
            DeliveryError::Silent
        }
    }
}

/// Scheme and host, and the rest that is the target.
fn split(url: &str) -> Option<(&str, &str)> {
    let host_at = url.find("://")? + 3;
    let path_at = url[host_at..].find(['/', '?']).map_or(url.len(), |at| host_at + at);
    Some(url.split_at(path_at))
}

impl Courier for Webhook {
    fn deliver(&mut self, message: &Message<'_>, clock: &Clock) -> Result<(), DeliveryError> {
        let url = (self.settings.url)().ok_or(DeliveryError::Unusable)?;
        let (base, target) = split(url.expose().trim()).ok_or(DeliveryError::Unusable)?;
        let target = match target.as_bytes().first() {
            Some(b'/') => target.to_string(),
            _ => format!("/{target}"),
        };
        let endpoint = Endpoint::resolve_http(base).map_err(|error| match error {
            EndpointError::Resolve { .. } => DeliveryError::Unreachable,
            EndpointError::Malformed { .. } | EndpointError::Scheme { .. } => {
                DeliveryError::Unusable
            }
        })?;
        let limit_ns = self.settings.request_ns_max;
        let config = HttpConfig {
            connect_ns_max: limit_ns,
            handshake_ns_max: limit_ns,
            keeps_warm: false,
            body_size_bytes_max: 1 << 20,
            tls: Some(Arc::clone(&self.settings.tls)),
            ..HttpConfig::default()
        };
        let mut poller = Poller::new().map_err(|error| DeliveryError::System(error.kind()))?;
        let http = poller.add_http(endpoint, config).map_err(|_| DeliveryError::Unusable)?;
        let deadline_ns = clock.now_ns().saturating_add(limit_ns);
        let body = self.settings.shape.body(message);
        let request = HttpRequest {
            token: 0,
            method: "POST",
            target: &target,
            headers: &[("Content-Type", "application/json"), ("User-Agent", "tickwheel")],
            body: &body,
            deadline_ns,
        };
        poller.request(http, &request).map_err(|_| DeliveryError::Unusable)?;
        let mut outcome = Outcome::default();
        loop {
            let turn = poller.run_once(Duration::from_millis(100), clock, &mut outcome);
            let turn = turn.map_err(|error| DeliveryError::System(error.kind()))?;
            if let Some(answer) = outcome.answer.take() {
                return answer;
            }
            // The client answers at its deadline; this is for a clock that does not move.
            if turn == Turn::Stop || deadline_ns.saturating_add(limit_ns) < clock.now_ns() {
                return Err(DeliveryError::Silent);
            }
        }
    }
}
