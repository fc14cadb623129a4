//! The machines: a stand-in for the Pi's boot firmware, QEMU itself, and a lab of network namespaces.
//!
//! ```text
//!  gatepost.img ─► card ─► firmware ─► Boot { kernel, initramfs, dtb, cmdline } ─► machine ─► vm ─► QEMU
//!                  MBR     autoboot.txt   the very bytes found on the card        arguments   QMP, console
//!                  FAT     config.txt                                                          ▲
//!                                                                             lab: tap devices ┘
//! ```
//!
//! QEMU has no firmware of the Raspberry Pi, so a plain `-kernel` run would prove nothing about autoboot.txt, config.txt
//! or cmdline.txt. Here [`firmware`] reads them out of the image as the board would, and a wrong line in one of them is an
//! error that names the file, the line and the cure.
//!
//! [`lab`] gives each side of the gateway (LAN, uplink, every client) a network namespace of its own. Nothing that runs in
//! there can reach the host's network.

pub mod artifacts;
pub mod card;
pub mod dhcp;
pub mod firmware;
pub mod frames;
pub mod lab;
pub mod machine;
pub mod tiny;
pub mod vm;
pub mod wifi;

pub use card::Card;
pub use machine::{Machine, Nics};
pub use vm::{Helper, Vm, VmConfig};
