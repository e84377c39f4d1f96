//! Every fuzz target on its seeds and on seeded mutations of them: what a fuzzer found once stays found.
//!
//! `TICKWHEEL_SEED` repeats a run, `FUZZ_MUTATIONS` sets how many mutations the cheapest target gets.

use std::panic::{AssertUnwindSafe, catch_unwind};

use simulator::Random;
use simulator::fuzz::{TARGETS, Target, mutate};

/// Mutations of the cheapest target under plain `cargo test`.
const MUTATION_COUNT: u64 = 500;
const SEED: u64 = 0x7469_636b;

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => default,
    }
}

/// Runs an input; a panic is reported with what is needed to repeat it.
fn judge(target: &Target, input: &[u8], origin: &str) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        let text = input[..input.len().min(512)].escape_ascii();
        panic!("{} breaks on {origin}, {} bytes: {text}", target.name, input.len());
    }
}

fn replay(name: &str) {
    let target = Target::find(name).expect("the target exists");
    let count = (setting("FUZZ_MUTATIONS", MUTATION_COUNT) / target.cost).max(20);
    let seeds = target.seeds();
    let mut random = Random::from_environment(name, SEED);
    let seed = random.state();
    println!("{name}: {} seeds, {count} mutations", seeds.len());
    assert!(!seeds.is_empty(), "{name} has no seed");
    for (seed_name, bytes) in &seeds {
        judge(target, bytes, &format!("seed {seed_name}"));
    }
    for index in 0..count {
        let (base, other) = (pick(&seeds, &mut random), pick(&seeds, &mut random));
        let input = mutate(base, other, &mut random);
        judge(target, &input, &format!("mutation {index} with TICKWHEEL_SEED={seed}"));
    }
}

fn pick<'a>(seeds: &'a [(String, Vec<u8>)], random: &mut Random) -> &'a [u8] {
    let count = u64::try_from(seeds.len()).expect("a count fits 64 bits");
    &seeds[usize::try_from(random.below(count)).expect("it is below a count")].1
}

#[test]
fn frames_of_a_venue_are_decoded_or_refused() {
    replay("decode");
}

#[test]
fn captures_are_read_to_their_end() {
    replay("capture");
}

#[test]
fn records_of_a_segment_are_judged_like_one_by_one() {
    replay("journal_scan");
}

#[test]
fn header_pages_are_sound_or_refused() {
    replay("journal_header");
}

#[test]
fn chain_files_are_judged() {
    replay("journal_chain");
}

#[test]
fn snapshots_are_whole_or_refused() {
    replay("snapshot");
}

#[test]
fn configurations_are_sound_or_refused() {
    replay("config");
}

#[test]
fn stats_files_are_read_whatever_they_hold() {
    replay("stats");
}

#[test]
fn saved_states_are_loaded_or_refused() {
    replay("state");
}

#[test]
fn every_target_is_replayed_and_every_binary_has_a_target() {
    let own = include_str!("fuzz_replay.rs");
    let manifest = include_str!("../fuzz/Cargo.toml");
    for target in TARGETS {
        assert!(own.contains(&format!("replay(\"{}\")", target.name)), "{}", target.name);
        assert!(manifest.contains(&format!("name = \"{}\"", target.name)), "{}", target.name);
    }
}

#[test]
fn a_planted_defect_is_found_by_mutations_and_named() {
    let planted = Target {
        name: "planted",
        run: |data| assert!(!data.starts_with(b"{\"p\":\"-")),
        built_seeds: || vec![b"{\"p\":\"1\"}".to_vec()],
        cost: 1,
    };
    let mut random = Random::new(SEED);
    let (_, seed) = planted.seeds().remove(0);
    let found = (0..100_000)
        .map(|_| mutate(&seed, &seed, &mut random))
        .find(|input| catch_unwind(AssertUnwindSafe(|| (planted.run)(input))).is_err())
        .expect("100,000 mutations find a sign before a digit");
    assert!(found.starts_with(b"{\"p\":\"-"));
    let said = catch_unwind(AssertUnwindSafe(|| judge(&planted, &found, "mutation 7")));
    let said = said.expect_err("it breaks again").downcast::<String>().expect("a panic says why");
    assert!(said.contains("planted breaks on mutation 7"), "{said}");
}
