//! Where fettle serves, and the rule that an open door needs a lock.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use fettle_core::diagnostic::{Report, codes};
use fettle_core::yaml::{Node, text};

pub(super) const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9876);

/// Reads the address. Anything but loopback needs tokens.
pub(super) fn read(node: &Node, has_tokens: bool, report: &mut Report<'_>) -> Option<SocketAddr> {
    let written = text(node, report)?;
    let numeric = match written.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => written.to_owned(),
    };
    let Ok(address) = numeric.parse::<SocketAddr>() else {
        let message = "this is not an address to listen on";
        report.add_with_help(
            &codes::LISTEN,
            &node.at,
            message,
            "write IP:PORT, such as 127.0.0.1:9876, 0.0.0.0:9876 or [::]:9876",
        );
        return None;
    };
    if !has_tokens && !address.ip().to_canonical().is_loopback() {
        report.add_with_help(
            &codes::OPEN_DOOR,
            &node.at,
            format!("without tokens fettle serves on loopback only, and {} is not", address.ip()),
            "add a token under auth.tokens (`fettle token new` makes one), or listen on 127.0.0.1",
        );
    }
    Some(address)
}
