//! The obvious monitor: keeps everything it ever heard and computes every figure from the beginning.

use std::collections::BTreeMap;

use crate::event::{Event, Kind, Side, flags};
use crate::instrument::Instrument;
use crate::monitor::{Loss, Swing, Tail};

use super::desk::table;

/// Changes of the window, in the order of time.
fn window(sample_count: usize, profits: &[i64]) -> Vec<i64> {
    let newest = &profits[profits.len().saturating_sub(sample_count + 1)..];
    newest.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// The root of a square, by halving.
fn root(square: i128) -> i64 {
    let (mut low, mut high) = (0_i128, 1_i128 << 60);
    while low + 1 < high {
        let middle = i128::midpoint(low, high);
        if middle * middle <= square { low = middle } else { high = middle }
    }
    i64::try_from(low).unwrap()
}

pub(super) fn volatility(sample_count: usize, profits: &[i64]) -> Option<i64> {
    let window = window(sample_count, profits);
    let count = i128::try_from(window.len()).unwrap();
    if count == 0 {
        return None;
    }
    let sum: i128 = window.iter().map(|change| i128::from(*change).pow(2)).sum();
    Some(root(sum / count))
}

pub(super) fn weighted(decay_ppm: u32, profits: &[i64]) -> i64 {
    let decay = i128::from(decay_ppm);
    let squares = profits.windows(2).map(|pair| i128::from(pair[1] - pair[0]).pow(2));
    let variance =
        squares.reduce(|v, square| (decay * v + (1_000_000 - decay) * square) / 1_000_000);
    root(variance.unwrap_or(0))
}

pub(super) fn tail(sample_count: usize, profits: &[i64]) -> Option<Tail> {
    let mut losses: Vec<i64> = window(sample_count, profits).iter().map(|change| -change).collect();
    if losses.len() < 20 {
        return None;
    }
    losses.sort_unstable_by(|a, b| b.cmp(a));
    let rank = (0..300).find(|rank| losses.len() <= rank * 20).unwrap();
    let worst = &losses[..rank];
    let (sum, count) = (worst.iter().sum::<i64>(), i64::try_from(rank).unwrap());
    let mean = sum.div_euclid(count) + i64::from(sum.rem_euclid(count) != 0);
    let sigma = i128::from(volatility(sample_count, profits)?);
    let up = |ppm: i128| {
        let exact = sigma * ppm;
        i64::try_from(exact / 1_000_000 + i128::from(exact % 1_000_000 != 0)).unwrap()
    };
    Some(Tail {
        var_95: Loss { historical: worst[rank - 1].max(0), parametric: up(1_644_854) },
        cvar_95: Loss { historical: mean.max(0), parametric: up(2_062_713) },
    })
}

pub(super) fn swing(change_count: usize, profits: &[i64]) -> Swing {
    let newest = &profits[profits.len().saturating_sub(change_count + 1)..];
    let range = newest.iter().max().unwrap() - newest.iter().min().unwrap();
    Swing { range, change: newest[newest.len() - 1] - newest[0] }
}

/// A closed round trip: whose, and what it came to in 10^-12.
pub(super) type Trip = (u16, i128);

/// Positions and money of one strategy in one instrument, from the beginning.
struct Replayed {
    quantity: i128,
    basis: i128,
    trips: Vec<Trip>,
}

/// Worth of a price times a quantity, 10^-12.
fn worth(instrument: &Instrument, price: i128, quantity: i128) -> i128 {
    let places = 12 - u32::from(instrument.price_scale) - u32::from(instrument.quantity_scale);
    price * quantity * 10_i128.pow(places) * i128::from(instrument.multiplier)
}

fn signed(event: &Event) -> i128 {
    let quantity = i128::from(event.quantity);
    if event.side() == Side::Sell { -quantity } else { quantity }
}

/// Everything that was heard.
#[derive(Default)]
pub(super) struct Naive {
    heard: Vec<Event>,
    /// Last mark that was known when a sample was taken, twice.
    marks: BTreeMap<u16, i64>,
    pub(super) profits: Vec<i64>,
}

impl Naive {
    pub(super) fn hear(&mut self, event: &Event) {
        self.heard.push(*event);
        if event.kind == Kind::FILL {
            self.marks.entry(event.instrument).or_insert(2 * event.price);
        }
    }

    /// Rows with anything in them.
    pub(super) fn rows(&self) -> Vec<(u16, u16)> {
        let mut rows: Vec<(u16, u16)> =
            self.heard.iter().map(|event| (event.source, event.instrument)).collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    fn replay(&self, row: (u16, u16)) -> Replayed {
        let table = table();
        let instrument = table.get(row.1).unwrap();
        let (mut quantity, mut basis, mut result) = (0_i128, 0_i128, 0_i128);
        let (mut side, mut begun, mut ended) = (0, 0, false);
        let mut trips = Vec::new();
        for event in self.heard.iter().filter(|event| (event.source, event.instrument) == row) {
            if event.kind == Kind::FEE {
                result -= i128::from(event.quantity) * 10_000;
                if ended {
                    trips.push((row.0, result - begun));
                    (begun, ended) = (result, false);
                }
                continue;
            }
            let price = i128::from(event.price);
            let (before, change) = (quantity, signed(event));
            let result_before = result;
            quantity += change;
            if before * change < 0 {
                let closed = change.abs().min(before.abs());
                let released = (basis * closed).div_euclid(before.abs());
                result += worth(instrument, price, closed * before.signum()) - released;
                basis -= released;
                basis += worth(instrument, price, change.signum() * (change.abs() - closed));
            } else {
                basis += worth(instrument, price, change);
            }
            let is_held = i128::from(instrument.lot) <= quantity.abs();
            let now = if is_held { quantity.signum() } else { 0 };
            if !event.has(flags::IN_KIND) && now != side {
                if side == 0 {
                    begun = result_before;
                } else {
                    ended = true;
                }
                side = now;
            }
        }
        Replayed { quantity, basis, trips }
    }

    /// Round trips of a row that are over.
    pub(super) fn trips(&self, row: (u16, u16)) -> Vec<Trip> {
        self.replay(row).trips
    }

    /// Basis and position of a row.
    pub(super) fn position(&self, row: (u16, u16)) -> (i128, i128) {
        let replayed = self.replay(row);
        (replayed.quantity, replayed.basis)
    }

    /// Value of a row at the last known mark, 10^-12, rounded down.
    pub(super) fn value(&self, row: (u16, u16)) -> i128 {
        let table = table();
        let instrument = table.get(row.1).unwrap();
        let mark = self.marks.get(&row.1).map_or(0, |mark| i128::from(*mark));
        worth(instrument, mark, self.replay(row).quantity).div_euclid(2)
    }

    /// Takes a sample with what the market says now of each instrument.
    pub(super) fn sample(&mut self, marks: &[(u16, Option<i64>)]) {
        for (instrument, mark) in marks {
            let is_open =
                self.rows().iter().any(|row| row.1 == *instrument && self.position(*row).0 != 0);
            if let Some(mark) = mark.filter(|_| is_open) {
                self.marks.insert(*instrument, mark);
            }
        }
        let cash: i128 = self
            .heard
            .iter()
            .map(|event| {
                if event.kind == Kind::FEE {
                    return -i128::from(event.quantity) * 10_000;
                }
                let table = table();
                let instrument = table.get(event.instrument).unwrap();
                -worth(instrument, i128::from(event.price), signed(event))
            })
            .sum();
        let held: i128 = self.rows().iter().map(|row| self.value(*row)).sum();
        self.profits.push(i64::try_from((cash + held).div_euclid(10_000)).unwrap());
    }
}
