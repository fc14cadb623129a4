//! What a machine that boots from the network is told when the gateway serves its files.
//!
//! A Pi's boot ROM announces itself as `PXEClient` (option 60) and takes an answer only if that says the same and holds
//! PXE's vendor options (43; Intel, Preboot Execution Environment 2.1, section 2.2) with a boot menu of one entry,
//! `Raspberry Pi Boot`. The server's address stands in `siaddr` and, as text, in option 66; some versions of the ROM
//! look only at the DHCP server's own address, which is the same here. Its client identifier of PXE (option 97) is sent
//! back (RFC 4578 section 2.3).

use crate::config::{Config, DhcpBoot, DhcpMatch, DhcpOption};
use crate::net::Ipv4Addr;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// How the class of every PXE client begins.
const CLASS: &str = "PXEClient";

/// The tag of such clients; no configuration can have one of this name.
const TAG: &str = "(netboot)";

/// The menu's entry.
const ENTRY: &[u8] = b"Raspberry Pi Boot";

/// Adds the rules to those of the configuration, which come first.
pub(super) fn add(
    config: &Config,
    server: Ipv4Addr,
    matches: &mut Vec<DhcpMatch>,
    options: &mut Vec<DhcpOption>,
    boot: &mut Vec<DhcpBoot>,
) {
    if !config.netboot.serve {
        return;
    }
    let tag = || Some(String::from(TAG));
    matches.push(DhcpMatch { tag: TAG.into(), vendor_class: Some(CLASS.into()), user_class: None, mac: None });
    let ours = [(60, CLASS.as_bytes().into()), (43, vendor_options()), (66, server.to_string().into_bytes())];
    for (code, data) in ours {
        // What is configured for everybody is configured for these, too.
        if !options.iter().any(|option| option.code == code && option.tag.is_none()) {
            options.push(DhcpOption { code, data, tag: tag(), always: code != 66 });
        }
    }
    if !boot.iter().any(|entry| entry.tag.is_none()) {
        boot.push(DhcpBoot { server: None, server_name: String::new(), file: String::new(), tag: tag() });
    }
}

/// Discovery control 3 (neither broadcast nor multicast: the server is known), the menu's prompt with no time to wait,
/// the menu, the end.
fn vendor_options() -> Vec<u8> {
    let mut out = Vec::from([6, 1, 3, 10, 4, 0]);
    out.extend_from_slice(b"PXE");
    // Type 0 is a boot from the server that offers it.
    out.extend_from_slice(&[9, (3 + ENTRY.len()) as u8, 0, 0, ENTRY.len() as u8]);
    out.extend_from_slice(ENTRY);
    out.push(255);
    out
}
