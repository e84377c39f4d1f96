//! `cargo xtask controls`: the tests that prove controls, run one target after the other, with one line each.
//!
//! ```text
//!   tickwheel controls tests --> cargo test --workspace TARGET -- NAME.. --> target/controls.jsonl
//! ```
//! `tickwheel controls report --results target/controls.jsonl` reads the lines. A test that did not run has failed.
//! All of the workspace is chosen each time: a package alone has other features, and everything would be built again
//! for each of them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::UNIX_EPOCH;

use anyhow::{Context, bail, ensure};

use crate::clients::{binary, root, target};
use crate::run::cargo;

/// Tests of one target: name of the function, and the test as the catalogue names it.
type Tests = Vec<(String, String)>;

/// Runs the tests and writes the lines; to `--out FILE` or beside the build.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let (root, target) = {
        let root = root()?;
        let target = target(&root);
        (root, target)
    };
    let out = match arguments {
        [] => target.join("controls.jsonl"),
        [flag, path] if flag == "--out" => PathBuf::from(path),
        _ => bail!("usage: cargo xtask controls [--out FILE]"),
    };
    let binary = binary(&target)?;
    let build = said(Command::new(&binary).arg("--version"))?;
    let build = build.trim().trim_start_matches("tickwheel ").to_string();
    let groups = groups(&said(Command::new(&binary).args(["controls", "tests"]))?)?;
    let part = out.with_extension("part");
    let mut file = File::create(&part).with_context(|| part.display().to_string())?;
    // The time of the run is that of the file: the gate reads no clock.
    let begun = file.metadata()?.modified()?.duration_since(UNIX_EPOCH)?.as_nanos();
    let mut failed = 0;
    for (target, tests) in &groups {
        println!("== {target}: {} tests", tests.len());
        let mut run = cargo();
        // Also behind a target that failed the others must run.
        run.current_dir(&root).args(["test", "--locked", "--workspace", "--no-fail-fast"]);
        run.args(target.split_whitespace()).arg("--");
        run.args(tests.iter().map(|(name, _)| name));
        let done = run.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        let told = String::from_utf8_lossy(&done.stdout);
        for (name, test) in tests {
            let passed = has_passed(&told, name);
            if !passed {
                failed += 1;
                println!("   failed or not there: {test}");
            }
            let (test, build) = (quoted(test), quoted(&build));
            writeln!(
                file,
                "{{\"test\":{test},\"passed\":{passed},\"build\":{build},\"time_ns\":{begun}}}"
            )?;
        }
    }
    file.sync_all()?;
    fs::rename(&part, &out).with_context(|| out.display().to_string())?;
    let count: usize = groups.values().map(Vec::len).sum();
    println!("{} of {count} passed, {}", count - failed, out.display());
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a program says.
fn said(command: &mut Command) -> anyhow::Result<String> {
    let done = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    ensure!(done.status.success(), "{command:?}: {}", done.status);
    Ok(String::from_utf8(done.stdout)?)
}

/// The lines of `tickwheel controls tests`, by target.
fn groups(lines: &str) -> anyhow::Result<BTreeMap<String, Tests>> {
    let mut groups: BTreeMap<String, Tests> = BTreeMap::new();
    for line in lines.lines() {
        let [_package, target, name, test] = line.split('\t').collect::<Vec<&str>>()[..] else {
            bail!("not a line of the catalogue: {line}")
        };
        groups.entry(target.to_string()).or_default().push((name.to_string(), test.to_string()));
    }
    ensure!(!groups.is_empty(), "the catalogue names no test");
    Ok(groups)
}

/// Whether a run told that the test of that name passed, and none of that name failed.
fn has_passed(told: &str, name: &str) -> bool {
    let of_name = |line: &&str| {
        let test = line.strip_prefix("test ").and_then(|rest| rest.split(" ... ").next());
        test.is_some_and(|test| test == name || test.ends_with(&format!("::{name}")))
    };
    let mut lines = told.lines().filter(of_name).peekable();
    lines.peek().is_some() && lines.all(|line| line.ends_with(" ... ok"))
}

/// As a JSON text; names and versions hold nothing but printable ASCII.
fn quoted(text: &str) -> String {
    let kept: String = text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
    format!("\"{}\"", kept.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "\
running 3 tests
test risk::tests::boundaries::a_collar ... ok
test risk::tests::b ... FAILED
test twice::b ... ok
test alone ... ok
test ignored_one ... ignored

test result: FAILED. 2 passed; 1 failed";

    #[track_caller]
    fn check(name: &str, passed: bool) {
        assert_eq!(has_passed(TOLD, name), passed, "{name}");
    }

    #[test]
    fn a_test_has_passed_when_it_ran_and_none_of_its_name_failed() {
        check("a_collar", true);
        check("collar", false);
        check("alone", true);
        check("b", false);
        check("ignored_one", false);
        check("never_heard_of", false);
    }

    #[test]
    fn tests_are_run_by_target() {
        let lines = "engine\t--lib\ta\te.rs::a\naudit\t--lib\tb\te.rs::b\nsimulator\t--test it\tc\tt.rs::c\n";
        let groups = groups(lines).unwrap();
        let told: Vec<(&str, usize)> =
            groups.iter().map(|(target, tests)| (target.as_str(), tests.len())).collect();
        assert_eq!(told, [("--lib", 2), ("--test it", 1)]);
        assert!(super::groups("engine --lib a").is_err());
        assert!(super::groups("").is_err());
        assert_eq!(quoted("0.1.0 (\"a\\b\"\n)"), r#""0.1.0 (\"a\\b\")""#);
    }
}
