//! Files for machines that boot from the network: the sockets and the folder around the core's TFTP server.
//!
//! Port 69 of the LAN address, and a connected socket for each transfer, all bound to the LAN interface. Files are opened
//! part by part below the folder, links not followed, and only regular ones. What doesn't fit into a socket's buffer is lost
//! as on the wire: the core sends it again in its time.

use super::bound_udp::bound_udp;
use super::event::{Event, EventSender};
use super::{clock, say::say};
use gatepost_core::card::{HANDED_OVER, NETBOOT_FOLDER};
use gatepost_core::tftp::{Action, Id, NotOpened, Tftp, data_header};
use nix::fcntl::{OFlag, openat};
use nix::sys::socket::MsgFlags;
use nix::sys::stat::Mode;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::sleep;

/// How long PID 1 may take to hand the files over: 44 MiB from a slow card.
const PATIENCE: Duration = Duration::from_secs(90);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// The longest packet that is read: the core looks at no longer request.
const MAX_PACKET: usize = 1500;

/// Packets of transfers that wait for their turn.
const QUEUE: usize = 64;

/// The longest sleep, where nothing is due.
const MAX_SLEEP: Duration = Duration::from_secs(3600);

/// The TFTP server; ends when dropped.
pub struct Netboot(JoinHandle<()>);

impl Netboot {
    /// Opens port 69 of `address` on `interface`. Requests are answered once the files are all there.
    pub fn open(interface: &str, address: Ipv4Addr, folder: PathBuf, events: EventSender) -> io::Result<Self> {
        let port = UdpSocket::from_std(bound_udp(interface, SocketAddrV4::new(address, 69))?)?;
        let (packets, incoming) = mpsc::channel(QUEUE);
        let server = Server {
            tftp: Tftp::default(),
            place: (interface.into(), address),
            folder,
            open: BTreeMap::new(),
            packets,
            events,
        };
        Ok(Self(spawn_local(server.run(port, incoming))))
    }
}

