//! `cargo xtask image`: gather the ingredients, make the partitions, write the card's image. In Rust throughout, without root, without
//! loop devices, and byte for byte the same each time.

mod boot;
mod build;
mod cache;
mod card;
mod ext4;
mod fat;
mod identity;
pub mod initramfs;
mod kernel;
mod layout;
mod manifest;
mod mbr;
mod output;
mod paths;
mod squashfs;
mod summary;
#[cfg(test)]
mod tests;
mod verity;

use crate::check_config;
use crate::flash;
use crate::ingredients;
use crate::progress;
use anyhow::Context;
use output::Access;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The version that stands on the card.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// zstd's level for the download. Measured on the first card: 1 gives 20.1 MB in 0.6 s, 15 gives 19.7 MB in 1.8 s, 19 gives 19.5 MB
/// in 14 s. What is large in the image is packed already; the long window does the work.
const DOWNLOAD_LEVEL: i32 = 15;

/// Where the image goes when nothing else is said; `flash` and `qemu` look for it there.
const OUT: &str = "target/image";

/// What the command line may say.
#[derive(clap::Args, Default)]
pub struct Args {
    /// Check this gateway.toml and put it on the card
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write the image to this SD card afterwards, such as /dev/sdb
    #[arg(long, value_name = "DEVICE")]
    flash: Option<String>,
    /// A Debian mirror to use instead of the host's own
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Where the image goes [default: target/image]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Pack everything anew, also what an earlier build kept: how the tests see that both give the same image
    #[arg(long, hide = true)]
    anew: bool,
}

/// Builds the image, and flashes it if asked to.
pub fn run(args: Args) -> anyhow::Result<()> {
    let began = Instant::now();
    let layout = layout::Layout::read(Path::new("image/image.toml"), VERSION)?;
    let config = args.config.as_deref().map(read_config).transpose()?;
    if let Some(device) = &args.flash {
        flash::check(device, layout.image_size())?;
    }
    let ingredients = ingredients::gather(&ingredients::Options { mirror: args.mirror })?;
    let out = args.out.as_deref().map_or_else(|| PathBuf::from(OUT), check_config::as_typed);
    fs::create_dir_all(&out).with_context(|| format!("can't create {}", out.display()))?;
    let image = out.join("gatepost.img");
    let packed = out.join("gatepost.img.zst");

    // A Wi-Fi passphrase may stand in the configuration, and the manifest's hash of it would help to guess it.
    let access = config.as_ref().map_or(Access::Everyone, |_| Access::Owner);
    let parts = build::Parts {
        ingredients: &ingredients,
        layout: &layout,
        overlays: Path::new("overlays"),
        config: config.as_deref(),
        version: VERSION,
        cache: &if args.anew { cache::Cache::none() } else { cache::Cache::of_user()? },
        access,
    };
    let built = build::build(&parts, &image)?;
    let shown = progress::bytes("Compressing the image", layout.image_size());
    let (sha256, packed_sha256, packed_size) =
        card::compress(&image, (&packed, access), DOWNLOAD_LEVEL, &|done| shown.set(done))?;
    shown.done(format!("{packed_size} bytes"));
    let (sha256, packed_sha256) = (verity::hex(&sha256), verity::hex(&packed_sha256));
    write_sum(&image, &sha256, access)?;
    write_sum(&packed, &packed_sha256, access)?;
    output::write(&out.join("manifest.json"), &built.manifest.text()?, access)?;
    card::check_size(packed_size, layout.compressed_limit)?;

    let next = match args.flash {
        Some(_) => "nothing, the card is written now".to_string(),
        None => "cargo xtask qemu  (try it here), or: cargo xtask flash  (write an SD card)".to_string(),
    };
    let image_output = summary::Output { path: &image, size: layout.image_size(), sha256: &sha256 };
    let packed_output = summary::Output { path: &packed, size: packed_size, sha256: &packed_sha256 };
    print!("{}", summary::text(&layout, &built, &image_output, &packed_output, &next));
    if access == Access::Owner {
        println!(
            "  Your configuration is in it, perhaps with a passphrase: these files are readable by you alone (mode 0600)."
        );
    }
    println!("  Built in {:.1} s", began.elapsed().as_secs_f32());
    match args.flash {
        Some(device) => flash::run(flash::Args::built(device, std::path::absolute(image)?)),
        None => Ok(()),
    }
}

/// Reads the user's configuration, if it is one that the gateway would take.
fn read_config(path: &Path) -> anyhow::Result<Vec<u8>> {
    check_config::check(path)?;
    let path = check_config::as_typed(path);
    fs::read(&path).with_context(|| format!("can't read {}", path.display()))
}

/// `HASH  NAME` beside the file, as `sha256sum -c` reads it.
fn write_sum(file: &Path, sha256: &str, access: Access) -> anyhow::Result<()> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let path = file.with_file_name(format!("{name}.sha256"));
    output::write(&path, &format!("{sha256}  {name}\n"), access)
}

/// Shows a step while it runs, and then how long it took. The work gives its result and a few words about it.
fn step<T>(what: &str, work: impl FnOnce() -> anyhow::Result<(T, String)>) -> anyhow::Result<T> {
    let shown = progress::step(what);
    let (result, words) = work().with_context(|| what.to_string())?;
    shown.done(words);
    Ok(result)
}
