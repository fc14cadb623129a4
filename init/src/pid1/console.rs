//! The screens: every console that the kernel uses (serial lines, HDMI). Writing never blocks: what a slow line
//! cannot take yet waits in a bounded queue, and what does not fit there is dropped.

use super::files;
use super::text;
use nix::sys::termios::{InputFlags, LocalFlags, OutputFlags, SetArg, tcgetattr, tcsetattr};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

/// Most consoles opened; a Pi has three.
const MAX_SCREENS: usize = 8;
/// Most bytes that wait for one screen: the longest answer of the control socket twice over.
const MAX_PENDING: usize = 128 * 1024;

/// All screens.
#[derive(Default)]
pub struct Consoles {
    screens: Vec<Screen>,
}

struct Screen {
    file: File,
    pending: VecDeque<u8>,
    /// Hung up: no keys come from there any more.
    mute: bool,
}

impl Consoles {
    /// Opens what `/sys/class/tty/console/active` names.
    pub fn open() -> Self {
        let active = files::read_text("/sys/class/tty/console/active", 256).unwrap_or_default();
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let open = |name: &str| {
            // tty0 is whichever virtual terminal is in front; keys and modes belong to a real one.
            let name = if name == "tty0" { "tty1" } else { name };
            OpenOptions::new().read(true).write(true).custom_flags(flags).open(format!("/dev/{name}")).ok()
        };
        let files = active.split_ascii_whitespace().take(MAX_SCREENS).filter_map(open);
        Self { screens: files.map(|file| Screen { file, pending: VecDeque::new(), mute: false }).collect() }
    }

    /// Single keys instead of lines, no echo, no signals from keys, no stopping of the output with Ctrl-S.
    pub fn single_keys(&self) {
        for screen in &self.screens {
            if let Ok(mut mode) = tcgetattr(&screen.file) {
                mode.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG | LocalFlags::IEXTEN);
                mode.input_flags.remove(InputFlags::IXON | InputFlags::IXOFF);
                mode.output_flags.insert(OutputFlags::OPOST | OutputFlags::ONLCR);
                let _ = tcsetattr(&screen.file, SetArg::TCSANOW, &mode);
            }
        }
    }

    /// One plain sentence, on every screen.
    pub fn say(&mut self, line: &str) {
        let line = text::printable(line.as_bytes(), false) + "\n";
        for screen in &mut self.screens {
            screen.write(line.as_bytes());
        }
    }

    /// Text on one screen: the answer to a key.
    pub fn show(&mut self, screen: usize, text: &str) {
        if let Some(screen) = self.screens.get_mut(screen) {
            screen.write(text.as_bytes());
        }
    }

    /// For polling: each screen's number, descriptor, and whether bytes wait to be written.
    pub fn descriptors(&self) -> impl Iterator<Item = (usize, BorrowedFd<'_>, bool)> {
        let screens = self.screens.iter().enumerate().filter(|(_, screen)| !screen.mute);
        screens.map(|(at, screen)| (at, screen.file.as_fd(), !screen.pending.is_empty()))
    }

    /// Keys that were pressed at `screen`, at most a handful. A line that has hung up is not listened to any more: it
    /// would be ready for ever.
    pub fn keys(&mut self, screen: usize) -> Vec<u8> {
        let mut keys = [0; 16];
        let Some(screen) = self.screens.get_mut(screen) else { return Vec::new() };
        match screen.file.read(&mut keys) {
            Ok(len) if len > 0 => keys.get(..len).unwrap_or_default().to_vec(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Vec::new(),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Vec::new(),
            _ => {
                screen.mute = true;
                Vec::new()
            }
        }
    }

    /// Writes what waits, as far as the lines take it now.
    pub fn flush(&mut self) {
        self.screens.iter_mut().for_each(Screen::flush);
    }

    /// Waits until everything is on the wire, at most `limit`: before a restart, which would cut the last words.
    pub fn drain(&mut self, limit: Duration) {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            self.flush();
            if self.screens.iter().all(|screen| screen.pending.is_empty() && screen.unsent() == 0) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// In a forked child: what waits is the parent's to write.
    pub fn forget_pending(&mut self) {
        self.screens.iter_mut().for_each(|screen| screen.pending.clear());
    }
}

nix::ioctl_read_bad!(tiocoutq, libc::TIOCOUTQ, libc::c_int);

impl Screen {
    fn write(&mut self, bytes: &[u8]) {
        let room = MAX_PENDING.saturating_sub(self.pending.len());
        self.pending.extend(bytes.iter().take(room));
        self.flush();
    }

    fn flush(&mut self) {
        while !self.pending.is_empty() {
            match self.file.write(self.pending.as_slices().0) {
                Ok(0) => return,
                Ok(len) => drop(self.pending.drain(..len.min(self.pending.len()))),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                // A line that cannot be written to at all: nobody reads there.
                Err(_) => self.pending.clear(),
            }
        }
        // A long answer is rare: give its memory back.
        self.pending.shrink_to(4096);
    }

    /// Bytes in the driver that are not on the wire yet.
    fn unsent(&self) -> libc::c_int {
        let mut unsent = 0;
        // SAFETY: the ioctl writes one int to the address given; the descriptor is open.
        match unsafe { tiocoutq(std::os::fd::AsRawFd::as_raw_fd(&self.file), &mut unsent) } {
            Ok(_) => unsent,
            Err(_) => 0,
        }
    }
}
