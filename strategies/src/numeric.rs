//! Mathematics of strategies: floats in, integers out, through one door.

pub mod avellaneda_stoikov;
pub mod decay;
pub mod quantise;
