//! The contract of an adapter as code: clauses that every feed and every broker must keep.
//!
//! ```text
//!   clause --start--> double (the adapter and a venue that can be troubled) --turns--> ears (the engine's end)
//!      |                  ^                                                              |
//!      +--- trouble ------+                       what was said, against the truth <-----+
//! ```
//! A double is written once for each adapter; the clauses know no adapter. What a venue cannot do to its
//! adapter is named with a reason ([`Stop::NotHere`]), never passed over.
//!
//! **Invariant:** each clause has a fresh double, and a bound for everything that it waits for.

pub mod binance_feed;
pub mod binance_orders;
pub mod broker;
pub mod feed;
pub mod local_venue;
pub mod paper_orders;

/// Within which anything must have happened, however busy the machine is.
pub const BOUND_NS: u64 = 20_000 * MS_NS;
/// A millisecond.
pub const MS_NS: u64 = 1_000_000;

/// Why a clause ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The adapter broke it.
    Broken(String),
    /// It does not apply to this adapter, for that reason.
    NotHere(&'static str),
}

/// What came of a clause.
pub type Held = Result<(), Stop>;

/// One promise.
#[derive(Clone, Copy, Debug)]
pub struct Clause {
    /// Its name in documents and tables.
    pub name: &'static str,
    /// What is promised.
    pub says: &'static str,
    /// Starts a double and looks.
    pub check: fn() -> Held,
}

/// What came of all clauses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Kept.
    pub held: Vec<&'static str>,
    /// Not applicable: name and reason.
    pub absent: Vec<(&'static str, &'static str)>,
    /// Broken: name and how.
    pub broken: Vec<(&'static str, String)>,
}

/// Runs every clause.
pub fn run(clauses: &[Clause]) -> Outcome {
    let mut outcome = Outcome::default();
    for clause in clauses {
        match (clause.check)() {
            Ok(()) => outcome.held.push(clause.name),
            Err(Stop::NotHere(why)) => outcome.absent.push((clause.name, why)),
            Err(Stop::Broken(how)) => outcome.broken.push((clause.name, how)),
        }
    }
    outcome
}

/// Breaks a clause unless `is_so`.
pub fn ensure(is_so: bool, otherwise: impl FnOnce() -> String) -> Held {
    if is_so { Ok(()) } else { Err(Stop::Broken(otherwise())) }
}
