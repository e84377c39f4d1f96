//! Results of the catalogue's tests: where each test lives, and what its last run came to.
//!
//! One JSON object a line: `{"test":"engine/src/risk/tests/boundaries.rs::collar","passed":true,"build":"0.1.0
//! (3f2a)","time_ns":1767225600000000000}`. The last line of a test counts.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

use super::evidence;

/// Where a test is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Name of the package.
    pub(super) package: String,
    /// Arguments of cargo that choose the target.
    pub(super) target: String,
    /// Name of the function.
    pub(super) name: String,
}

impl Place {
    /// Of `path/of/file.rs::function`.
    pub(super) fn of(test: &str) -> Option<Place> {
        let (path, name) = test.split_once("::")?;
        let (package, rest, binary) = match path.split('/').collect::<Vec<&str>>()[..] {
            ["tests", "it", ..] => return Some(place("simulator", "--test it", name)),
            ["tests", "simulator", ..] => return Some(place("simulator", "--lib", name)),
            ["tools", package, ref rest @ ..] => (package, rest.to_vec(), true),
            ["adapters", package, ref rest @ ..] | [package, ref rest @ ..] => {
                (package, rest.to_vec(), false)
            }
            [] => return None,
        };
        match rest[..] {
            ["src", ..] if binary => Some(place(package, &format!("--bin {package}"), name)),
            ["src", ..] => Some(place(package, "--lib", name)),
            ["tests", test, ..] => {
                Some(place(package, &format!("--test {}", test.trim_end_matches(".rs")), name))
            }
            _ => None,
        }
    }
}

fn place(package: &str, target: &str, name: &str) -> Place {
    Place { package: package.to_string(), target: target.to_string(), name: name.to_string() }
}

/// What the last run of a test came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// No run is known.
    Unknown,
    /// It passed or not, on which build, when.
    Known {
        /// Whether it passed.
        passed: bool,
        /// Version and commit.
        build: String,
        /// Date and time, UTC.
        time: String,
    },
}

impl Outcome {
    pub(super) fn has_passed(&self) -> bool {
        matches!(self, Outcome::Known { passed: true, .. })
    }

    pub(super) fn has_failed(&self) -> bool {
        matches!(self, Outcome::Known { passed: false, .. })
    }

    /// One word.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Outcome::Unknown => "no result",
            Outcome::Known { passed: true, .. } => "passed",
            Outcome::Known { passed: false, .. } => "FAILED",
        }
    }
}

#[derive(Debug, Deserialize)]
struct Line {
    test: String,
    passed: bool,
    build: String,
    time_ns: u64,
}

/// Last outcomes by test.
#[derive(Debug, Default)]
pub(super) struct Results {
    last: BTreeMap<String, Outcome>,
}

impl Results {
    /// Reads a results file.
    pub(super) fn read(path: &Path) -> anyhow::Result<Results> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        Results::parse(&text).with_context(|| path.display().to_string())
    }

    pub(super) fn parse(text: &str) -> anyhow::Result<Results> {
        let mut results = Results::default();
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let line: Line =
                serde_json::from_str(line).with_context(|| format!("line {number}"))?;
            let time = evidence::date(line.time_ns);
            let outcome = Outcome::Known { passed: line.passed, build: line.build, time };
            results.last.insert(line.test, outcome);
        }
        Ok(results)
    }

    /// The last outcome of a test.
    pub(super) fn of(&self, test: &str) -> Outcome {
        self.last.get(test).cloned().unwrap_or(Outcome::Unknown)
    }
}
