//! The rules of a plan at work: counts matches, draws chances, says which fault fires.

use crate::fault::{Action, Channel, Fault, FaultPlan, Place, RULE_COUNT_MAX};
use crate::flow::random::Random;

/// Names a rule of [`Faults`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultId(u64);

#[derive(Debug)]
struct Rule {
    id: FaultId,
    fault: Fault,
    /// Matches so far.
    seen: u64,
    /// Faults so far.
    fired: u64,
    random: Random,
}

/// The rules with their counts.
#[derive(Debug)]
pub struct Faults {
    rules: Vec<Rule>,
    seed: u64,
    start_ns: u64,
    next_id: u64,
    fired_count: u64,
}

impl Faults {
    /// Rules that count from `start_ns`.
    pub fn new(plan: &FaultPlan, seed: u64, start_ns: u64) -> Faults {
        let mut faults = Faults { rules: Vec::new(), seed, start_ns, next_id: 1, fired_count: 0 };
        for fault in plan.faults.iter().take(RULE_COUNT_MAX) {
            faults.add(fault.clone());
        }
        faults
    }

    /// One more rule, asked after the others. Where there is no room the oldest goes.
    pub fn add(&mut self, fault: Fault) -> FaultId {
        // A rule that has fired for the last time says nothing any more.
        if RULE_COUNT_MAX <= self.rules.len() {
            self.rules.retain(|rule| rule.fired < rule.fault.count_max);
        }
        if RULE_COUNT_MAX <= self.rules.len() {
            self.rules.remove(0);
        }
        let id = FaultId(self.next_id);
        self.next_id += 1;
        // Each rule draws from a stream of its own: one more rule leaves the others' chances alone.
        let random = Random::new(self.seed, id.0);
        self.rules.push(Rule { id, fault, seen: 0, fired: 0, random });
        id
    }

    /// Forgets every rule.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// How often a rule has fired; 0 where it is gone.
    pub fn fired(&self, id: FaultId) -> u64 {
        self.rules.iter().find(|rule| rule.id == id).map_or(0, |rule| rule.fired)
    }

    /// Faults of all rules so far.
    pub fn fired_count(&self) -> u64 {
        self.fired_count
    }

    /// The fault of something that happens at `place`, if there is one.
    pub fn decide(
        &mut self,
        place: Place,
        channel: Option<Channel>,
        name: &str,
        now_ns: u64,
    ) -> Option<Action> {
        let since_ns = now_ns.saturating_sub(self.start_ns);
        let mut chosen = None;
        for rule in &mut self.rules {
            let wanted = rule.fault.channel.is_none() || rule.fault.channel == channel;
            if rule.fault.place != place || !wanted || !matches(&rule.fault.name, name) {
                continue;
            }
            rule.seen += 1;
            if chosen.is_none() && rule.fires(since_ns) {
                rule.fired += 1;
                self.fired_count += 1;
                chosen = Some(rule.fault.action.clone());
            }
        }
        chosen
    }

    /// The next fault that happens by itself and is due.
    pub fn due(&mut self, now_ns: u64) -> Option<Action> {
        let since_ns = now_ns.saturating_sub(self.start_ns);
        let is_due = |rule: &&mut Rule| {
            rule.fault.place == Place::Time
                && rule.fired < rule.fault.count_max.min(1)
                && rule.fault.after_ns <= since_ns
        };
        let rule = self.rules.iter_mut().find(is_due)?;
        rule.fired += 1;
        self.fired_count += 1;
        Some(rule.fault.action.clone())
    }

    /// When the next fault happens by itself.
    pub fn next_ns(&self) -> Option<u64> {
        let waiting = self.rules.iter().filter(|rule| {
            rule.fault.place == Place::Time && rule.fired < rule.fault.count_max.min(1)
        });
        waiting.map(|rule| self.start_ns.saturating_add(rule.fault.after_ns)).min()
    }
}

impl Rule {
    fn fires(&mut self, since_ns: u64) -> bool {
        let fault = &self.fault;
        if fault.count_max <= self.fired
            || since_ns < fault.after_ns
            || fault.until_ns <= since_ns
            || (0 < fault.nth && self.seen != fault.nth)
            || (0 < fault.every && !self.seen.is_multiple_of(fault.every))
        {
            return false;
        }
        self.random.up_to(999_999) < u64::from(fault.probability_ppm)
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => pattern.is_empty() || pattern == name,
    }
}
