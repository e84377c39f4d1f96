//! Seeded mutations, for replaying a fuzz target without a fuzzer.

use crate::Random;

/// A place below `end`; 0 when `end` is 0.
fn below(random: &mut Random, end: usize) -> usize {
    let end = u64::try_from(end).expect("a length fits 64 bits").max(1);
    usize::try_from(random.below(end)).expect("it is below a length")
}

/// Words at which readers tend to be wrong.
const EDGES: &[u64] = &[
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_ffff,
];

/// One to four changes of `seed`; `other` is a second seed to take pieces from.
pub fn mutate(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=below(random, 4) {
        change(&mut bytes, other, random);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = below(random, bytes.len());
    let length = below(random, 1 + (bytes.len() - at).min(64));
    match below(random, 8) {
        0 if at < bytes.len() => bytes[at] ^= 1 << below(random, 8),
        1 if at < bytes.len() => bytes[at] = random.word().to_le_bytes()[0],
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..at + length)),
        4 => {
            let piece = bytes[at..at + length].to_vec();
            bytes.splice(at..at, piece);
        }
        5 => {
            let from = below(random, other.len());
            let end = (from + below(random, 64)).min(other.len());
            let replaced = (at + end - from).min(bytes.len());
            bytes.splice(at..replaced, other[from..end].iter().copied());
        }
        6 => {
            let edge = EDGES[below(random, EDGES.len())].to_le_bytes();
            let width = 1 << below(random, 4);
            let at = at - at % width;
            for (byte, new) in bytes.iter_mut().skip(at).zip(&edge[..width]) {
                *byte = *new;
            }
        }
        _ => {
            let digit = b"0123456789-.,\"[]{}eE\n"[below(random, 21)];
            bytes.insert(at, digit);
        }
    }
}
