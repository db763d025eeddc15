//! The HTTP edge against a real server and a real database: what is let in, what is refused, and with which words.

mod access;
mod answers;
mod bodies;
mod breakers;
mod events;
mod explain;
mod follow;
mod orders;
mod page;
mod pauses;
pub mod proposals;
mod reading;
mod slow;
