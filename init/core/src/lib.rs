//! The gateway without a computer.
//!
//! Everything that decides lives here; nothing here can act. The crate is `no_std`, so the compiler itself keeps
//! sockets, files, clocks and random numbers out: bytes, time and entropy come in as arguments, actions go out as
//! values. The shells in package `init` feed it and do what it asks.
//!
//! Two kinds of module:
//! - **shared words** that everyone may use: [`time`], [`net`], [`frame`], [`entropy`], [`config`],
//!   [`dhcp_option`];
//! - **machines**, one protocol or duty each. A machine never imports another machine; [`gateway`] composes them
//!   and passes values between them. `cargo xtask check` refuses an import that breaks this.
//!
//! A machine takes input through `handle_*` methods and gives output through `poll_*` methods: call `poll_action`
//! until it returns `None`, then wait until `poll_timeout` or the next input. Time never runs backwards between calls.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod config;
pub mod dhcp_option;
pub mod entropy;
pub mod frame;
pub mod net;
pub mod time;

pub mod card;
pub mod clock;
pub mod dhcp_client;
pub mod dhcp_server;
pub mod dns;
pub mod gateway;
pub mod heartbeat;
pub mod modules;
pub mod ntp;
pub mod plan;
pub mod ruleset;
pub mod slots;
pub mod store;
pub mod tftp;
pub mod wifi;
