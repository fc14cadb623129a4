//! One trial: a fresh server with an empty store, so many new clients at such a rate, and what became of them.

use super::clients::{self, Place};
use super::servers::{LAN, Server};
use anyhow::{Context, Result, bail, ensure};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use qemu::lab::Namespace;
use std::fmt;
use std::fs;
use std::net::Ipv4Addr;
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
pub const CORES: (&str, &str) = ("0", "1");

/// How many clients of ours may come in one trial: they take an address each.
const MOST_CLIENTS: f64 = 60_000.0;

/// Who plays the clients.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Players {
    /// perfdhcp.
    Perfdhcp,
    /// [`clients`], for rates that perfdhcp does not reach.
    Own,
}

impl Players {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Perfdhcp => "perfdhcp",
            Self::Own => "own",
        }
    }
}

/// Where our own clients are: as perfdhcp.
const PLACE: Place = Place { relay: Ipv4Addr::new(10, 0, 255, 250), server: Ipv4Addr::new(10, 0, 0, 1), core: 1 };

/// Of the wanted rate so much must have been sent; less is the limit of who plays the clients.
const SENT: f64 = 0.95;

/// What became of a trial.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    wanted: u32,
    /// Exchanges that were begun in a second.
    pub rate: f64,
    /// Exchanges that were begun and not completed.
    pub lost: u64,
    /// Answers that came and for which the clients' socket had no room: not the server's loss.
    deaf: u64,
    /// Leases given out.
    leases: u64,
    /// Processor time of the server's process.
    cpu: Duration,
}

impl Outcome {
    /// Nothing was lost.
    pub fn is_lossless(&self) -> bool {
        self.lost == 0 && self.leases > 0
    }

    /// Of the exchanges that were begun, the part that was not completed.
    pub fn share_lost(&self) -> f64 {
        self.lost as f64 / self.lost.saturating_add(self.leases).max(1) as f64
    }

    /// The clients could not hear what they were answered.
    pub fn is_deaf(&self) -> bool {
        self.deaf > 0
    }

    /// The clients did come at the rate that was wanted.
    pub fn is_reached(&self) -> bool {
        self.rate >= f64::from(self.wanted) * SENT
    }

    /// Processor time of the server for one lease.
    pub fn micros_per_lease(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.leases as f64
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rate, lost, cpu) = (self.rate, self.lost, self.micros_per_lease());
        write!(
            f,
            "{rate:.0} sent a second, {} leases, {lost} lost, {cpu:.1} us of processor time a lease",
            self.leases
        )?;
        if self.is_deaf() {
            write!(f, "; {} answers found no room with the clients", self.deaf)?;
        }
        Ok(())
    }
}

/// The two namespaces and where leases are kept.
pub struct Bed {
    server: Namespace,
    client: Namespace,
    folder: tempfile::TempDir,
    binary: PathBuf,
}

impl Bed {
    /// Makes the namespaces and a folder below `state`.
    pub fn new(binary: &Path, state: &Path) -> Result<Self> {
        let (server, client) = (Namespace::new("dhcp-s")?, Namespace::new("dhcp-c")?);
        client.ip(&format!("link add {CLIENT} type veth peer name {LAN} netns {}", server.name()))?;
        client.ip(&format!("addr add 10.0.255.250/16 dev {CLIENT}"))?;
        client.ip(&format!("link set {CLIENT} up"))?;
        server.ip(&format!("addr add 10.0.0.1/16 dev {LAN}"))?;
        server.ip(&format!("link set {LAN} up"))?;
        // An uplink without a network: the gateway wants one, and asks there in vain.
        server.ip("link add up0 type veth peer name nowhere")?;
        fs::create_dir_all(state)?;
        let folder = tempfile::Builder::new().prefix("bench-dhcp-").tempdir_in(fs::canonicalize(state)?)?;
        let binary = fs::canonicalize(binary).with_context(|| format!("{} is not there", binary.display()))?;
        Ok(Self { server, client, folder, binary })
    }

