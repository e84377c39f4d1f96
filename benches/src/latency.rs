//! Latencies: recorded as clock counts while it matters, made histograms afterwards; `.hgrm`, `.hlog`.

#![expect(clippy::float_arithmetic, reason = "percentiles in files for plotters")]

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

/// Largest latency that a histogram tells apart, ns: an hour.
const NS_MAX: u64 = 3_600_000_000_000;

/// The percentiles of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// Samples behind them.
    pub count: u64,
    /// Median, ns.
    pub p50: u64,
    /// 90 %, ns.
    pub p90: u64,
    /// 99 %, ns.
    pub p99: u64,
    /// 99.9 %, ns.
    pub p999: u64,
    /// 99.99 %, ns.
    pub p9999: u64,
    /// Worst, ns.
    pub max: u64,
}

impl Percentiles {
    /// Of a histogram in ns.
    pub fn of(histogram: &Histogram<u64>) -> Percentiles {
        Percentiles {
            count: histogram.len(),
            p50: histogram.value_at_quantile(0.5),
            p90: histogram.value_at_quantile(0.9),
            p99: histogram.value_at_quantile(0.99),
            p999: histogram.value_at_quantile(0.999),
            p9999: histogram.value_at_quantile(0.9999),
            max: histogram.max(),
        }
    }
}

/// A histogram of clock counts, as nanoseconds of `clock`.
pub fn histogram(clock: &quanta::Clock, counts: impl Iterator<Item = u32>) -> Histogram<u64> {
    let mut histogram = Histogram::new_with_max(NS_MAX, 3).expect("the bounds are sound");
    for count in counts {
        let ns = clock.delta_as_nanos(0, u64::from(count)).min(NS_MAX);
        histogram.record(ns).expect("within the bounds");
    }
    histogram
}

/// One histogram under its name, taken at a time.
#[derive(Debug)]
pub struct Taken {
    /// Tag in the log: no comma, no space, no line end.
    pub tag: String,
    /// When it began, ns since the epoch.
    pub start_ns: u64,
    /// How long it took, ns.
    pub duration_ns: u64,
    /// Values in ns.
    pub histogram: Histogram<u64>,
}

/// Writes the percentile distribution that the usual plotters read.
pub fn write_hgrm(path: &Path, histogram: &Histogram<u64>) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
    writeln!(
        out,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let mut total = 0;
    for value in histogram.iter_quantiles(5) {
        total += value.count_since_last_iteration();
        let quantile = value.quantile_iterated_to();
        let ns = value.value_iterated_to();
        if quantile < 1.0 {
            writeln!(
                out,
                "{ns:>12} {quantile:>14.12} {total:>10} {:>14.2}",
                1.0 / (1.0 - quantile)
            )?;
        } else {
            writeln!(out, "{ns:>12} {quantile:>14.12} {total:>10}")?;
        }
    }
    writeln!(
        out,
        "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]",
        histogram.mean(),
        histogram.stdev()
    )?;
    writeln!(
        out,
        "#[Max     = {:>12}, Total count    = {:>12}]",
        histogram.max(),
        histogram.len()
    )?;
    out.flush()
}

/// Writes an interval log with every histogram, values in ns.
pub fn write_hlog(path: &Path, taken: &[Taken]) -> anyhow::Result<()> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
    let base_ns = taken.iter().map(|one| one.start_ns).min().unwrap_or(0);
    let mut serializer = V2DeflateSerializer::new();
    let base = UNIX_EPOCH + Duration::from_nanos(base_ns);
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[values in ns; tag says rate and what was measured]")
        .with_start_time(base)
        .with_base_time(base)
        .with_max_value_divisor(1_000.0)
        .begin_log_with(&mut out, &mut serializer)?;
    let mut taken: Vec<&Taken> = taken.iter().collect();
    taken.sort_by_key(|one| one.start_ns);
    for one in taken {
        let start = Duration::from_nanos(one.start_ns - base_ns);
        let tag = Tag::new(&one.tag);
        log.write_histogram(&one.histogram, start, Duration::from_nanos(one.duration_ns), tag)
            .map_err(|error| anyhow::anyhow!("interval log: {error:?}"))?;
    }
    out.flush()?;
    Ok(())
}
