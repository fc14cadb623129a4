//! Raw Ethernet frames: on an interface of a namespace, or through QEMU's datagram sockets.

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The longest frame that is received, in bytes: no lab uses jumbo frames.
const FRAME_MAX: usize = 2048;

/// A place where Ethernet frames come and go.
pub trait FrameIo {
    /// Sends one frame. A full queue or a guest that is off is no error: the frame is lost, as on a cable.
    ///
    /// # Errors
    /// The interface is gone.
    fn send(&mut self, frame: &[u8]) -> Result<()>;

    /// The next frame, or `None` when the deadline passed.
    ///
    /// # Errors
    /// The interface is gone.
    fn receive(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>>;
}

/// A packet socket (packet(7)) on one interface.
#[derive(Debug)]
pub struct PacketSocket {
    socket: OwnedFd,
}

impl PacketSocket {
    /// Opens one on an interface of the calling thread's namespace.
    ///
    /// # Errors
    /// There is no such interface, or the caller is not root.
    pub fn open(interface: &str) -> Result<Self> {
        let name = CString::new(interface)?;
        // SAFETY: the string is valid and ends in a zero byte.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        if index == 0 {
            return Err(io::Error::last_os_error()).with_context(|| format!("no interface {interface}"));
        }
        let everything = (libc::ETH_P_ALL as u16).to_be();
        // SAFETY: plain system call; a failure is checked below.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, i32::from(everything)) };
        if fd < 0 {
            return Err(io::Error::last_os_error()).context("can't open a packet socket");
        }
        // SAFETY: the descriptor is fresh and nobody else's.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: all-zero bytes are a valid sockaddr_ll.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = everything;
        address.sll_ifindex = index.cast_signed();
        let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the address lives through the call and has the length that is said.
        if unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) } < 0 {
            return Err(io::Error::last_os_error()).context("can't bind a packet socket");
        }
        Ok(Self { socket })
    }
}

impl FrameIo for PacketSocket {
    fn send(&mut self, frame: &[u8]) -> Result<()> {
        // SAFETY: the buffer is valid for its length.
        let sent = unsafe { libc::send(self.socket.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        match io::Error::last_os_error() {
            _ if sent >= 0 => Ok(()),
            error if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(()),
            error => Err(error).context("sending a frame"),
        }
    }

    fn receive(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>> {
        if !readable(self.socket.as_fd(), deadline)? {
            return Ok(None);
        }
        let mut frame = vec![0; FRAME_MAX];
        // SAFETY: the buffer is valid for its length.
        let n = unsafe { libc::recv(self.socket.as_raw_fd(), frame.as_mut_ptr().cast(), frame.len(), 0) };
        let n = usize::try_from(n).map_err(|_| io::Error::last_os_error()).context("receiving a frame")?;
        frame.truncate(n);
        Ok(Some(frame))
    }
}

/// Frames as Unix datagrams, the other end of QEMU's `-netdev dgram`.
#[derive(Debug)]
pub struct Datagrams {
    socket: UnixDatagram,
    qemu: PathBuf,
    own: PathBuf,
}

impl Datagrams {
    /// Listens on `own`; QEMU listens on `qemu`.
    ///
    /// # Errors
    /// The socket can't be made.
    pub fn open(own: &Path, qemu: &Path) -> Result<Self> {
        let _ = std::fs::remove_file(own);
        let socket = UnixDatagram::bind(own).with_context(|| format!("can't listen on {}", own.display()))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, qemu: qemu.to_owned(), own: own.to_owned() })
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.own);
    }
}

impl FrameIo for Datagrams {
    fn send(&mut self, frame: &[u8]) -> Result<()> {
        // QEMU not there yet, or its queue full: the frame is lost.
        let _ = self.socket.send_to(frame, &self.qemu);
        Ok(())
    }

    fn receive(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>> {
        if !readable(self.socket.as_fd(), deadline)? {
            return Ok(None);
        }
        let mut frame = vec![0; FRAME_MAX];
        let n = self.socket.recv(&mut frame)?;
        frame.truncate(n);
        Ok(Some(frame))
    }
}

/// Waits until a descriptor can be read, at most to the deadline.
fn readable(fd: BorrowedFd<'_>, deadline: Instant) -> Result<bool> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], timeout) {
            Ok(0) if Instant::now() >= deadline => return Ok(false),
            Ok(0) | Err(nix::Error::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}
