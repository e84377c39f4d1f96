//! Tests of the control stage: the desk is the stage with a small world of gate, orders and venue around it.

mod answers;
mod breakers;
mod closing;
mod desk;
mod kills;
mod positions;
mod saved;
mod triggers;
