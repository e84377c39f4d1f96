//! The stats file: any bytes, and any patches of a good file.

use std::fs;
use std::sync::OnceLock;

use engine::stats::{
    CounterId, ERROR_MAX, ERROR_TEXT_BYTES_MAX, FILE_BYTES, HopId, INSTRUMENT_MAX, Identity,
    STALL_MAX, STRATEGY_MAX, StatsWriter, THREAD_MAX, Writer, parse_bytes,
};

/// A good file with something in every section.
fn image() -> &'static [u8] {
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let scratch = tempfile::tempdir().expect("there is room for a stats file");
        let path = scratch.path().join("stats");
        let identity = Identity { instance: "fuzz", mode: "paper", ..Identity::default() };
        let writer = StatsWriter::create(&path, &identity, 1).expect("a stats file can be made");
        let handle = writer.handle();
        handle.register_thread("core", 1_000, Some(0), 2).expect("there is a row");
        handle.error(7, 3, format_args!("an error"));
        for id in CounterId::ALL {
            writer.set(*id, 5);
        }
        for id in HopId::ALL {
            match id.writer() {
                Writer::Core => writer.record(*id, 100),
                Writer::Any => handle.record(*id, 100),
            }
        }
        writer.name_instrument(0, "BTCUSD", "paper", 2, 8);
        writer.name_strategy(0, "maker");
        let bytes = fs::read(&path).expect("it was written");
        assert!(parse_bytes(&bytes).is_ok());
        bytes
    })
}

/// `data` is a list of patches (offset 4, length 1, bytes) of a good file; and, as it is, a file itself.
/// Sections are few and wide: the offset is spread over the file by its remainder.
pub(super) fn read(data: &[u8]) {
    assert!(parse_bytes(data).is_err() || data.len() == FILE_BYTES);
    let mut file = image().to_vec();
    let mut rest = data;
    while let Some(([a, b, c, d, length], after)) = rest.split_first_chunk::<5>() {
        let offset = u32::from_le_bytes([*a, *b, *c, *d]);
        let offset = usize::try_from(offset).expect("an offset fits") % file.len();
        let length = usize::from(*length).min(after.len()).min(file.len() - offset);
        file[offset..offset + length].copy_from_slice(&after[..length]);
        rest = &after[length..];
    }
    let Ok(snapshot) = parse_bytes(&file) else { return };
    assert!(snapshot.threads.len() <= THREAD_MAX);
    assert!(snapshot.errors.len() <= ERROR_MAX);
    assert!(snapshot.errors.iter().all(|row| row.text.len() <= ERROR_TEXT_BYTES_MAX * 3));
    assert!(snapshot.stalls.len() <= STALL_MAX);
    assert!(snapshot.instruments.len() <= INSTRUMENT_MAX);
    assert!(snapshot.strategies.len() <= STRATEGY_MAX);
    assert_eq!(snapshot.counters.len(), CounterId::ALL.len());
    for hop in &snapshot.hops {
        // What a reader does with a histogram: none of it may fail on foreign counts.
        let counts = &hop.counts;
        let (mean, median) = (counts.mean_ns(), counts.value_at_ppm(500_000));
        let again = counts.since(counts);
        assert_eq!(again.count(), 0, "{mean} {median}");
        let mut sum = counts.clone();
        sum.merge(counts);
        assert!(counts.buckets.len() <= sum.buckets.len());
    }
}

/// Patches of the sections whose words steer the reader.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let patch = |offset: u32, bytes: &[u8]| {
        let length = u8::try_from(bytes.len()).expect("a patch is short");
        [&offset.to_le_bytes()[..], &[length], bytes].concat()
    };
    let ones = [0xff; 16];
    vec![
        Vec::new(),
        [patch(0, b"TWSTATS\n"), patch(8, &[2, 0])].concat(),
        [4_096, 8_192, 24_576, 40_960, 41_088].map(|offset| patch(offset, &ones)).concat(),
        [41_216, 73_984, 139_520, 159_744].map(|offset| patch(offset, &ones)).concat(),
        (0..32).flat_map(|index| patch(4_096 * 2 + 128 * index, &ones)).collect(),
        (0..32).flat_map(|index| patch(8 * index, &ones[..8])).collect(),
    ]
}
