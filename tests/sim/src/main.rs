//! x
fn main() { let _ = fettle::core::target::is_name("x"); }
