//! The controls: what is asked for by whom, and what here keeps it. Data; tests compare it with the sources.
//!
//! Numbers 1 to 36 follow the catalogue that the project keeps of the rules: RTS 6 (Commission Delegated Regulation
//! (EU) 2017/589), MAR (SEC Rule 15c3-5), FIA (best practices of 2015 and 2024), RTS 25 (clocks), KC (SEC order
//! 34-70694, Knight Capital), CITI (FCA and PRA notices of 2024), ESMA26 (supervisory briefing of February 2026).

use super::{after, pre_trade};

/// Who keeps a control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The engine, as far as [`Control::open`] does not say otherwise.
    Engine,
    /// The engine gives the means; using them is the firm's.
    Shared,
    /// The firm: no program can keep it.
    Firm,
}

impl Owner {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Owner::Engine => "engine",
            Owner::Shared => "engine and firm",
            Owner::Firm => "firm",
        }
    }
}

/// One control.
#[derive(Debug)]
pub(super) struct Control {
    /// Number in the catalogue.
    pub(super) number: u8,
    /// In few words.
    pub(super) name: &'static str,
    /// Who asks for it.
    pub(super) rule: &'static str,
    /// Who keeps it.
    pub(super) owner: Owner,
    /// What the engine does.
    pub(super) does: &'static str,
    /// What is not done here; empty: nothing.
    pub(super) open: &'static str,
    /// Files that do it.
    pub(super) code: &'static [&'static str],
    /// Codes of the gate's rules that do it.
    pub(super) rules: &'static [u16],
    /// Dotted keys of the configuration that set it.
    pub(super) keys: &'static [&'static str],
    /// Tests that prove it: `path/of/file.rs::function`.
    pub(super) tests: &'static [&'static str],
    /// Drills that prove it, by the kind of their evidence.
    pub(super) drills: &'static [&'static str],
}

/// Every control in the order of the numbers.
pub(super) fn all() -> impl Iterator<Item = &'static Control> {
    pre_trade::CONTROLS.iter().chain(after::CONTROLS)
}

/// Every test that a control names, once.
pub(super) fn tests() -> Vec<&'static str> {
    let mut tests: Vec<&str> = all().flat_map(|control| control.tests.iter().copied()).collect();
    tests.sort_unstable();
    tests.dedup();
    tests
}
