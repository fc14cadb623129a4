//! `cargo xtask flash`: write the image to an SD card and verify it by reading back.
//!
//! Three parts: [`disks`] reads what disks there are, [`choose`] decides which may be written, [`write`](mod@write) does it.

mod choose;
mod disks;
mod write;

use crate::check_config;
use crate::progress;
use anyhow::{Context, bail, ensure};
use choose::Allowed;
use disks::Disk;
use std::fs::{self, File};
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};

/// What `cargo xtask image` built.
const IMAGE: &str = "target/image/gatepost.img";

/// What the command line may say.
#[derive(clap::Args)]
pub struct Args {
    /// The SD card, such as /dev/sdb; left out, the disks are listed
    device: Option<String>,
    /// The image to write [default: target/image/gatepost.img]
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Also write a disk larger than 2 TB
    #[arg(long)]
    force_large: bool,
    /// Also write a disk that is not removable
    #[arg(long)]
    force_fixed: bool,
}

impl Args {
    /// `cargo xtask image --flash DEVICE`: as careful as the verb itself. The image's path is an absolute one.
    pub fn built(device: String, image: PathBuf) -> Self {
        Self { device: Some(device), image: Some(image), yes: false, force_large: false, force_fixed: false }
    }
}

/// Refuses a device before an image is built for it. `size` is that of the image, in bytes.
pub fn check(device: &str, size: u64) -> anyhow::Result<()> {
    writable(device, size, Allowed::default()).map(drop)
}

/// The disk that a user names, if it may be written.
fn writable(device: &str, size: u64, allowed: Allowed) -> anyhow::Result<Disk> {
    let disk = find(disks(), device)?;
    match choose::refusal(&disk, size, allowed) {
        Some(why) => bail!("{why}"),
        None => Ok(disk),
    }
}

/// The disks of this computer.
fn disks() -> Vec<Disk> {
    disks::list(Path::new("/sys"), Path::new("/proc"))
}

/// Runs the verb.
pub fn run(args: Args) -> anyhow::Result<()> {
    let image = args.image.as_deref().map_or_else(|| PathBuf::from(IMAGE), check_config::as_typed);
    let mut image =
        File::open(&image).with_context(|| format!("can't open {}; type: cargo xtask image", image.display()))?;
    let size = image.metadata()?.len();
    let Some(device) = args.device else {
        print!("{}", choose::listing(&disks(), size));
        return Ok(());
    };
    let disk = writable(&device, size, Allowed { large: args.force_large, fixed: args.force_fixed })?;
    if !args.yes {
        confirm(&disk)?;
    }
    let mut card = write::open(&disk.path())?;
    let shown = progress::bytes(format!("Writing {}", disk.path().display()), size);
    let written = write::write(&mut image, &mut card, &|done| shown.set(done))?;
    shown.done("all of it is on the card");
    let shown = progress::bytes("Reading it back", size);
    write::verify(&mut card, &written, &|done| shown.set(done))?;
    shown.done("the same as was written");
    println!("The card is written and verified. Put it into the Pi and power on.");
    Ok(())
}

/// The disk that a user means by `sdb`, `/dev/sdb` or a link to it.
fn find(disks: Vec<Disk>, device: &str) -> anyhow::Result<Disk> {
    let path = if device.contains('/') { PathBuf::from(device) } else { Path::new("/dev").join(device) };
    let path = fs::canonicalize(&path).with_context(|| format!("there is no device {}", path.display()))?;
    pick(disks, &path)
}

/// Finds a device node among the disks. A partition is refused: what is written has a partition table of its own.
fn pick(disks: Vec<Disk>, path: &Path) -> anyhow::Result<Disk> {
    let shown = path.display();
    if let Some(whole) = disks.iter().find(|disk| is_part(path, disk)) {
        bail!("{shown} is a part of a disk; name the whole one: {}", whole.path().display());
    }
    let found = disks.into_iter().find(|disk| disk.path() == path);
    found.with_context(|| format!("{shown} is not a disk that a Pi's card could be in; see: cargo xtask flash"))
}

/// Whether a node is a partition: `sdb1` of `sdb`, `mmcblk0p1` of `mmcblk0`. (`sdba` is another disk.)
fn is_part(path: &Path, disk: &Disk) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ends_in_digit = disk.name.ends_with(|last: char| last.is_ascii_digit());
    let number =
        name.strip_prefix(&disk.name).and_then(|rest| if ends_in_digit { rest.strip_prefix('p') } else { Some(rest) });
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Asks for the name to be typed: a plain "y" comes too easily.
fn confirm(disk: &Disk) -> anyhow::Result<()> {
    ensure!(std::io::stdin().is_terminal(), "nobody is there to ask; add --yes if you are sure");
    println!("Everything on this disk will be lost:\n\n  {}\n", choose::describe(disk));
    print!("Type {} to go on: ", disk.name);
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    let answer = answer.trim();
    ensure!(answer == disk.name || Path::new(answer) == disk.path(), "not confirmed; nothing was written");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_disks_only() {
        let disks = || ["sdb", "sdba", "mmcblk0"].map(|name| Disk { name: name.into(), ..Disk::default() }).to_vec();
        let message = |path: &str| match pick(disks(), Path::new(path)) {
            Ok(disk) => disk.name,
            Err(error) => error.to_string(),
        };
        assert_eq!(message("/dev/sdb"), "sdb");
        assert_eq!(message("/dev/sdba"), "sdba");
        assert_eq!(message("/dev/sdb1"), "/dev/sdb1 is a part of a disk; name the whole one: /dev/sdb");
        assert_eq!(message("/dev/mmcblk0p2"), "/dev/mmcblk0p2 is a part of a disk; name the whole one: /dev/mmcblk0");
        assert!(message("/dev/null").contains("not a disk"));
    }
}
