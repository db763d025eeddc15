//! The HTTP edge against a real server and a real database: what is let in, what is refused, and with which words.

mod access;
mod bodies;
mod reading;
mod slow;
