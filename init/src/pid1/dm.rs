//! The device mapper, as far as dm-verity needs it: create a device, load one `verity` line, start it, remove it.
//! Protocol: `linux/dm-ioctl.h`, version 4; the table line: the kernel's `admin-guide/device-mapper/verity.rst`.
//! Every message is a fixed header followed by its payload, all in native byte order.

use gatepost_core::card::VERITY_BLOCK_BYTES;
use gatepost_core::card::cmdline::Verity;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

const CONTROL: &str = "/dev/mapper/control";
/// `sizeof(struct dm_ioctl)`.
const HEADER: usize = 312;
/// `sizeof(struct dm_target_spec)`.
const TARGET: usize = 40;
/// Header, one target, and a table line of at most some 800 bytes (the salt has at most 512).
const MESSAGE: usize = 4096;
const NAME_AT: usize = 48;
const NAME_MAX: usize = 127;
const READ_ONLY: u32 = 1;

/// The commands used, by their numbers in the protocol.
#[derive(Clone, Copy)]
enum Command {
    Create = 3,
    Remove = 4,
    /// Without the suspend flag: start.
    Resume = 6,
    LoadTable = 9,
}

/// What the kernel does when a block does not match its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDamage {
    /// The kernel says which block, panics, and restarts the machine after ten seconds on the screen (`panic=10`).
    /// Not one byte of the block reaches a program, whatever PID 1 does; an unconfirmed start counts as failed.
    Panic,
    /// The read fails (EIO): for looking ahead.
    Fail,
}

/// Opens a read-only device over `partition` (`major:minor`) that checks each block it reads. Returns its node.
///
/// # Errors
/// Those of the device mapper; nothing is left behind.
pub fn open_verity(name: &str, partition: &str, verity: &Verity, on_damage: OnDamage) -> io::Result<PathBuf> {
    let control = OpenOptions::new().read(true).write(true).open(CONTROL)?;
    let created = Message::new(name, 0)?.send(&control, Command::Create)?;
    let started = load(&control, name, partition, verity, on_damage);
    if let Err(error) = started {
        let _ = Message::new(name, 0)?.send(&control, Command::Remove);
        return Err(error);
    }
    Ok(PathBuf::from(format!("/dev/dm-{}", created.minor())))
}

/// Removes a device that nothing uses any more.
///
/// # Errors
/// Those of the device mapper.
pub fn close(name: &str) -> io::Result<()> {
    let control = OpenOptions::new().read(true).write(true).open(CONTROL)?;
    Message::new(name, 0)?.send(&control, Command::Remove).map(drop)
}

fn load(control: &File, name: &str, partition: &str, verity: &Verity, on_damage: OnDamage) -> io::Result<()> {
    let mut table = Message::new(name, READ_ONLY)?;
    let sectors = verity.data_blocks.saturating_mul(VERITY_BLOCK_BYTES / 512);
    table.push_target(sectors, "verity", &table_line(partition, verity, on_damage))?;
    table.send(control, Command::LoadTable)?;
    Message::new(name, READ_ONLY)?.send(control, Command::Resume).map(drop)
}

/// `version data hash data-block hash-block blocks hash-start algorithm digest salt [options]`. The tree starts one
/// block after the data: the block between holds the superblock that `veritysetup` reads.
fn table_line(partition: &str, verity: &Verity, on_damage: OnDamage) -> String {
    let Verity { data_blocks, salt, root_hash } = verity;
    let size = VERITY_BLOCK_BYTES;
    let tree = data_blocks.saturating_add(1);
    let options = match on_damage {
        OnDamage::Panic => " 1 panic_on_corruption",
        OnDamage::Fail => "",
    };
    format!("1 {partition} {partition} {size} {size} {data_blocks} {tree} sha256 {root_hash} {salt}{options}")
}

/// One message to the device mapper and its answer.
#[repr(C, align(8))]
struct Message([u8; MESSAGE]);

impl Message {
    fn new(name: &str, flags: u32) -> io::Result<Self> {
        if name.len() > NAME_MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut message = Self([0; MESSAGE]);
        let fields = [(0, 4), (12, MESSAGE as u32), (16, HEADER as u32), (28, flags)];
        fields.into_iter().try_for_each(|(at, value)| message.put(at, &u32::to_ne_bytes(value)))?;
        message.put(NAME_AT, name.as_bytes())?;
        Ok(message)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) -> io::Result<()> {
        let place = self.0.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len()));
        place.ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(bytes);
        Ok(())
    }

    /// Makes this a table of one target that covers `sectors` from the start.
    fn push_target(&mut self, sectors: u64, kind: &str, line: &str) -> io::Result<()> {
        if line.len() >= MESSAGE - HEADER - TARGET {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.put(20, &1_u32.to_ne_bytes())?;
        self.put(HEADER + 8, &sectors.to_ne_bytes())?;
        self.put(HEADER + 24, kind.as_bytes())?;
        self.put(HEADER + TARGET, line.as_bytes())
    }

    fn send(mut self, control: &File, command: Command) -> io::Result<Self> {
        // _IOWR(0xfd, command, struct dm_ioctl)
        let request = (3_u32 << 30) | ((HEADER as u32) << 16) | (0xfd << 8) | command as u32;
        // SAFETY: the kernel reads and writes at most `data_size` bytes, which `new` set to the size of the array, and
        // the array outlives the call.
        match unsafe { libc::ioctl(control.as_raw_fd(), request as libc::Ioctl, self.0.as_mut_ptr()) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(self),
        }
    }

    /// The device's minor number out of `dev` (the kernel's "huge" encoding, which keeps 20 bits of minor).
    fn minor(&self) -> u64 {
        let bytes = self.0.get(40..48).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
        let dev = u64::from_ne_bytes(bytes);
        (dev & 0xff) | ((dev >> 12) & 0xfff00)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verity() -> Verity {
        Verity::parse(&format!("3072,aa55,{}", "0".repeat(64))).unwrap()
    }

    #[test]
    fn the_table_line_is_the_kernels() {
        let line = table_line("179:5", &verity(), OnDamage::Panic);
        let want = format!("1 179:5 179:5 4096 4096 3072 3073 sha256 {} aa55 1 panic_on_corruption", "0".repeat(64));
        assert_eq!(line, want);
        assert!(table_line("179:5", &verity(), OnDamage::Fail).ends_with(" aa55"));
    }

    #[test]
    fn messages_have_their_fields_in_place() {
        let mut message = Message::new("root", READ_ONLY).unwrap();
        message.push_target(24576, "verity", "1 x").unwrap();
        assert_eq!(&message.0[..4], 4_u32.to_ne_bytes());
        assert_eq!(&message.0[48..53], b"root\0");
        assert_eq!(&message.0[HEADER + 8..HEADER + 16], 24576_u64.to_ne_bytes());
        assert_eq!(&message.0[HEADER + 24..HEADER + 31], b"verity\0");
        assert_eq!(&message.0[HEADER + TARGET..HEADER + TARGET + 4], b"1 x\0");
        message.put(40, &0x0010_fd07_u64.to_ne_bytes()).unwrap();
        assert_eq!(message.minor(), 0x107);
        assert!(Message::new(&"x".repeat(128), 0).is_err());
        assert!(message.push_target(1, "verity", &"x".repeat(MESSAGE)).is_err());
    }
}
