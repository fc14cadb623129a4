//! QMP: QEMU's control channel, JSON objects one a line (QEMU, `docs/interop/qmp-spec.rst`).

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long QEMU may take to answer a command.
const ANSWER: Duration = Duration::from_secs(20);

/// The control channel of one run of QEMU.
#[derive(Debug)]
pub struct Qmp {
    stream: UnixStream,
    lines: Receiver<Value>,
    events: Vec<Value>,
}

impl Qmp {
    /// Shakes hands.
    pub(super) fn new(stream: UnixStream) -> Result<Self> {
        let reader = BufReader::new(stream.try_clone()?);
        let (sender, lines) = channel();
        thread::Builder::new().name("qmp".into()).spawn(move || {
            let values = reader.lines().map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok());
            for value in values {
                if sender.send(value).is_err() {
                    break;
                }
            }
        })?;
        let mut qmp = Self { stream, lines, events: Vec::new() };
        qmp.command("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Runs one command and returns its answer.
    ///
    /// # Errors
    /// QEMU refuses it, or does not answer in time.
    pub fn command(&mut self, name: &str, arguments: Value) -> Result<Value> {
        let line = json!({ "execute": name, "arguments": arguments });
        writeln!(self.stream, "{line}").with_context(|| format!("QEMU takes no command {name}"))?;
        let deadline = Instant::now() + ANSWER;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = self.lines.recv_timeout(left).with_context(|| format!("QEMU did not answer {name}"))?;
            if let Some(error) = answer.get("error") {
                bail!("QEMU refuses {name}: {}", error["desc"]);
            }
            match answer.get("return") {
                Some(value) => return Ok(value.clone()),
                None => self.events.push(answer),
            }
        }
    }

    /// Sends BREAK on the guest's serial line, which starts a magic SysRq; the next byte typed is its letter.
    ///
    /// # Errors
    /// As [`Qmp::command`].
    pub fn send_break(&mut self) -> Result<()> {
        self.command("chardev-send-break", json!({ "id": "console" })).map(drop)
    }

    /// Freezes the guest.
    ///
    /// # Errors
    /// As [`Qmp::command`].
    pub fn stop(&mut self) -> Result<()> {
        self.command("stop", json!({})).map(drop)
    }

    /// Lets a frozen guest go on.
    ///
    /// # Errors
    /// As [`Qmp::command`].
    pub fn resume(&mut self) -> Result<()> {
        self.command("cont", json!({})).map(drop)
    }

    /// Presses the reset button. With `-no-reboot` QEMU exits, and the reboot is played by [`crate::Vm`].
    ///
    /// # Errors
    /// As [`Qmp::command`].
    pub fn reset(&mut self) -> Result<()> {
        self.command("system_reset", json!({})).map(drop)
    }

    /// Why QEMU exited: `guest-reset`, `guest-shutdown`, `guest-panic`, … Call it after the exit.
    pub(super) fn exit_reason(&mut self) -> Option<String> {
        let deadline = Instant::now() + ANSWER;
        while let Ok(event) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.events.push(event);
        }
        let shutdown = self.events.iter().rev().find(|event| event["event"] == "SHUTDOWN")?;
        shutdown["data"]["reason"].as_str().map(str::to_owned)
    }
}
