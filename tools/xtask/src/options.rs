//! The command line of the gate, parsed by hand so that it builds in two seconds.

use anyhow::{Context, bail};

use crate::steps::{STEPS, Step};

/// What the program can do.
pub(crate) const HELP: &str = "\
usage: cargo xtask ci [--only STEP,..] [--skip STEP,..] [--full] [--keep-going]
       cargo xtask ci --list
       cargo xtask secrets [--history] [--staged]
       cargo xtask controls [--out FILE]
       cargo xtask mutants [FILE..]                        (needs cargo-mutants)
       cargo xtask coverage                                (needs cargo-llvm-cov)
       cargo xtask clients [CASE..] [--list] [--seed N]    (needs python3 with pip and venv)";

/// A command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Say how.
    Help,
    /// Name the steps.
    List,
    /// Run steps.
    Ci(Selection),
    /// Run the tests that prove controls, and keep their results.
    Controls(Vec<String>),
    /// Look for changes of the code that no test notices.
    Mutants(Vec<String>),
    /// Measure which lines and branches the tests of risk and control reach.
    Coverage(Vec<String>),
    /// Let other people's clients trade against the venue; the words are for `tests/clients/main.py`.
    Clients(Vec<String>),
    /// Look for secrets; the words are for that command.
    Secrets(Vec<String>),
}

/// Which steps to run, and what to do at a failure.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    only: Vec<String>,
    skip: Vec<String>,
    full: bool,
    /// Runs the other steps too when one has failed.
    pub(crate) keep_going: bool,
}

impl Selection {
    /// Whether `step` is to be run. A step that costs much is run with `--full` or by name.
    pub(crate) fn takes(&self, step: &Step) -> bool {
        let named = |names: &[String]| names.iter().any(|name| name == step.name);
        if named(&self.skip) {
            return false;
        }
        if self.only.is_empty() { self.full || !step.only_in_full } else { named(&self.only) }
    }
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(arguments: &[String]) -> anyhow::Result<Command> {
    let Some((first, rest)) = arguments.split_first() else { return Ok(Command::Help) };
    match first.as_str() {
        "ci" => {}
        "controls" => return Ok(Command::Controls(rest.to_vec())),
        "mutants" => return Ok(Command::Mutants(rest.to_vec())),
        "coverage" => return Ok(Command::Coverage(rest.to_vec())),
        "clients" if rest.iter().any(|word| word == "--help" || word == "-h") => {
            return Ok(Command::Help);
        }
        "clients" => return Ok(Command::Clients(rest.to_vec())),
        "secrets" if rest.iter().any(|word| word == "--help" || word == "-h") => {
            return Ok(Command::Help);
        }
        "secrets" => return Ok(Command::Secrets(rest.to_vec())),
        "help" | "--help" | "-h" => return Ok(Command::Help),
        other => bail!("unknown command: {other}"),
    }
    let mut selection = Selection::default();
    let mut rest = rest.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--only" => selection.only.extend(names(rest.next())?),
            "--skip" => selection.skip.extend(names(rest.next())?),
            "--full" => selection.full = true,
            "--keep-going" => selection.keep_going = true,
            "--list" => return Ok(Command::List),
            "--help" | "-h" => return Ok(Command::Help),
            other => bail!("unknown argument: {other}"),
        }
    }
    if !STEPS.iter().any(|step| selection.takes(step)) {
        bail!("no step is left to run");
    }
    Ok(Command::Ci(selection))
}

/// Names of steps, with commas between them. A wrong name must not pass as "nothing failed".
fn names(argument: Option<&String>) -> anyhow::Result<Vec<String>> {
    let argument = argument.context("names of steps are missing")?;
    let names: Vec<String> = argument.split(',').map(str::to_string).collect();
    for name in &names {
        if !STEPS.iter().any(|step| step.name == *name) {
            let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
            bail!("unknown step: {name} (there are {})", known.join(", "));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps that a command line runs, or what is wrong with it.
    #[track_caller]
    fn check(line: &str, expected: &str) {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_string).collect();
        let found = match parse(&arguments) {
            Ok(Command::Ci(selection)) => {
                let taken = STEPS.iter().filter(|step| selection.takes(step));
                taken.map(|step| step.name).collect::<Vec<_>>().join(" ")
            }
            Ok(Command::Help) => "help".to_string(),
            Ok(Command::List) => "list".to_string(),
            Ok(Command::Controls(words)) => format!("controls {}", words.join(" ")),
            Ok(Command::Mutants(words)) => format!("mutants {}", words.join(" ")),
            Ok(Command::Coverage(words)) => format!("coverage {}", words.join(" ")),
            Ok(Command::Clients(words)) => format!("clients {}", words.join(" ")),
            Ok(Command::Secrets(words)) => format!("secrets {}", words.join(" ")),
            Err(error) => error.to_string(),
        };
        assert!(found.starts_with(expected), "{line}: {found}");
    }

    #[test]
    fn steps_are_chosen_by_name_and_a_wrong_name_is_refused() {
        check("", "help");
        check("ci --list", "list");
        check("ci --only clippy", "clippy");
        check("ci --only fuzz,fmt", "fmt fuzz");
        check("ci --only checked", "checked");
        check("ci --skip test", "fmt secrets clippy no-assertions doc");
        check("ci --only fmt --skip fmt", "no step is left");
        check("ci --only clipy", "unknown step: clipy");
        check("ci --only", "names of steps are missing");
        check("clients", "clients ");
        check("clients ccxt.book --seed 7", "clients ccxt.book --seed 7");
        check("controls --out x.jsonl", "controls --out x.jsonl");
        check("mutants engine/src/risk.rs", "mutants engine/src/risk.rs");
        check("coverage", "coverage ");
        check("clients --help", "help");
        check("secrets --history", "secrets --history");
        check("secrets -h", "help");
        check("cii", "unknown command: cii");
        check("ci fast", "unknown argument: fast");
    }

    #[test]
    fn the_dear_step_runs_only_when_asked_for() {
        let runs = |line: &[&str]| {
            let arguments: Vec<String> = line.iter().map(ToString::to_string).collect();
            let Ok(Command::Ci(selection)) = parse(&arguments) else { panic!("{line:?}") };
            STEPS.iter().any(|step| step.name == "checked" && selection.takes(step))
        };
        assert!(!runs(&["ci"]));
        assert!(runs(&["ci", "--full"]));
        assert!(runs(&["ci", "--only", "checked"]));
    }
}
