//! What PID 1 reads before anything runs: the module index, the boot counter, the command line, the slot selector.

use crate::{MILLION, decode, fuzz, stream};
use gatepost_core::card::autoboot;
use gatepost_core::card::cmdline::BootWords;
use gatepost_core::card::{Slot, mbr_signature};
use gatepost_core::modules::{Index, glob};
use gatepost_core::slots::{self, Counter};
use sha2::{Digest, Sha256};

const INDEX: &str = "\
module bcm2835_wdt kernel/drivers/watchdog/bcm2835_wdt.ko
module usbnet kernel/drivers/net/usb/usbnet.ko mii
module mii kernel/drivers/net/mii.ko
module smsc95xx kernel/drivers/net/usb/smsc95xx.ko usbnet mii
alias usb:v0424p9514d*dc*dsc*dp*ic*isc*ip*in* smsc95xx
alias of:N*T*Cbrcm,bcm2835-[a-f]?[!z]mC* bcm2835_wdt
load bcm2835_wdt
load smsc95xx
";

#[test]
fn module_index() {
    let words: [&[u8]; 9] =
        [b"module ", b"alias ", b"load ", b"\n", b" ", b"*", b"[!", b"..", b"module mii a.ko usbnet smsc95xx\n"];
    let stream = stream("module index", vec![INDEX.into()], 1024).with_words(&words);
    decode("module index", MILLION, stream, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let index = Index::parse(&text);
        let hardware = index.for_hardware("usb:v0424p9514d0200dcFFdsc00dp01icFFisc00ipFFin00");
        let steps = index.order(hardware.chain(index.load().iter().copied()));
        for (number, step) in steps.iter().enumerate() {
            assert!(step.after.iter().all(|earlier| *earlier < number), "{step:?} waits for what comes later");
            assert!(!step.path.starts_with('/') && step.path.split('/').all(|part| part != ".."), "{step:?}");
        }
        steps.len() > 1
    });
}

#[test]
fn module_globs() {
    let seeds = vec![b"usb:v*p*d*[a-f]?[!z]*".to_vec(), b"a*a*a*a*a*a*b".to_vec()];
    let stream = stream("module globs", seeds, 256).with_words(&[b"*", b"[", b"]", b"[^-]", b"?", b"aaaaaaaaaaaaaaaa"]);
    decode("module globs", 5 * MILLION, stream, |bytes| {
        let pattern = String::from_utf8_lossy(bytes);
        glob::matches(&pattern, "usb:v0424p9514d0200e") | glob::matches(&pattern, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaab")
    });
}

#[test]
fn boot_counter() {
    let mut counter = Counter::default();
    counter.start(Slot::A);
    let good = counter.encode_next().to_vec();
    let newer = counter.encode_next().to_vec();
    let other = good.clone();
    let name = "boot counter";
    fuzz(name, 2 * MILLION, stream(name, vec![good, newer, vec![0; 512]], 520), |stream| {
        let mend = !stream.one_in(4);
        let sector = stream.next_packet();
        if mend && sector.len() >= 512 {
            let sum = Sha256::digest(&sector[..480]);
            sector[480..512].copy_from_slice(&sum);
        }
        let mut found = slots::read([sector, &other]);
        assert!(found.write_to < 2 && !found.lost);
        let mut after = found.counter;
        after.start(Slot::B);
        after.confirm(Slot::A);
        let next = after.encode_next();
        let deep = found.write_to == 1;
        // What was written last is what is read next, whatever lay beside it.
        let mut sectors = [sector.as_slice(), &other];
        sectors[found.write_to] = &next;
        found = slots::read(sectors);
        assert_eq!(found.counter, after);
        deep
    });
}

#[test]
fn command_line() {
    let good =
        format!("console=tty0 gatepost.slot=a gatepost.disk=1a2b3c4d gatepost.verity=1000,{0},{0}", "ab".repeat(32));
    let words: [&[u8]; 6] = [b"gatepost.slot=b ", b"=", b",", b" ", b"-", b"18446744073709551616"];
    decode("command line", 2 * MILLION, stream("command line", vec![good.into()], 1024).with_words(&words), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        BootWords::parse(&text).is_ok_and(|words| words.verity.root_hash.len() == 64 && words.verity.data_blocks > 0)
    });
}

#[test]
fn slot_selector() {
    let seeds = vec![autoboot::text(Slot::A).into(), b"boot_partition=3\r\n[none]\nboot_partition = 2 \n".to_vec()];
    let words: [&[u8]; 5] = [b"[all]\n", b"[tryboot]\n", b"boot_partition=", b"\n", b"="];
    decode("slot selector", 2 * MILLION, stream("slot selector", seeds, 600).with_words(&words), |bytes| {
        let changed = autoboot::select(bytes, Slot::B);
        assert!(autoboot::selected(&changed) == Some(Slot::B) && changed.len() <= autoboot::MAX_BYTES);
        changed != autoboot::text(Slot::B)
    });
}

#[test]
fn boot_sector() {
    let mut sector = vec![7; 512];
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    decode("boot sector", 10 * MILLION, stream("boot sector", vec![sector], 600), |bytes| {
        mbr_signature(bytes).is_some()
    });
}