    /// The file system below the servers' leases.
    pub fn file_system(&self) -> Result<String> {
        let mut stat = std::process::Command::new("stat");
        let output = stat.args(["--file-system", "--format=%T"]).arg(self.folder.path()).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Starts the server with an empty store, lets new clients come at `rate` for so many seconds, and ends the server.
    pub fn trial(&self, server: Server, players: Players, rate: u32, seconds: u32) -> Result<Outcome> {
        let folder = tempfile::Builder::new().prefix("trial-").tempdir_in(self.folder.path())?;
        let words = server.command(&self.binary, folder.path())?;
        let mut running = self.start(&words, folder.path())?;
        let outcome = self.measure(&mut running, players, rate, seconds);
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

    fn measure(&self, server: &mut Child, players: Players, rate: u32, seconds: u32) -> Result<Outcome> {
        self.wait_until_served(server)?;
        let before = cpu_time(server.id())?;
        let deaf = self.unheard()?;
        let (begun, leases, spent) = match players {
            Players::Perfdhcp => self.perfdhcp_plays(rate, seconds)?,
            Players::Own => self.own_play(rate, seconds)?,
        };
        let cpu = cpu_time(server.id())?.saturating_sub(before);
        let rate_sent = begun as f64 / spent.as_secs_f64();
        let deaf = self.unheard()?.saturating_sub(deaf);
        Ok(Outcome { wanted: rate, rate: rate_sent, lost: begun.saturating_sub(leases), deaf, leases, cpu })
    }

    /// Datagrams that the clients' sockets had no room for so far: RcvbufErrors, the fifth of UDP's counters.
    fn unheard(&self) -> Result<u64> {
        let text = self.client.run(|| Ok(fs::read_to_string("/proc/thread-self/net/snmp")?))?;
        let counters = text.lines().filter_map(|line| line.strip_prefix("Udp: ")).nth(1);
        let errors = counters.and_then(|line| line.split(' ').nth(4)?.parse().ok());
        errors.context("the kernel does not count UDP as expected")
    }

    /// Exchanges begun, leases, and how long it took to begin them.
    fn perfdhcp_plays(&self, rate: u32, seconds: u32) -> Result<(u64, u64, Duration)> {
        let said = self.clients(&["-r", &rate.to_string(), "-p", &seconds.to_string()])?;
        let [offers, acks] = sections(&said)?;
        let begun = number(offers, "sent packets:")?;
        ensure!(begun > 0, "perfdhcp sent nothing:\n{said}");
        Ok((begun, number(acks, "received packets:")?, Duration::from_secs(seconds.into())))
    }

    /// The same.
    fn own_play(&self, rate: u32, seconds: u32) -> Result<(u64, u64, Duration)> {
        let count = (f64::from(rate) * f64::from(seconds)).min(MOST_CLIENTS) as usize;
        let tally = self.client.run(|| clients::run(&PLACE, rate, count))?;
        Ok((tally.begun, tally.leases, tally.spent))
    }

    /// A few clients, again and again until one has a lease.
    fn wait_until_served(&self, server: &mut Child) -> Result<()> {
        let deadline = Instant::now() + START;
        loop {
            let said = self.clients(&["-n", "5", "-r", "20", "-b", "mac=02:01:02:03:04:05"])?;
            if sections(&said).and_then(|[_, acks]| number(acks, "received packets:"))? > 0 {
                return Ok(());
            }
            if let Some(status) = server.try_wait()? {
                bail!("the server ended with {status}");
            }
            ensure!(Instant::now() < deadline, "nobody was served within {} s; perfdhcp:\n{said}", START.as_secs());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// What perfdhcp says with these arguments. It ends with 3 when something was lost.
    fn clients(&self, arguments: &[&str]) -> Result<String> {
        let output = self
            .client
            .command("taskset")
            .args(["-c", CORES.1, "perfdhcp", "-4", "-l", CLIENT, "-R", "60000", "-W", LINGER, "-g", "single"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .context("perfdhcp does not start")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// What perfdhcp says of offers, and what of acknowledgements.
fn sections(said: &str) -> Result<[&str; 2]> {
    let of = |name: &str| said.split("***Statistics for: ").find(|section| section.starts_with(name));
    let both = of("DISCOVER-OFFER").zip(of("REQUEST-ACK"));
    both.map(|(offers, acks)| [offers, acks]).with_context(|| format!("perfdhcp says something unknown:\n{said}"))
}

/// The number behind a word of perfdhcp's.
fn number(section: &str, word: &str) -> Result<u64> {
    let line = section.lines().find_map(|line| line.strip_prefix(word));
    line.and_then(|number| number.trim().parse().ok()).with_context(|| format!("perfdhcp does not say \"{word}\""))
}

/// Processor time of the whole process, threads that have ended included.
fn cpu_time(pid: u32) -> Result<Duration> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(i32::try_from(pid)?))?;
    Ok(clock_gettime(clock)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perfdhcps_words_are_read() {
        let said = "***Rate statistics***\nRate: 9 4-way exchanges/second\n***Statistics for: DISCOVER-OFFER***\n\
                    sent packets: 10\nreceived packets: 9\ndrops: 1\n\n***Statistics for: REQUEST-ACK***\n\
                    sent packets: 9\nreceived packets: 8\ndrops: 1\n";
        let [offers, acks] = sections(said).unwrap();
        assert_eq!((number(offers, "sent packets:").unwrap(), number(acks, "received packets:").unwrap()), (10, 8));
        assert!(sections("nothing").is_err() && number(offers, "orphans:").is_err());
    }

    #[test]
    fn a_rate_that_was_not_sent_is_not_reached() {
        let outcome = Outcome { wanted: 100, rate: 94.0, lost: 0, deaf: 0, leases: 94, cpu: Duration::from_millis(1) };
        assert!(outcome.is_lossless() && !outcome.is_reached());
        assert!(!Outcome { leases: 0, ..outcome }.is_lossless());
    }
}
