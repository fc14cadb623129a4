//! What the helper of `cargo xtask bench nat` is made of: the modules of the very kernel on the card that other people's rules
//! and ours need, and Debian's iptables and nft. The scripts lie in tests/nat.

use super::cache::Cache;
use super::deb::{self, Content};
use super::{fetch, kernel_of, modules, wanted};
use crate::lock::{CARD, Lock, NAT_BENCH};
use crate::tree::Tree;
use anyhow::{Context, Result};
use std::fs;

/// Where everything lies in the archive, so that nothing of it covers a file of the card's initramfs.
const HOME: &str = "lab";

/// Network, our table, and what iptables' three rules stand on.
const MODULES: [&str; 15] = [
    "virtio_net",
    "nf_tables",
    "nft_ct",
    "nft_limit",
    "nft_connlimit",
    "nft_chain_nat",
    "nft_nat",
    "nft_masq",
    "nft_reject_inet",
    "nft_fib_inet",
    "nf_flow_table_inet",
    "nft_flow_offload",
    "nft_compat",
    "xt_conntrack",
    "xt_MASQUERADE",
];

/// Programs by their place in their packages, and the names by which they are called.
const PROGRAMS: [(&str, &str); 3] =
    [("usr/bin/busybox", "busybox"), ("usr/sbin/nft", "nft"), ("usr/sbin/xtables-nft-multi", "iptables")];

/// Fetches, verifies and unpacks all of it, and lays `files` (path and text) beside it.
pub fn helper(files: &[(String, String)]) -> Result<Tree> {
    let cache = Cache::open()?;
    let (card, bench) = (Lock::read(CARD)?, Lock::read(NAT_BENCH)?);
    fetch::all(&cache, CARD, &wanted::read(CARD.list)?, &card, None)?;
    fetch::all(&cache, NAT_BENCH, &wanted::read(NAT_BENCH.list)?, &bench, None)?;
    let mut tree = Tree::new();
    for script in ["init", "agent"] {
        let text = fs::read(format!("tests/nat/{script}")).with_context(|| format!("reading tests/nat/{script}"))?;
        tree.program(format!("{HOME}/{script}"), text);
    }
    for (path, text) in files {
        tree.file(format!("{HOME}/{path}"), text.as_bytes());
    }
    // Programs look for their loader in /lib.
    tree.symlink(format!("{HOME}/lib"), "usr/lib");
    for locked in &bench.packages {
        for (path, content) in deb::unpack(&cache.package(&locked.sha256), wanted_file)? {
            let path = format!("{HOME}/{path}");
            match content {
                Content::File(data) => tree.program(path, data),
                Content::Symlink(target) => tree.symlink(path, target),
            };
        }
    }
    for (path, name) in PROGRAMS {
        tree.get(&format!("{HOME}/{path}")).with_context(|| format!("no package of the bench holds {path}"))?;
        if !path.ends_with(&format!("/{name}")) {
            tree.symlink(format!("{HOME}/usr/sbin/{name}"), path.rsplit('/').next().unwrap_or(path));
        }
    }
    let kernel = deb::unpack(&cache.package(&kernel_of(&card)?.sha256), modules::Kernel::keeps)?;
    let modules = modules::Kernel::new(&kernel)?.in_order(&modules::List::read()?, &MODULES)?;
    for (number, (name, data)) in modules.into_iter().enumerate() {
        tree.file(format!("{HOME}/modules/{number:02}-{name}"), data);
    }
    Ok(tree)
}

fn wanted_file(path: &str) -> bool {
    let library = path
        .strip_prefix("usr/lib/aarch64-linux-gnu/")
        .is_some_and(|name| !name.contains('/') || name.starts_with("xtables/"));
    library || path.starts_with("usr/lib/ld-linux-") || PROGRAMS.iter().any(|(program, _)| *program == path)
}
