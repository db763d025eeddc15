//! What fettle would do, before it does it: tools over the same core as the service.
//!
//! Always holds: nothing here has an effect and nothing is stored; what is predicted is decided by the functions that
//! decide in the service, on facts that are read and not taken.

pub mod explain;
pub mod reach;
