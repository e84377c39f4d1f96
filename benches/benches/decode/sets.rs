//! Sets of frames of one shape: from real captures where they are, else from the small ones, and made up.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use binance::Capture;
use engine::instrument::Venue;

use super::Places;

/// What the frames of a set are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Trade,
    Quote,
    Depth,
    Snapshot,
}

/// Frames of one shape.
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) venue: Venue,
    pub(crate) symbol: &'static str,
    pub(crate) places: Places,
    pub(crate) shape: Shape,
    pub(crate) is_combined: bool,
    pub(crate) frames: Vec<Vec<u8>>,
}

const SPOT: Places = Places { price: 2, quantity: 8 };
const CENTS: Places = Places { price: 4, quantity: 8 };
const USDM: Places = Places { price: 1, quantity: 3 };
/// Few are enough for frames of many levels.
const LONG_FRAME_COUNT: usize = 40;

fn capture(venue: Venue) -> (&'static str, PathBuf) {
    let name = if venue == Venue::BinanceUsdm { "usdm" } else { "spot" };
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .map(|folder| folder.join(format!("shared/data/binance/{name}_btcusdt_20240808.gz")))
        .find(|path| path.exists())
        .map_or_else(
            || {
                let small = format!("../adapters/binance/testdata/{name}_small.capture");
                ("TESTUSDT", here.join(small))
            },
            |path| ("BTCUSDT", path),
        )
}

/// Combined frames of one shape, at most so many.
fn recorded(path: &Path, mark: &str, count_max: usize) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut capture = Capture::open(path)?;
    let mut frames = Vec::new();
    while let Some(line) = capture.next() {
        let frame = line?.frame;
        if frame.windows(mark.len()).take(60).any(|part| part == mark.as_bytes()) {
            frames.push(frame.to_vec());
        }
        if frames.len() == count_max {
            break;
        }
    }
    anyhow::ensure!(!frames.is_empty(), "no {mark} in {}", path.display());
    Ok(frames)
}

/// What stands in `data`.
fn bare(frame: &[u8]) -> anyhow::Result<Vec<u8>> {
    const MARK: &[u8] = b"\"data\":";
    let at = frame.windows(MARK.len()).position(|part| part == MARK).context("not combined")?;
    Ok(frame[at + MARK.len()..frame.len() - 1].to_vec())
}

/// A small generator; the same frames on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Levels as text; `number` makes price and quantity of a level.
fn levels(count: usize, mut number: impl FnMut() -> (String, String)) -> String {
    let level = |(price, quantity)| format!(r#"["{price}","{quantity}"]"#);
    (0..count).map(|_| level(number())).collect::<Vec<_>>().join(",")
}

/// A combined spot frame of twice so many levels.
fn made(shape: Shape, count: usize, mut number: impl FnMut() -> (String, String)) -> Vec<u8> {
    let (bids, asks) = (levels(count, &mut number), levels(count, &mut number));
    let frame = if shape == Shape::Snapshot {
        format!(
            r#"{{"stream":"btcusdt@depth20@100ms","data":{{"lastUpdateId":50093239202,"bids":[{bids}],"asks":[{asks}]}}}}"#
        )
    } else {
        format!(
            r#"{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":50093239189,"u":50093239202,"b":[{bids}],"a":[{asks}]}}}}"#
        )
    };
    frame.into_bytes()
}

fn made_set(name: &str, shape: Shape, frames: Vec<Vec<u8>>) -> Set {
    Set {
        name: name.to_string(),
        venue: Venue::BinanceSpot,
        symbol: "BTCUSDT",
        places: SPOT,
        shape,
        is_combined: true,
        frames,
    }
}

/// Frames of 1,000 levels.
fn long(number: &mut impl FnMut() -> (String, String)) -> Vec<Vec<u8>> {
    (0..LONG_FRAME_COUNT).map(|_| made(Shape::Depth, 500, &mut *number)).collect()
}

fn made_sets() -> Vec<Set> {
    let mut random = Random(7);
    let mut plain = || {
        let price = format!("{}.{:02}000000", 61_000 + random.below(900), random.below(100));
        (price, format!("{}.{:05}000", random.below(10), random.below(100_000)))
    };
    let thousand = long(&mut plain);
    let twenty = (0..2_000).map(|_| made(Shape::Snapshot, 20, &mut plain)).collect();
    let mut random = Random(11);
    // As altcoins have it: prices alike, quantities of every length before the point.
    let mut ragged = || {
        let whole_end = 10_u64.pow(u32::try_from(random.below(7)).expect("few"));
        let price = format!("0.{:04}0000", 1_000 + random.below(9_000));
        (price, format!("{}.{:02}000000", random.below(whole_end), 1 + random.below(99)))
    };
    let ragged = long(&mut ragged);
    let mut random = Random(12);
    // As examples in documents have it: no zeros behind, so no two neighbours are alike.
    let mut trimmed = || {
        let places = |random: &mut Random| {
            let places = 1 + random.below(6);
            let digits = 10_u64.pow(u32::try_from(places).expect("few"));
            format!("{}9", (digits + random.below(digits)).to_string().split_off(1))
        };
        let price = format!("{}.{}", 1 + random.below(99_999), &places(&mut random)[..2]);
        (price, format!("{}.{}", random.below(1_000), places(&mut random)))
    };
    let trimmed = long(&mut trimmed);
    let mut random = Random(13);
    // 24 characters: zeros, then as many digits as fit 64 bits at eight places.
    let mut longest = || {
        let mut number = || {
            let (high, low) = (10 + random.below(80), random.below(1_000_000_000));
            format!("0000{high}{low:09}.{:02}000000", 1 + random.below(99))
        };
        (number(), number())
    };
    let longest = long(&mut longest);
    vec![
        made_set("spot partial book of 20", Shape::Snapshot, twenty),
        made_set("spot depth of 1,000 levels", Shape::Depth, thousand),
        Set { places: CENTS, ..made_set("spot depth, ragged quantities", Shape::Depth, ragged) },
        made_set("spot depth, trimmed numbers", Shape::Depth, trimmed),
        made_set("spot depth, numbers of 24 characters", Shape::Depth, longest),
    ]
}

/// Every set.
pub(crate) fn all() -> anyhow::Result<Vec<Set>> {
    let mut sets = Vec::new();
    for (venue, places, name) in
        [(Venue::BinanceSpot, SPOT, "spot"), (Venue::BinanceUsdm, USDM, "usdm")]
    {
        let (symbol, path) = capture(venue);
        for (shape, mark, count_max) in [
            (Shape::Trade, "@trade\"", 10_000),
            (Shape::Quote, "@bookTicker\"", 10_000),
            (Shape::Depth, "@depth@", 4_000),
        ] {
            let frames = recorded(&path, mark, count_max)?;
            let bare_frames = frames.iter().map(|frame| bare(frame)).collect::<Result<_, _>>()?;
            for (is_combined, frames) in [(true, frames), (false, bare_frames)] {
                let form = if is_combined { "combined" } else { "bare" };
                let what = match shape {
                    Shape::Trade => "trade",
                    Shape::Quote => "bookTicker",
                    Shape::Depth => "depth",
                    Shape::Snapshot => "snapshot",
                };
                let name = format!("{name} {what}, {form}");
                sets.push(Set { name, venue, symbol, places, shape, is_combined, frames });
            }
        }
    }
    sets.extend(made_sets());
    Ok(sets)
}
