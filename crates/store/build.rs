//! Migrations are embedded at compile time; without this, cargo does not see that one was added.
fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
