//! tickwheel.
fn main() {}
