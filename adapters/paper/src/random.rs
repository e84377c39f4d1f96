//! A small seeded generator for jitter and chance: `SplitMix64`.
//!
//! The constants and the mixing are those of Steele, Lea and Flood, "Fast splittable pseudorandom
//! number generators" (OOPSLA 2014), in the version of Vigna's public-domain `splitmix64`.

/// State of the generator.
#[derive(Clone, Debug)]
pub(crate) struct SplitMix {
    state: u64,
}

impl SplitMix {
    pub(crate) const fn new(seed: u64) -> SplitMix {
        SplitMix { state: seed }
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `[0, bound]`. The bias is below `bound` / 2^64, far from anything measurable here.
    pub(crate) fn up_to(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        let product = u128::from(self.next()) * (u128::from(bound) + 1);
        u64::try_from(product >> 64).expect("the high half of a product fits 64 bits")
    }
}
