//! A small seeded generator for participants and chance: `SplitMix64`, with one stream a purpose.
//!
//! The constants and the mixing are those of Steele, Lea and Flood, "Fast splittable pseudorandom
//! number generators" (OOPSLA 2014), in the version of Vigna's public-domain `splitmix64`.

/// One stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// Stream number `stream` of a seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Random {
        let mut random = Random { state: seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95) };
        // Seeds that are near each other are far apart after one step.
        random.state = random.next();
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `[0, bound]`; the bias is below `bound` / 2^64.
    pub(crate) fn up_to(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * (u128::from(bound) + 1);
        u64::try_from(product >> 64).expect("the high half of a product fits 64 bits")
    }

    /// A number in `[0, bound]` of the signed kind; 0 where `bound` is not positive.
    pub(crate) fn below(&mut self, bound: i64) -> i64 {
        let bound = u64::try_from(bound).unwrap_or(0);
        i64::try_from(self.up_to(bound)).expect("at most the bound, which fits")
    }

    /// Whether something happens that has this many chances in a million.
    pub(crate) fn happens(&mut self, chance_ppm: u64) -> bool {
        self.up_to(999_999) < chance_ppm
    }

    /// A wait whose mean is `mean`: geometric over 64ths of it, cut at eight times.
    pub(crate) fn wait(&mut self, mean: u64) -> u64 {
        // Number of leading failures of a coin with 1/64: approximates an exponential wait.
        let mut steps = 0;
        while steps < 512 && 0 < self.up_to(63) {
            steps += 1;
        }
        let fine = self.up_to(mean / 64);
        (mean / 64).saturating_mul(steps).saturating_add(fine).max(1)
    }

    /// A size with a heavy tail: `unit` times 1, 2, 4 ... with halved chance, and a fraction.
    pub(crate) fn size(&mut self, unit: i64, doublings_max: u32) -> i64 {
        let doublings = self.next().trailing_ones().min(doublings_max);
        let size = unit.saturating_mul(1_i64 << doublings.min(40));
        (size / 2).saturating_add(self.below(size / 2)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_those_of_the_reference() {
        let mut random = Random { state: 0 };
        assert_eq!(random.next(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.next(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn the_shapes_have_their_means() {
        let mut random = Random::new(11, 0);
        let mean =
            |draw: &mut dyn FnMut() -> u64| (0..20_000).map(|_| draw()).sum::<u64>() / 20_000;
        let wait = mean(&mut || random.wait(64_000));
        assert!((60_000..68_000).contains(&wait), "seed 11: {wait}");
        let uniform = mean(&mut || random.up_to(1_000));
        assert!((480..520).contains(&uniform), "seed 11: {uniform}");
        assert_eq!(random.below(-5), 0);
        assert_eq!(random.up_to(0), 0);
    }
}
