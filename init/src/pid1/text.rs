//! Text from elsewhere on its way to a screen: no control characters, bounded lines, a bounded number of them.

use gatepost_core::time::{Duration, Instant};

/// Longest line shown, in bytes before escaping: six rows of a terminal. The rest of a longer line is dropped.
pub const MAX_LINE_BYTES: usize = 480;

/// Lines that may come at once before the rate limit bites.
const BURST: u32 = 60;
/// After a burst, one line is let through per this time: 10 a second keep a 115200 baud line readable.
const REFILL: Duration = Duration::from_millis(100);

/// `bytes` with everything that could steer a terminal made visible. Line ends are kept if `multi_line`.
pub fn printable(bytes: &[u8], multi_line: bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for c in String::from_utf8_lossy(bytes).chars() {
        match c {
            '\n' if multi_line => out.push('\n'),
            '\t' => out.push(' '),
            c if c.is_control() || is_bidi(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Characters that reorder what stands around them.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Cuts a byte stream into lines.
#[derive(Debug, Default)]
pub struct LineCutter {
    line: Vec<u8>,
}

impl LineCutter {
    /// Takes bytes, calls `each` for every line that they complete. Empty lines are dropped.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        for &byte in bytes {
            if byte == b'\n' || byte == b'\r' {
                if !self.line.is_empty() {
                    each(&self.line);
                }
                self.line.clear();
            } else if self.line.len() < MAX_LINE_BYTES {
                self.line.push(byte);
            }
        }
    }
}

/// A token bucket for lines.
#[derive(Debug)]
pub struct RateLimit {
    tokens: u32,
    refilled: Instant,
    dropped: u64,
}

impl RateLimit {
    /// A full bucket.
    pub fn new(now: Instant) -> Self {
        Self { tokens: BURST, refilled: now, dropped: 0 }
    }

    /// Whether a line may be shown now; if so, with the number of lines dropped since the last one.
    pub fn admit(&mut self, now: Instant) -> Option<u64> {
        let earned = now.since(self.refilled).as_millis() / REFILL.as_millis();
        if earned > 0 {
            self.tokens = BURST.min(self.tokens.saturating_add(u32::try_from(earned).unwrap_or(BURST)));
            self.refilled = now;
        }
        match self.tokens.checked_sub(1) {
            Some(left) => {
                self.tokens = left;
                Some(std::mem::take(&mut self.dropped))
            }
            None => {
                self.dropped = self.dropped.saturating_add(1);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_steer_the_terminal() {
        assert_eq!(printable(b"a\x1b[2Jb\tc\n", false), "a\\u{1b}[2Jb c\\u{a}");
        assert_eq!(printable("ä\u{9b}x\u{202e}\n".as_bytes(), true), "ä\\u{9b}x\\u{202e}\n");
        assert_eq!(printable(b"\xff\xfe", false), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn lines_are_cut_and_bounded() {
        let mut cutter = LineCutter::default();
        let mut lines = Vec::new();
        for piece in [&b"on"[..], b"e\r\n\ntw", b"o\n", &[b'x'; 2000], b"\nrest"] {
            cutter.push(piece, |line| lines.push(line.to_vec()));
        }
        assert_eq!(lines, [b"one".to_vec(), b"two".to_vec(), vec![b'x'; MAX_LINE_BYTES]]);
    }

    #[test]
    fn a_flood_is_thinned_and_the_loss_told() {
        let mut limit = RateLimit::new(Instant::from_millis(0));
        let shown = (0..1000).filter(|_| limit.admit(Instant::from_millis(0)).is_some()).count();
        assert_eq!(shown, BURST as usize);
        assert_eq!(limit.admit(Instant::from_millis(100)), Some(1000 - u64::from(BURST)));
        assert_eq!(limit.admit(Instant::from_millis(150)), None);
    }
}
