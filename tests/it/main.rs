//! Scenarios, and the shape and order of the house as tests.

mod architecture;
mod tidy;
