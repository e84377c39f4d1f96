//! `cargo xtask clients`: other people's clients trade against the local venue.
//!
//! ```text
//!   tests/clients/requirements.txt --pip--> target/clients-venv      once, then only when it changes
//!   cargo build --bin tickwheel ----------> target/debug/tickwheel   or what TICKWHEEL_BINARY names
//!   tests/clients/main.py                   one fresh venue a case; ends with "N passed, N failed"
//! ```
//!
//! **Invariant:** nothing is installed outside the target folder, and every package has an exact version:
//! pip takes the list as it is (`--no-deps`) and then proves that nothing is missing (`pip check`).

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, bail, ensure};

use crate::run::cargo;

/// What to install where there is no Python.
const ADVICE: &str = "install Python 3.11 or later with pip and venv, for example \
     `apt-get install python3 python3-pip python3-venv`, or name one with TICKWHEEL_PYTHON";

/// Runs the cases that `arguments` name, all of them without any.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let root = root()?;
    let target = target(&root);
    let python = environment(&root, &target)?;
    let mut command = Command::new(python);
    command.arg(root.join("tests/clients/main.py")).args(arguments);
    if !arguments.iter().any(|argument| argument == "--list") {
        command.arg("--binary").arg(binary(&target)?);
    }
    // Bytecode would be written beside the sources.
    let status = command.env("PYTHONDONTWRITEBYTECODE", "1").status().context("main.py")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Root of the workspace.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").context("run it as `cargo xtask`")?;
    PathBuf::from(own).join("../..").canonicalize().context("the root of the workspace")
}

/// Where cargo builds.
pub(crate) fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |to| root.join(to))
}

/// The program under test.
pub(crate) fn binary(target: &Path) -> anyhow::Result<PathBuf> {
    if let Some(given) = std::env::var_os("TICKWHEEL_BINARY") {
        let given = PathBuf::from(given);
        ensure!(given.is_file(), "TICKWHEEL_BINARY: {} is not a file", given.display());
        return Ok(given);
    }
    // The features of the whole workspace, so that after its tests nothing is built again.
    let build = ["build", "--locked", "--workspace", "--bin", "tickwheel"];
    let built = cargo().args(build).status();
    ensure!(built.context("cargo could not be started")?.success(), "tickwheel does not build");
    Ok(target.join("debug").join(format!("tickwheel{}", std::env::consts::EXE_SUFFIX)))
}

/// The interpreter of an environment that holds exactly what `requirements.txt` names.
fn environment(root: &Path, target: &Path) -> anyhow::Result<PathBuf> {
    let list = root.join("tests/clients/requirements.txt");
    let wanted = fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let base = std::env::var_os("TICKWHEEL_PYTHON").unwrap_or_else(|| "python3".into());
    // The stamp is what was asked for, word for word: list and interpreter.
    let stamp = format!("{}\n{wanted}", version(&base)?);
    let home = target.join("clients-venv");
    let stamp_at = home.join("installed.txt");
    let python = home.join("bin").join("python");
    if python.is_file() && fs::read_to_string(&stamp_at).is_ok_and(|found| found == stamp) {
        return Ok(python);
    }
    println!("== clients: environment in {}", home.display());
    let home_arguments = [OsString::from("-m"), "venv".into(), "--clear".into(), home.into()];
    quiet(&base, &home_arguments).with_context(|| format!("no environment: {ADVICE}"))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
    let mut arguments: Vec<OsString> = install.iter().map(OsString::from).collect();
    arguments.extend(["--no-deps".into(), "--requirement".into(), list.into()]);
    quiet(python.as_os_str(), &arguments).context("the clients cannot be installed")?;
    let check = ["-m", "pip", "--disable-pip-version-check", "check"].map(OsString::from);
    quiet(python.as_os_str(), &check).context("requirements.txt is not complete")?;
    fs::write(&stamp_at, stamp).with_context(|| stamp_at.display().to_string())?;
    Ok(python)
}

/// The interpreter's own word for its version; says what to install where there is none.
fn version(python: &OsString) -> anyhow::Result<String> {
    let name = python.display();
    let code =
        "import sys, venv, ensurepip; print(sys.version); sys.exit(sys.version_info < (3, 11))";
    let found = Command::new(python).args(["-c", code]).stdin(Stdio::null()).output();
    match found {
        Ok(found) if found.status.success() => {
            Ok(String::from_utf8_lossy(&found.stdout).trim().to_string())
        }
        Ok(found) => {
            let said = format!(
                "{}{}",
                String::from_utf8_lossy(&found.stdout),
                String::from_utf8_lossy(&found.stderr)
            );
            bail!("{name} cannot be used: {}: {ADVICE}", said.lines().last().unwrap_or("no word"))
        }
        Err(error) => bail!("{name} cannot be started: {error}: {ADVICE}"),
    }
}

/// Runs a program and shows what it said only when it fails.
fn quiet(program: &std::ffi::OsStr, arguments: &[OsString]) -> anyhow::Result<()> {
    let name = program.display();
    let done = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let done = done.with_context(|| format!("{name} could not be started"))?;
    if !done.status.success() {
        let said = [done.stdout, done.stderr].concat();
        bail!("{name}: {}\n{}", done.status, String::from_utf8_lossy(&said).trim_end());
    }
    Ok(())
}
