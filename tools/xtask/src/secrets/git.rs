//! What git knows: files of the tree, of the index, and every version that there ever was.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};

/// Called with the name of a file or version, and its bytes.
pub(super) type Look<'a> = &'a mut dyn FnMut(&str, &[u8]);

/// Versions that are larger hold data, not sources.
const VERSION_SIZE_BYTES_MAX: u64 = 16 << 20;

/// The root of the workspace.
pub(super) fn root() -> anyhow::Result<PathBuf> {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").context("run it as `cargo xtask secrets`")?;
    PathBuf::from(own).join("../..").canonicalize().context("the root of the workspace")
}

fn git(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    // Not the repository of a hook that calls us from elsewhere.
    command.current_dir(root).args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit());
    command
}

fn output(root: &Path, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
    let output = git(root, arguments).output().context("git could not be started")?;
    ensure!(output.status.success(), "git {} failed: {}", arguments.join(" "), output.status);
    Ok(output.stdout)
}

fn names(list: &[u8]) -> Vec<String> {
    let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

/// Every file that git tracks or would track; without a repository, every file that is not built.
pub(super) fn each_file(root: &Path, look: Look<'_>) -> anyhow::Result<()> {
    if !root.join(".git").exists() {
        return each_in(root, root, look);
    }
    let list = output(root, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
    for name in names(&list) {
        let path = root.join(&name);
        // Deleted and not yet committed, or a link.
        if path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
            let bytes = std::fs::read(&path).with_context(|| format!("read {name}"))?;
            look(&name, &bytes);
        }
    }
    Ok(())
}

fn each_in(root: &Path, folder: &Path, look: Look<'_>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        if kind.is_dir() && !path.ends_with("target") {
            each_in(root, &path, look)?;
        } else if kind.is_file() {
            let bytes = std::fs::read(&path).with_context(|| format!("read {name}"))?;
            look(&name, &bytes);
        }
    }
    Ok(())
}

/// What the next commit brings.
pub(super) fn each_staged(root: &Path, look: Look<'_>) -> anyhow::Result<()> {
    let list = output(root, &["diff", "--cached", "--name-only", "-z", "--diff-filter=ACMR"])?;
    for name in names(&list) {
        let bytes = output(root, &["show", &format!(":{name}")])?;
        look(&name, &bytes);
    }
    Ok(())
}

/// Every version of every file, named `REVISION:PATH`, and every message, named `REVISION:message`.
pub(super) fn each_version(root: &Path, look: Look<'_>) -> anyhow::Result<()> {
    let list = output(root, &["rev-list", "--objects", "--all"])?;
    // Objects with their path; those without one are commits and the root folders.
    let mut paths = BTreeMap::new();
    let mut commits = Vec::new();
    for line in String::from_utf8_lossy(&list).lines() {
        match line.split_once(' ') {
            Some((id, path)) if !path.is_empty() => {
                paths.insert(id.to_string(), path.to_string());
            }
            Some((id, _)) => commits.push(id.to_string()),
            None => commits.push(line.to_string()),
        }
    }
    let wanted: Vec<String> = paths.keys().chain(&commits).cloned().collect();
    let mut child = Command::new("git")
        .current_dir(root)
        .args(["cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("git could not be started")?;
    let mut input = child.stdin.take().context("the input of git")?;
    let mut answers = BufReader::new(child.stdout.take().context("the output of git")?);
    // Both ways at once: git answers while it still reads.
    let writer =
        std::thread::spawn(move || wanted.iter().try_for_each(|id| writeln!(input, "{id}")));
    let count = paths.len() + commits.len();
    for _ in 0..count {
        let mut head = String::new();
        answers.read_line(&mut head).context("an answer of git")?;
        let words: Vec<&str> = head.split_whitespace().collect();
        let [id, kind, size] = words[..] else { bail!("git answers: {}", head.trim_end()) };
        let size: u64 =
            size.parse().with_context(|| format!("git answers: {}", head.trim_end()))?;
        let mut bytes = Vec::new();
        answers.by_ref().take(size).read_to_end(&mut bytes)?;
        answers.read_exact(&mut [0]).context("the end of an answer of git")?;
        let short = id.get(..12).unwrap_or(id);
        match kind {
            "blob" if size <= VERSION_SIZE_BYTES_MAX => {
                let path = paths.get(id).map_or("?", String::as_str);
                look(&format!("{short}:{path}"), &bytes);
            }
            "commit" | "tag" => look(&format!("{short}:message"), &bytes),
            _ => {}
        }
    }
    writer.join().ok().context("the list for git")?.context("the list for git")?;
    ensure!(child.wait()?.success(), "git cat-file failed");
    Ok(())
}
