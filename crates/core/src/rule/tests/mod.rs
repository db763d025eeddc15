//! The reader and its lints against a corpus of files, and against random rules.

mod corpus;
mod promises;
mod properties;
