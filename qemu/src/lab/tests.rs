//! The lab without a guest: the switch carries frames, nothing is left behind.

use super::*;
use crate::frames::FrameIo;

/// Namespaces need root; elsewhere these tests have nothing to say.
fn lab(folder: &Path) -> Option<Lab> {
    nix::unistd::geteuid().is_root().then(|| Lab::new(folder).unwrap())
}

#[test]
fn frames_cross_the_switch_and_all_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut lab) = lab(folder.path()) else { return };
    let (alice, bob) = (lab.client("alice").unwrap(), lab.client("bob").unwrap());
    let names = [alice.namespace().name().to_owned(), lab.lan().name().to_owned()];
    let (mut from, mut to) = (alice.packet_socket().unwrap(), bob.packet_socket().unwrap());
    let mut frame = [0xff; 60];
    frame[6..12].copy_from_slice(&alice.mac());
    frame[12..14].copy_from_slice(&[0x88, 0xb5]);
    from.send(&frame).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    let heard = std::iter::from_fn(|| to.receive(deadline).unwrap()).any(|heard| heard == frame);
    assert!(heard);
    drop((alice, bob, lab));
    for name in names {
        assert!(!Path::new("/run/netns").join(name).exists());
    }
}

#[test]
fn the_uplink_knows_its_name_and_serves_its_page() {
    let folder = tempfile::tempdir().unwrap();
    let Some(lab) = lab(folder.path()) else { return };
    let mut dig = lab.uplink().namespace().command("dig");
    dig.args(["+short", &format!("@{}", uplink::ROUTER), uplink::NAME]);
    assert_eq!(run(dig, START).unwrap().trim(), uplink::WEB.to_string());
    let mut wget = lab.uplink().namespace().command("busybox");
    wget.args(["wget", "-q", "-O", "-", &format!("http://{}/", uplink::WEB)]);
    assert_eq!(run(wget, START).unwrap(), PAGE);
    assert_eq!(lab.uplink().web().peers().len(), 1);
    assert_eq!(lab.uplink().gateway_address(), None);
}
