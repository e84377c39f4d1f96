//! Connections: from open to subscribed, watched while they are up, replaced before the venue cuts them.
//!
//! ```text
//!   Connecting --opened--> Measuring --clock--> [LoggingOn] --> Subscribing --> Up --replaced--> Draining
//!       ^                      |                     |               |           |                  |
//!       +------ lost or late --+---------------------+---------------+-----------+            closed for good
//! ```
//! The link is up while the active connection is up. A second one is brought up before the first is given
//! up, so that a planned change leaves no gap; what both tell is told on once.

use engine::event::LinkCode;

use super::answers::Outcome;
use super::{Ask, Courier, LineId, Machine};
use crate::sign::Signer;

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineState {
    Connecting,
    Measuring,
    LoggingOn,
    Subscribing,
    Up,
    Draining,
}

/// A connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) id: LineId,
    pub(super) state: LineState,
    pub(super) logged_on: bool,
    /// Opening: when it is too late. Draining: when it is closed.
    until_ns: u64,
    ping_at_ns: u64,
    renew_at_ns: u64,
}

/// A key that takes the place of another one, of the same account.
pub struct NewKey {
    /// What signs from now on.
    pub signer: Signer,
    /// Its name at the venue.
    pub api_key: String,
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewKey").finish_non_exhaustive()
    }
}

impl Machine {
    /// Signs with another key from here on. What is on its way keeps its signature and is answered. A connection
    /// that is up was subscribed, and perhaps logged on, with the old key: another is brought up beside it with
    /// the new one, so that the old key can be revoked without a gap. One that was about to say the old key
    /// begins anew.
    pub fn rekey(&mut self, key: NewKey, now_ns: u64, courier: &mut dyn Courier) {
        (self.signer, self.api_key) = (key.signer, key.api_key);
        for index in 0..self.lines.len() {
            let Some(line) = self.lines.get(index).copied() else { return };
            match line.state {
                LineState::LoggingOn | LineState::Subscribing => {
                    self.break_line(line.id, now_ns, courier);
                }
                LineState::Up => self.renew(line.id, now_ns, courier),
                LineState::Connecting | LineState::Measuring | LineState::Draining => {}
            }
        }
    }

    /// Opens the first connection.
    pub fn start(&mut self, courier: &mut dyn Courier) {
        if self.lines.is_empty() {
            self.open_line(courier);
        }
    }

    fn open_line(&mut self, courier: &mut dyn Courier) {
        if let Some(id) = courier.open() {
            self.adopt(id);
        }
    }

    /// Takes over a connection that somebody opened.
    pub fn adopt(&mut self, id: LineId) {
        self.lines.push(Line {
            id,
            state: LineState::Connecting,
            logged_on: false,
            until_ns: u64::MAX,
            ping_at_ns: u64::MAX,
            renew_at_ns: u64::MAX,
        });
    }

