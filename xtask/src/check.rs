//! Formatting, lints, and the rules that no lint of Rust's knows.

mod docs;

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the command line may say.
#[derive(clap::Args)]
pub struct Args {}

/// Modules of the core that everyone may use. Every other module is a machine, and machines don't know each other.
const SHARED_WORDS: [&str; 8] = ["card", "config", "dhcp_option", "entropy", "frame", "net", "store", "time"];

/// The one module that composes the machines.
const COMPOSER: &str = "gateway";

/// The folders of the top level that hold Rust.
const ROOMS: [&str; 4] = ["xtask", "init", "qemu", "tests"];

/// Formatting, lints, the fence.
pub fn run(_args: Args) -> Result<()> {
    cargo(&["fmt", "--all", "--check"]).context("the formatting differs: run `cargo fmt`")?;
    cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    let problems = house_rules(Path::new("."))?;
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    Ok(())
}

fn cargo(arguments: &[&str]) -> Result<()> {
    let status = Command::new(env!("CARGO")).args(arguments).status()?;
    if !status.success() {
        bail!("`cargo {}` failed", arguments.join(" "));
    }
    Ok(())
}

/// Every breach of a house rule in the tree, one line each.
fn house_rules(top: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for room in ROOMS {
        for path in rust_files(&top.join(room))? {
            let text = fs::read_to_string(&path)?;
            if !text.starts_with("//!") {
                problems.push(format!("{}: begins without a `//!` line that says what it is for", path.display()));
            }
        }
    }
    let core = top.join("init/core/src");
    for path in rust_files(&core)? {
        let relative = path.strip_prefix(&core)?;
        let module = module_of(relative);
        for (number, line) in fs::read_to_string(&path)?.lines().enumerate() {
            for foreign in foreign_machines(&module, line) {
                problems.push(format!(
                    "{}:{}: machine `{module}` uses machine `{foreign}`; let `{COMPOSER}` pass the value instead",
                    path.display(),
                    number + 1
                ));
            }
        }
    }
    problems.extend(docs::problems(top)?);
    Ok(problems)
}

/// The top-level module a file of the core belongs to.
fn module_of(relative: &Path) -> String {
    let first = relative.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
    first.unwrap_or_default().trim_end_matches(".rs").to_string()
}

/// The machines that a line of `module` names through `crate::` and should not.
fn foreign_machines(module: &str, line: &str) -> Vec<String> {
    if module == COMPOSER || module == "lib" || line.trim_start().starts_with("//") {
        return Vec::new();
    }
    let names = line.split("crate::").skip(1).flat_map(|rest| match rest.strip_prefix('{') {
        // use crate::{a, b::C};
        Some(list) => list.split(',').map(first_word).collect(),
        None => vec![first_word(rest)],
    });
    names.filter(|name| !name.is_empty() && name != module && !SHARED_WORDS.contains(&name.as_str())).collect()
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fence_stands() {
        assert_eq!(foreign_machines("dns", "use crate::dhcp_server::Lease;"), ["dhcp_server"]);
        assert_eq!(foreign_machines("dns", "use crate::{time::Instant, plan};"), ["plan"]);
        assert_eq!(foreign_machines("dns", "use crate::dns::cache::Cache; // and crate::net"), [""; 0]);
        assert_eq!(foreign_machines("gateway", "use crate::dns::Dns;"), [""; 0]);
    }
}
