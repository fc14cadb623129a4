//! `autoboot.txt`: the selector file that the Pi's firmware reads on p1 (at most 512 bytes; sections `[all]`, `[none]`
//! and `[tryboot]`). `boot_partition` under `[all]` is the slot that starts; the one under `[tryboot]` is where the
//! firmware's one-shot try would go, always the other slot. Lines that we do not know are kept.

use super::Slot;
use alloc::string::String;

/// The firmware reads no more than this many bytes.
pub const MAX_BYTES: usize = 512;

/// A fresh file that starts `slot`.
pub fn text(slot: Slot) -> String {
    alloc::format!(
        "[all]\ntryboot_a_b=1\nboot_partition={}\n[tryboot]\nboot_partition={}\n",
        slot.boot_partition(),
        slot.other().boot_partition()
    )
}

/// The slot that `file` starts: the last `boot_partition` that is not under `[tryboot]` or `[none]`.
pub fn selected(file: &str) -> Option<Slot> {
    let mut section = Section::Normal;
    let mut found = None;
    for line in file.lines() {
        section = section.after(line);
        if let (Section::Normal, Some(value)) = (section, boot_partition(line)) {
            found = Slot::ALL.into_iter().find(|slot| value == digit(*slot));
        }
    }
    found
}

/// `file` changed so that it starts `slot`. Only the numbers change, so a file that names partitions 2 and 3 keeps its
/// length and can be overwritten in place: one sector of the card, written whole or not at all. A file that is not
/// text, too long, or selects nothing is replaced by a fresh one.
pub fn select(file: &[u8], slot: Slot) -> String {
    let Some(old) = core::str::from_utf8(file).ok().filter(|old| old.len() <= MAX_BYTES && selected(old).is_some())
    else {
        return text(slot);
    };
    let mut section = Section::Normal;
    let mut new = String::with_capacity(old.len());
    for line in old.split_inclusive('\n') {
        section = section.after(line);
        match (boot_partition(line), section) {
            (Some(_), Section::Normal) => push_line(&mut new, line, slot),
            (Some(_), Section::TryBoot) => push_line(&mut new, line, slot.other()),
            _ => new.push_str(line),
        }
    }
    if selected(&new) == Some(slot) && new.len() <= MAX_BYTES { new } else { text(slot) }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    /// `[all]`, or before any section.
    Normal,
    TryBoot,
    /// `[none]` and everything unknown: never applies.
    None,
}

impl Section {
    fn after(self, line: &str) -> Section {
        match line.trim() {
            "[all]" => Section::Normal,
            "[tryboot]" => Section::TryBoot,
            other if other.starts_with('[') => Section::None,
            _ => self,
        }
    }
}

/// The value of a `boot_partition=` line.
fn boot_partition(line: &str) -> Option<&str> {
    let (key, value) = line.split_once('=')?;
    (key.trim() == "boot_partition").then_some(value.trim()).filter(|value| !value.is_empty())
}

/// `line` with its value replaced by the boot partition of `slot`; key, spaces and line end are kept.
fn push_line(out: &mut String, line: &str, slot: Slot) {
    let (key, value) = line.split_once('=').unwrap_or((line, ""));
    out.push_str(key);
    out.push('=');
    out.push_str(&value.replacen(value.trim(), digit(slot), 1));
}

/// The boot partition's number as the file has it. One digit for both slots, so that the length stays.
const fn digit(slot: Slot) -> &'static str {
    match slot {
        Slot::A => "2",
        Slot::B => "3",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    fn a_fresh_file_starts_its_slot() {
        for slot in Slot::ALL {
            assert_eq!(selected(&text(slot)), Some(slot));
            assert_eq!(digit(slot), slot.boot_partition().to_string());
        }
    }

    #[test]
    fn only_the_numbers_change() {
        let old = "# mine\r\n[all]\r\ntryboot_a_b=1\r\nboot_partition = 2 \r\n[none]\nboot_partition=2\n[tryboot]\nboot_partition=3";
        let new = select(old.as_bytes(), Slot::B);
        let want = "# mine\r\n[all]\r\ntryboot_a_b=1\r\nboot_partition = 3 \r\n[none]\nboot_partition=2\n[tryboot]\nboot_partition=2";
        assert_eq!(new, want);
        assert_eq!(select(new.as_bytes(), Slot::A), old);
        assert_eq!(select(old.as_bytes(), Slot::A), old);
    }

    #[test]
    fn a_useless_file_is_replaced() {
        for bad in [&b""[..], b"\xff\xfe", b"boot_partition=", b"boot_partition=7", b"[tryboot]\nboot_partition=3\n"] {
            assert_eq!(select(bad, Slot::B), text(Slot::B));
        }
        let long = text(Slot::A) + &"#".repeat(MAX_BYTES);
        assert_eq!(select(long.as_bytes(), Slot::B), text(Slot::B));
    }

    proptest! {
        #[test]
        fn whatever_was_there_the_result_selects(old in proptest::collection::vec(any::<u8>(), 0..600), b: bool) {
            let slot = if b { Slot::B } else { Slot::A };
            let new = select(&old, slot);
            prop_assert_eq!(selected(&new), Some(slot));
            prop_assert!(new.len() <= MAX_BYTES);
        }

        #[test]
        fn near_misses_too(old in "(\\[(all|tryboot|none)\\]|boot_partition ?= ?[0-9]?|x=1|\n| ){0,12}", b: bool) {
            let slot = if b { Slot::B } else { Slot::A };
            prop_assert_eq!(selected(&select(old.as_bytes(), slot)), Some(slot));
        }
    }
}
