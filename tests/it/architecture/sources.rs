//! The text files of this repository, as a fresh clone has them.

use std::fs;
use std::path::{Path, PathBuf};

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// From the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// Whether the name ends with `.extension`.
    pub(crate) fn is(&self, extension: &str) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, found)| found == extension)
    }
}

/// The kinds of files that people write. Data (captures, golden files, images) is not text for us.
const EXTENSIONS: &[&str] = &["rs", "toml", "md", "lock", "sh", "yml", "yaml", "sql", "service"];
/// Files without an extension that people write.
const NAMES: &[&str] = &["run", ".gitignore"];
/// Hidden folders that belong to the repository; others (`.git`, editors) do not.
const HIDDEN: &[&str] = &[".ci", ".cargo", ".github"];

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the workspace is where it was built")
}

/// Every text file, in the order of its path.
pub(crate) fn all() -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    walk(&root, &root, &mut found);
    found.sort_by(|left, right| left.path.cmp(&right.path));
    assert!(100 < found.len(), "the walk found only {} files", found.len());
    found
}

/// The Rust sources.
pub(crate) fn rust() -> Vec<Source> {
    let mut found = all();
    found.retain(|source| source.is("rs"));
    found
}

fn walk(root: &Path, dir: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).expect("a folder of the workspace can be read") {
        let entry = entry.expect("an entry of a folder can be read");
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let kind = entry.file_type().expect("an entry has a type");
        if kind.is_dir() {
            let is_foreign = name.starts_with('.') && !HIDDEN.contains(&name.as_str());
            // What cargo and cargo-fuzz leave behind is ignored by git too.
            let is_output = ["target", "corpus", "artifacts"].contains(&name.as_str());
            if !is_foreign && !is_output {
                walk(root, &path, found);
            }
            continue;
        }
        let extension = path.extension().map(|e| e.to_string_lossy().into_owned());
        let is_text = extension.is_some_and(|e| EXTENSIONS.contains(&e.as_str()));
        if kind.is_file() && (is_text || NAMES.contains(&name.as_str())) {
            let text = fs::read_to_string(&path).expect("a source is UTF-8");
            let path = path.strip_prefix(root).expect("the walk stays below the root");
            found.push(Source { path: path.to_string_lossy().replace('\\', "/"), text });
        }
    }
}
