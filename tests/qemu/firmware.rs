//! Every board finds everything that it needs on the image, on both slots. No guest runs.

use crate::bed;
use qemu::firmware::{Model, Start, start};

#[test]
fn every_board_starts_from_both_slots() {
    let card = bed::image().unwrap_or_else(|error| panic!("{error:#}"));
    for model in Model::ALL {
        for (kind, partition, slot) in [(Start::Normal, 2, "gatepost.slot=a"), (Start::Tryboot, 3, "gatepost.slot=b")] {
            let boot = start(&card, model, kind).unwrap_or_else(|error| panic!("{model}, {kind:?}: {error:#}"));
            assert_eq!(boot.partition, partition, "{model}");
            assert!(boot.cmdline.contains(slot), "{model}: {}", boot.cmdline);
            assert!(boot.cmdline.contains(&format!("gatepost.disk={:08x}", card.signature())), "{}", boot.cmdline);
            assert!(boot.initramfs.is_some(), "{model}");
            assert!(boot.dtb.bytes.len() > 1000, "{model}: {:?}", boot.dtb);
        }
    }
}
