//! What a run reached, read from the text form of the measurement (lcov).

use std::collections::BTreeMap;

use anyhow::Context;

/// Where the two modules are.
const PLACES: [&str; 4] =
    ["engine/src/risk.rs", "engine/src/risk/", "engine/src/control.rs", "engine/src/control/"];

/// A line or an outcome of a condition that was not reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// Number of the line, from 1.
    pub(super) line: usize,
    /// What about it.
    pub(super) what: &'static str,
    /// The line itself, without the space around it.
    pub(super) text: String,
}

const LINE: &str = "line";
const NEVER_TRUE: &str = "never true";
const NEVER_FALSE: &str = "never false";

/// What was measured of one file.
#[derive(Debug)]
pub(super) struct Source {
    /// From the root of the workspace.
    pub(super) path: String,
    line_count: usize,
    branch_count: usize,
    /// By line; lines before branches.
    missed: Vec<Spot>,
    /// Every line of the file without the space around it.
    texts: Vec<String>,
}

impl Source {
    fn of(&self, is_line: bool) -> usize {
        self.missed.iter().filter(|spot| (spot.what == LINE) == is_line).count()
    }

    /// Lines that were reached, and all.
    pub(super) fn lines(&self) -> (usize, usize) {
        (self.line_count - self.of(true), self.line_count)
    }

    /// Outcomes of conditions that were reached, and all.
    pub(super) fn branches(&self) -> (usize, usize) {
        (self.branch_count - self.of(false), self.branch_count)
    }

    pub(super) fn missed(&self) -> &[Spot] {
        &self.missed
    }

    /// Whether the file has that line.
    pub(super) fn has(&self, text: &str) -> bool {
        self.texts.iter().any(|line| line == text)
    }
}

/// Counts of one file by line, and by line, block and outcome.
#[derive(Debug, Default)]
struct Counts {
    lines: BTreeMap<usize, u64>,
    branches: BTreeMap<(usize, usize), u64>,
}

/// The files of risk and control in an lcov text, but for their tests; `read` gives a file's own text.
pub(super) fn parse(
    told: &str,
    read: &dyn Fn(&str) -> anyhow::Result<String>,
) -> anyhow::Result<Vec<Source>> {
    let mut files: BTreeMap<String, Counts> = BTreeMap::new();
    let mut path = None;
    for line in told.lines() {
        let (word, rest) = line.split_once(':').unwrap_or((line, ""));
        if word == "SF" {
            path = place_of(rest);
        }
        let Some(path) = &path else { continue };
        let fields: Vec<&str> = rest.split(',').collect();
        let number = |index: usize| -> anyhow::Result<u64> {
            let field = fields.get(index).context("a field is missing")?;
            // A condition that was not even asked is told as `-`.
            if *field == "-" { Ok(0) } else { Ok(field.parse()?) }
        };
        let counts = files.entry(path.clone()).or_default();
        match word {
            "DA" => {
                let line = usize::try_from(number(0)?)?;
                *counts.lines.entry(line).or_default() += number(1)?;
            }
            "BRDA" => {
                let key = (usize::try_from(number(0)?)?, usize::try_from(number(2)?)?);
                *counts.branches.entry(key).or_default() += number(3)?;
            }
            _ => {}
        }
    }
    files.into_iter().map(|(path, counts)| Ok(source(&path, &counts, &read(&path)?))).collect()
}

/// The path from the root of the workspace, of a file of the two modules that is not their test.
fn place_of(path: &str) -> Option<String> {
    let at = path.rfind("engine/src/")?;
    let path = &path[at..];
    let is_ours = PLACES.iter().any(|place| path.starts_with(place));
    let is_test = path.contains("/tests/") || path.ends_with("/tests.rs");
    (is_ours && !is_test).then(|| path.to_string())
}

fn source(path: &str, counts: &Counts, text: &str) -> Source {
    let texts: Vec<String> = text.lines().map(|line| line.trim().to_string()).collect();
    // Tests inside the file stand at its end.
    let is_tests = |pair: &[String]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ");
    let end = texts.windows(2).position(is_tests).unwrap_or(texts.len());
    let text_of = |line: usize| texts.get(line - 1).cloned().unwrap_or_default();
    let lines = || counts.lines.iter().filter(|(line, _)| **line <= end);
    let branches = || counts.branches.iter().filter(|((line, _), _)| *line <= end);
    let mut missed: Vec<Spot> = lines()
        .filter(|(_, count)| **count == 0)
        .map(|(line, _)| Spot { line: *line, what: LINE, text: text_of(*line) })
        .collect();
    for ((line, outcome), _) in branches().filter(|(_, count)| **count == 0) {
        let what = if outcome % 2 == 0 { NEVER_TRUE } else { NEVER_FALSE };
        missed.push(Spot { line: *line, what, text: text_of(*line) });
    }
    Source {
        path: path.to_string(),
        line_count: lines().count(),
        branch_count: branches().count(),
        missed,
        texts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "\
SF:/x/engine/src/risk/rate.rs
FN:1,x
DA:1,3
DA:2,0
BRDA:1,0,0,3
BRDA:1,0,1,0
BRDA:3,1,2,-
BRDA:3,1,3,7
DA:5,0
end_of_record
SF:/x/engine/src/risk/tests/twins.rs
DA:1,0
end_of_record
SF:/x/engine/src/risky.rs
DA:1,0
end_of_record
SF:/x/elsewhere/src/control.rs
DA:1,0
end_of_record
SF:/x/engine/src/control.rs
DA:1,1
end_of_record
";

    const TEXT: &str = "if a {\n    b();\n}\n#[cfg(test)]\nmod tests {\n}\n";

    #[test]
    fn what_is_not_reached_is_told_by_line_and_outcome_without_tests() {
        let sources = parse(TOLD, &|_| Ok(TEXT.to_string())).unwrap();
        let paths: Vec<&str> = sources.iter().map(|source| source.path.as_str()).collect();
        assert_eq!(paths, ["engine/src/control.rs", "engine/src/risk/rate.rs"]);
        assert_eq!((sources[0].lines(), sources[0].branches()), ((1, 1), (0, 0)));
        assert_eq!((sources[1].lines(), sources[1].branches()), ((1, 2), (2, 4)));
        let told: Vec<String> = sources[1]
            .missed()
            .iter()
            .map(|spot| format!("{} {} {}", spot.line, spot.what, spot.text))
            .collect();
        assert_eq!(told, ["2 line b();", "1 never false if a {", "3 never true }"]);
        assert!(sources[1].has("b();") && !sources[1].has("c();"));
    }

    #[test]
    fn what_stands_behind_a_line_for_tests_only_is_judged() {
        let text = "if a {\n#[cfg(test)]\nif b {\n}\n}\n";
        let sources = parse(TOLD, &|_| Ok(text.to_string())).unwrap();
        assert_eq!(sources[1].lines(), (1, 3));
    }

    #[test]
    fn a_measurement_that_cannot_be_read_is_an_error() {
        for line in ["DA:1", "DA:x,1", "BRDA:1,0,0", "BRDA:1,0,0,x"] {
            let told = format!("SF:engine/src/risk.rs\n{line}\n");
            assert!(parse(&told, &|_| Ok(String::new())).is_err(), "{line}");
        }
    }
}
