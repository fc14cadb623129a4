//! Programs of a few arm64 instructions, written down here because a guest has no compiler: an initramfs whose only process makes
//! one `reboot(2)` call, the shortest life that a kernel can have, and a sender of one frame.
//!
//! `cargo xtask bench boot` measures against the first, and the tests of [`crate::Vm`] use it as a guest that needs no image.

/// What the process asks of the kernel (linux/reboot.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// `LINUX_REBOOT_CMD_POWER_OFF`
    PowerOff,
    /// `LINUX_REBOOT_CMD_RESTART`
    Restart,
}

impl Wish {
    fn command(self) -> u32 {
        match self {
            Self::PowerOff => 0x4321_fedc,
            Self::Restart => 0x0123_4567,
        }
    }
}

/// The arm64 number of `reboot`.
const SYS_REBOOT: u16 = 142;

/// Where the program is loaded.
const BASE: u64 = 0x40_0000;

/// ELF header and one program header.
const HEADERS: u64 = 64 + 56;

/// The initramfs: a newc cpio archive with `/init` and nothing else.
#[must_use]
pub fn initramfs(wish: Wish) -> Vec<u8> {
    let mut archive = Vec::new();
    entry(&mut archive, "init", 0o100_755, &program(wish));
    entry(&mut archive, "TRAILER!!!", 0, &[]);
    archive
}

/// A static arm64 ELF program of 156 bytes.
#[must_use]
pub fn program(wish: Wish) -> Vec<u8> {
    let mut code = Vec::new();
    for (register, value) in [(0, 0xfee1_dead), (1, 0x2812_1969), (2, wish.command())] {
        code.push(0xd280_0000 | (value & 0xffff) << 5 | register); // movz xN, low half
        code.push(0xf2a0_0000 | (value >> 16) << 5 | register); // movk xN, high half, lsl 16
    }
    code.extend(call(SYS_REBOOT));
    code.push(0x1400_0000); // b . (the call failed)
    executable(&code, &[])
}

/// A program that sends one frame `count` times out of an interface, by its number, a hundred times a second.
#[must_use]
pub fn sender(interface: u32, frame: &[u8], count: u16) -> Vec<u8> {
    /// The arm64 numbers of `socket`, `sendto`, `nanosleep` and `exit_group`.
    const CALLS: [u16; 4] = [198, 206, 101, 94];
    /// Instructions from the first to the data behind the last.
    const LENGTH: u32 = 26;
    /// `struct sockaddr_ll` with padding; `struct timespec`.
    const ADDRESS: u32 = 24;
    const PAUSE: u32 = 16;
    let [socket, sendto, nanosleep, exit] = CALLS;
    let mut code = Vec::new();
    code.extend([set(0, 17), set(1, 3), set(2, 0x0300)]); // AF_PACKET, SOCK_RAW, ETH_P_ALL in network order
    code.extend(call(socket));
    code.extend([0xaa00_03f4, set(19, count)]); // mov x20, x0
    let again = code.len() as u32;
    code.push(0xaa14_03e0); // mov x0, x20
    code.push(address_of(1, 4 * (LENGTH - code.len() as u32) + ADDRESS + PAUSE));
    code.extend([set(2, frame.len() as u16), set(3, 0)]);
    code.push(address_of(4, 4 * (LENGTH - code.len() as u32)));
    code.push(set(5, 20));
    code.extend(call(sendto));
    code.push(address_of(0, 4 * (LENGTH - code.len() as u32) + ADDRESS));
    code.push(set(1, 0));
    code.extend(call(nanosleep));
    code.push(0xf100_0673); // subs x19, x19, #1
    let back = again.wrapping_sub(code.len() as u32) & 0x7_ffff;
    code.push(0x5400_0001 | back << 5); // b.ne again
    code.push(set(0, 0));
    code.extend(call(exit));
    code.resize(LENGTH as usize, 0xd503_201f); // nop
    let mut data = Vec::new();
    half(&mut data, &[17, 0x0300]); // sll_family, sll_protocol
    word(&mut data, &[interface, 0, 0, 0, 0]);
    long(&mut data, &[0, 10_000_000]); // tv_sec, tv_nsec
    data.extend(frame);
    executable(&code, &data)
}

