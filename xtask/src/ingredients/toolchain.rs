//! A compiler and a standard library that make static arm64 programs.
//!
//! First choice is rustup's musl target, with the linker that comes with Rust, and for the C and assembler of the
//! cryptography (ring) Debian's cross compiler: it is unpacked into the cache, without root, and linked into nothing. Where rustup
//! cannot have it (no rustup, no way to its server), Debian's own compiler for the web browsers, which is kept recent,
//! with the static glibc; see debian_toolchain.
//!
//! The processor stays the generic ARMv8-A: `target-cpu=cortex-a53` would switch on AES and SHA-2 instructions, which
//! the Pi 3 and 4 lack although the core of that name may have them.

use super::cache::Cache;
use super::debian_toolchain;
use crate::progress;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const MUSL: &str = "aarch64-unknown-linux-musl";

/// rustup either has its server or it has not; 30 MB on a slow line take a minute or two.
const RUSTUP_DEADLINE: Duration = Duration::from_secs(180);

/// How to compile for the card.
pub struct Toolchain {
    /// Rust's name of the target.
    pub target: &'static str,
    /// Compiler and library with their versions, for the manifest.
    pub description: String,
    /// Environment of cargo.
    pub environment: Vec<(&'static str, OsString)>,
    /// Flags of rustc for the target.
    pub flags: Vec<String>,
    /// The compiler's own folder, which must not show in the binary.
    pub sysroot: PathBuf,
}

/// Finds or fetches a toolchain. GATEPOST_TOOLCHAIN = `rustup` or `debian` leaves no choice.
pub fn find(cache: &Cache, mirror: Option<&str>) -> Result<Toolchain> {
    match std::env::var("GATEPOST_TOOLCHAIN").as_deref() {
        Ok("rustup") => rustup(cache, mirror)?.context("rustup cannot have the target aarch64-unknown-linux-musl"),
        Ok("debian") => debian_toolchain::find(cache, mirror),
        Ok(other) => bail!("GATEPOST_TOOLCHAIN is {other:?}; it may be rustup or debian"),
        Err(_) => match rustup(cache, mirror)? {
            Some(toolchain) => Ok(toolchain),
            None => {
                progress::line("rustup has no arm64 target here; taking Debian's compiler.");
                debian_toolchain::find(cache, mirror)
            }
        },
    }
}

fn rustup(cache: &Cache, mirror: Option<&str>) -> Result<Option<Toolchain>> {
    let Some(sysroot) = output(Command::new("rustc").args(["--print", "sysroot"])).map(PathBuf::from) else {
        return Ok(None);
    };
    let there = has_std(&sysroot) || add_target() && has_std(&sysroot);
    if !there {
        return Ok(None);
    }
    let Some(version) = output(Command::new("rustc").arg("--version")) else { return Ok(None) };
    let (environment, compiler) = c_compiler(cache, mirror)?;
    Ok(Some(Toolchain {
        target: MUSL,
        description: format!("{version}, musl from rustup, {compiler}"),
        environment,
        flags: ["-Clinker=rust-lld", "-Clink-self-contained=yes", "-Ctarget-feature=+crt-static"]
            .map(str::to_owned)
            .to_vec(),
        sysroot,
    }))
}

/// The environment that tells build scripts about a C compiler for the card, and its version. On an arm64 machine that
/// is the machine's own.
fn c_compiler(cache: &Cache, mirror: Option<&str>) -> Result<(Vec<(&'static str, OsString)>, String)> {
    if std::env::consts::ARCH == "aarch64" {
        let version =
            output(Command::new("cc").arg("--version")).context("there is no C compiler: install build-essential")?;
        let version = version.lines().next().unwrap_or_default().to_owned();
        return Ok((vec![("CC_aarch64_unknown_linux_musl", "cc".into())], version));
    }
    debian_toolchain::c_compiler(cache, mirror)
}

/// Whether the standard library of the target lies in the toolchain.
fn has_std(sysroot: &Path) -> bool {
    let folder = sysroot.join("lib/rustlib").join(MUSL).join("lib");
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.into_iter().any(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
}

/// Asks rustup for the target, as `rustup target add` does.
fn add_target() -> bool {
    let step = progress::step(format!("Asking rustup for {MUSL}"));
    let mut command = Command::new("rustup");
    command.args(["target", "add", MUSL]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let added = command.spawn().is_ok_and(|mut child| {
        let deadline = Instant::now() + RUSTUP_DEADLINE;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(100)),
                _ => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return false;
                }
            }
        }
    });
    step.done(if added { "added" } else { "it has no way to get it" });
    added
}

/// What a program prints, if it runs and succeeds.
pub fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
