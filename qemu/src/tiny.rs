//! An initramfs whose only process makes one `reboot(2)` call: the shortest life that a kernel can have.
//!
//! `cargo xtask bench boot` measures against it, and the tests of [`crate::Vm`] use it as a guest that needs no image.

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
    code.push(0xd280_0000 | u32::from(SYS_REBOOT) << 5 | 8); // mov x8, number of the call
    code.push(0xd400_0001); // svc 0
    code.push(0x1400_0000); // b . (the call failed)
    let length = HEADERS + 4 * code.len() as u64;
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    half(&mut elf, &[2, 183]); // ET_EXEC, EM_AARCH64
    word(&mut elf, &[1]);
    long(&mut elf, &[BASE + HEADERS, 64, 0]); // entry, program headers, no section headers
    word(&mut elf, &[0]);
    half(&mut elf, &[64, 56, 1, 64, 0, 0]);
    word(&mut elf, &[1, 5]); // PT_LOAD, readable and executable
    long(&mut elf, &[0, BASE, BASE, length, length, 0x1000]);
    word(&mut elf, &code);
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
}
