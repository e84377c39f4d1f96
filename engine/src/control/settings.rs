//! Settings of the control stage: what trips a breaker, how a kill goes on, how long things may take.

use crate::event::TripReason;

/// What a trigger does when it fires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    #[default]
    Off,
    /// Trips the breaker to SAFE.
    Safe,
    /// Kills: block, cancel, flatten, latch.
    Kill,
}

impl Action {
    /// Name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Action::Off => "off",
            Action::Safe => "safe",
            Action::Kill => "kill",
        }
    }

    /// The action of that name.
    pub fn from_name(name: &str) -> Option<Action> {
        [Action::Off, Action::Safe, Action::Kill].into_iter().find(|action| action.name() == name)
    }
}

/// One cause that may trip a breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trigger {
    /// What it does.
    pub action: Action,
    /// Trips the breaker of everything instead of the one of the venue, strategy or instrument concerned.
    pub is_wide: bool,
    /// How many events within the window, where events are counted; 1 to [`COUNT_MAX`].
    pub count: u32,
    /// Length of the window, ns, where events are counted.
    pub window_ns: u64,
    /// How long a condition may last, or a time may be, ns.
    pub limit_ns: u64,
}

/// Most events that a window counts. Arbitrary.
pub const COUNT_MAX: u32 = 1024;

impl Trigger {
    /// A trigger that needs no number.
    pub const fn plain(action: Action) -> Trigger {
        Trigger { action, is_wide: true, count: 0, window_ns: 0, limit_ns: 0 }
    }

    /// Whether it can do anything.
    pub const fn is_on(&self) -> bool {
        !matches!(self.action, Action::Off)
    }
}

/// Every trigger. Without configuration each is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Triggers {
    /// The day's loss reached its limit at the gate.
    pub loss_daily: Trigger,
    /// The fall from the peak reached its limit at the gate.
    pub drawdown: Trigger,
    /// `count` rejects by a venue within the window.
    pub reject_rate: Trigger,
    /// `count` unknown outcomes and anomalies within the window.
    pub error_rate: Trigger,
    /// A book was not live for longer than `limit_ns`.
    pub staleness: Trigger,
    /// `count` first answers that took longer than `limit_ns` within the window.
    pub latency: Trigger,
    /// A venue was locked for longer than `limit_ns`.
    pub reconcile: Trigger,
    /// Event time jumped by more than `limit_ns` between two clock events.
    pub clock: Trigger,
    /// The journal's helper is dead or stalled.
    pub journal: Trigger,
    /// Another thread is dead or stalled.
    pub thread_dead: Trigger,
    /// A position was held for too long (the limits are those of [`HoldLimits`]).
    pub hold_time: Trigger,
    /// Nobody reset the dead-man timer for `limit_ns`.
    pub dead_man: Trigger,
    /// A strategy panicked.
    pub strategy_panic: Trigger,
    /// The gate disabled a strategy that traded too often.
    pub repeated_execution: Trigger,
    /// A limit of the post-trade monitor was reached.
    pub monitor: Trigger,
    /// A session begins and the one before did not end in order.
    pub restart: Trigger,
}

impl Triggers {
    /// The trigger behind a reason; none is behind what operators and recovery do.
    pub const fn of(&self, reason: TripReason) -> Option<&Trigger> {
        match reason {
            TripReason::LossDaily => Some(&self.loss_daily),
            TripReason::Drawdown => Some(&self.drawdown),
            TripReason::RejectRate => Some(&self.reject_rate),
            TripReason::ErrorRate => Some(&self.error_rate),
            TripReason::Staleness => Some(&self.staleness),
            TripReason::Latency => Some(&self.latency),
            TripReason::Reconcile => Some(&self.reconcile),
            TripReason::Clock => Some(&self.clock),
            TripReason::Journal => Some(&self.journal),
            TripReason::ThreadDead => Some(&self.thread_dead),
            TripReason::HoldTime => Some(&self.hold_time),
            TripReason::DeadMan => Some(&self.dead_man),
            TripReason::StrategyPanic => Some(&self.strategy_panic),
            TripReason::RepeatedExecution => Some(&self.repeated_execution),
            TripReason::Monitor => Some(&self.monitor),
            TripReason::Restart => Some(&self.restart),
            TripReason::Operator
            | TripReason::Flatten
            | TripReason::Flag
            | TripReason::Signal
            | TripReason::Recovered
            | TripReason::Rearmed
            | TripReason::Paused => None,
        }
    }
}

