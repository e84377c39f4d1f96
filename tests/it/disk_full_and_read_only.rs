//! A full disk ends the session with a clear message and a whole journal; a read-only one is told apart.
//!
//! The disk is a small tmpfs in a mount namespace of its own: it is gone with the process, whatever
//! happens. Where the kernel does not permit that, the scenario says that it was skipped.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use simulator::binary::{self, Ended, Place, Running};

/// A session until the disk is full, looks at what is left, a session with space, looks at read-only.
const SCRIPT: &str = r#"
mount -t tmpfs -o size=12m tickwheel "$DISK" || exit 77
step() { name=$1; shift; "$@" >"$OUT/$name.out" 2>"$OUT/$name.err"; echo $? >"$OUT/$name.code"; }
run() { step "$1" "$BINARY" run --json --config "$CONFIG" --data-dir "$DISK/data" --speed 20000 --duration "$2"; }
run full 120s
step full-verify "$BINARY" journal verify --json "$DISK/data"
step full-replay "$BINARY" replay --json "$DISK/data"
mount -o remount,size=256m "$DISK" || exit 78
run next 1s
step next-replay "$BINARY" replay --json "$DISK/data"
mount -o remount,ro "$DISK" || exit 78
run read-only 1s
step read-only-verify "$BINARY" journal verify --json "$DISK/data"
step read-only-replay "$BINARY" replay --json "$DISK/data"
"#;

/// What a step of the script left.
fn step(out: &Path, name: &str) -> Ended {
    let text = |kind: &str| std::fs::read_to_string(out.join(format!("{name}.{kind}"))).unwrap();
    Ended { code: text("code").trim().parse().ok(), stdout: text("out"), stderr: text("err") }
}

fn may_mount() -> bool {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]);
    command.output().is_ok_and(|output| output.status.success())
}

#[test]
fn a_full_disk_ends_the_session_and_space_continues_it() {
    if !may_mount() {
        simulator::skipped("disk full and read-only", "no mount namespace for a small tmpfs here");
        return;
    }
    let place = Place::new(161, |_| {});
    let (out, disk) = (place.directory.path().join("out"), place.directory.path().join("disk"));
    std::fs::create_dir(&out).unwrap();
    std::fs::create_dir(&disk).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", SCRIPT]);
    command.env("DISK", &disk).env("OUT", &out).env("CONFIG", &place.config);
    command.env("BINARY", binary::path());
    Running::start(&mut command).end().expect(0);

    let full = step(&out, "full").expect(1);
    assert!(full.stderr.contains("No space left on device"), "{full:#?}");
    assert!(full.stderr.contains("journal is whole"), "{full:#?}");
    let report = full.json();
    assert_ne!(report["failure"], Value::Null);
    let verify = step(&out, "full-verify").expect(0).json();
    assert_eq!(verify["ok"], true, "{verify}");
    assert!(10_000 < verify["records"].as_u64().unwrap());
    let replay = step(&out, "full-replay").expect(0).json();
    assert_eq!(replay["first_divergence"], Value::Null);

    let next = step(&out, "next").expect(0).json();
    let replay = step(&out, "next-replay").expect(0).json();
    assert_eq!(replay["state_hash"], next["state_hash"]);
    assert!(verify["records"].as_u64() < replay["records"].as_u64());

    let refused = step(&out, "read-only").expect(2);
    assert!(refused.stderr.contains("Read-only"), "{refused:#?}");
    assert!(refused.stderr.contains("data"), "no path in {refused:#?}");
    assert_eq!(step(&out, "read-only-verify").expect(0).json()["ok"], true);
    assert_eq!(step(&out, "read-only-replay").expect(0).json()["state_hash"], next["state_hash"]);
}

#[test]
fn a_data_directory_that_cannot_be_made_is_named() {
    let place = Place::new(163, |_| {});
    // A file stands where the directory should be: refused for everybody, root included.
    std::fs::write(&place.data, "a file").unwrap();
    let refused = place.run(&["--duration", "1s"]).expect(2);
    assert!(refused.stderr.contains(&place.data.display().to_string()), "{refused:#?}");
}
