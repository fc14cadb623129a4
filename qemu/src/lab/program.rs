//! Programs of the host that play a part in the lab: each has a log, a deadline or an end.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The longest pause between two looks at a child.
const LOOK: Duration = Duration::from_millis(10);

/// A program that runs until this handle is dropped. What it says goes to a log file.
#[derive(Debug)]
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts a program; `log` takes its stdout and stderr.
    ///
    /// # Errors
    /// It is not installed, or the log can't be written.
    pub fn start(mut command: Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("can't write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| not_installed(&command))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Its process number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// What it said so far.
    #[must_use]
    pub fn said(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Ends it now; what it said stays.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until it says something.
    ///
    /// # Errors
    /// It ends first, or does not say it in time.
    pub fn wait_for(&mut self, text: &str, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        while !self.said().contains(text) {
            if let Some(status) = self.child.try_wait()? {
                bail!("a program ended with {status} before it said “{text}”:\n{}", self.said());
            }
            if Instant::now() > deadline {
                bail!("a program did not say “{text}” in time:\n{}", self.said());
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs a program to its end and gives its stdout.
///
/// # Errors
/// It is not installed, fails, or does not end in time; the message holds what it said.
pub fn run(mut command: Command, timeout: Duration) -> Result<String> {
    let (success, stdout, stderr) = finish(&mut command, timeout)?;
    if !success {
        bail!("{command:?} failed:\n{stdout}{stderr}");
    }
    Ok(stdout)
}

/// Runs a program to its end: whether it succeeded, its stdout and its stderr.
///
/// # Errors
/// It is not installed or does not end in time.
pub fn finish(command: &mut Command, timeout: Duration) -> Result<(bool, String, String)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| not_installed(command))?;
    let (out, err) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let deadline = Instant::now() + timeout;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break Some(status),
            None if Instant::now() > deadline => break None,
            None => thread::sleep(LOOK),
        }
    };
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let said = |thread: thread::JoinHandle<String>| thread.join().unwrap_or_default();
    let (out, err) = (said(out), said(err));
    match status {
        Some(status) => Ok((status.success(), out, err)),
        None => bail!("{command:?} did not end within {} s:\n{out}{err}", timeout.as_secs()),
    }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn not_installed(command: &Command) -> String {
    format!("{} does not start; is it installed?", command.get_program().to_string_lossy())
}
