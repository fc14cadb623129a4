//! `cargo xtask flash`: write the image to an SD card and verify it by reading back.
//!
//! Three parts: [`disks`] reads what disks there are, [`choose`] decides which may be written, [`write`](mod@write) does it.

mod choose;
mod disks;
mod write;

use crate::progress;
use anyhow::{Context, bail, ensure};
use choose::Allowed;
use disks::Disk;
use std::fs::{self, File};
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};

/// What the command line may say.
#[derive(clap::Args)]
pub struct Args {
    /// The SD card, such as /dev/sdb; left out, the disks are listed
    device: Option<String>,
    /// The image to write
    #[arg(long, value_name = "FILE", default_value = "target/image/gatepost.img")]
    image: PathBuf,
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
    /// `cargo xtask image --flash DEVICE`: as careful as the verb itself.
    pub fn built(device: String, image: PathBuf) -> Self {
        Self { device: Some(device), image, yes: false, force_large: false, force_fixed: false }
    }
}

/// Runs the verb.
pub fn run(args: Args) -> anyhow::Result<()> {
    let mut image = File::open(&args.image)
        .with_context(|| format!("there is no {}; type: cargo xtask image", args.image.display()))?;
    let size = image.metadata()?.len();
    let disks = disks::list(Path::new("/sys"), Path::new("/proc"));
    let Some(device) = args.device else {
        print!("{}", choose::listing(&disks, size));
        return Ok(());
    };
    let disk = find(&disks, &device)?;
    let allowed = Allowed { large: args.force_large, fixed: args.force_fixed };
    if let Some(why) = choose::refusal(disk, size, allowed) {
        bail!("{why}");
    }
    if !args.yes {
        confirm(disk)?;
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
fn find<'a>(disks: &'a [Disk], device: &str) -> anyhow::Result<&'a Disk> {
    let path = if device.contains('/') { PathBuf::from(device) } else { Path::new("/dev").join(device) };
    let path = fs::canonicalize(&path).with_context(|| format!("there is no device {}", path.display()))?;
    if let Some(disk) = disks.iter().find(|disk| disk.path() == path) {
        return Ok(disk);
    }
    let whole = disks.iter().find(|disk| path.to_string_lossy().starts_with(&*disk.path().to_string_lossy()));
    match whole {
        Some(disk) => bail!("{} is a part of a disk; name the whole one: {}", path.display(), disk.path().display()),
        None => bail!("{} is not a disk that a Pi's card could be in; see: cargo xtask flash", path.display()),
    }
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
