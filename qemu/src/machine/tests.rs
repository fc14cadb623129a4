//! The argument vectors, whole: a change of a recipe must show in a review.

use super::*;
use crate::card::tests::synthetic;

fn arguments(machine: Machine, nics: &Nics, watchdog: bool) -> String {
    arguments_with(machine, nics, watchdog, None)
}

fn arguments_with(machine: Machine, nics: &Nics, watchdog: bool, helper: Option<&Path>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let card = synthetic(&folder.path().join("card.img"), &[]);
    let handover = Handover {
        kernel: Path::new("K"),
        initramfs: Some(Path::new("I")),
        dtb: Path::new("D"),
        cmdline: "a b",
        console: Path::new("C"),
        qmp: Path::new("Q"),
        helper,
    };
    let hardware = Hardware { card: &card, memory_mib: 128, nics, watchdog };
    let words: Vec<_> = machine.arguments(&hardware, &handover).into_iter().map(|w| w.into_string().unwrap()).collect();
    words.join(" ").replace(card.path().to_str().unwrap(), "F")
}

#[test]
fn virt_with_taps_and_a_watchdog() {
    let nics = Nics { lan: Net::Tap(10), uplink: Net::Tap(11) };
    assert_eq!(
        arguments(Machine::Virt, &nics, true),
        "-nodefaults -nographic -no-reboot -M virt,acpi=off -cpu cortex-a53 -smp 2 -m 128 \
         -drive if=none,id=card,format=raw,file=F -device virtio-blk-pci,drive=card,addr=1 \
         -netdev tap,id=lan,fd=10 -device virtio-net-pci,netdev=lan,mac=52:54:00:47:50:00,addr=2,romfile= \
         -netdev tap,id=uplink,fd=11 -device virtio-net-pci,netdev=uplink,mac=52:54:00:47:50:01,addr=3,romfile= \
         -device i6300esb,addr=8 -action watchdog=reset -serial chardev:console \
         -kernel K -initrd I -append a b -chardev socket,id=console,path=C -chardev socket,id=qmp,path=Q \
         -mon chardev=qmp,mode=control"
    );
    assert_eq!(nics.descriptors().collect::<Vec<_>>(), [10, 11]);
}

#[test]
fn a_helper_has_a_port_of_its_own() {
    let nics = Nics { lan: Net::Tap(10), uplink: Net::Tap(11) };
    let with = arguments_with(Machine::Virt, &nics, false, Some(Path::new("H")));
    assert_eq!(
        with.strip_prefix(&arguments(Machine::Virt, &nics, false)),
        Some(
            " -chardev socket,id=helper,path=H -device virtio-serial-pci,addr=9 \
             -device virtserialport,chardev=helper,name=helper"
        )
    );
}

#[test]
fn raspi3b_without_root() {
    let lan = Net::Datagrams { local: "a,b".into(), remote: "c".into() };
    let nics = Nics { lan, uplink: Net::User { restrict: true } };
    assert_eq!(
        arguments(Machine::Raspi3b, &nics, false),
        "-nodefaults -nographic -no-reboot -accel tcg,thread=single -M raspi3b -dtb D -drive if=sd,format=raw,file=F \
         -usb -device usb-hub,port=1 \
         -netdev dgram,id=lan,local.type=unix,local.path=a,,b,remote.type=unix,remote.path=c \
         -device usb-net,netdev=lan,mac=40:54:00:47:50:00,port=1.1 \
         -netdev user,id=uplink,restrict=on,ipv6=off -device usb-net,netdev=uplink,mac=40:54:00:47:50:01,port=1.2 \
         -serial null -serial chardev:console \
         -kernel K -initrd I -append a b -chardev socket,id=console,path=C -chardev socket,id=qmp,path=Q \
         -mon chardev=qmp,mode=control"
    );
    assert_eq!(nics.descriptors().count(), 0);
}

#[test]
fn machines_have_names() {
    for machine in Machine::ALL {
        assert_eq!(machine.to_string().parse::<Machine>().unwrap(), machine);
    }
    assert!("raspi9".parse::<Machine>().unwrap_err().to_string().contains("choose virt"));
}
