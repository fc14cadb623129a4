//! A network namespace with a name, so that a person can look into it with `ip netns exec`.
//!
//! Threads and programs enter it by `setns(2)`; the thread that made it never changes its own namespace.

use anyhow::{Context, Result, anyhow};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;

/// Where `ip netns` looks for names.
const NAMES: &str = "/run/netns";

/// Every name starts with this, then comes the process id.
const PREFIX: &str = "gp-";

/// A network namespace. It goes away when the last clone of the handle and the last program in it are gone.
#[derive(Clone, Debug)]
pub struct Namespace {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    file: File,
    mount: PathBuf,
}

impl Namespace {
    /// Makes the namespace `gp-<pid>-<name>` with its loopback up.
    ///
    /// # Errors
    /// The caller is not root, or the name is taken.
    pub fn new(name: &str) -> Result<Self> {
        prepare_names()?;
        let name = format!("{PREFIX}{}-{name}", std::process::id());
        let mount_point = Path::new(NAMES).join(&name);
        File::create_new(&mount_point).with_context(|| format!("the namespace {name} exists"))?;
        let made = in_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).context("can't make a network namespace: are you root?")?;
            let own = Path::new("/proc/thread-self/ns/net");
            mount(Some(own), &mount_point, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
            Ok(File::open(own)?)
        });
        match made {
            Ok(file) => {
                let namespace = Self { inner: Arc::new(Inner { name, file, mount: mount_point }) };
                namespace.ip("link set lo up")?;
                Ok(namespace)
            }
            Err(error) => {
                let _ = fs::remove_file(&mount_point);
                Err(error)
            }
        }
    }

    /// Its name under /run/netns.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Runs a closure on a thread inside the namespace. Sockets opened there stay there.
    ///
    /// # Errors
    /// Those of the closure.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        in_thread(|| {
            setns(&self.inner.file, CloneFlags::CLONE_NEWNET)?;
            work()
        })
    }

    /// A program that will run inside the namespace and die with the thread that starts it.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        self.command_with(program, None)
    }

    /// The same, with a file of its own in place of /etc/resolv.conf.
    #[must_use]
    pub fn command_with_resolver(&self, program: &str, resolv_conf: &Path) -> Command {
        let path = CString::new(resolv_conf.as_os_str().as_encoded_bytes()).ok();
        self.command_with(program, path)
    }

    fn command_with(&self, program: &str, resolv_conf: Option<CString>) -> Command {
        let inner = Arc::clone(&self.inner);
        let mut command = Command::new(program);
        // SAFETY: `enter` only makes system calls on values that exist already, as the code between fork and exec must.
        unsafe { command.pre_exec(move || enter(inner.file.as_raw_fd(), resolv_conf.as_deref())) };
        command
    }

    /// Runs `ip` with these words inside the namespace.
    ///
    /// # Errors
    /// `ip` complains.
    pub fn ip(&self, words: &str) -> Result<()> {
        let output = self.command("ip").args(words.split(' ')).output().context("ip does not start")?;
        if output.status.success() {
            return Ok(());
        }
        Err(anyhow!("ip {words}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _ = umount2(&self.mount, MntFlags::MNT_DETACH);
        let _ = fs::remove_file(&self.mount);
    }
}

/// Makes the folder of names a shared mount point, as `ip netns add` does when it comes first. If `ip` did it after us, it
/// would cover our names with a second layer, and they could not be removed any more.
fn prepare_names() -> Result<()> {
    let (none, names) = (None::<&str>, Path::new(NAMES));
    fs::create_dir_all(names)?;
    let share = || mount(none, names, none, MsFlags::MS_SHARED | MsFlags::MS_REC, none);
    if share().is_err() {
        mount(Some(names), names, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)
            .and_then(|()| share())
            .with_context(|| format!("can't prepare {NAMES}: are you root?"))?;
    }
    Ok(())
}

/// Removes namespaces of runs that were killed before they could clean up.
pub fn sweep() {
    for entry in fs::read_dir(NAMES).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !lives(pid)) {
            let _ = umount2(&entry.path(), MntFlags::MNT_DETACH);
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether a process exists and is no zombie, which nobody may ever reap in a container.
fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// A thread of its own, because a namespace belongs to a thread and must not leak into the caller's.
fn in_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| scope.spawn(work).join().map_err(|_| anyhow!("a thread inside the namespace panicked"))?)
}

/// What a child does between fork and exec. No allocation happens here.
fn enter(namespace: RawFd, resolv_conf: Option<&std::ffi::CStr>) -> io::Result<()> {
    let check = |result: libc::c_int| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    // SAFETY: the descriptor and the strings live as long as the closure that calls this; the calls change only this child.
    unsafe {
        check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
        check(libc::setns(namespace, libc::CLONE_NEWNET))?;
        let Some(path) = resolv_conf else { return Ok(()) };
        check(libc::unshare(libc::CLONE_NEWNS))?;
        let (none, root) = (std::ptr::null(), c"/".as_ptr());
        check(libc::mount(none, root, none, libc::MS_REC | libc::MS_PRIVATE, none.cast()))?;
        check(libc::mount(path.as_ptr(), c"/etc/resolv.conf".as_ptr(), none, libc::MS_BIND, none.cast()))
    }
}
