//! A running guest: QEMU as a child, its console, its control channel, and the reboots in between.
//!
//! A guest that resets ends its QEMU (`-no-reboot`); [`Vm::poll`] then plays the firmware on the card again, so a changed
//! autoboot.txt takes effect, and starts the next QEMU. Every wait of this module polls, so reboots are seen wherever a
//! test happens to wait. QEMU is killed when the `Vm` is dropped.

mod console;
mod helper;
mod qmp;

pub use console::{Console, Tee};
pub use helper::Helper;
pub use qmp::Qmp;

use crate::card::Card;
use crate::firmware::{self, Boot, Start};
use crate::machine::{Handover, Hardware, Machine, Nics, QEMU, handover};
use anyhow::{Context, Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long QEMU may take to open its sockets, on a busy host.
const START: Duration = Duration::from_secs(30);

/// The longest pause between two looks at a condition.
const LOOK: Duration = Duration::from_millis(20);

/// What to run.
pub struct VmConfig {
    /// Which machine.
    pub machine: Machine,
    /// The card; it is written to, so give a copy ([`Card::copy_to`]).
    pub card: Card,
    /// Guest memory in MiB, for `virt`.
    pub memory_mib: u32,
    /// Where the interfaces lead.
    pub nics: Nics,
    /// A hardware watchdog, for `virt`.
    pub watchdog: bool,
    /// Words behind the card's own kernel command line.
    pub append: String,
    /// Instead of the card's initramfs, for measurements.
    pub initramfs: Option<Vec<u8>>,
    /// A second initramfs, laid over the first, whose program listens on a port of its own ([`Vm::helper`]), for `virt`.
    pub overlay: Option<Vec<u8>>,
    /// More words for QEMU's command line, for measurements.
    pub more: Vec<OsString>,
    /// The file that keeps the console.
    pub console: PathBuf,
    /// Also sees the console.
    pub tee: Option<Tee>,
}

impl VmConfig {
    /// A guest of 256 MiB without extras.
    #[must_use]
    pub fn new(machine: Machine, card: Card, nics: Nics, console: PathBuf) -> Self {
        let append = String::new();
        Self {
            machine,
            card,
            memory_mib: 256,
            nics,
            watchdog: false,
            append,
            initramfs: None,
            overlay: None,
            more: Vec::new(),
            console,
            tee: None,
        }
    }
}

/// A guest.
pub struct Vm {
    config: VmConfig,
    console: Console,
    folder: TempDir,
    run: Option<Run>,
    /// Starts so far, the first one included.
    starts: Vec<u8>,
}

/// One run of QEMU, from power on to reset.
struct Run {
    child: Child,
    qmp: Qmp,
    helper: Option<Helper>,
    command: Vec<OsString>,
    started: Instant,
}

impl Vm {
    /// Plays the firmware and starts QEMU.
    ///
    /// # Errors
    /// The card would not start, QEMU lacks the machine, or QEMU itself fails.
    pub fn start(mut config: VmConfig) -> Result<Self> {
        config.machine.check()?;
        let console = Console::new(&config.console, config.tee.take())?;
        let folder = tempfile::Builder::new().prefix("gatepost-vm-").tempdir()?;
        let mut vm = Self { config, console, folder, run: None, starts: Vec::new() };
        vm.power_on()?;
        Ok(vm)
    }

    /// The console, over all reboots.
    #[must_use]
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// The card, as the guest left it. Read it only while the guest is off.
    #[must_use]
    pub fn card(&self) -> &Card {
        &self.config.card
    }

    /// The control channel.
    ///
    /// # Errors
    /// The guest is off.
    pub fn qmp(&mut self) -> Result<&mut Qmp> {
        Ok(&mut self.run.as_mut().context("the guest is off")?.qmp)
    }

    /// What the overlay's program does for a test.
    ///
    /// # Errors
    /// The guest is off, or has no overlay.
    pub fn helper(&mut self) -> Result<&mut Helper> {
        let run = self.run.as_mut().context("the guest is off")?;
        run.helper.as_mut().context("the guest has no helper")
    }

    /// The boot partition of each start so far, the present one last.
    #[must_use]
    pub fn starts(&self) -> &[u8] {
        &self.starts
    }

    /// When the present QEMU was started; what the firmware stand-in did is before that.
    ///
    /// # Errors
    /// The guest is off.
    pub fn started(&self) -> Result<Instant> {
        Ok(self.run.as_ref().context("the guest is off")?.started)
    }

    /// The command line of QEMU as one would type it.
    #[must_use]
    pub fn command_line(&self) -> String {
        let arguments = self.run.iter().flat_map(|run| &run.command);
        let words = arguments.map(|argument| quoted(&argument.to_string_lossy()));
        std::iter::once(QEMU.to_owned()).chain(words).collect::<Vec<_>>().join(" ")
    }

    /// Pulls the plug: QEMU is killed in the middle of whatever it does. What it already wrote to the card stays.
    pub fn power_cut(&mut self) {
        if let Some(mut run) = self.run.take() {
            let _ = run.child.kill();
            let _ = run.child.wait();
            self.console.note("power cut");
        }
    }

    /// Plays the firmware on the card as it is now and starts QEMU; a running guest is cut off first.
    ///
    /// # Errors
    /// As [`Vm::start`].
    pub fn power_on(&mut self) -> Result<()> {
        self.power_cut();
        let boot = firmware::start(&self.config.card, self.config.machine.model(), Start::Normal)?;
        self.starts.push(boot.partition);
        self.console.note(&format!(
            "start {}: firmware took partition {}: {}, {}, {}",
            self.starts.len(),
            boot.partition,
            boot.kernel.name,
            boot.initramfs.as_ref().map_or("no initramfs", |file| &file.name),
            boot.dtb.name
        ));
        self.run = Some(self.launch(&boot)?);
        Ok(())
    }

    /// Looks after the guest: a reset becomes a reboot.
    ///
    /// # Errors
    /// The guest switched itself off, or QEMU failed.
    pub fn poll(&mut self) -> Result<()> {
        let Some(reason) = self.exited()? else { return Ok(()) };
        match reason.as_str() {
            "guest-reset" | "host-qmp-system-reset" | "host-signal-reset" => {
                self.console.note(&format!("reset: {reason}"));
                self.power_on()
            }
            _ => bail!("the guest is off: {reason}"),
        }
    }

    /// Whether QEMU ended by itself, and why. It is off afterwards.
    fn exited(&mut self) -> Result<Option<String>> {
        let run = self.run.as_mut().context("the guest is off")?;
        let Some(status) = run.child.try_wait()? else { return Ok(None) };
        let reason = run.qmp.exit_reason();
        let mut stderr = String::new();
        if let Some(pipe) = &mut run.child.stderr {
            let _ = pipe.read_to_string(&mut stderr);
        }
        self.run = None;
        if !status.success() || reason.is_none() {
            bail!("QEMU ended with {status}: {}", stderr.trim());
        }
        Ok(reason)
    }

    /// Waits until a condition gives a value, playing reboots meanwhile.
    ///
    /// # Errors
    /// The deadline passed, the guest went off, or the condition itself failed; the message ends with the console's tail.
    pub fn until<T>(
        &mut self,
        what: &str,
        timeout: Duration,
        mut condition: impl FnMut(&mut Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + timeout;
        loop {
            let mark = self.console.mark();
            let looked = self.poll().and_then(|()| condition(self));
            match looked {
                Ok(Some(value)) => return Ok(value),
                Ok(None) if Instant::now() < deadline => self.console.wait_beyond(mark, LOOK),
                Ok(None) => bail!("waited {} s for {what}, in vain\n{}", timeout.as_secs(), self.told()),
                Err(error) => return Err(error.context(format!("while waiting for {what}\n{}", self.told()))),
            }
        }
    }

    /// Waits for a text on the console behind a mark; gives the mark behind that text.
    ///
    /// # Errors
    /// As [`Vm::until`].
    pub fn wait_for(&mut self, text: &str, mark: usize, timeout: Duration) -> Result<usize> {
        let at = self.until(&format!("“{text}” on the console"), timeout, |vm| Ok(vm.console.find(text, mark)))?;
        Ok(at + text.len())
    }

    /// Waits until the guest switches itself off.
    ///
    /// # Errors
    /// It does not in time, or it resets instead.
    pub fn wait_off(&mut self, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        loop {
            match self.exited()?.as_deref() {
                Some("guest-shutdown") => return Ok(()),
                Some(reason) => bail!("the guest did not switch itself off but: {reason}\n{}", self.told()),
                None if Instant::now() < deadline => self.console.wait_beyond(self.console.mark(), LOOK / 10),
                None => bail!("the guest is not off after {} s\n{}", timeout.as_secs(), self.told()),
            }
        }
    }

    fn told(&self) -> String {
        format!("The console ends with:\n{}\nAll of it: {}", self.console.tail(25), self.console.path().display())
    }

    fn launch(&self, boot: &Boot) -> Result<Run> {
        let file = |name: &str| self.folder.path().join(name);
        let (console, qmp, helper) = (file("console.sock"), file("qmp.sock"), file("helper.sock"));
        let mut listeners = vec![listen(&console)?, listen(&qmp)?];
        fs::write(file("kernel"), &boot.kernel.bytes)?;
        let initramfs = self.config.initramfs.as_ref().or(boot.initramfs.as_ref().map(|initramfs| &initramfs.bytes));
        if let Some(bytes) = initramfs {
            fs::write(file("initramfs"), overlaid(bytes, self.config.overlay.as_deref()))?;
        }
        if self.config.overlay.is_some() {
            listeners.push(listen(&helper)?);
        }
        let machine = self.config.machine;
        fs::write(file("dtb"), handover(&boot.dtb.bytes, machine, &seed()?)?)?;
        let cmdline = format!("{} {}", boot.cmdline, self.config.append);
        let nics = &self.config.nics;
        let hardware = Hardware {
            card: &self.config.card,
            memory_mib: self.config.memory_mib,
            nics,
            watchdog: self.config.watchdog,
        };
        let (kernel, ramdisk, dtb) = (file("kernel"), file("initramfs"), file("dtb"));
        let handed = Handover {
            kernel: &kernel,
            initramfs: initramfs.map(|_| ramdisk.as_path()),
            dtb: &dtb,
            cmdline: cmdline.trim(),
            console: &console,
            qmp: &qmp,
            helper: self.config.overlay.as_ref().map(|_| helper.as_path()),
        };
        let mut command = machine.arguments(&hardware, &handed);
        command.extend(self.config.more.iter().cloned());
        let started = Instant::now();
        let mut child = spawn(&command, nics.descriptors().collect())?;
        let connected = listeners.iter().map(|listener| accept(listener, &mut child)).collect::<Result<Vec<_>>>();
        let run = connected.and_then(|streams| {
            let mut streams = streams.into_iter();
            let mut next = || streams.next().context("a socket for each listener");
            self.console.attach(next()?)?;
            Ok((Qmp::new(next()?)?, next().ok().map(Helper::new)))
        });
        match run {
            Ok((qmp, helper)) => Ok(Run { child, qmp, helper, command, started }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.power_cut();
    }
}

/// Two archives, one behind the other: the kernel unpacks both, and of two files of one name the later stays (Linux,
/// `Documentation/driver-api/early-userspace/buffer-format.rst`). Each begins at a multiple of four bytes.
fn overlaid(initramfs: &[u8], overlay: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = initramfs.to_vec();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(overlay.unwrap_or_default());
    bytes
}

/// Starts QEMU with the tap devices' descriptors; it dies with this process.
fn spawn(arguments: &[OsString], descriptors: Vec<RawFd>) -> Result<Child> {
    let mut command = Command::new(QEMU);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    // SAFETY: the closure only makes system calls, as the code between fork and exec must.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            for fd in &descriptors {
                if libc::fcntl(*fd, libc::F_SETFD, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
    command.spawn().with_context(|| format!("{QEMU} does not start; on Debian: apt-get install qemu-system-arm"))
}

fn listen(path: &Path) -> Result<UnixListener> {
    let _ = fs::remove_file(path);
    UnixListener::bind(path).with_context(|| format!("can't listen on {}", path.display()))
}

/// Waits for QEMU to connect, or for its last words.
fn accept(listener: &UnixListener, child: &mut Child) -> Result<UnixStream> {
    let deadline = Instant::now() + START;
    loop {
        let mut set = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        if poll(&mut set, PollTimeout::from(50_u8))? > 0 {
            return Ok(listener.accept()?.0);
        }
        if let Some(status) = child.try_wait()? {
            let mut stderr = String::new();
            if let Some(pipe) = &mut child.stderr {
                pipe.read_to_string(&mut stderr)?;
            }
            bail!("QEMU ended at once with {status}: {}", stderr.trim());
        }
        if Instant::now() > deadline {
            bail!("QEMU opened no socket within {} s", START.as_secs());
        }
    }
}

/// Random bytes for the guest, as the Pi's firmware hands them over.
fn seed() -> Result<[u8; 64]> {
    let mut seed = [0; 64];
    File::open("/dev/urandom")?.read_exact(&mut seed)?;
    Ok(seed)
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
