//! A real process that appends and is killed with SIGKILL at random moments, again and again.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use journal::{Options, Writer, recover, verify};

use super::support::{Random, append, assert_holds, record, scratch, small};

const CHILD_DIR: &str = "JOURNAL_KILL_NINE_DIR";
const CYCLES: u32 = 120;

/// The child: appends for ever and writes each acknowledged sequence to its standard error.
fn child(dir: &Path) -> ! {
    let recovery = recover(dir).unwrap();
    let options = Options { segment_records: 256, ..small() };
    let mut writer = Writer::open(dir, options, &recovery).unwrap();
    loop {
        append(&mut writer, 1);
        // One write of 8 bytes: whole or not at all in a pipe.
        rustix::io::write(rustix::stdio::stderr(), &writer.appended().to_le_bytes()).unwrap();
    }
}

/// Last whole sequence in what the child wrote.
fn last_acknowledged(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    words.last().map_or(0, |word| u64::from_le_bytes(*word))
}

#[test]
fn a_killed_writer_loses_nothing_that_was_acknowledged() {
    if let Some(dir) = std::env::var_os(CHILD_DIR) {
        child(Path::new(&dir));
    }
    let dir = scratch();
    let mut random = Random(0x5EED_0003);
    let name = "it::kill_nine::a_killed_writer_loses_nothing_that_was_acknowledged";
    let mut last = 0;
    for cycle in 0..CYCLES {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture", "--test-threads", "1"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = process.stderr.take().unwrap();
        // Killed after a random number of acknowledgements, somewhere in the work for the next ones.
        let mut seen = vec![0_u8; usize::try_from((1 + random.below(500)) * 8).unwrap()];
        pipe.read_exact(&mut seen).unwrap();
        process.kill().unwrap();
        pipe.read_to_end(&mut seen).unwrap();
        process.wait().unwrap();
        let acknowledged = last_acknowledged(&seen);
        let recovery = recover(dir.path()).unwrap_or_else(|error| panic!("cycle {cycle}: {error}"));
        assert!(last < acknowledged, "cycle {cycle}: the child continued where the last one ended");
        assert!(acknowledged <= recovery.last_sequence, "cycle {cycle}");
        // Complete but not acknowledged: one record at most, for the child acknowledges each.
        assert!(recovery.last_sequence <= acknowledged + 1, "cycle {cycle}");
        last = recovery.last_sequence;
    }
    assert_holds(dir.path(), last);
    let report = verify(dir.path()).unwrap();
    assert!(report.ok, "{:?}", report.damage);
    assert_eq!(record(last).sealed().sequence, last);
}
