//! The seeded simulator: what scenarios, fuzz targets and crash tests stand on.

pub mod fuzz;
