//! The conformance suite of the stores on the two that need no server, without the service around it: the same tests as
//! those of `tests/it/store`, built in a fraction of the time.

#[cfg(test)]
mod agree;
#[cfg(test)]
mod store;
