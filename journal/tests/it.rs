//! The journal as its users see it.

mod it {
    //! Scenarios, one file each.
    mod follow_and_read;
    mod support;
}
