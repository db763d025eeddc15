//! How fettle gets in: credentials stay in their files and are read again for every request, so that those which are
//! swapped while fettle runs need no restart; certificates are read once.

use std::path::PathBuf;

use rustls::pki_types::CertificateDer;

/// How to get in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Who fettle is; `None`: nobody asks.
    pub credentials: Option<Credentials>,
    /// Whom to trust instead of the machine's certificates.
    pub ca: Option<Vec<CertificateDer<'static>>>,
}

/// Who fettle is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// The bearer of a token.
    Bearer {
        /// The file that holds it.
        token_file: PathBuf,
    },
    /// A user with a password.
    Basic {
        /// The user.
        username: String,
        /// The file that holds the password.
        password_file: PathBuf,
    },
}
