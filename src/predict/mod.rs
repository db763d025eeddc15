//! Tools over the core on a virtual clock: what fettle would do, without doing it.

pub mod replay;
