//! YAML as a tree that knows where each part stands; the only place that knows the parser.
//!
//! Everything fettle reads in YAML is read in two steps: text to [`Node`]s here, nodes to types by shapes, which report
//! every problem they meet and go on. (A derived `Deserialize` would stop at the first one, and a person who fixes a file
//! wants them all.)
//!
//! Always holds: scalars keep the text as written, so `name: 007` is "007"; quoting decides nothing but the difference between
//! `null` and `"null"`. A bomb of aliases, deep nesting and a key that stands twice end as a diagnostic. An aliased or merged
//! value is reported where it is defined.

mod limits;
mod node;
mod read;
mod schema;
mod shape;

pub use node::{Entry, Node, Value};
pub use read::{boolean, bytes, duration, entries, items, number, parse, required, strings, text, unknown_key, word};
pub use schema::schema;
pub use shape::shape;
pub use shape::{Field, Form, Shape};

#[cfg(test)]
mod tests;
