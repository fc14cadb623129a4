//! What the gateway process gives up before it reads its first packet: gaining privileges by exec, files outside its
//! state folder (Landlock), and every system call that it has no use for (seccomp).
//!
//! PID 1 has already taken away everything but three network capabilities. What a kernel doesn't know is left out
//! and said; the appliance's kernel knows all of it.

use landlock::{
    ABI, Access, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, make_bitflags,
};
use nix::libc;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use std::collections::BTreeMap;
use std::path::Path;

/// Shuts the door behind us. `writable` are the folders that stay open for reading and writing; those of `readable` that
/// are there stay open for reading.
/// Returns what could not be had, in words for the log.
pub fn enter(writable: &[&Path], readable: &[&Path]) -> Vec<String> {
    let mut missing = Vec::new();
    if let Err(error) = nix::sys::prctl::set_no_new_privs() {
        missing.push(format!("no_new_privs: {error}"));
    }
    match confine_files(writable, readable) {
        Ok(RulesetStatus::FullyEnforced) => {}
        Ok(status) => missing.push(format!("Landlock: {status:?}")),
        Err(error) => missing.push(format!("Landlock: {error}")),
    }
    if let Err(error) = confine_system_calls() {
        missing.push(format!("seccomp: {error}"));
    }
    missing
}

fn confine_files(writable: &[&Path], readable: &[&Path]) -> anyhow::Result<RulesetStatus> {
    let abi = ABI::V3;
    let folder = AccessFs::from_all(abi) & !make_bitflags!(AccessFs::{Execute | MakeChar | MakeBlock | MakeSym});
    let setting = make_bitflags!(AccessFs::{ReadFile | WriteFile | Truncate});
    let mut rules = Ruleset::default().handle_access(AccessFs::from_all(abi))?.create()?;
    for path in writable {
        rules = rules.add_rule(PathBeneath::new(PathFd::new(path)?, folder))?;
    }
    let reading = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    for path in readable.iter().filter(|path| path.exists()) {
        rules = rules.add_rule(PathBeneath::new(PathFd::new(path)?, reading))?;
    }
    // Forwarding, time-outs and source checks are set through files; the kernel asks CAP_NET_ADMIN for each.
    rules = rules.add_rule(PathBeneath::new(PathFd::new("/proc/sys/net")?, setting))?;
    // How much memory there is decides the size of the connection table.
    rules = rules.add_rule(PathBeneath::new(PathFd::new("/proc/meminfo")?, make_bitflags!(AccessFs::{ReadFile})))?;
    Ok(rules.restrict_self()?.ruleset)
}

fn confine_system_calls() -> anyhow::Result<()> {
    let rules: BTreeMap<i64, Vec<_>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    // A refused call fails with EPERM instead of ending the process: a gateway that can't do one thing is better
    // than a network without a gateway, and the attacker gets as little.
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let program: BpfProgram = SeccompFilter::new(rules, refuse, SeccompAction::Allow, arch)?.try_into()?;
    Ok(seccompiler::apply_filter(&program)?)
}

/// Memory, threads, clocks, files under the state folder, sockets. No exec, no fork of a program, no mount, no ptrace,
/// no module, no keyring, no bpf, no io_uring, no user namespaces.
const ALLOWED: &[i64] = &[
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    // Threads; a new process could not exec anything.
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_close,
    libc::SYS_connect,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fcntl,
    libc::SYS_fdatasync,
    libc::SYS_fstat,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_futex,
    libc::SYS_getpeername,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_gettid,
    libc::SYS_ioctl,
    libc::SYS_kill,
    libc::SYS_listen,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // What musl sleeps with.
    libc::SYS_nanosleep,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_prctl,
    libc::SYS_prlimit64,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sendmmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_set_robust_list,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_sigaltstack,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_statx,
    libc::SYS_tgkill,
    // What musl aborts with.
    libc::SYS_tkill,
    libc::SYS_unlinkat,
    libc::SYS_write,
    libc::SYS_writev,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
];
