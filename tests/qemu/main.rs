//! The image in QEMU, between real clients and a real upstream.
//!
//! Every test boots the very file that a user flashes (`target/image/gatepost.img`, or `GATEPOST_IMAGE`), with one
//! configuration put on its first partition as a laptop would. They run one after the other: each guest wants the whole
//! host. Each wait has a deadline; a failure leaves console, packet captures and logs in `target/test-artifacts/<test>/`.

mod bed;
mod firmware;
mod gateway;
mod kill;
mod names;
mod outside;
mod power_cut;
mod root;
mod storm;
