//! Builds our own program for the card: one static arm64 binary, the same bytes from the same sources wherever they
//! lie, and checked for that.

use super::elf::{AARCH64, Elf, PT_INTERP};
use super::toolchain::{Toolchain, output};
use crate::progress;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Apart from the developer's own builds, whose flags differ.
const FOLDER: &str = "target/userland";

/// Builds the binary and checks it.
pub fn build(toolchain: &Toolchain) -> Result<Vec<u8>> {
    let step = progress::step(format!("Building gatepost for arm64 with {}", toolchain.description));
    let homes = Homes::find(toolchain)?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--locked", "--release", "--package", "init", "--bin", "gatepost"]);
    command.args(["--target", toolchain.target, "--target-dir", FOLDER]);
    for (name, _) in std::env::vars_os() {
        if decides(&name.to_string_lossy()) {
            command.env_remove(&name);
        }
    }
    let flags: Vec<_> = toolchain.flags.iter().cloned().chain(homes.flags()).collect();
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    command.envs(toolchain.environment.iter().map(|(name, value)| (name, value)));
    let output = command.output().context("starting cargo")?;
    if !output.status.success() {
        bail!("the binary for the card does not build:\n{}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    let path = Path::new(FOLDER).join(toolchain.target).join("release/gatepost");
    let binary = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    check(&binary, &homes.paths()).with_context(|| path.display().to_string())?;
    step.done(format!("{} KiB", binary.len() / 1024));
    Ok(binary)
}

/// Settings of the developer's environment that would give another binary.
fn decides(name: &str) -> bool {
    const WHOLE: [&str; 5] =
        ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTC"];
    const STARTS: [&str; 8] =
        ["CC", "CFLAGS", "AR_", "TARGET_", "CARGO_PROFILE_", "CARGO_TARGET_", "CARGO_BUILD_", "CARGO_UNSTABLE_"];
    WHOLE.contains(&name) || STARTS.iter().any(|start| name.starts_with(start))
}

/// Folders of this machine that must not show in the binary.
struct Homes {
    workspace: PathBuf,
    cargo: PathBuf,
    sysroot: PathBuf,
}

impl Homes {
    fn find(toolchain: &Toolchain) -> Result<Self> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let cargo = absolute("CARGO_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cargo")));
        Ok(Self {
            workspace: std::env::current_dir()?,
            cargo: cargo.context("neither CARGO_HOME nor HOME says where cargo keeps its sources")?,
            sysroot: toolchain.sysroot.clone(),
        })
    }

    /// rustc takes the last prefix that fits, so the more special ones come last.
    fn flags(&self) -> Vec<String> {
        let mut pairs = vec![
            (self.cargo.clone(), "/cargo".to_owned()),
            (self.sysroot.clone(), "/rust".to_owned()),
            (self.workspace.clone(), "/gatepost".to_owned()),
        ];
        // Below this, a folder for each registry, named after its host.
        let registries = fs::read_dir(self.cargo.join("registry/src")).into_iter().flatten().flatten();
        pairs.extend(registries.map(|registry| (registry.path(), "/cargo/registry".to_owned())));
        let flag = |(from, to): &(PathBuf, String)| Some(format!("--remap-path-prefix={}={to}", from.to_str()?));
        pairs.iter().filter_map(flag).collect()
    }

    fn paths(&self) -> Vec<String> {
        let mut all = vec!["/root/".to_owned(), "/home/".to_owned(), "registry/src/".to_owned()];
        all.extend([&self.workspace, &self.cargo, &self.sysroot].iter().filter_map(|path| {
            // A workspace in `/src` must not be taken for the sources of somebody else.
            path.to_str().filter(|path| path.len() > 5).map(|path| format!("{path}/"))
        }));
        all
    }
}

/// The binary runs on the card by itself and does not tell where it was built.
fn check(binary: &[u8], hidden: &[String]) -> Result<()> {
    let elf = Elf::parse(binary)?;
    ensure!(elf.machine()? == AARCH64, "the binary is not for arm64");
    ensure!(!elf.segments()?.contains(&PT_INTERP), "the binary wants a dynamic loader, which the card has not");
    ensure!(elf.section(".symtab")?.is_none() && elf.section(".debug_info")?.is_none(), "the binary is not stripped");
    for path in hidden {
        if let Some(at) = binary.windows(path.len()).position(|window| window == path.as_bytes()) {
            let end = binary.len().min(at + 120);
            let text: String =
                binary[at..end].iter().map_while(|b| b.is_ascii_graphic().then_some(*b as char)).collect();
            bail!("the binary tells a path of the machine that built it: {text}");
        }
    }
    Ok(())
}

/// The compiler that would be used, for the lock.
pub fn host_compiler() -> String {
    output(Command::new("rustc").arg("--version")).unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingredients::elf::tests::with_section;

    #[test]
    fn a_path_of_the_builder_is_found() {
        let hidden = ["/home/".to_owned()];
        assert!(check(&with_section(".rodata", b"src/main.rs"), &hidden).is_ok());
        let error = check(&with_section(".rodata", b"x/home/ann/a.rs\0"), &hidden).unwrap_err().to_string();
        assert!(error.ends_with(": /home/ann/a.rs"), "{error}");
    }

    #[test]
    fn symbols_and_other_machines_are_refused() {
        assert!(check(&with_section(".symtab", b""), &[]).is_err());
        let mut other = with_section(".text", b"");
        other[18] = 62;
        assert!(check(&other, &[]).unwrap_err().to_string().contains("arm64"));
        let mut dynamic = with_section(".text", b"");
        dynamic[32] = 64; // one program header, where the names of the sections begin
        dynamic[54] = 56;
        dynamic[56] = 1;
        dynamic[64] = 3;
        dynamic[65..68].fill(0);
        assert!(check(&dynamic, &[]).unwrap_err().to_string().contains("loader"));
    }
}
