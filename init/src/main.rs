//! The only program on the card. Its name or first word says what it is to be; this file only dispatches.

mod client;
mod gateway;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some("gateway") => gateway::main(words),
        Some(question @ ("status" | "leases" | "names" | "log")) => client::main(question),
        _ => {
            eprintln!("usage: gatepost status | leases | names | log");
            ExitCode::FAILURE
        }
    }
}
