//! The formulas against committed values and, where it is there, the shared golden set.

use std::path::PathBuf;

use serde_json::Value;

use super::*;

const BASE: Model = Model { gamma: 0.1, k: 1.5, sigma: 2.0, intensity: 140.0 };
const DT: f64 = 0.005;
const STEPS: u32 = 200;

#[track_caller]
fn near(value: f64, wanted: f64, relative: f64) {
    assert!((value - wanted).abs() <= relative * wanted.abs(), "{value} is not {wanted}");
}

/// The folder of golden files that may stand beside the repository.
fn golden() -> Option<PathBuf> {
    let found = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared/golden"))
        .find(|folder| folder.join("08_avellaneda_stoikov.json").is_file());
    if found.is_none() {
        println!("skipped: no shared golden set beside the repository");
    }
    found
}

#[test]
fn committed_values_are_met() {
    // gamma, inventory, time, reservation, spread, bid, ask, intensity bid, intensity ask
    let rows = [
        [
            0.1,
            -5.0,
            0.0,
            102.0,
            1.690_770_422_751_423_3,
            101.154_614_788_624_29,
            102.845_385_211_375_71,
            791.210_938_603_311_7,
            1.961_215_836_265_191_5,
        ],
        [
            0.1,
            -2.0,
            0.5,
            100.4,
            1.490_770_422_751_423_4,
            99.654_614_788_624_3,
            101.145_385_211_375_71,
            83.393_019_393_655_69,
            25.117_494_755_250_682,
        ],
        [
            0.1,
            -1.0,
            0.9,
            100.04,
            1.330_770_422_751_423_4,
            99.374_614_788_624_3,
            100.705_385_211_375_71,
            54.793_118_187_376_73,
            48.597_136_311_842_085,
        ],
        [
            0.1,
            0.0,
            0.0,
            100.0,
            1.690_770_422_751_423_3,
            99.154_614_788_624_29,
            100.845_385_211_375_71,
            39.392_073_093_644_88,
            39.392_073_093_644_88,
        ],
    ];
    for row in &rows {
        check_row(row);
    }
    near(base_half_spread(0.1, 1.5), 0.645_385_211_375_711_7, 1e-15);
}

#[track_caller]
fn check_row(row: &[f64]) {
    let [gamma, inventory, time, reservation, spread, bid, ask, at_bid, at_ask] = row else {
        panic!("a row has nine columns");
    };
    let model = Model { gamma: *gamma, ..BASE };
    near(model.reservation_price(100.0, *inventory, 1.0 - time), *reservation, 1e-12);
    near(model.spread(1.0 - time), *spread, 1e-12);
    let quotes = model.quotes(100.0, *inventory, 1.0 - time);
    near(quotes.0, *bid, 1e-12);
    near(quotes.1, *ask, 1e-12);
    // A distance is a difference of two prices, which loses digits the price has; the intensity's
    // relative error is k times the distance's absolute one.
    near(model.intensity(100.0 - bid), *at_bid, 1e-12);
    near(model.intensity(ask - 100.0), *at_ask, 1e-12);
}

#[test]
fn the_golden_grid_is_met() {
    let Some(folder) = golden() else { return };
    let text = std::fs::read_to_string(folder.join("08_avellaneda_stoikov.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let rows = json["grid"]["rows"].as_array().unwrap();
    assert!(100 <= rows.len());
    for row in rows {
        let row: Vec<f64> =
            row.as_array().unwrap().iter().map(|cell| cell.as_f64().unwrap()).collect();
        check_row(&row);
    }
}

/// One strategy on one path of the replay.
struct Trader {
    symmetric_half: Option<f64>,
    inventory: f64,
    inventory_max: f64,
    cash: f64,
    fills: [u64; 2],
}

impl Trader {
    fn new(symmetric_half: Option<f64>) -> Trader {
        Trader { symmetric_half, inventory: 0.0, inventory_max: 0.0, cash: 0.0, fills: [0; 2] }
    }

    fn step(&mut self, mid: f64, remaining: f64, draws: (f64, f64)) -> (f64, f64) {
        let (bid, ask) = match self.symmetric_half {
            Some(half) => (mid - half, mid + half),
            None => BASE.quotes(mid, self.inventory, remaining),
        };
        if draws.0 < BASE.intensity(ask - mid) * DT {
            self.inventory -= 1.0;
            self.cash += ask;
            self.fills[0] += 1;
        }
        if draws.1 < BASE.intensity(mid - bid) * DT {
            self.inventory += 1.0;
            self.cash -= bid;
            self.fills[1] += 1;
        }
        self.inventory_max = self.inventory_max.max(self.inventory.abs());
        (bid, ask)
    }
}

#[test]
fn the_golden_replay_is_met() {
    let Some(folder) = golden() else { return };
    let text = std::fs::read_to_string(folder.join("08_avellaneda_stoikov.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let data = std::fs::read_to_string(folder.join("data/as_replay.csv")).unwrap();
    let mut lines = data.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let rows: Vec<Vec<f64>> =
        lines.map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect()).collect();
    let column = |name: &str| header.iter().position(|head| *head == name).unwrap();
    let absolute = |value: f64, wanted: f64| {
        assert!((value - wanted).abs() <= 1e-8, "{value} is not {wanted}");
    };
    let time = |step: u32| 1.0 - f64::from(step) * DT;
    let average = (0..STEPS).map(|step| BASE.spread(time(step))).sum::<f64>() / f64::from(STEPS);
    let mut compared = 0;
    for result in json["replay"]["results"].as_array().unwrap() {
        let path = result["path"].as_u64().unwrap();
        let symmetric = result["strategy"] == "symmetric";
        let mut trader = Trader::new(symmetric.then_some(average / 2.0));
        let mut mid = 100.0;
        for (row, step) in rows.iter().zip(0..) {
            let cell = |name: &str| row[column(&format!("{name}{path}"))];
            let (bid, ask) = trader.step(mid, time(step), (cell("ua"), cell("ub")));
            if path == 0 {
                let prefix = if symmetric { "sym" } else { "inv" };
                absolute(bid, cell(&format!("{prefix}_bid")));
                absolute(ask, cell(&format!("{prefix}_ask")));
                absolute(trader.inventory, cell(&format!("{prefix}_q")));
                absolute(trader.cash, cell(&format!("{prefix}_cash")));
            }
            mid += cell("sign") * BASE.sigma * libm::sqrt(DT);
        }
        absolute(mid, result["final_mid"].as_f64().unwrap());
        absolute(trader.inventory, result["final_q"].as_f64().unwrap());
        absolute(trader.cash + trader.inventory * mid, result["pnl"].as_f64().unwrap());
        absolute(trader.inventory_max, result["max_abs_q"].as_f64().unwrap());
        absolute(average, result["average_spread"].as_f64().unwrap());
        assert_eq!(trader.fills[0], result["n_ask_fills"].as_u64().unwrap());
        assert_eq!(trader.fills[1], result["n_bid_fills"].as_u64().unwrap());
        compared += 1;
    }
    assert_eq!((rows.len(), compared), (200, 6));
}
