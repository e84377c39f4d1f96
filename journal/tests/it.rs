//! The journal as its users see it: one binary, one file a scenario.

#[cfg(test)]
mod it {
    //! Scenarios.
    mod damage_is_named;
    mod faults_have_names;
    mod follow_and_read;
    mod kill_nine;
    mod model;
    mod power_loss;
    mod repair_on_order;
    mod support;
    mod tampering_is_seen;
}