    fn line_mut(&mut self, id: LineId) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.id == id)
    }

    /// A connection is open.
    pub fn on_opened(&mut self, id: LineId, now_ns: u64, courier: &mut dyn Courier) {
        let rules = &self.rules;
        let until_ns = now_ns.saturating_add(rules.opening_ns_max);
        let renew_at_ns = now_ns.saturating_add(rules.renew_ns);
        let Some(line) = self.line_mut(id) else { return };
        if line.state == LineState::Draining {
            return;
        }
        line.state = LineState::Measuring;
        line.logged_on = false;
        (line.until_ns, line.renew_at_ns, line.ping_at_ns) = (until_ns, renew_at_ns, u64::MAX);
        if self.ask(Ask::Time { line: id }, false, now_ns, courier).is_err() {
            courier.reconnect(id);
        }
    }

    /// A connection was lost; it is made again by whoever made it.
    pub fn on_lost(&mut self, id: LineId, now_ns: u64, courier: &mut dyn Courier) {
        let Some(line) = self.line_mut(id) else { return };
        let state = line.state;
        line.logged_on = false;
        (line.until_ns, line.ping_at_ns, line.renew_at_ns) = (u64::MAX, u64::MAX, u64::MAX);
        if state == LineState::Draining {
            self.drop_line(id, courier);
        } else {
            line.state = LineState::Connecting;
        }
        if self.active == Some(id) {
            let other = self.lines.iter().find(|line| line.state == LineState::Up);
            self.active = other.map(|line| line.id);
            if self.active.is_none() {
                self.link_down(now_ns);
            }
        }
        self.lose_line(id, now_ns, courier);
    }

    fn drop_line(&mut self, id: LineId, courier: &mut dyn Courier) {
        self.lines.retain(|line| line.id != id);
        courier.close(id);
    }

    fn link_down(&mut self, now_ns: u64) {
        if std::mem::replace(&mut self.is_up, false) {
            self.counters.downs += 1;
            self.tell_link(LinkCode::Down, 0, now_ns);
        }
    }

    /// The clock of the venue was heard by a connection.
    pub(super) fn on_measured(&mut self, id: LineId, now_ns: u64, courier: &mut dyn Courier) {
        let ping_at_ns = now_ns.saturating_add(self.rules.ping_interval_ns);
        let logs_on = self.rules.log_on && self.signer.can_log_on();
        let offset_ns = self.offset_ns;
        let is_far = self.rules.offset_ns_max < offset_ns.unsigned_abs();
        let Some(line) = self.line_mut(id) else { return };
        line.ping_at_ns = ping_at_ns;
        if is_far {
            // Requests would be refused, or worse, accepted when they are stale.
            self.note_error(format!("the venue's clock is {offset_ns} ns from ours"));
            return self.break_line(id, now_ns, courier);
        }
        if line.state != LineState::Measuring {
            return;
        }
        let ask = if logs_on {
            line.state = LineState::LoggingOn;
            Ask::Logon { line: id }
        } else {
            line.state = LineState::Subscribing;
            Ask::Subscribe { line: id }
        };
        if self.ask(ask, false, now_ns, courier).is_err() {
            self.break_line(id, now_ns, courier);
        }
    }

    pub(super) fn on_logged_on(
        &mut self,
        id: LineId,
        outcome: &Outcome<'_>,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        let is_done = matches!(outcome, Outcome::Done(..));
        let Some(line) = self.line_mut(id) else { return };
        if line.state != LineState::LoggingOn {
            return;
        }
        line.logged_on = is_done;
        line.state = LineState::Subscribing;
        let is_asked =
            is_done && self.ask(Ask::Subscribe { line: id }, false, now_ns, courier).is_ok();
        if !is_asked {
            self.break_line(id, now_ns, courier);
        }
    }

    pub(super) fn on_subscribed(
        &mut self,
        id: LineId,
        outcome: &Outcome<'_>,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        let Some(line) = self.line_mut(id) else { return };
        if line.state != LineState::Subscribing {
            return;
        }
        if !matches!(outcome, Outcome::Done(..)) {
            return self.break_line(id, now_ns, courier);
        }
        line.state = LineState::Up;
        line.until_ns = u64::MAX;
        let until_ns = now_ns.saturating_add(self.rules.drain_ns);
        // The one that was up stays for the answers on their way; from here on nobody asks by it.
        for other in &mut self.lines {
            if other.id != id && other.state == LineState::Up {
                other.state = LineState::Draining;
                other.until_ns = until_ns;
            }
        }
        self.active = Some(id);
        if !std::mem::replace(&mut self.is_up, true) {
            self.error = None;
            self.tell_link(LinkCode::Up, 0, now_ns);
        }
    }

    /// The user data of a connection ended: what happens is no longer heard.
    pub(super) fn on_terminated(&mut self, id: LineId, now_ns: u64, courier: &mut dyn Courier) {
        self.note_error("the user data stream was terminated".to_string());
        self.break_line(id, now_ns, courier);
    }

    /// A connection does not answer.
    pub(super) fn on_mute(&mut self, id: LineId, now_ns: u64, courier: &mut dyn Courier) {
        if self.lines.iter().any(|line| line.id == id) {
            self.counters.mutes += 1;
            self.break_line(id, now_ns, courier);
        }
    }

    fn break_line(&mut self, id: LineId, now_ns: u64, courier: &mut dyn Courier) {
        courier.reconnect(id);
        self.on_lost(id, now_ns, courier);
    }

    /// A connection will end: another is brought up beside it, once.
    pub(super) fn renew(&mut self, id: LineId, now_ns: u64, courier: &mut dyn Courier) {
        let renew_at_ns = now_ns.saturating_add(self.rules.opening_ns_max.saturating_mul(4));
        let Some(line) = self.line_mut(id) else { return };
        if line.state != LineState::Up {
            return;
        }
        line.renew_at_ns = renew_at_ns;
        if !self.lines.iter().any(|other| other.id != id && other.state != LineState::Draining) {
            self.open_line(courier);
        }
    }

    /// Asks for the venue's clock on the active connection; false when that is not possible.
    pub(super) fn ask_time(&mut self, now_ns: u64, courier: &mut dyn Courier) -> bool {
        let Some(line) = self.active else { return false };
        self.ask(Ask::Time { line }, false, now_ns, courier).is_ok()
    }

    /// Deadlines of connections.
    pub(super) fn watch_lines(&mut self, now_ns: u64, courier: &mut dyn Courier) {
        for index in 0..self.lines.len() {
            let Some(line) = self.lines.get_mut(index) else { return };
            let id = line.id;
            if line.until_ns <= now_ns {
                if line.state == LineState::Draining {
                    self.on_lost(id, now_ns, courier);
                } else {
                    self.break_line(id, now_ns, courier);
                }
                continue;
            }
            if line.renew_at_ns <= now_ns {
                self.renew(id, now_ns, courier);
            }
            let next_ns = now_ns.saturating_add(self.rules.ping_interval_ns);
            let Some(line) = self.line_mut(id) else { continue };
            if line.ping_at_ns <= now_ns {
                line.ping_at_ns = next_ns;
                let asks = |flight: &super::Flight| flight.ask == Ask::Time { line: id };
                if !self.flights.values().any(asks)
                    && self.ask(Ask::Time { line: id }, false, now_ns, courier)
                        == Err(super::NotSent::Down)
                {
                    self.on_mute(id, now_ns, courier);
                }
            }
        }
    }

    /// When a connection must be looked at.
    pub(super) fn line_deadline_ns(&self) -> Option<u64> {
        let times = |line: &Line| line.until_ns.min(line.ping_at_ns).min(line.renew_at_ns);
        self.lines.iter().map(times).min()
    }
}