/// How a kill and a flatten go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KillTimes {
    /// Event time between two rounds of cancels for what still works, ns.
    pub retry_ns: u64,
    /// Event time after which an unfinished kill is told as late, ns.
    pub late_ns: u64,
    /// Event time between two closing orders of an instrument when the one before closed nothing, ns.
    pub pace_ns: u64,
    /// How far through the mid a closing order may reach, 1e-4; the gate's collar is a bound as well.
    pub collar_bps: u32,
}

impl Default for KillTimes {
    fn default() -> KillTimes {
        KillTimes {
            retry_ns: 1_000_000_000,
            late_ns: 30_000_000_000,
            pace_ns: 250_000_000,
            collar_bps: 50,
        }
    }
}

/// How long a position may be held, ns; 0 for as long as one likes. What is missing has no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HoldLimits {
    /// By instrument.
    pub instruments: Vec<u64>,
    /// By strategy.
    pub strategies: Vec<u64>,
}

impl HoldLimits {
    /// Makes the limit of an instrument stricter; a looser one changes nothing.
    pub fn tighten_instrument(&mut self, instrument: usize, ns: u64) {
        if self.instruments.len() <= instrument {
            self.instruments.resize(instrument + 1, 0);
        }
        let limit = &mut self.instruments[instrument];
        *limit = if *limit == 0 { ns } else { ns.min(*limit) };
    }

    /// The stricter of the two limits of a row; 0 for none.
    ///
    /// `changed`: what a command has made of the instrument's limit, 0 when none has.
    pub(super) fn of(&self, source: usize, instrument: usize, changed: u64) -> u64 {
        let limit = |limits: &[u64], at: usize| limits.get(at).copied().filter(|ns| 0 < *ns);
        let instrument =
            if changed == 0 { limit(&self.instruments, instrument) } else { Some(changed) };
        let strategy = limit(&self.strategies, source);
        instrument.into_iter().chain(strategy).min().unwrap_or(0)
    }
}

/// What one closing order may be at most; what the gate lets pass of one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Most quantity.
    pub quantity_max: i64,
    /// Most notional, in units of 10^-12.
    pub notional_max: i128,
    /// The gate's collar, 1e-4.
    pub collar_bps: i64,
}

/// Settings of the control stage. The default has no trigger: only commands do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlConfig {
    /// Whether `[control]` is configured; then the stage is part of every state hash.
    pub is_configured: bool,
    /// How long all must be clear before a breaker recovers, ns.
    pub quiet_ns: u64,
    /// `approve` and `rearm` wait for a second person.
    pub is_two_person: bool,
    /// How long a command waits for the second person, ns.
    pub confirm_ns_max: u64,
    /// What trips a breaker.
    pub triggers: Triggers,
    /// How a kill goes on.
    pub kill: KillTimes,
    /// How long a position may be held.
    pub hold: HoldLimits,
}

impl Default for ControlConfig {
    fn default() -> ControlConfig {
        ControlConfig {
            is_configured: false,
            quiet_ns: 600_000_000_000,
            is_two_person: false,
            confirm_ns_max: 300_000_000_000,
            triggers: Triggers::default(),
            kill: KillTimes::default(),
            hold: HoldLimits::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_has_the_name_by_which_it_is_found() {
        for (name, action) in [("off", Action::Off), ("safe", Action::Safe), ("kill", Action::Kill)]
        {
            assert_eq!(Action::from_name(name), Some(action));
            assert_eq!(action.name(), name);
            assert_eq!(Trigger::plain(action).is_on(), action != Action::Off);
        }
        assert_eq!(Action::from_name("halt"), None);
    }
}
