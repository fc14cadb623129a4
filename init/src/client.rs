//! Questions to the running gateway, from a command line.

use std::process::ExitCode;

/// Asks the question that the program was called by.
pub fn main() -> ExitCode {
    ExitCode::FAILURE
}
