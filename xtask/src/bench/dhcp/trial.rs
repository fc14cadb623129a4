//! One trial: a fresh server, so many new clients at such a rate, and what became of them.

use super::servers::{LAN, POOL, Server};
use anyhow::{Context, Result, bail};
use qemu::lab::Namespace;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// perfdhcp's interface.
const CLIENT: &str = "cl0";

/// How long a server may take to start.
const START: Duration = Duration::from_secs(20);

/// After the last exchange was begun perfdhcp waits so long for answers, in microseconds.
const LINGER: &str = "1000000";

/// The processors of server and clients.
const CORES: (&str, &str) = ("0", "1");

/// What became of a trial.
#[derive(Clone, Debug)]
pub struct Outcome {
    wanted: u32,
    /// Exchanges of four messages that were completed in a second.
    pub rate: f64,
    /// Exchanges that were begun and not completed.
    pub lost: u64,
    /// Leases given out.
    leases: u64,
    /// Processor time of the server.
    cpu: Duration,
}

impl Outcome {
    /// Nothing was lost, and the clients did come at the rate that was wanted.
    pub fn is_lossless(&self) -> bool {
        self.lost == 0 && self.leases > 0 && self.rate > f64::from(self.wanted) * 0.93
    }

    /// Processor time of the server for one lease.
    pub fn micros_per_lease(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.leases as f64
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rate, lost, cpu) = (self.rate, self.lost, self.micros_per_lease());
        write!(f, "{} leases, {rate:.0} a second, {lost} lost, {cpu:.1} us of CPU each", self.leases)
    }
}

/// The two namespaces and where leases are kept.
pub struct Bed {
    server: Namespace,
    client: Namespace,
    folder: tempfile::TempDir,
    binary: PathBuf,
    seconds: u32,
}

impl Bed {
    /// Makes the namespaces and a folder below `state`.
    pub fn new(binary: PathBuf, state: &Path, seconds: u32) -> Result<Self> {
        let (server, client) = (Namespace::new("dhcp-s")?, Namespace::new("dhcp-c")?);
        client.ip(&format!("link add {CLIENT} type veth peer name {LAN} netns {}", server.name()))?;
        client.ip(&format!("addr add 10.0.255.250/16 dev {CLIENT}"))?;
        client.ip(&format!("link set {CLIENT} up"))?;
        server.ip(&format!("addr add 10.0.0.1/16 dev {LAN}"))?;
        server.ip(&format!("link set {LAN} up"))?;
        server.ip("link add up0 type dummy")?;
        fs::create_dir_all(state)?;
        let folder = tempfile::Builder::new().prefix("bench-dhcp-").tempdir_in(fs::canonicalize(state)?)?;
        let binary = fs::canonicalize(&binary).with_context(|| format!("{} is not there", binary.display()))?;
        Ok(Self { server, client, folder, binary, seconds })
    }

    /// Starts the server with an empty store, lets new clients come at `rate`, and ends the server.
    pub fn trial(&self, server: Server, rate: u32) -> Result<Outcome> {
        let folder = tempfile::Builder::new().prefix("trial-").tempdir_in(self.folder.path())?;
        let words = server.command(&self.binary, folder.path())?;
        let mut running = self.start(&words, folder.path())?;
        let outcome = self.measure(&mut running, rate);
        let _ = running.kill();
        let _ = running.wait();
        outcome.with_context(|| {
            let said = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            format!("{} at {rate} a second; it said:\n{said}", server.name())
        })
    }

    fn start(&self, words: &[String], folder: &Path) -> Result<Child> {
        let log = fs::File::create(folder.join("log"))?;
        let folder = folder.to_string_lossy().into_owned();
        let mut command = self.server.command("taskset");
        command.args(["-c", CORES.0]).args(words).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.env("KEA_PIDFILE_DIR", &folder).env("KEA_LOCKFILE_DIR", &folder);
        command.spawn().with_context(|| format!("{words:?} does not start"))
    }

    fn measure(&self, server: &mut Child, rate: u32) -> Result<Outcome> {
        self.wait_until_served(server)?;
        let number = (rate * self.seconds).clamp(100, POOL - 1000);
        let before = cpu_time(server.id())?;
        let said = self.clients(&["-r", &rate.to_string(), "-n", &number.to_string()])?;
        let cpu = cpu_time(server.id())?.saturating_sub(before);
        let (mut rate_reached, mut lost, mut leases) = (0.0, 0, 0);
        let mut section = "";
        for line in said.lines() {
            let value = || line.split_whitespace().nth(2).and_then(|word| word.parse::<u64>().ok());
            if line.contains("Statistics for:") {
                section = line;
            } else if let Some(rest) = line.strip_prefix("Rate: ") {
                rate_reached = rest.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
            } else if line.starts_with("drops:") {
                lost += line.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok()).context("drops")?;
            } else if line.starts_with("received packets:") && section.contains("REQUEST-ACK") {
                leases = value().context("received packets")?;
            }
        }
        Ok(Outcome { wanted: rate, rate: rate_reached, lost, leases, cpu })
    }

    /// One client after the other until one has a lease.
    fn wait_until_served(&self, server: &mut Child) -> Result<()> {
        let deadline = Instant::now() + START;
        loop {
            let said = self.clients(&["-n", "1", "-b", "mac=02:01:02:03:04:05"])?;
            let served = said.split("REQUEST-ACK").nth(1).is_some_and(|part| part.contains("received packets: 1"));
            if served {
                return Ok(());
            }
            if let Some(status) = server.try_wait()? {
                bail!("the server ended with {status}");
            }
            if Instant::now() > deadline {
                bail!("nobody was served within {} s", START.as_secs());
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// What perfdhcp says with these arguments. It ends with 3 when something was lost.
    fn clients(&self, arguments: &[&str]) -> Result<String> {
        let clients = POOL.to_string();
        let output = self
            .client
            .command("taskset")
            .args(["-c", CORES.1, "perfdhcp", "-4", "-l", CLIENT, "-R", &clients, "-W", LINGER, "-g", "single"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .context("perfdhcp does not start")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Processor time that all threads of the process have used: the kernel counts it by the nanosecond.
fn cpu_time(pid: u32) -> Result<Duration> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        sum += text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(sum))
}