impl Drop for Netboot {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What comes on a transfer's socket: a packet, or `None` when it fails.
type Incoming = (Id, Option<Vec<u8>>);

struct Server {
    tftp: Tftp,
    /// Interface and address.
    place: (String, Ipv4Addr),
    folder: PathBuf,
    open: BTreeMap<Id, Transfer>,
    packets: mpsc::Sender<Incoming>,
    events: EventSender,
}

/// A transfer's socket and file.
struct Transfer {
    socket: Rc<UdpSocket>,
    file: Option<File>,
    reader: JoinHandle<()>,
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Server {
    async fn run(mut self, port: UdpSocket, mut incoming: mpsc::Receiver<Incoming>) {
        self.await_files().await;
        let mut packet = [0; MAX_PACKET];
        loop {
            let due = self.tftp.poll_timeout().map_or(MAX_SLEEP, |due| due.since(clock::now()).min(MAX_SLEEP));
            tokio::select! {
                received = port.recv_from(&mut packet) => match received {
                    Ok((length, SocketAddr::V4(client))) => {
                        self.tftp.handle_request(client, packet.get(..length).unwrap_or_default(), clock::now());
                    }
                    Ok(_) => {}
                    // An interface that has gone: whoever opened us opens anew when it is back.
                    Err(_) => sleep(PAUSE).await,
                },
                Some((id, packet)) = incoming.recv() => match packet {
                    Some(packet) => self.tftp.handle_packet(id, &packet, clock::now()),
                    None => self.tftp.handle_failed(id),
                },
                () = sleep(due) => self.tftp.handle_timeout(clock::now()),
            }
            self.act().await;
        }
    }

    /// Waits until PID 1 has no more to hand over. A machine that is told now that a file is missing would go on
    /// without it, and one that hears nothing asks again.
    async fn await_files(&self) {
        if !self.folder.is_dir() {
            say(&format!(
                "There is no folder {NETBOOT_FOLDER} on the drive GATEPOST: nothing is served for booting. Make it, and put \
                 the files into it."
            ));
        }
        let mut waited = Duration::ZERO;
        while self.folder.is_dir() && !self.folder.join(HANDED_OVER).exists() && waited < PATIENCE {
            sleep(PAUSE).await;
            waited += PAUSE;
        }
    }

    async fn act(&mut self) {
        while let Some(action) = self.tftp.poll_action() {
            match action {
                Action::Open { id, client, path } => self.open(id, client, &path),
                Action::Send { id, packet } => self.send(id, &packet),
                Action::Data { id, block, offset, length } => self.data(id, block, offset, length),
                Action::Close { id } => drop(self.open.remove(&id)),
                Action::Refuse { client, packet } => {
                    // Lost if there is no port: the client asks again.
                    let _ = self.socket(client).map(|socket| send(&socket, &packet));
                }
                // The log may miss a line when the event loop is far behind; nobody's file waits for it.
                Action::Note(line) => drop(self.events.try_send(Event::Netboot { line })),
            }
        }
        // A long window is a millisecond's work: then the others have their turn.
        tokio::task::yield_now().await;
    }

    fn open(&mut self, id: Id, client: SocketAddrV4, path: &[String]) {
        let Ok(socket) = self.socket(client).map(Rc::new) else { return self.tftp.handle_failed(id) };
        let reader = spawn_local(read(id, socket.clone(), self.packets.clone()));
        let (file, result) = match open_below(&self.folder, path) {
            Ok((file, size)) => (Some(file), Ok(size)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (None, Err(NotOpened::NotFound)),
            Err(_) => (None, Err(NotOpened::Trouble)),
        };
        self.open.insert(id, Transfer { socket, file, reader });
        self.tftp.handle_opened(id, result, clock::now());
    }

    /// A socket on a free port that hears the client alone.
    fn socket(&self, client: SocketAddrV4) -> io::Result<UdpSocket> {
        let (interface, address) = &self.place;
        let socket = bound_udp(interface, SocketAddrV4::new(*address, 0))?;
        socket.connect(client)?;
        UdpSocket::from_std(socket)
    }

    fn send(&self, id: Id, packet: &[u8]) {
        if let Some(transfer) = self.open.get(&id) {
            send(&transfer.socket, packet);
        }
    }

    fn data(&mut self, id: Id, block: u16, offset: u64, length: u16) {
        let Some(Transfer { socket, file: Some(file), .. }) = self.open.get(&id) else { return };
        let header = data_header(block);
        let mut packet = vec![0; header.len() + usize::from(length)];
        let (head, bytes) = packet.split_at_mut(header.len());
        head.copy_from_slice(&header);
        match file.read_exact_at(bytes, offset) {
            Ok(()) => send(socket, &packet),
            Err(_) => self.tftp.handle_failed(id),
        }
    }
}

/// Sends without waiting. The runtime's own way would lose the first packet of a new socket: it does not know yet that
/// it can be written.
fn send(socket: &UdpSocket, packet: &[u8]) {
    let _ = nix::sys::socket::send(socket.as_raw_fd(), packet, MsgFlags::MSG_DONTWAIT);
}

/// Hands over what the client says until the transfer ends.
async fn read(id: Id, socket: Rc<UdpSocket>, packets: mpsc::Sender<Incoming>) {
    let mut packet = [0; MAX_PACKET];
    loop {
        let received = socket.recv(&mut packet).await.ok().map(|length| packet.iter().take(length).copied().collect());
        let failed = received.is_none();
        if packets.send((id, received)).await.is_err() || failed {
            return;
        }
    }
}

/// Opens a regular file below `folder`, whose parts the core has found harmless, with its size.
fn open_below(folder: &Path, path: &[String]) -> io::Result<(File, u64)> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut place = File::open(folder)?;
    for part in path {
        place = File::from(openat(&place, part.as_str(), flags, Mode::empty())?);
    }
    let about = place.metadata()?;
    if !about.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok((place, about.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn only_regular_files_below_the_folder_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let inside = |name: &str| folder.path().join(name);
        fs::create_dir_all(inside("0a1b2c3d")).unwrap();
        fs::write(inside("0a1b2c3d/start4.elf"), "elf").unwrap();
        for (target, link) in [("/etc/passwd", "passwd"), ("/etc", "etc"), ("0a1b2c3d", "alias")] {
            std::os::unix::fs::symlink(target, inside(link)).unwrap();
        }
        nix::unistd::mkfifo(&inside("pipe"), Mode::S_IRWXU).unwrap();
        let open = |path: &[&str]| {
            let path: Vec<String> = path.iter().map(ToString::to_string).collect();
            open_below(folder.path(), &path).map(|(_, size)| size)
        };
        assert_eq!(open(&["0a1b2c3d", "start4.elf"]).unwrap(), 3);
        for bad in [&["passwd"][..], &["etc", "passwd"], &["alias", "start4.elf"], &["0a1b2c3d"], &["pipe"], &["none"]]
        {
            assert!(open(bad).is_err(), "{bad:?}");
        }
        assert_eq!(open(&["none"]).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
