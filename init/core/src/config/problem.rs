//! What is wrong with a `gateway.toml`, said so that the person who wrote it can put it right: where, which key, what is
//! wrong and what would be right. Passphrases are never part of a message.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// The name by which messages call the file.
pub const FILE_NAME: &str = "gateway.toml";

/// More problems than this are only counted: nobody reads further, and a binary file must not fill the memory.
pub const MAX_PROBLEMS: usize = 20;

/// The longest piece of the file that a message repeats, in characters.
const MAX_ECHO: usize = 48;

/// One thing that is wrong, and its cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// The key as a dotted path such as `dhcp.pool`; empty when the problem is not about one key.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub cure: String,
}

impl Problem {
    /// The message for a file that has another name.
    pub fn in_file(&self, file: &str) -> String {
        let key = if self.key.is_empty() { String::new() } else { format!("{}: ", self.key) };
        format!("{file}:{}:{}: {key}{}; {}", self.line, self.column, self.what, self.cure)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_file(FILE_NAME))
    }
}

/// Everything that is wrong with a file, in the order of the file. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    unlisted: usize,
}

impl Problems {
    /// The problems, at most [`MAX_PROBLEMS`].
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// How many more there are than the list holds.
    pub fn unlisted(&self) -> usize {
        self.unlisted
    }

    /// A file with one problem.
    pub(super) fn one(line: usize, column: usize, what: impl Into<String>, cure: impl Into<String>) -> Self {
        let problem = Problem { line, column, key: String::new(), what: what.into(), cure: cure.into() };
        Self { list: alloc::vec![problem], unlisted: 0 }
    }
}

impl fmt::Display for Problems {
    /// One line each, without a line end after the last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        match self.unlisted {
            0 => Ok(()),
            1 => f.write_str("\nand one more problem of this kind"),
            more => write!(f, "\nand {more} more problems"),
        }
    }
}

impl core::error::Error for Problems {}

/// Where problems are gathered while a file is read.
pub(super) struct Report<'a> {
    text: &'a str,
    found: Vec<(usize, Problem)>,
    unlisted: usize,
}

impl<'a> Report<'a> {
    /// For this text.
    pub fn new(text: &'a str) -> Self {
        Self { text, found: Vec::new(), unlisted: 0 }
    }

    /// Notes a problem at a byte offset of the text.
    pub fn add(&mut self, at: usize, key: &str, what: impl Into<String>, cure: impl Into<String>) {
        if self.found.len() >= MAX_PROBLEMS {
            self.unlisted += 1;
            return;
        }
        let (line, column) = position(self.text, at);
        self.found.push((at, Problem { line, column, key: key.to_string(), what: what.into(), cure: cure.into() }));
    }

    /// The line, without its end, that holds a byte offset.
    pub fn line_at(&self, at: usize) -> &'a str {
        let (before, after) = split(self.text, at);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let end = after.find('\n').map_or(self.text.len(), |newline| before.len() + newline);
        self.text.get(start..end).unwrap_or_default()
    }

    /// The problems in the order of the file; `None` if there are none.
    pub fn finish(mut self) -> Option<Problems> {
        self.found.sort_by_key(|(at, _)| *at);
        let list: Vec<Problem> = self.found.into_iter().map(|(_, problem)| problem).collect();
        (!list.is_empty()).then_some(Problems { list, unlisted: self.unlisted })
    }
}

/// Line and column of a byte offset, both counted from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let (before, _) = split(text, at);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line, before.get(line_start..).unwrap_or_default().chars().count() + 1)
}

/// Splits at a byte offset, or at the next smaller one that is not inside a character.
fn split(text: &str, at: usize) -> (&str, &str) {
    text.split_at(text.floor_char_boundary(at.min(text.len())))
}

/// A piece of the file as a message may show it: short, and without control characters that a terminal would obey.
pub(super) fn echo(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_ECHO).flat_map(printable).collect();
    if text.chars().nth(MAX_ECHO).is_some() {
        shown.push_str("...");
    }
    format!("\"{shown}\"")
}

fn printable(c: char) -> impl Iterator<Item = char> {
    // Bidirectional overrides reorder what stands around them on a screen; they are shown as escapes too.
    let plain =
        !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
    let escape = (!plain).then(|| c.escape_default());
    plain.then_some(c).into_iter().chain(escape.into_iter().flatten())
}
