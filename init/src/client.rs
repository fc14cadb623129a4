//! `gatepost status | leases | names | wifi | log | firewall`, and `gatepost log dns | dhcp on | off`: asks the gateway process
//! over its control socket.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

/// Where the gateway listens on the appliance; `GATEPOST_CONTROL` names another place.
const CONTROL: &str = "/run/gatepost/control.sock";

/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(3);

/// Largest answer shown.
const MAX_ANSWER: u64 = 4 * 1024 * 1024;

/// Asks one question, of this word and those that follow it, and prints the answer.
pub fn main(question: &str, more: impl Iterator<Item = String>) -> ExitCode {
    let question = more.fold(question.to_owned(), |question, word| question + " " + &word);
    let path = std::env::var("GATEPOST_CONTROL").unwrap_or_else(|_| CONTROL.into());
    match ask(&path, &question) {
        Ok(answer) => {
            // A closed pipe (`gatepost log | head`) is no failure.
            let _ = io::stdout().write_all(&answer);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("gatepost: no answer from the gateway at {path}: {error}. Is it running?");
            ExitCode::FAILURE
        }
    }
}

fn ask(path: &str, question: &str) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    stream.write_all(format!("{question}\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(answer)
}
