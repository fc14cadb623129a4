//! Starting the gateway process with as little power as it needs: its own user, three network capabilities, no way to
//! gain more, no terminal.

use super::config_copy;
use super::config_partition::GATEWAY_ID;
use gatepost_core::card;
use nix::fcntl::OFlag;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::SigSet;
use nix::unistd::{Gid, Pid, Uid, pipe2, setgroups, setresgid, setresuid};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// CAP_NET_BIND_SERVICE (ports 53 and 67), CAP_NET_ADMIN (links, routes, rules), CAP_NET_RAW (packet sockets):
/// `linux/capability.h`.
const CAPABILITIES: [u8; 3] = [10, 12, 13];
/// Files open at once: sockets of DNS queries under way, TCP clients, and room.
const MAX_FILES: u64 = 4096;
/// The kernel's out-of-memory killer takes forked children of PID 1 first.
const OOM_SCORE: &[u8] = b"-500";

/// A gateway process that was started.
pub struct Started {
    /// Its process and process group.
    pub pid: Pid,
    /// The reading end of its heartbeats, non-blocking; `None` once it has closed its end.
    pub heartbeat: Option<OwnedFd>,
}

/// Starts it; what it prints goes to `output`.
///
/// # Errors
/// Those of fork and exec, and of giving up privileges: it never runs with more than it should have.
pub fn gateway(output: BorrowedFd) -> io::Result<Started> {
    let (heartbeat, beat) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    let beat_fd = beat.as_raw_fd();
    let mut command = Command::new(card::PROGRAM);
    command.args(["gateway", "--config", config_copy::COPY]);
    command.args(["--state", "/config/gateway", "--control", "/run/gatepost/control.sock"]);
    command.env_clear().env("GATEPOST_HEARTBEAT_FD", beat_fd.to_string());
    command.stdin(Stdio::null()).stdout(output.try_clone_to_owned()?).stderr(output.try_clone_to_owned()?);
    command.current_dir("/").process_group(0);
    // SAFETY: the closure runs in the forked child of a process with one thread, allocates nothing and makes system
    // calls only.
    unsafe { command.pre_exec(move || confine(beat_fd)) };
    let child = command.spawn()?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    Ok(Started { pid: Pid::from_raw(pid), heartbeat: Some(heartbeat) })
}

/// In the child, before exec.
fn confine(beat: RawFd) -> io::Result<()> {
    // SAFETY: `beat` is open in this child until exec, and afterwards, once it is no longer close-on-exec.
    let beat = unsafe { BorrowedFd::borrow_raw(beat) };
    nix::fcntl::fcntl(beat, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()))?;
    SigSet::empty().thread_set_mask()?;
    set_oom_score();
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    setrlimit(Resource::RLIMIT_NOFILE, MAX_FILES, MAX_FILES)?;
    drop_bounding_set()?;
    nix::sys::prctl::set_keepcaps(true)?;
    setgroups(&[])?;
    let (user, group) = (Uid::from_raw(GATEWAY_ID), Gid::from_raw(GATEWAY_ID));
    setresgid(group, group, group)?;
    setresuid(user, user, user)?;
    set_capabilities()?;
    nix::sys::prctl::set_no_new_privs()?;
    Ok(())
}

/// Failure is of no consequence.
fn set_oom_score() {
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    if let Ok(file) = nix::fcntl::open(c"/proc/self/oom_score_adj", flags, nix::sys::stat::Mode::empty()) {
        let _ = nix::unistd::write(&file, OOM_SCORE);
    }
}

/// Takes every other capability out of reach for good.
fn drop_bounding_set() -> io::Result<()> {
    for capability in (0..64_u8).filter(|capability| !CAPABILITIES.contains(capability)) {
        // SAFETY: prctl with integer arguments.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability), 0, 0, 0) };
        if result != 0 {
            let error = io::Error::last_os_error();
            // EINVAL: past the last capability of this kernel.
            return if error.raw_os_error() == Some(libc::EINVAL) { Ok(()) } else { Err(error) };
        }
    }
    Ok(())
}

/// Keeps the three, and lets them pass through exec (ambient).
fn set_capabilities() -> io::Result<()> {
    let mask = CAPABILITIES.iter().fold(0_u32, |mask, capability| mask | 1 << capability);
    // struct __user_cap_header_struct: version 3, pid 0 (ourselves); two struct __user_cap_data_struct, low word first:
    // effective, permitted, inheritable.
    let header: [u32; 2] = [0x2008_0522, 0];
    let data: [u32; 6] = [mask, mask, mask, 0, 0, 0];
    // SAFETY: both arrays have the size and layout that version 3 of the call reads, and outlive it.
    if unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    for capability in CAPABILITIES.map(libc::c_ulong::from) {
        // SAFETY: prctl with integer arguments.
        if unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, capability, 0, 0) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
