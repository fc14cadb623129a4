//! Matching of module aliases as `modprobe` does it: the patterns of fnmatch(3) without flags.

/// Whether the whole of `text` matches `pattern`: `*` any run, `?` one byte, `[a-f]` or `[!a-f]` one of a set.
/// An unclosed `[` stands for itself. Takes at most pattern length times text length steps, and never recurses.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.as_bytes(), text.as_bytes());
    // Where to go on when a byte does not fit: after the last star, one byte further.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some((b'*', rest)) = pattern.split_first() {
            pattern = rest;
            retry = Some((rest, text));
            continue;
        }
        match (one(pattern, text), retry) {
            (Step::End, _) => return true,
            (Step::Fits(rest, after), _) => (pattern, text) = (rest, after),
            (Step::Differs, Some((after_star, from))) => {
                let Some((_, from)) = from.split_first() else { return false };
                retry = Some((after_star, from));
                (pattern, text) = (after_star, from);
            }
            (Step::Differs, None) => return false,
        }
    }
}

enum Step<'p, 't> {
    End,
    Fits(&'p [u8], &'t [u8]),
    Differs,
}

/// Compares the first element of the pattern, which is no star, with the first byte of the text.
fn one<'p, 't>(pattern: &'p [u8], text: &'t [u8]) -> Step<'p, 't> {
    let (Some((&head, rest)), Some((&byte, after))) = (pattern.split_first(), text.split_first()) else {
        return if pattern.is_empty() && text.is_empty() { Step::End } else { Step::Differs };
    };
    match head {
        b'?' => Step::Fits(rest, after),
        b'[' => match set(rest, byte) {
            Some((true, rest)) => Step::Fits(rest, after),
            Some((false, _)) => Step::Differs,
            None if byte == b'[' => Step::Fits(rest, after),
            None => Step::Differs,
        },
        _ if head == byte => Step::Fits(rest, after),
        _ => Step::Differs,
    }
}

/// `rest` starts after `[`: whether the set has `byte`, and what follows its `]`. `None` if it is never closed.
fn set(rest: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (negated, body) = match rest {
        [b'!' | b'^', body @ ..] => (true, body),
        body => (false, body),
    };
    // A `]` right at the start is a member.
    let end = 1 + body.get(1..)?.iter().position(|&b| b == b']')?;
    let (mut members, after) = (body.get(..end)?, body.get(end + 1..)?);
    let mut found = false;
    while let [first, tail @ ..] = members {
        members = match tail {
            [b'-', last, tail @ ..] => {
                found |= (*first..=*last).contains(&byte);
                tail
            }
            _ => {
                found |= *first == byte;
                tail
            }
        };
    }
    Some((found != negated, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use proptest::prelude::*;

    #[test]
    fn matches_like_modprobe() {
        let yes = [
            ("virtio:d00000001v*", "virtio:d00000001v00001AF4"),
            ("of:N*T*Cbrcm,bcm2711-genet-v5", "of:NethernetT(null)Cbrcm,bcm2711-genet-v5"),
            ("of:N*T*Cbrcm,bcm2835-sdhostC*", "of:NmmcT(null)Cbrcm,bcm2835-sdhostCx"),
            ("usb:v0424p7800d*dc*dsc*dp*ic*isc*ip*in*", "usb:v0424p7800d0300dcFFdsc00dpFFicFFisc00ipFFin00"),
            ("pci:v00001AF4d*sv*sd*bc*sc*i*", "pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00"),
            ("d02[0-2]*", "d021x"),
            ("a[!b]c", "axc"),
            ("a[]]c", "a]c"),
            ("a[b", "a[b"),
            ("*", ""),
            ("a*b*c", "aXbYbZc"),
        ];
        let no =
            [("virtio:d00000001v*", "virtio:d00000002v0"), ("d02[0-2]*", "d023x"), ("a", ""), ("", "a"), ("a*b", "ac")];
        for (pattern, text) in yes {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in no.into_iter().chain([("a[!b]c", "abc"), ("?", ""), ("[", "]")]) {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    /// The definition, exponential and obviously right, for patterns without sets.
    fn by_definition(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|skip| by_definition(rest, &text[skip..])),
            ([b'?', rest @ ..], [_, tail @ ..]) => by_definition(rest, tail),
            ([head, rest @ ..], [byte, tail @ ..]) => head == byte && by_definition(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            prop_assert_eq!(matches(&pattern, &text), by_definition(pattern.as_bytes(), text.as_bytes()));
        }

        #[test]
        fn any_text_returns(pattern: String, text: String) {
            matches(&pattern, &text);
        }

        #[test]
        fn sets_never_panic(pattern in "[\\[\\]!^a*?-]{0,10}", text in "[\\[\\]!^a-]{0,6}") {
            matches(&pattern, &text);
        }
    }
}
