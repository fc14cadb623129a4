//! What happens to the device tree between the card and the kernel.
//!
//! The firmware fills in `/chosen` ([`handover`], every machine that takes a device tree). QEMU's raspi4b lacks devices
//! that mainline's tree names, and the kernel stops on them; [`for_raspi4b`] takes those out, in memory only.

use super::Machine;
use anyhow::{Result, anyhow};
use dtoolkit::fdt::Fdt;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
use dtoolkit::{Node as _, Property as _};

/// Compatible strings that QEMU's raspi4b has no device for, or one that stops the kernel.
const ABSENT_ON_RASPI4B: &[&str] = &[
    "brcm,l2-intc",
    "brcm,bcm2711-l2-intc",
    "brcm,bcm2711-hdmi-i2c",
    "brcm,bcm2711-hdmi0",
    "brcm,bcm2711-hdmi1",
    "brcm,brcm2711-dvp",
    "brcm,bcm2711-vc5",
    "brcm,bcm2711-hvs",
    "brcm,bcm2711-pixelvalve0",
    "brcm,bcm2711-pixelvalve1",
    "brcm,bcm2711-pixelvalve2",
    "brcm,bcm2711-pixelvalve3",
    "brcm,bcm2711-pixelvalve4",
    "brcm,bcm2711-avs-monitor",
];

/// Supplies of the SD slots hang on the firmware's GPIO expander, which QEMU does not answer for.
const SUPPLIES: &[&str] = &["mmc-pwrseq", "vmmc-supply", "vqmmc-supply"];

/// The device tree as the firmware hands it over, with 64 bytes of `rng-seed`; for raspi4b also without what QEMU lacks.
///
/// Two things that the real firmware adds are left out: `/system/linux,revision` and `/chosen/bootloader`. By their
/// absence PID 1 knows an emulated Pi, whose watchdog resets at once when it is armed.
///
/// # Errors
/// The bytes are no device tree.
pub fn handover(dtb: &[u8], machine: Machine, seed: &[u8; 64]) -> Result<Vec<u8>> {
    let fdt = Fdt::new(dtb).map_err(|error| anyhow!("the device tree is damaged: {error}"))?;
    let mut tree = DeviceTree::from_fdt(&fdt);
    let chosen = child(&mut tree.root, "chosen")?;
    set(chosen, "rng-seed", seed)?;
    if machine == Machine::Raspi4b {
        for_raspi4b(&mut tree.root)?;
    }
    Ok(tree.to_dtb())
}

fn for_raspi4b(node: &mut DeviceTreeNode) -> Result<()> {
    if ABSENT_ON_RASPI4B.iter().any(|name| is_compatible(node, name)) {
        set(node, "compatible", b"gatepost,absent-in-qemu\0")?;
        set(node, "status", b"disabled\0")?;
    }
    if is_compatible(node, "brcm,bcm2835-usb") {
        set(node, "dr_mode", b"host\0")?;
        set(node, "status", b"okay\0")?;
    }
    for name in SUPPLIES {
        node.remove_property(name);
    }
    node.children_mut().try_for_each(for_raspi4b)
}

fn is_compatible(node: &DeviceTreeNode, name: &str) -> bool {
    node.property("compatible")
        .is_some_and(|property| property.value().split(|byte| *byte == 0).any(|item| item == name.as_bytes()))
}

fn child<'a>(node: &'a mut DeviceTreeNode, name: &str) -> Result<&'a mut DeviceTreeNode> {
    if node.child(name).is_none() {
        node.add_child(DeviceTreeNode::new(name)?);
    }
    node.child_mut(name).ok_or_else(|| anyhow!("the device tree takes no node {name}"))
}

fn set(node: &mut DeviceTreeNode, name: &str, value: &[u8]) -> Result<()> {
    node.remove_property(name);
    node.add_property(DeviceTreeProperty::new(name, value)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree with a controller that QEMU lacks, an SD slot with supplies, and a USB controller.
    fn tree() -> Vec<u8> {
        let node = |name: &str, properties: &[(&str, &[u8])]| {
            let mut node = DeviceTreeNode::new(name).unwrap();
            for (name, value) in properties {
                set(&mut node, name, value).unwrap();
            }
            node
        };
        let mut tree = DeviceTree::new();
        let mut soc = node("soc", &[]);
        soc.add_child(node("interrupt-controller@1", &[("compatible", &b"brcm,bcm2711-l2-intc\0brcm,l2-intc\0"[..])]));
        soc.add_child(node("mmc@2", &[("compatible", &b"brcm,bcm2711-emmc2\0"[..]), ("vqmmc-supply", &[0, 0, 0, 1])]));
        soc.add_child(node("usb@3", &[("compatible", &b"brcm,bcm2835-usb\0"[..]), ("dr_mode", b"otg\0")]));
        tree.root.add_child(soc);
        tree.to_dtb()
    }

    fn value(dtb: &[u8], path: &str, name: &str) -> Option<Vec<u8>> {
        let tree = DeviceTree::from_fdt(&Fdt::new(dtb).unwrap());
        Some(tree.find_node(path)?.property(name)?.value().to_vec())
    }

    #[test]
    fn the_tree_has_a_seed_and_looks_emulated() {
        let dtb = handover(&tree(), Machine::Raspi3b, &[7; 64]).unwrap();
        assert!(DeviceTree::from_fdt(&Fdt::new(&dtb).unwrap()).find_node("/chosen/bootloader").is_none());
        assert_eq!(value(&dtb, "/chosen", "rng-seed").unwrap(), [7; 64]);
        assert_eq!(value(&dtb, "/soc/usb@3", "dr_mode").unwrap(), b"otg\0", "only raspi4b is patched");
    }

    #[test]
    fn what_raspi4b_lacks_is_taken_out() {
        let dtb = handover(&tree(), Machine::Raspi4b, &[0; 64]).unwrap();
        assert_eq!(value(&dtb, "/soc/interrupt-controller@1", "status").unwrap(), b"disabled\0");
        assert_eq!(value(&dtb, "/soc/mmc@2", "vqmmc-supply"), None);
        assert_eq!(value(&dtb, "/soc/mmc@2", "compatible").unwrap(), b"brcm,bcm2711-emmc2\0");
        assert_eq!(value(&dtb, "/soc/usb@3", "dr_mode").unwrap(), b"host\0");
        assert!(handover(b"no tree", Machine::Raspi3b, &[0; 64]).is_err());
    }
}
