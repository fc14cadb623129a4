//! The gateway process.

use std::process::ExitCode;

/// Runs until it is told to stop.
pub fn main() -> ExitCode {
    ExitCode::FAILURE
}
