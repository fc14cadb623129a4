//! `[netboot]`: whether machines of the LAN may boot from the gateway.

use super::raw::Section;

/// The keys of the section.
pub(super) const KEYS: &[&str] = &["serve"];

/// Network boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Netboot {
    /// Whether the files of the folder `netboot` are served by TFTP, and DHCP says so. Nothing is open when it is off.
    pub serve: bool,
}

/// Reads the section; there is nothing to check but the type.
pub(super) fn read(section: &mut Section<'_, '_, '_>) -> Netboot {
    Netboot { serve: section.switch("serve").unwrap_or(false) }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use alloc::string::ToString;

    #[test]
    fn network_boot_is_off_unless_it_is_switched_on() {
        let serve = |text: &str| parse(text.as_bytes()).unwrap().netboot.serve;
        assert!(!serve("") && !serve("[netboot]\n") && !serve("[netboot]\nserve = false"));
        assert!(serve("[netboot]\nserve = true"));
        let refused = |text: &str| parse(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            refused("[netboot]\nserve = \"yes\""),
            "gateway.toml:2:9: netboot.serve: this must be true or false, but is text; write serve = true or serve = false, without quotes"
        );
        assert!(refused("[netboot]\nserv = true").contains("2:1: netboot.serv: "));
    }
}
