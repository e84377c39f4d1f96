//! Scenarios, fuzz targets on their seeds, and the shape and order of the house as tests.

mod architecture;
mod fuzz_replay;
mod tidy;
