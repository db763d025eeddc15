//! The rails, with the real binary and real neighbours: what an on-call engineer would want to see before sleeping.

mod announcements;
mod approvals;
mod itself;
mod replicas;
mod scenarios;
mod storm;
