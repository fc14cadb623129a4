//! The directives of dnsmasq that give a client a tag, as `[[dhcp.match]]`; and the tags that other directives ask for.

use crate::import::draft::{Draft, Match};
use crate::import::ledger::Fate;

/// How iPXE names itself in its user class (option 77).
const IPXE: &str = "iPXE";

/// A tag as it may be written here.
pub fn tag(text: &str) -> String {
    text.trim().to_lowercase().replace('_', "-")
}

/// The one tag that a directive asks for, of its words `tag:…`.
///
/// # Errors
///
/// What to do if it asks for more, or for one that a client has not.
pub fn wanted(words: &[&str]) -> Result<Option<String>, String> {
    let tags: Vec<&str> = words.iter().map(|word| word.split_once(':').map_or(*word, |(_, tag)| tag)).collect();
    match tags.as_slice() {
        [] => Ok(None),
        [one] if one.starts_with('!') => Err(format!(
            "there is no \"not\" here: write it without a tag for all, and another one for the tag `{}`",
            one.trim_start_matches('!')
        )),
        [one] => Ok(Some(tag(one))),
        _ => Err("one tag is looked at here: give the clients that are meant a tag of their own".into()),
    }
}

/// `set:tag,text`: text anywhere in option 60.
pub fn vendor_class(value: &str, draft: &mut Draft) -> Fate {
    let Some((tag, class)) = parts(value) else { return no_parts() };
    if class.starts_with("enterprise:") {
        return Fate::Left(
            "option 124 is not looked at: take the `vendor_class` (option 60) if the clients send one".into(),
        );
    }
    push(tag, "vendor_class", class.trim_matches('"'), draft);
    Fate::Nearly("dnsmasq finds the text anywhere in the vendor class, the gateway at its beginning only".into())
}

/// `set:tag,text`: text anywhere in option 77.
pub fn user_class(value: &str, draft: &mut Draft) -> Fate {
    let Some((tag, class)) = parts(value) else { return no_parts() };
    push(tag, "user_class", class.trim_matches('"'), draft);
    Fate::Nearly("dnsmasq finds the text anywhere in the user class, the gateway takes it for one whole class".into())
}

/// `set:tag,pattern`
pub fn mac(value: &str, draft: &mut Draft) -> Fate {
    let Some((tag, pattern)) = parts(value) else { return no_parts() };
    hardware(tag, pattern, draft)
}

/// A hardware address whose last bytes may be `*`.
pub fn hardware(tag: String, pattern: &str, draft: &mut Draft) -> Fate {
    let bytes: Vec<&str> = pattern.split(':').collect();
    let fixed: Vec<&str> = bytes.iter().take_while(|byte| **byte != "*").copied().collect();
    let rest_is_open = bytes.iter().skip(fixed.len()).all(|byte| *byte == "*");
    let is_hex = fixed.iter().all(|byte| byte.len() <= 2 && u8::from_str_radix(byte, 16).is_ok());
    if bytes.len() != 6 || fixed.is_empty() || !rest_is_open || !is_hex {
        return Fate::Left(
            "`[[dhcp.match]] mac` is how an address begins: `*` can stand for its last bytes only".into(),
        );
    }
    let fixed: Vec<String> = fixed.iter().map(|byte| format!("{byte:0>2}").to_lowercase()).collect();
    push(tag, "mac", &fixed.join(":"), draft);
    Fate::Taken
}

/// `set:tag,option[,value]`: what is in options 60 and 77 can be asked for, and what they say of others.
pub fn option(value: &str, draft: &mut Draft) -> Fate {
    let Some((tag, rest)) = parts(value) else { return no_parts() };
    let (option, content) =
        rest.split_once(',').map_or((rest, None), |(option, content)| (option, Some(content.trim())));
    match (option.trim().trim_start_matches("option:"), content) {
        // A boot ROM says its architecture in its vendor class too (PXE 2.1 section 2.2.1, UEFI 24.7.1).
        ("client-arch" | "93", Some(number)) => match number.parse::<u16>() {
            Ok(number @ 0..=11) => {
                push(tag, "vendor_class", &format!("PXEClient:Arch:{number:05}"), draft);
                Fate::Nearly("the architecture is read from the vendor class (option 60), where boot ROMs say it too".into())
            }
            Ok(number @ 15..=19) => {
                push(tag, "vendor_class", &format!("HTTPClient:Arch:{number:05}"), draft);
                Fate::Nearly("the architecture is read from the vendor class (option 60), where boot ROMs say it too".into())
            }
            _ => Fate::Left("see what these machines send as `vendor_class` (`[dhcp] log`), and match that".into()),
        },
        // Options of iPXE's own.
        ("175", None) => {
            push(tag, "user_class", IPXE, draft);
            Fate::Nearly("iPXE is known by its user class (option 77), which it sends beside option 175".into())
        }
        ("vendor-class" | "60", Some(class)) => vendor_class(&format!("set:{tag},{class}"), draft),
        ("user-class" | "77", Some(class)) => user_class(&format!("set:{tag},{class}"), draft),
        _ => Fate::Left(
            "of a client's options `[[dhcp.match]]` looks at `vendor_class` (60) and `user_class` (77) only: match what else the clients have in common".into(),
        ),
    }
}

fn parts(value: &str) -> Option<(String, &str)> {
    let (name, what) = value.split_once(',')?;
    let name = name.trim().trim_start_matches("set:").trim_start_matches("net:");
    Some((tag(name), what.trim())).filter(|(tag, what)| !tag.is_empty() && !what.is_empty())
}

fn no_parts() -> Fate {
    Fate::Left("a tag and what it is for are needed: see `[[dhcp.match]]`".into())
}

fn push(tag: String, key: &'static str, value: &str, draft: &mut Draft) {
    draft.matches.push(Match { tag, key, value: value.into() });
}
