//! Which disk may be overwritten. Nothing here touches one.

use super::disks::Disk;

/// A disk larger than this, in bytes, is more likely somebody's backup than a card for a Pi.
pub const LARGE: u64 = 2_000_000_000_000;

/// What the user has said he knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowed {
    /// The disk may be larger than [`LARGE`].
    pub large: bool,
    /// The disk may be one that can't be taken out.
    pub fixed: bool,
}

/// Why a disk is not written, as a sentence; `None` if it may be.
pub fn refusal(disk: &Disk, image_size: u64, allowed: Allowed) -> Option<String> {
    let name = &disk.name;
    if disk.holds_root {
        return Some(format!("{name} holds the system that is running"));
    }
    if let Some(place) = disk.uses.first() {
        let cure = if place.starts_with('/') { format!("; type: sudo umount {place}") } else { String::new() };
        return Some(format!("{name} is in use ({}){cure}", disk.uses.join(", ")));
    }
    if disk.size == 0 {
        return Some(format!("{name} has no card in it"));
    }
    if disk.read_only {
        return Some(format!("{name} is read-only; look for the small switch on the card or its adapter"));
    }
    if disk.size < image_size {
        return Some(format!("{name} is too small: {}, but the image has {}", human(disk.size), human(image_size)));
    }
    if !disk.removable && !allowed.fixed {
        return Some(format!("{name} is not removable; if you are sure that it is the right one, add --force-fixed"));
    }
    if disk.size > LARGE && !allowed.large {
        return Some(format!(
            "{name} has {}; if you are sure that it is the right one, add --force-large",
            human(disk.size)
        ));
    }
    None
}

/// The list that is shown when no device is named.
pub fn listing(disks: &[Disk], image_size: u64) -> String {
    let (good, other): (Vec<_>, Vec<_>) =
        disks.iter().partition(|disk| refusal(disk, image_size, Allowed::default()).is_none());
    let mut out = String::new();
    if good.is_empty() {
        out += "No SD card found. Put one in (or unmount it), then try again.\n";
    } else {
        out += "Disks that can be written:\n";
        for disk in &good {
            out += &format!("  {}\n", describe(disk));
        }
        out += &format!("\nType: cargo xtask flash {}\n", good[0].path().display());
    }
    if !other.is_empty() {
        out += "\nLeft alone:\n";
        for disk in other {
            let why = refusal(disk, image_size, Allowed::default()).unwrap_or_default();
            out += &format!("  {}: {why}\n", describe(disk));
        }
    }
    out
}

/// A disk in a few words.
pub fn describe(disk: &Disk) -> String {
    let model = if disk.model.is_empty() { "" } else { &format!("  {}", disk.model) };
    format!("{}  {}{model}", disk.path().display(), human(disk.size))
}

/// A size as it is printed on cards: powers of ten.
pub fn human(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        1_000_000_000..1_000_000_000_000 => format!("{:.1} GB", bytes as f64 / 1e9),
        _ => format!("{:.1} TB", bytes as f64 / 1e12),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: u64 = 311 << 20;

    fn card() -> Disk {
        Disk { name: "sdb".into(), model: "SD Reader".into(), size: 31_914_983_424, removable: true, ..Disk::default() }
    }

    fn why(disk: Disk, allowed: Allowed) -> String {
        refusal(&disk, IMAGE, allowed).unwrap_or_else(|| "taken".into())
    }

    #[test]
    fn a_card_is_taken_and_everything_else_is_not() {
        let no = Allowed::default();
        let yes = Allowed { large: true, fixed: true };
        assert_eq!(why(card(), no), "taken");
        let root = Disk { holds_root: true, uses: vec!["/".into()], ..card() };
        assert_eq!(why(root, yes), "sdb holds the system that is running");
        let mounted = Disk { uses: vec!["/media/me/GATEPOST".into()], ..card() };
        assert_eq!(why(mounted, yes), "sdb is in use (/media/me/GATEPOST); type: sudo umount /media/me/GATEPOST");
        let lvm = Disk { uses: vec!["dm-3".into()], ..card() };
        assert_eq!(why(lvm, yes), "sdb is in use (dm-3)");
        assert_eq!(why(Disk { size: 0, ..card() }, yes), "sdb has no card in it");
        assert!(why(Disk { read_only: true, ..card() }, yes).contains("switch"));
        assert_eq!(why(Disk { size: 64_000_000, ..card() }, yes), "sdb is too small: 64 MB, but the image has 326 MB");
    }

    #[test]
    fn doubt_can_be_overruled_one_by_one() {
        let fixed = Disk { removable: false, ..card() };
        assert!(why(fixed.clone(), Allowed { large: true, fixed: false }).contains("--force-fixed"));
        assert_eq!(why(fixed, Allowed { large: false, fixed: true }), "taken");
        let large = Disk { size: LARGE + 1, ..card() };
        assert!(why(large.clone(), Allowed { large: false, fixed: true }).contains("--force-large"));
        assert_eq!(why(large, Allowed { large: true, fixed: false }), "taken");
        assert_eq!(why(Disk { size: LARGE, ..card() }, Allowed::default()), "taken");
    }

    #[test]
    fn the_list_says_what_to_type() {
        let system = Disk { name: "sda".into(), holds_root: true, size: LARGE, ..card() };
        let text = listing(&[card(), system.clone()], IMAGE);
        assert!(text.contains("/dev/sdb  31.9 GB  SD Reader\n\nType: cargo xtask flash /dev/sdb\n"), "{text}");
        assert!(text.contains("Left alone:\n  /dev/sda  2.0 TB  SD Reader: sda holds the system"), "{text}");
        assert!(listing(&[system], IMAGE).starts_with("No SD card found"));
    }
}
