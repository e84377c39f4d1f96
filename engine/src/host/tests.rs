//! Tests of the findings, each on the text of a real or a plausible host.

use std::path::Path;

use super::judge::{
    clock_source, data_dir, disk_free, file_system, governor, huge_pages, hypervisor, isolated,
    kernel, load, memlock, processors, quota, shared_memory, smt, swap,
};
use super::usage::{parse_stat, parse_status};
use super::*;
use crate::stats::{Stall, StallCause};

#[track_caller]
fn check(finding: &Finding, level: Level, found: &str) {
    assert_eq!((finding.level, finding.found.as_str()), (level, found), "{finding:?}");
    assert!(!finding.why.is_empty());
    let needs_action = Level::Warn <= finding.level;
    assert!(!needs_action || !finding.action.is_empty(), "no action: {finding:?}");
    assert!(finding.level != Level::Ok || finding.action.is_empty(), "idle action: {finding:?}");
}

#[test]
fn one_processor_is_too_few_and_four_are_enough() {
    check(&processors(1), Level::Bad, "1 processor");
    check(&processors(2), Level::Warn, "2 processors");
    check(&processors(4), Level::Ok, "4 processors");
}

#[test]
fn a_quota_below_the_processors_is_a_warning() {
    check(&quota(None, 4), Level::Ok, "none");
    check(&quota(Some("max 100000\n"), 4), Level::Ok, "none");
    check(&quota(Some("400000 100000\n"), 4), Level::Ok, "400000 of 100000 us for 4 processors");
    check(&quota(Some("150000 100000\n"), 2), Level::Warn, "150000 of 100000 us for 2 processors");
    check(&quota(Some("nonsense"), 2), Level::Note, "unknown on this system");
    check(&quota(Some("a b"), 2), Level::Note, "unknown on this system");
}

#[test]
fn isolation_and_hyper_threads_are_seen() {
    check(&isolated(Some("\n")), Level::Warn, "none");
    check(&isolated(Some("2-3\n")), Level::Ok, "2-3; pin the core to one of them");
    check(&isolated(None), Level::Note, "unknown on this system");
    check(&smt(Some("0\n")), Level::Ok, "off");
    check(&smt(Some("1\n")), Level::Note, "on");
    check(&smt(None), Level::Note, "unknown on this system");
}

#[test]
fn only_the_performance_governor_is_good() {
    check(&governor(Some("performance\n")), Level::Ok, "performance");
    check(&governor(Some("powersave\n")), Level::Warn, "powersave");
    check(&governor(None), Level::Note, "not visible here, the hypervisor decides");
}

#[test]
fn slow_clock_sources_are_bad() {
    check(&clock_source(Some("tsc\n")), Level::Ok, "tsc");
    check(&clock_source(Some("kvm-clock\n")), Level::Note, "kvm-clock");
    check(&clock_source(Some("hpet\n")), Level::Bad, "hpet");
    check(&clock_source(Some("acpi_pm\n")), Level::Bad, "acpi_pm");
    check(&clock_source(None), Level::Note, "unknown on this system");
}

#[test]
fn load_is_compared_with_the_processors() {
    check(&load(Some("0.52 0.58 0.59 1/467 123\n"), 4), Level::Ok, "0.52 on 4 processors");
    check(&load(Some("2.00 0.58 0.59 1/467 123\n"), 4), Level::Note, "2.00 on 4 processors");
    check(&load(Some("4.07 0.58 0.59 1/467 123\n"), 4), Level::Warn, "4.07 on 4 processors");
    for nonsense in ["", "x.yz 1 2", "1", "1.5", "99999999999999999999.00"] {
        check(&load(Some(nonsense), 4), Level::Note, "unknown on this system");
    }
}

#[test]
fn huge_pages_for_everybody_are_a_warning() {
    check(&huge_pages(Some("[always] madvise never\n")), Level::Warn, "always");
    check(&huge_pages(Some("always [madvise] never\n")), Level::Ok, "madvise");
    check(&huge_pages(Some("always madvise [never]\n")), Level::Ok, "never");
    check(&huge_pages(Some("always")), Level::Note, "unknown on this system");
}

#[test]
fn little_lockable_memory_is_a_warning() {
    check(&memlock(None), Level::Ok, "unlimited");
    check(&memlock(Some(8 << 20)), Level::Warn, "8.0 MiB");
    check(&memlock(Some(1 << 30)), Level::Ok, "1.0 GiB");
}

#[test]
fn every_swap_device_is_named() {
    let heading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
    check(&swap(Some(heading)), Level::Ok, "off");
    check(&swap(None), Level::Ok, "off");
    let two = format!("{heading}/swap.img file 4194300 0 -2\n/dev/zram0 partition 1 0 100\n");
    check(&swap(Some(&two)), Level::Warn, "/swap.img, /dev/zram0");
}

#[test]
fn shared_memory_must_hold_the_stats() {
    let space =
        |free_bytes: u64| Some(Space { total_bytes: 1 << 40, free_bytes, is_read_only: false });
    check(&shared_memory(None), Level::Warn, "/dev/shm is missing");
    check(&shared_memory(space(1 << 20)), Level::Warn, "/dev/shm has 1.0 MiB free");
    check(&shared_memory(space(64 << 20)), Level::Ok, "64.0 MiB free in /dev/shm");
}

#[test]
fn a_filling_disk_warns_before_it_is_bad() {
    let dir = Path::new("/data");
    let space = |gibibytes: u64| {
        let free_bytes = gibibytes << 30;
        Some(Space { total_bytes: 100 << 30, free_bytes, is_read_only: false })
    };
    check(&disk_free(space(1), dir), Level::Bad, "1.0 GiB of 100.0 GiB free");
    check(&disk_free(space(19), dir), Level::Warn, "19.0 GiB of 100.0 GiB free");
    check(&disk_free(space(20), dir), Level::Ok, "20.0 GiB of 100.0 GiB free");
    check(&disk_free(None, dir), Level::Note, "unknown on this system");
}

