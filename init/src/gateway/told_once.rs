//! A socket of which it is told once that something has come, and not again until that was taken.
//!
//! The event loop hears of every datagram that arrives (edge-triggered epoll), also while it waits on purpose for more of
//! them. In a flood those wake-ups cost more than the answers do. So the socket lies in an epoll of its own, which tells
//! of it once (EPOLLONESHOT), and only that one lies in the event loop's.

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The socket and its own epoll.
pub struct ToldOnce {
    socket: OwnedFd,
    epoll: AsyncFd<Watch>,
    /// It was told, and nobody has taken what came.
    told: bool,
}

/// Only this makes an epoll a descriptor for tokio.
struct Watch(Epoll);

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }
}

impl ToldOnce {
    /// For a socket that does not block.
    ///
    /// # Errors
    /// Those of epoll, such as too many open files.
    pub fn new(socket: OwnedFd) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&socket, wanted())?;
        // SAFETY: the epoll owns its descriptor, always gives the same one, and closes it only after it has left the event loop.
        let epoll = unsafe { AsyncFd::register_with_interest(Watch(epoll), Interest::READABLE)? };
        Ok(Self { socket, epoll, told: false })
    }

    /// Waits until something has come since [`Self::take`] was last called. May be given up and called anew at any time.
    ///
    /// # Errors
    /// Those of epoll.
    pub async fn wait(&mut self) -> io::Result<()> {
        while !self.told {
            let mut ready = self.epoll.readable().await?;
            let mut events = [EpollEvent::empty()];
            self.told = ready.get_inner().0.wait(&mut events, EpollTimeout::ZERO)? > 0;
            // From here on it would have to be told anew, which nothing does before `take`.
            ready.clear_ready();
        }
        Ok(())
    }

    /// What comes after this, or is there and not read, will be told again: called when a batch has been read.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn take(&mut self) -> io::Result<()> {
        self.told = false;
        Ok(self.epoll.get_ref().0.modify(&self.socket, &mut wanted())?)
    }
}

impl AsRawFd for ToldOnce {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn wanted() -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::time::Duration;
    use tokio::time::timeout;

    fn pair() -> (UdpSocket, ToldOnce) {
        let (client, server) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        server.set_nonblocking(true).unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        (client, ToldOnce::new(server.into()).unwrap())
    }

    async fn is_told(socket: &mut ToldOnce, wait: u64) -> bool {
        timeout(Duration::from_millis(wait), socket.wait()).await.is_ok_and(|told| told.is_ok())
    }

    fn read(socket: &ToldOnce) {
        nix::unistd::read(&socket.socket, &mut [0; 16]).unwrap();
    }

    #[tokio::test]
    async fn what_has_come_is_told_until_it_is_taken() {
        let (client, mut socket) = pair();
        assert!(!is_told(&mut socket, 50).await);
        client.send(b"a").unwrap();
        assert!(is_told(&mut socket, 5000).await && is_told(&mut socket, 5000).await);
        read(&socket);
        socket.take().unwrap();
        assert!(!is_told(&mut socket, 50).await, "it was read");
        client.send(b"b").unwrap();
        assert!(is_told(&mut socket, 5000).await);
    }

    #[tokio::test]
    async fn what_was_left_behind_is_told_again() {
        let (client, mut socket) = pair();
        client.send(b"a").unwrap();
        client.send(b"b").unwrap();
        for _ in 0..2 {
            assert!(is_told(&mut socket, 5000).await);
            read(&socket);
            socket.take().unwrap();
        }
        assert!(!is_told(&mut socket, 50).await);
    }

    #[tokio::test]
    async fn more_that_comes_before_it_is_taken_wakes_nobody() {
        let (client, mut socket) = pair();
        client.send(b"a").unwrap();
        assert!(is_told(&mut socket, 5000).await);
        client.send(b"b").unwrap();
        let woken = timeout(Duration::from_millis(50), socket.epoll.readable()).await;
        assert!(woken.is_err());
    }
}
