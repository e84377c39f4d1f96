//! What can be asked for, and who may ask for it.

/// What an operator may do; each role may do what those below it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    View,
    /// Stop things and give single orders.
    Trade,
    /// Let things go on, change limits.
    Risk,
    /// Lift a kill.
    Admin,
}

impl Role {
    /// Every role, from the least.
    pub const ALL: [Role; 4] = [Role::View, Role::Trade, Role::Risk, Role::Admin];

    /// Name in configuration and tools.
    pub const fn name(self) -> &'static str {
        match self {
            Role::View => "view",
            Role::Trade => "trade",
            Role::Risk => "risk",
            Role::Admin => "admin",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }
}

macro_rules! verbs {
    ($($(#[$doc:meta])* $verb:ident = $name:literal $role:ident $changes:literal;)*) => {
        /// A request of the protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Verb { $($(#[$doc])* $verb,)* }

        impl Verb {
            /// Every verb.
            pub const ALL: &'static [Verb] = &[$(Verb::$verb),*];

            /// Name in the protocol and on the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Verb::$verb => $name,)* }
            }

            /// The least role that may ask for it.
            pub const fn role(self) -> Role {
                match self { $(Verb::$verb => Role::$role,)* }
            }

            /// Whether it becomes a command to the core; such a request needs a reason.
            pub const fn changes(self) -> bool {
                match self { $(Verb::$verb => $changes,)* }
            }
        }
    };
}

verbs! {
    /// What the engine is doing.
    Status = "status" View false;
    /// Strategies, breakers, locks, commands that wait.
    Flags = "flags" View false;
    /// Every limit with its present value.
    LimitsShow = "limits-show" View false;
    /// What an order would be worth, and how unusual it is.
    Appraise = "appraise" View false;
    /// Block, cancel, flatten, latch.
    Kill = "kill" Trade true;
    /// Trip a breaker to SAFE.
    Trip = "trip" Trade true;
    /// No new orders until `resume`.
    Pause = "pause" Trade true;
    /// Switch a strategy off.
    Disable = "disable" Trade true;
    /// Cancel an order, or all of them.
    Cancel = "cancel" Trade true;
    /// Close positions.
    Flatten = "flatten" Trade true;
    /// A manual order.
    Order = "order" Trade true;
    /// Reset the dead-man timer.
    Alive = "alive" Trade true;
    /// An alarm was seen.
    Acknowledge = "ack" Trade true;
    /// End a pause, or lift a halt of the gate.
    Resume = "resume" Risk true;
    /// Switch a strategy on.
    Enable = "enable" Risk true;
    /// Change a limit.
    LimitsSet = "limits-set" Risk true;
    /// Approve the recovery of a trip.
    Approve = "approve" Risk true;
    /// Confirm another person's command.
    Confirm = "confirm" Risk true;
    /// Take the venue's side where balances differ.
    AcceptBalances = "accept-balances" Risk true;
    /// Lift a kill.
    Rearm = "rearm" Admin true;
}

impl Verb {
    /// The verb of that name.
    pub fn from_name(name: &str) -> Option<Verb> {
        Verb::ALL.iter().copied().find(|verb| verb.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stops_needs_less_than_what_lets_go_on() {
        let pairs = [
            (Verb::Kill, Verb::Rearm),
            (Verb::Trip, Verb::Approve),
            (Verb::Pause, Verb::Resume),
            (Verb::Disable, Verb::Enable),
        ];
        for (stop, go) in pairs {
            assert!(stop.role() < go.role(), "{} and {}", stop.name(), go.name());
        }
    }

    #[test]
    fn the_document_has_each_verb_with_its_role() {
        let document = include_str!("../../../docs/OPERATING.md");
        for verb in Verb::ALL {
            let row = format!("| `{}` | {} | ", verb.name(), verb.role().name());
            assert!(document.contains(&row), "docs/OPERATING.md has no row {row}");
        }
        for role in Role::ALL {
            assert!(document.contains(&format!("| `{}` | ", role.name())), "{}", role.name());
        }
        let is_row = |line: &&str| line.contains("| `ctl ") || line.contains("| part of `ctl ");
        let rows = document.lines().filter(is_row);
        assert_eq!(rows.count(), Verb::ALL.len(), "and no others");
    }

    #[test]
    fn who_only_looks_changes_nothing() {
        for verb in Verb::ALL {
            assert_eq!(verb.changes(), verb.role() != Role::View, "{}", verb.name());
            assert_eq!(Verb::from_name(verb.name()), Some(*verb));
        }
        assert_eq!(Verb::from_name("KILL"), None);
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.name()), Some(role));
        }
        assert!(Role::View < Role::Trade && Role::Trade < Role::Risk && Role::Risk < Role::Admin);
    }
}
