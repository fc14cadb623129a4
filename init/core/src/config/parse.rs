//! The way from the bytes of a `gateway.toml` to a [`Config`].

use super::problem::{Problems, Report};
use super::{Config, MAX_CONFIG_BYTES, check, raw};
use alloc::format;

/// The mark that some editors put before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

const SAVE_AS_UTF8: &str =
    "save it as plain text (UTF-8) with an editor such as Notepad, TextEdit in plain-text mode, or nano";

/// Reads and checks a file. Byte order mark and Windows line ends are accepted.
///
/// # Errors
///
/// Everything that was found wrong, in the order of the file. A syntax error hides what else is wrong, since the
/// meaning of the rest is then guesswork. Never contains a passphrase.
pub fn parse(bytes: &[u8]) -> Result<Config, Problems> {
    if bytes.len() > MAX_CONFIG_BYTES {
        let what = format!("the file is larger than {} KiB", MAX_CONFIG_BYTES / 1024);
        return Err(Problems::one(
            1,
            1,
            what,
            "this is not a gateway.toml, which has a few lines of text; put the right file in its place",
        ));
    }
    let text = decode(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes))?;
    let mut report = Report::new(text);
    let config = raw::read(text, &mut report).map(|raw| check::check(&raw, &mut report));
    match report.finish() {
        Some(problems) => Err(problems),
        None => Ok(config.unwrap_or_default()),
    }
}

/// The bytes as text.
fn decode(bytes: &[u8]) -> Result<&str, Problems> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(Problems::one(1, 1, "the file is saved as UTF-16 (\"Unicode\")", SAVE_AS_UTF8));
    }
    let first_bad = match core::str::from_utf8(bytes) {
        Ok(text) => match text.bytes().position(|byte| byte == 0) {
            None => return Ok(text),
            Some(at) => at,
        },
        Err(error) => error.valid_up_to(),
    };
    let before = bytes.get(..first_bad).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    let what = format!("byte {column} of line {line} is not text, or not saved as UTF-8");
    Err(Problems::one(line, column, what, SAVE_AS_UTF8))
}
