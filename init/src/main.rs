//! The only program on the card. What it is to be is told by the name it was called by, or by its first argument:
//! `init` (PID 1), `gateway`, or a question to the running gateway (`status`, `leases`, `names`, `wifi`, `log`, `firewall`).

mod client;
mod gateway;
mod pid1;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let called = words.next().unwrap_or_default();
    let name = called.rsplit('/').next().unwrap_or_default();
    let part = if is_part(name) { Some(name.to_owned()) } else { words.next() };
    match part.as_deref() {
        Some("init") => pid1::main(),
        Some("gateway") => gateway::main(words),
        Some(question) if is_part(question) => client::main(question, words),
        _ => {
            eprintln!("usage: gatepost status | leases | names | wifi | log [dns|dhcp on|off] | firewall");
            ExitCode::FAILURE
        }
    }
}

fn is_part(name: &str) -> bool {
    matches!(name, "init" | "gateway" | "status" | "leases" | "names" | "wifi" | "log" | "firewall")
}
