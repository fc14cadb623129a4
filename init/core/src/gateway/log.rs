//! The log: the last few hundred lines in memory. Nothing is written to the card for it.

use crate::time::Instant;
use alloc::string::String;
use core::fmt::Write;
use heapless::Deque;

/// Lines kept. With [`MAX_LINE`] this bounds the log at 100 KiB; the oldest line makes room.
pub const LINES: usize = 512;

/// Longest line, in bytes; a longer one is cut.
pub const MAX_LINE: usize = 200;

/// The last [`LINES`] lines.
#[derive(Default)]
pub struct Log {
    lines: Deque<(Instant, String), LINES>,
    dropped: u64,
}

impl Log {
    /// Adds a line. Whatever is not plain ASCII text is escaped: names in it may come from strangers.
    pub fn push(&mut self, now: Instant, text: &str) {
        if self.lines.is_full() {
            self.lines.pop_front();
            self.dropped += 1;
        }
        // There is room now.
        let _ = self.lines.push_back((now, plain(text)));
    }

    /// The whole log as text, oldest line first; each begins with seconds since boot.
    pub fn render(&self) -> String {
        let mut text = String::new();
        if self.dropped > 0 {
            let _ = writeln!(text, "({} older lines are gone)", self.dropped);
        }
        for (at, line) in &self.lines {
            let _ = writeln!(text, "{:>12} {line}", alloc::format!("{at}"));
        }
        text
    }
}

/// Printable ASCII as it is, everything else escaped, at most [`MAX_LINE`] bytes.
pub fn plain(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(MAX_LINE));
    for c in text.chars() {
        let is_plain = c == ' ' || c.is_ascii_graphic();
        let width = if is_plain { 1 } else { c.escape_default().len() };
        if line.len() + width > MAX_LINE {
            break;
        }
        if is_plain {
            line.push(c);
        } else {
            line.extend(c.escape_default());
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_line_makes_room() {
        let mut log = Log::default();
        for n in 0..LINES + 3 {
            log.push(Instant::from_secs(n as u64), &alloc::format!("line {n}"));
        }
        let text = log.render();
        assert_eq!(text.lines().count(), LINES + 1);
        assert!(
            text.starts_with("(3 older lines are gone)\n") && !text.contains("line 2\n") && text.contains("line 3\n")
        );
    }

    #[test]
    fn cve_2018_1111_control_characters_stay_inert() {
        assert_eq!(plain("a\x1b[2J\n'$(reboot)"), "a\\u{1b}[2J\\n'$(reboot)");
        assert_eq!(plain(&"ä".repeat(500)).len() / 6, MAX_LINE / 6);
    }
}
