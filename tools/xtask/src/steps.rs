//! The steps, in the order in which a failure is cheapest to learn.

/// One step of the gate.
#[derive(Debug)]
pub(crate) struct Step {
    /// For `--only` and `--skip`.
    pub(crate) name: &'static str,
    /// In words.
    pub(crate) what: &'static str,
    /// Arguments of cargo.
    pub(crate) cargo: &'static [&'static str],
    /// Environment of that run.
    pub(crate) environment: &'static [(&'static str, &'static str)],
    /// A cargo subcommand that need not be installed, and how to get it.
    pub(crate) needs: Option<(&'static str, &'static str)>,
    /// Left out unless `--full` or its name is given.
    pub(crate) only_in_full: bool,
}

impl Step {
    const fn new(name: &'static str, what: &'static str, cargo: &'static [&'static str]) -> Step {
        Step { name, what, cargo, environment: &[], needs: None, only_in_full: false }
    }
}

/// Every step. Where a step needs one package it still says `--workspace` and names the target: with
/// `--package` cargo would choose other features for the dependencies and build them once more.
pub(crate) const STEPS: &[Step] = &[
    Step::new("fmt", "the sources are formatted", &["fmt", "--all", "--check"]),
    Step::new("secrets", "no key, token or password in the tree", &["xtask", "secrets"]),
    Step::new(
        "clippy",
        "no warning in any target",
        &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"],
    ),
    Step::new(
        "test",
        "every test, with debug assertions",
        &["test", "--locked", "--workspace", "--no-fail-fast"],
    ),
    // What a release does when an invariant is broken is not what a debug build does. Only the two
    // crates are built again: their dependencies stay as they are.
    Step::new(
        "no-assertions",
        "tests of journal and engine without debug assertions",
        &[
            "test",
            "--locked",
            "--no-fail-fast",
            "--package",
            "journal",
            "--package",
            "engine",
            "--config",
            "profile.dev.package.journal.debug-assertions=false",
            "--config",
            "profile.dev.package.engine.debug-assertions=false",
        ],
    ),
    Step {
        environment: &[("RUSTDOCFLAGS", "-D warnings")],
        ..Step::new(
            "doc",
            "the documentation builds and every link in it resolves",
            &["doc", "--locked", "--workspace", "--no-deps"],
        )
    },
    Step {
        needs: Some(("deny", "cargo install --locked cargo-deny")),
        ..Step::new(
            "deny",
            "licences, bans and sources of every dependency",
            &["deny", "--workspace", "check", "licenses", "bans", "sources"],
        )
    },
    Step::new(
        "benches",
        "every bench once, small: its answer is checked, no time is measured",
        &["test", "--locked", "--workspace", "--bench", "*"],
    ),
    Step::new(
        "tidy",
        "dependency arrows, rooms of floats, clocks and unsafe, and the order of the house",
        &["test", "--locked", "--workspace", "--test", "it", "--", "architecture::", "tidy::"],
    ),
    Step {
        environment: &[("FUZZ_MUTATIONS", "2000")],
        ..Step::new(
            "fuzz",
            "the seeds of every fuzz target and 2,000 mutations for each target",
            &["test", "--locked", "--workspace", "--test", "it", "--", "fuzz_replay::"],
        )
    },
    Step {
        only_in_full: true,
        ..Step::new(
            "checked",
            "every test at release speed with debug assertions (--full)",
            &["test", "--locked", "--workspace", "--no-fail-fast", "--profile", "checked"],
        )
    },
];
