//! Table tests of the OMS.
