//! Runs the test programs, lets their output through, and adds up what they say at the end.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The sum of all rings.
pub struct Report {
    passed: u64,
    failed: u64,
    skipped: u64,
    lines: Vec<String>,
}

/// How a test says that it could not run here, with the reason behind it; the harness may have begun the line.
const SKIPPED: &str = "SKIPPED: ";

impl Report {
    /// Nothing run yet.
    pub fn new() -> Self {
        Self { passed: 0, failed: 0, skipped: 0, lines: Vec::new() }
    }

    /// Runs one thing that succeeds or not; it counts as one test.
    pub fn step(&mut self, name: &str, run: impl FnOnce() -> Result<()>) {
        eprintln!("\n== {name}");
        let start = Instant::now();
        match run() {
            Ok(()) => self.count(name, start, 1, 0, 0),
            Err(error) => {
                eprintln!("{error:#}");
                self.count(name, start, 0, 1, 0);
            }
        }
    }

    /// Runs `cargo test` with these arguments and counts what its test programs report.
    pub fn cargo_test(&mut self, name: &str, arguments: &[&str]) {
        eprintln!("\n== {name}");
        let start = Instant::now();
        match cargo_test(arguments) {
            Ok(counts) => {
                // A program that died without a verdict, or a build that failed, is a failure too.
                let failed = if counts.success { counts.failed } else { counts.failed.max(1) };
                self.count(name, start, counts.passed - counts.skipped.min(counts.passed), failed, counts.skipped);
            }
            Err(error) => {
                eprintln!("{error:#}");
                self.count(name, start, 0, 1, 0);
            }
        }
    }

    fn count(&mut self, name: &str, start: Instant, passed: u64, failed: u64, skipped: u64) {
        self.passed += passed;
        self.failed += failed;
        self.skipped += skipped;
        let seconds = start.elapsed().as_secs();
        self.lines
            .push(format!("{name:<12} {passed:>5} passed {failed:>3} failed {skipped:>3} skipped  {seconds:>4} s"));
    }

    /// Prints the table and the closing line; an error if anything failed.
    pub fn close(self) -> Result<()> {
        println!("\n{}\n", self.lines.join("\n"));
        println!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped);
        if self.failed > 0 {
            bail!("{} failed", self.failed);
        }
        Ok(())
    }
}

struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
    success: bool,
}

fn cargo_test(arguments: &[&str]) -> Result<Counts> {
    let mut child = Command::new(env!("CARGO"))
        .args(["test", "--no-fail-fast"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().context("no output of cargo test")?;
    let mut counts = Counts { passed: 0, failed: 0, skipped: 0, success: false };
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        println!("{line}");
        if line.contains(SKIPPED) {
            counts.skipped += 1;
        }
        if let Some(result) = line.strip_prefix("test result: ") {
            counts.passed += number_before(result, " passed");
            counts.failed += number_before(result, " failed");
            counts.skipped += number_before(result, " ignored");
        }
    }
    counts.success = child.wait()?.success();
    Ok(counts)
}

fn number_before(text: &str, word: &str) -> u64 {
    let before = text.split(word).next().unwrap_or_default();
    before.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::number_before;

    #[test]
    fn reads_the_closing_line() {
        let line = "FAILED. 12 passed; 3 failed; 4 ignored; 0 measured; 0 filtered out; finished in 0.05s";
        assert_eq!(number_before(line, " passed"), 12);
        assert_eq!(number_before(line, " failed"), 3);
        assert_eq!(number_before(line, " ignored"), 4);
    }
}