/// movz xN, #value
fn set(register: u32, value: u16) -> u32 {
    0xd280_0000 | u32::from(value) << 5 | register
}

/// adr xN, the place `offset` bytes further on
fn address_of(register: u32, offset: u32) -> u32 {
    0x1000_0000 | (offset & 3) << 29 | (offset >> 2) << 5 | register
}

/// mov x8, number of the call; svc 0
fn call(number: u16) -> [u32; 2] {
    [set(8, number), 0xd400_0001]
}

/// A static program: code and what it reads behind it.
fn executable(code: &[u32], data: &[u8]) -> Vec<u8> {
    let length = HEADERS + 4 * code.len() as u64 + data.len() as u64;
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    half(&mut elf, &[2, 183]); // ET_EXEC, EM_AARCH64
    word(&mut elf, &[1]);
    long(&mut elf, &[BASE + HEADERS, 64, 0]); // entry, program headers, no section headers
    word(&mut elf, &[0]);
    half(&mut elf, &[64, 56, 1, 64, 0, 0]);
    word(&mut elf, &[1, 5]); // PT_LOAD, readable and executable
    long(&mut elf, &[0, BASE, BASE, length, length, 0x1000]);
    word(&mut elf, code);
    elf.extend(data);
    elf
}

fn half(to: &mut Vec<u8>, values: &[u16]) {
    to.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn word(to: &mut Vec<u8>, values: &[u32]) {
    to.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn long(to: &mut Vec<u8>, values: &[u64]) {
    to.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

/// One file of a newc archive (Linux, `Documentation/driver-api/early-userspace/buffer-format.rst`).
fn entry(archive: &mut Vec<u8>, name: &str, mode: u32, contents: &[u8]) {
    let sizes = (contents.len() as u32, name.len() as u32 + 1);
    archive.extend(b"070701");
    for field in [1, mode, 0, 0, 1, 0, sizes.0, 0, 0, 0, 0, sizes.1, 0] {
        archive.extend(format!("{field:08X}").bytes());
    }
    archive.extend(name.bytes().chain([0]));
    pad(archive);
    archive.extend(contents);
    pad(archive);
}

fn pad(archive: &mut Vec<u8>) {
    archive.resize(archive.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_whole() {
        let program = program(Wish::PowerOff);
        assert_eq!(program.len(), 120 + 9 * 4);
        // Golden: `aarch64-linux-gnu-objdump -d` shows mov x8, #0x8e and svc #0x0.
        assert_eq!(program[program.len() - 12..], [0xc8, 0x11, 0x80, 0xd2, 1, 0, 0, 0xd4, 0, 0, 0, 0x14]);
        let archive = initramfs(Wish::Restart);
        assert!(archive.starts_with(b"070701") && archive.len().is_multiple_of(4));
        assert!(archive.windows(program.len()).any(|window| window == super::program(Wish::Restart)));
    }
    #[test]
    fn the_sender_is_whole() {
        let frame = [0xa5; 34];
        let program = sender(7, &frame, 300);
        assert_eq!(program.len(), 120 + 26 * 4 + 24 + 16 + frame.len());
        assert!(program.ends_with(&frame));
        let word = |at: usize| u32::from_le_bytes([program[at], program[at + 1], program[at + 2], program[at + 3]]);
        // The first `adr` reads the frame, the second the address, from wherever they stand.
        assert_eq!((word(120 + 8 * 4) >> 5 & 0x7_ffff) * 4 + 120 + 8 * 4, 120 + 26 * 4 + 24 + 16);
        assert_eq!((word(120 + 11 * 4) >> 5 & 0x7_ffff) * 4 + 120 + 11 * 4, 120 + 26 * 4);
        assert_eq!(program[120 + 26 * 4..][..8], [17, 0, 0, 3, 7, 0, 0, 0]);
    }
}
