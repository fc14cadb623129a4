//! A helper inside the guest, brought by an overlay of the initramfs: it carries out shell commands that a test types on a
//! virtio port, one a line.
//!
//! It greets with a line, and answers each command with what that printed and a line `--- CODE`, its exit code.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The longest pause between two looks at the port.
const LOOK: Duration = Duration::from_millis(200);

/// The line that closes an answer starts so.
const END: &str = "--- ";

/// The helper's port.
#[derive(Debug)]
pub struct Helper {
    lines: BufReader<UnixStream>,
    greeted: bool,
}

impl Helper {
    /// Nothing is asked of the guest yet.
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { lines: BufReader::new(stream), greeted: false }
    }

    /// Waits until the helper is there.
    ///
    /// # Errors
    /// It is not in time.
    pub fn ready(&mut self, timeout: Duration) -> Result<()> {
        if !self.greeted {
            let deadline = Instant::now() + timeout;
            self.line(deadline).context("the helper in the guest does not say that it is there")?;
            self.greeted = true;
        }
        Ok(())
    }

    /// Runs a shell command in the guest and gives what it printed on stdout and stderr.
    ///
    /// # Errors
    /// It fails or does not end in time; then the port is of no use any more.
    pub fn run(&mut self, command: &str, timeout: Duration) -> Result<String> {
        let (code, said) = self.finish(command, timeout)?;
        if code != 0 {
            bail!("the guest's helper says {code} to “{command}”:\n{said}");
        }
        Ok(said)
    }

    /// Runs a shell command in the guest: its exit code and what it printed.
    ///
    /// # Errors
    /// It does not end in time; then the port is of no use any more.
    pub fn finish(&mut self, command: &str, timeout: Duration) -> Result<(i32, String)> {
        self.ready(timeout)?;
        let deadline = Instant::now() + timeout;
        if command.contains('\n') {
            bail!("a command is one line");
        }
        self.lines.get_mut().write_all(format!("{command}\n").as_bytes()).context("the helper's port is closed")?;
        let mut said = String::new();
        loop {
            let line =
                self.line(deadline).with_context(|| format!("the helper did not finish “{command}”:\n{said}"))?;
            match line.strip_prefix(END) {
                Some(code) => return Ok((code.trim().parse().context("an exit code")?, said)),
                None => said.push_str(&line),
            }
        }
    }

    fn line(&mut self, deadline: Instant) -> Result<String> {
        let mut bytes = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("nothing came in time");
            }
            self.lines.get_ref().set_read_timeout(Some(left.min(LOOK)))?;
            match self.lines.read_until(b'\n', &mut bytes) {
                Ok(0) => bail!("the port is closed"),
                Ok(_) if bytes.ends_with(b"\n") => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn an_answer_ends_with_the_exit_code() {
        let (ours, mut guest) = UnixStream::pair().unwrap();
        let mut helper = Helper::new(ours);
        guest.write_all(b"ready\none\ntwo\n--- 0\nno such file\n--- 2\n").unwrap();
        assert_eq!(helper.run("ls", SOON).unwrap(), "one\ntwo\n");
        let error = helper.run("ls /x", SOON).unwrap_err().to_string();
        assert!(error.contains("2") && error.contains("no such file"), "{error}");
        let mut asked = [0; 9];
        std::io::Read::read_exact(&mut guest, &mut asked).unwrap();
        assert_eq!(&asked, b"ls\nls /x\n");
    }

    #[test]
    fn silence_has_a_deadline() {
        let (ours, _guest) = UnixStream::pair().unwrap();
        assert!(Helper::new(ours).ready(Duration::from_millis(20)).is_err());
    }
}
