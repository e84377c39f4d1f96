//! Tests of the monitor: tables by hand, boundaries of every threshold, and a naive twin beside it.

mod account;
mod alerts;
mod desk;
mod naive;
mod saved;
mod series;
mod told;
