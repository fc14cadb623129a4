//! The only program on the card. Which of its parts runs is told by the name it was called by, or by its first
//! argument: `init` (PID 1), `gateway`, or a question to the running gateway (`status`, `leases`, `names`, `log`).

mod client;
mod gateway;
mod pid1;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned());
    let called = args.next().unwrap_or_default();
    let name = called.rsplit('/').next().unwrap_or_default();
    match if is_part(name) { Some(name.to_owned()) } else { args.next() }.as_deref() {
        Some("init") => pid1::main(),
        Some("gateway") => gateway::main(),
        _ => client::main(),
    }
}

fn is_part(name: &str) -> bool {
    matches!(name, "init" | "gateway" | "status" | "leases" | "names" | "log")
}
