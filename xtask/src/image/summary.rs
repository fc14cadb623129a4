//! What the build says at its end.

use super::build::Built;
use super::layout::{Layout, MIB};
use std::fmt::Write;
use std::path::Path;

/// One line for a finished file.
pub struct Output<'a> {
    /// Where it lies.
    pub path: &'a Path,
    /// In bytes.
    pub size: u64,
    /// In hexadecimal.
    pub sha256: &'a str,
}

/// The table, the files and the next command to type.
pub fn text(layout: &Layout, built: &Built, image: &Output<'_>, packed: &Output<'_>, next: &str) -> String {
    let mut out = String::from("\n  part  label        starts    size    used  what it is for\n");
    for partition in layout.partitions() {
        let used = built.used.iter().find(|(content, _)| *content == partition.content).map(|(_, bytes)| *bytes);
        let used = match used {
            None | Some(0) => "-".into(),
            Some(bytes) => format!("{:.1} M", bytes as f64 / MIB as f64),
        };
        let label = if partition.label.is_empty() { "-" } else { &partition.label };
        // Logical partitions are shown inside the extended one.
        let indent = if partition.content.is_logical() { " " } else { "" };
        let _ = writeln!(
            out,
            "  {indent}p{:<4} {label:<10} {:>5} M {:>5} M {used:>7}  {}",
            partition.content.number(),
            partition.range.start / MIB,
            partition.size() / MIB,
            partition.note,
        );
    }
    for output in [image, packed] {
        let size = output.size as f64 / MIB as f64;
        let _ = writeln!(out, "\n  {}  {size:.1} MiB\n  SHA-256 {}", output.path.display(), output.sha256);
    }
    let _ = writeln!(out, "\n  Next: {next}");
    out
}
