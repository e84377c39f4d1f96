//! Puts the git commit into the binary, so that a journal can name the build that wrote it.

use std::process::Command;

fn main() {
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    let commit = output
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "unknown".to_string(), |text| text.trim().to_string());
    let changed =
        Command::new("git").args(["status", "--porcelain", "--untracked-files=no"]).output();
    let dirty = changed.is_ok_and(|output| !output.stdout.is_empty());
    let mark = if dirty { "-changed" } else { "" };
    println!("cargo:rustc-env=TICKWHEEL_COMMIT={commit}{mark}");
    println!("cargo:rerun-if-changed=build.rs");
    // Only what is there: cargo runs a script again and again for a file that is not.
    for file in ["../../.git/HEAD", "../../.git/logs/HEAD"] {
        if std::path::Path::new(file).exists() {
            println!("cargo:rerun-if-changed={file}");
        }
    }
}
