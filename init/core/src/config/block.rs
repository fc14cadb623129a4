//! `dns.block`, `dns.block_allow` and `dns.block_answer`: names that nobody in the house wants.

use super::domains;
use super::problem::{Report, echo};
use super::raw::{At, Section, Text};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The most lists.
pub const MAX_LISTS: usize = 16;

/// The longest name of a list's file, in bytes.
const MAX_FILE_NAME: usize = 64;

/// Names that nobody in the house wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Files of the folder `blocklists`, without a path.
    pub lists: Vec<String>,
    /// Domains that are not blocked whatever the lists say, in lower case; everything below is meant too.
    pub allow: Vec<String>,
    /// What a blocked name gets.
    pub answer: BlockAnswer,
}

/// What a blocked name gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BlockAnswer {
    /// It does not exist.
    #[default]
    NxDomain,
    /// An address that leads nowhere: 0.0.0.0 or `::`.
    Zero,
}

/// What the file says.
#[derive(Default)]
pub(super) struct Raw {
    lists: Vec<At<String>>,
    allow: Vec<At<String>>,
    answer: Text,
}

/// Reads the keys in `[dns]`.
pub(super) fn read(dns: &mut Section<'_, '_, '_>) -> Raw {
    Raw { lists: dns.texts("block"), allow: dns.texts("block_allow"), answer: dns.text("block_answer") }
}

/// Checks them. Whether the files are there is seen when they are read.
pub(super) fn check(raw: &Raw, report: &mut Report<'_>) -> Block {
    let allow = domains::list(&raw.allow, "dns.block_allow", report);
    Block { lists: check_lists(&raw.lists, report), allow, answer: check_answer(&raw.answer, report) }
}

fn check_lists(raw: &[At<String>], report: &mut Report<'_>) -> Vec<String> {
    let mut lists: Vec<String> = Vec::new();
    for At { value, at } in raw {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let sound = (1..=MAX_FILE_NAME).contains(&value.len()) && value.bytes().all(plain) && !value.starts_with('.');
        // The drive does not tell upper from lower case.
        let twice = lists.iter().any(|other| other.eq_ignore_ascii_case(value));
        let (what, cure) = if !sound {
            let cure =
                "write the file's name alone, such as \"ads.txt\", of letters, digits, dots, hyphens and underscores";
            (format!("{} is not the name of a file in the folder blocklists", echo(value)), cure)
        } else if twice {
            (format!("{value} stands in the list twice"), "keep one of them")
        } else if lists.len() == MAX_LISTS {
            report.add(
                *at,
                "dns.block",
                format!("there are more than {MAX_LISTS} lists"),
                "put some of them into one file",
            );
            break;
        } else {
            lists.push(value.clone());
            continue;
        };
        report.add(*at, "dns.block", what, cure);
    }
    lists
}

fn check_answer(raw: &Text, report: &mut Report<'_>) -> BlockAnswer {
    let Some(At { value, at }) = raw else { return BlockAnswer::default() };
    match value.as_str() {
        "nxdomain" => BlockAnswer::NxDomain,
        "zero" => BlockAnswer::Zero,
        _ => {
            let cure = "write \"nxdomain\" (the name does not exist) or \"zero\" (the address 0.0.0.0)";
            report.add(*at, "dns.block_answer", format!("{} is not an answer that is known here", echo(value)), cure);
            BlockAnswer::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use alloc::string::ToString;

    #[track_caller]
    fn check(keys: &str, message: &str) {
        let refused = parse(format!("[dns]\n{keys}").as_bytes()).expect_err(keys).to_string();
        assert_eq!(refused, format!("gateway.toml:2:{message}"));
    }

    #[test]
    fn block_keys_are_read_and_mistakes_explained() {
        let text =
            b"[dns]\nblock = [\"ads.txt\", \"b_2-x\"]\nblock_allow = [\"Good.Example\"]\nblock_answer = \"zero\"";
        let block = parse(text).unwrap().dns.block;
        assert_eq!((block.lists.len(), block.answer), (2, BlockAnswer::Zero));
        assert_eq!(block.allow, ["good.example"]);
        for name in ["../x", ".hidden", "", "a b", "a/b"] {
            check(
                &format!("block = [\"{name}\"]"),
                &format!(
                    "10: dns.block: \"{name}\" is not the name of a file in the folder blocklists; write the file's name alone, such as \"ads.txt\", of letters, digits, dots, hyphens and underscores"
                ),
            );
        }
        check("block = [\"a\", \"A\"]", "15: dns.block: A stands in the list twice; keep one of them");
        let many: Vec<String> = (10..=26).map(|n| format!("\"a{n}\"")).collect();
        check(
            &format!("block = [{}]", many.join(",")),
            "106: dns.block: there are more than 16 lists; put some of them into one file",
        );
        check(
            "block_answer = \"0.0.0.0\"",
            "16: dns.block_answer: \"0.0.0.0\" is not an answer that is known here; write \"nxdomain\" (the name does not exist) or \"zero\" (the address 0.0.0.0)",
        );
        check(
            "block_allow = [\"a b\"]",
            "16: dns.block_allow: \"a b\" is not a domain; write a domain such as \"example.com\"; everything below it is meant too",
        );
    }
}
