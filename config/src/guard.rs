//! `[guard]`: the small process that cancels the orders of an engine that is dead or stuck.

use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::schema::Config;
use crate::validate::{conflict, range};

/// `[guard]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardSection {
    /// Whether `tickwheel run` starts the guard beside itself. Otherwise start `tickwheel guard`, or a service does.
    pub start: bool,
    /// Silence of the core after which the engine counts as stuck, ms. A process that is gone counts at once.
    pub dead_ms_max: u32,
    /// File with a key of the guard's own, readable by its owner alone; default: the engine's.
    pub key_file: Option<String>,
    /// Whether others trade on the same account: then only orders of this engine are cancelled, one by one.
    /// Without others every symbol is emptied with one request.
    pub shared_account: bool,
    /// How long the guard looks again after the death, ms: so long may a request of the dead engine arrive late.
    /// Default: `wire.orders.recv_window_ms` and `settle_margin_ms` together.
    pub settle_ms: Option<u32>,
    /// Longest wait for an answer of the venue, ms.
    pub request_ms_max: u32,
    /// Wait before a request that failed is tried again, ms.
    pub retry_ms: u32,
    /// How long it tries to reach the venue before it calls for a person and tries less often, s.
    pub give_up_s: u32,
}

impl Default for GuardSection {
    fn default() -> GuardSection {
        GuardSection {
            start: false,
            dead_ms_max: 300,
            key_file: None,
            shared_account: true,
            settle_ms: None,
            request_ms_max: 1_000,
            retry_ms: 50,
            give_up_s: 60,
        }
    }
}

impl Config {
    /// For how long the guard looks again, ms.
    pub fn guard_settle_ms(&self) -> u32 {
        let configured = self.guard.as_ref().and_then(|guard| guard.settle_ms);
        let window = self.wire.as_ref().map_or(0, |wire| {
            wire.orders.recv_window_ms.saturating_add(wire.orders.settle_margin_ms)
        });
        configured.unwrap_or(window)
    }

    pub(crate) fn validate_guard(&self, origin: &str) -> Result<(), ConfigError> {
        let Some(guard) = &self.guard else { return Ok(()) };
        if guard.start && self.wire.is_none() {
            let what =
                "guard.start = true: without [wire] there is no venue that could have orders";
            return Err(conflict(origin, what.to_string()));
        }
        for (key, value, min, max) in [
            // Below this a busy machine looks like a stuck engine.
            ("guard.dead_ms_max", guard.dead_ms_max, 20, 60_000),
            ("guard.settle_ms", guard.settle_ms.unwrap_or(0), 0, 120_000),
            ("guard.request_ms_max", guard.request_ms_max, 10, 60_000),
            ("guard.retry_ms", guard.retry_ms, 1, 10_000),
            ("guard.give_up_s", guard.give_up_s, 1, 86_400),
        ] {
            if value < min || max < value {
                return Err(range(origin, key, value, &format!("{min} to {max}")));
            }
        }
        Ok(())
    }
}