#[test]
fn the_deepest_mount_decides_about_the_file_system() {
    let mounts = "\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
22 21 0:20 / /proc rw,nosuid shared:5 - proc proc rw
23 21 0:21 / /mnt/net rw - nfs4 server:/export rw
24 21 0:22 / /mnt/net/local rw - xfs /dev/vdb rw
25 21 0:23 / /mnt/with\\040blank rw - tmpfs tmpfs rw
26 21 0:24 / /cow rw - btrfs /dev/vdc rw
27 21 0:25 / /user rw - fuse.sshfs x rw
28 21 0:26 / /cow rw master:2 propagate_from:1 - overlay overlay rw
29 21 0:27 / /odd rw - reiserfs /dev/vdd rw
a broken line - x
";
    let at = |path: &str| file_system(Some(mounts), Path::new(path));
    check(&at("/home/me/data"), Level::Ok, "ext4");
    check(&at("/mnt/network"), Level::Ok, "ext4");
    check(&at("/mnt/net/data"), Level::Bad, "nfs4");
    check(&at("/mnt/net/local/data"), Level::Ok, "xfs");
    check(&at("/mnt/with blank/data"), Level::Warn, "tmpfs");
    check(&at("/cow/data"), Level::Warn, "overlay");
    check(&at("/user"), Level::Bad, "fuse.sshfs");
    check(&at("/odd"), Level::Note, "reiserfs");
    check(&file_system(Some(""), Path::new("/x")), Level::Note, "unknown on this system");
}

#[test]
fn a_directory_that_cannot_be_written_is_bad() {
    let dir = Path::new("/data");
    let read_only = Some(Space { is_read_only: true, ..Space::default() });
    check(&data_dir(true, Some(Space::default()), dir), Level::Ok, "/data");
    check(&data_dir(false, None, dir), Level::Bad, "/data may not be written");
    check(&data_dir(true, read_only, dir), Level::Bad, "/data is read-only");
}

#[test]
fn a_guest_is_noted_with_its_vendor() {
    let guest = "processor\t: 0\nflags\t\t: fpu tsc hypervisor aes\n";
    let metal = "processor\t: 0\nflags\t\t: fpu tsc aes\n";
    check(&hypervisor(Some(guest), Some("Amazon EC2\n")), Level::Note, "Amazon EC2");
    check(&hypervisor(Some(guest), Some("\n")), Level::Note, "yes, of unknown make");
    check(&hypervisor(Some(metal), Some("Dell")), Level::Ok, "none");
}

#[test]
fn old_kernels_are_a_warning() {
    check(&kernel(Some("6.18.44-rt9\n")), Level::Ok, "6.18.44-rt9");
    check(&kernel(Some("4.19.0\n")), Level::Warn, "4.19.0");
    check(&kernel(Some("what")), Level::Note, "unknown on this system");
}

#[test]
fn this_host_gets_every_finding_once() {
    let dir = tempfile::tempdir().unwrap();
    let facts = HostFacts::collect(&dir.path().join("not/there/yet"));
    assert_eq!(facts.data_dir, dir.path().canonicalize().unwrap());
    assert!(facts.is_data_writable);
    let findings = judge(&facts);
    let ids: std::collections::BTreeSet<&str> = findings.iter().map(|f| f.id).collect();
    assert_eq!(ids.len(), 16);
    assert_eq!(findings.len(), 16);
    assert!(findings.iter().all(|finding| finding.level <= worst(&findings)));
}

#[test]
fn nothing_is_known_about_an_empty_host_and_nothing_panics() {
    let findings = judge(&HostFacts::default());
    assert_eq!(worst(&findings), Level::Bad, "no processor and no directory");
}

#[test]
fn bytes_are_said_in_their_largest_unit() {
    assert_eq!(bytes_text(0), "0 B");
    assert_eq!(bytes_text(1023), "1023 B");
    assert_eq!(bytes_text(1536), "1.5 KiB");
    assert_eq!(bytes_text(3_764_224), "3.5 MiB");
    assert_eq!(bytes_text(u64::MAX), "16777215.9 TiB");
}

#[test]
fn the_kernel_counts_the_faults_of_this_thread() {
    let probe = ThreadProbe::this_thread().unwrap();
    let before = probe.read().unwrap();
    // Fresh pages from the kernel, not reused ones of the allocator: each is a minor fault at its
    // first byte, and too few to come as one huge page.
    let mut pages = memmap2::MmapMut::map_anon(64 << 12).unwrap();
    pages.fill(1);
    let after = probe.read().unwrap();
    assert_eq!(pages[(64 << 12) - 1], 1);
    let mut stall = Stall::default();
    after.explain(&before, &mut stall);
    assert!(0 < stall.minor_faults, "{before:?} {after:?}");
    assert_ne!(stall.cause, StallCause::Unexplained);
}

#[test]
fn thread_files_are_parsed_whatever_the_thread_is_called() {
    let stat = "7 (core) 1 (x) R 1 2 3 4 5 6 100 7 200 8 9 10";
    assert_eq!(parse_stat(stat), Some((100, 200)));
    assert_eq!(parse_stat("7 (core) R 1"), None);
    assert_eq!(parse_stat(""), None);
    let status = "Name:\tx\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t17\n";
    assert_eq!(parse_status(status), Some(17));
    assert_eq!(parse_status("Name:\tx\n"), None);
}
