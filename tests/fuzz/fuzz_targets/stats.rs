//! Stats files, by libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let target = simulator::fuzz::Target::find("stats").expect("the target exists");
    (target.run)(data);
});
