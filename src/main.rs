//! Arguments to exit code, nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Every TLS client needs it, and none may come first. An error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    fettle::cli::run()
}
