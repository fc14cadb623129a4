//! The image that `cargo xtask image` built, judged by other people's programs: the very file that a user flashes
//! (`target/image/gatepost.img`, or `GATEPOST_IMAGE`). Nothing is booted, and nothing of it is changed: where a test damages
//! something, it is a copy of a part.
//!
//! What the builder believes is not asked here. Where things must lie is written in these tests once more, or is taken from
//! the constants that PID 1 goes by.

mod again;
mod card;
mod download;
mod filesystems;
mod kernel;
mod manifest;
mod program;
mod root;
mod slots;
mod strangers;
mod under_test;
