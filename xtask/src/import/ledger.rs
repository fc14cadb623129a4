//! What became of each directive that was read.

use std::fmt::Write as _;

/// What became of one directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stands in the result.
    Taken,
    /// It stands in the result but means something else there; this is the difference.
    Nearly(String),
    /// The gateway does so without being told, for this reason.
    Anyway(String),
    /// It has no counterpart; this is what to do.
    Left(String),
}

/// One directive and its fate.
#[derive(Debug)]
pub struct Entry {
    file: String,
    pub line: usize,
    pub text: String,
    pub fate: Fate,
}

/// Every directive of every file.
#[derive(Default)]
pub struct Ledger {
    file: String,
    pub entries: Vec<Entry>,
}

impl Ledger {
    /// What follows comes from this file.
    pub fn open(&mut self, file: &str) {
        self.file = file.into();
    }

    /// Enters a directive of line `line`.
    pub fn enter(&mut self, line: usize, text: &str, fate: Fate) {
        // The text is shown: a secret is not handed in here.
        self.entries.push(Entry { file: self.file.clone(), line, text: text.trim().into(), fate });
    }

    /// Where the next directive will be entered.
    pub fn next(&self) -> usize {
        self.entries.len()
    }

    /// What became of the directive at `at` after all.
    pub fn correct(&mut self, at: usize, fate: Fate) {
        if let Some(entry) = self.entries.get_mut(at) {
            entry.fate = fate;
        }
    }

    /// Something that follows from all files together.
    pub fn remark(&mut self, text: &str, advice: &str) {
        self.file = "all files".into();
        self.enter(0, text, Fate::Left(advice.into()));
    }

    /// For the terminal: first what needs a person, then what needs nobody.
    pub fn report(&self) -> String {
        let taken = self.entries.iter().filter(|entry| matches!(entry.fate, Fate::Taken | Fate::Nearly(_))).count();
        let mut text = format!("{taken} of {} directives were taken over.\n", self.entries.len());
        let left: Vec<_> = self.lines(|fate| matches!(fate, Fate::Left(_))).collect();
        if !left.is_empty() {
            text += "\nNot taken over, and what to do:\n";
            left.iter().for_each(|line| text += &format!("  {line}\n"));
        }
        let nearly: Vec<_> = self.lines(|fate| matches!(fate, Fate::Nearly(_))).collect();
        if !nearly.is_empty() {
            text += "\nTaken over with a difference:\n";
            nearly.iter().for_each(|line| text += &format!("  {line}\n"));
        }
        let anyway: Vec<_> = self.lines(|fate| matches!(fate, Fate::Anyway(_))).collect();
        if !anyway.is_empty() {
            text += "\nNot needed:\n";
            anyway.iter().for_each(|line| text += &format!("  {line}\n"));
        }
        text
    }

    /// For the end of the file, so that it is not lost with the terminal.
    pub fn comments(&self) -> String {
        let mut text = String::new();
        let left: Vec<_> = self.lines(|fate| matches!(fate, Fate::Left(_))).collect();
        let nearly: Vec<_> = self.lines(|fate| matches!(fate, Fate::Nearly(_))).collect();
        for (head, lines) in [("Not taken over", left), ("Taken over with a difference", nearly)] {
            if !lines.is_empty() {
                let _ = writeln!(text, "\n# {head}:");
            }
            lines.iter().for_each(|line| _ = writeln!(text, "# {line}"));
        }
        text
    }

    fn lines(&self, wanted: impl Fn(&Fate) -> bool) -> impl Iterator<Item = String> {
        self.entries.iter().filter(move |entry| wanted(&entry.fate)).map(|Entry { file, line, text, fate }| {
            let place = if *line == 0 { file.clone() } else { format!("{file}:{line}") };
            // Control characters of a file must not steer a terminal or end a comment.
            let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            match fate {
                Fate::Taken => format!("{place}: {text}"),
                Fate::Anyway(why) | Fate::Left(why) | Fate::Nearly(why) => format!("{place}: {text}: {why}"),
            }
        })
    }
}
