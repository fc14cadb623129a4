//! As much of ELF as the build has to know: a module's sections, and whether our binary is static. 64 bit,
//! little-endian only, which all of arm64 Linux is.

use anyhow::{Context, Result, ensure};

/// Machine number of AArch64.
pub const AARCH64: u16 = 183;
/// A program header that names a dynamic loader.
pub const PT_INTERP: u32 = 3;

/// An ELF file's bytes, its header checked.
pub struct Elf<'a>(&'a [u8]);

impl<'a> Elf<'a> {
    /// Checks the magic number and the class.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        ensure!(bytes.get(..6) == Some(b"\x7fELF\x02\x01"), "this is no 64-bit little-endian ELF file");
        ensure!(bytes.len() >= 64, "an ELF file without a whole header");
        Ok(Self(bytes))
    }

    /// The machine that it is for.
    pub fn machine(&self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.bytes(18)?))
    }

    /// The types of the program headers.
    pub fn segments(&self) -> Result<Vec<u32>> {
        let (start, size, count) = (self.u64(32)?, self.u16(54)?, self.u16(56)?);
        (0..count).map(|n| Ok(u32::from_le_bytes(self.bytes(start + u64::from(size) * u64::from(n))?))).collect()
    }

    /// The content of a section, by name.
    pub fn section(&self, name: &str) -> Result<Option<&'a [u8]>> {
        let names = self.header(self.u16(62)?)?;
        for index in 0..self.u16(60)? {
            let header = self.header(index)?;
            let at = names.offset + u64::from(header.name);
            let found =
                usize::try_from(at).ok().and_then(|at| self.0.get(at..)).context("a section name out of bounds")?;
            if found.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0)) {
                let (start, end) =
                    (header.offset, header.offset.checked_add(header.size).context("a section too long")?);
                let range = usize::try_from(start)?..usize::try_from(end)?;
                return Ok(Some(self.0.get(range).context("a section out of bounds")?));
            }
        }
        Ok(None)
    }

    fn header(&self, index: u16) -> Result<Header> {
        let at = self.u64(40)? + u64::from(self.u16(58)?) * u64::from(index);
        Ok(Header { name: u32::from_le_bytes(self.bytes(at)?), offset: self.u64(at + 24)?, size: self.u64(at + 32)? })
    }

    fn bytes<const N: usize>(&self, at: u64) -> Result<[u8; N]> {
        let at = usize::try_from(at)?;
        let slice = at.checked_add(N).and_then(|end| self.0.get(at..end));
        Ok(slice.context("an ELF file that ends too early")?.try_into()?)
    }

    fn u16(&self, at: u64) -> Result<u16> {
        Ok(u16::from_le_bytes(self.bytes(at)?))
    }

    /// Offsets are kept below 2^63, so that sums of two do not overflow.
    fn u64(&self, at: u64) -> Result<u64> {
        let value = u64::from_le_bytes(self.bytes(at)?);
        ensure!(value < 1 << 62, "an offset beyond every file");
        Ok(value)
    }
}

struct Header {
    name: u32,
    offset: u64,
    size: u64,
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// An ELF file with one section besides the table of names.
    pub fn with_section(name: &str, content: &[u8]) -> Vec<u8> {
        let names = format!("\0{name}\0");
        let mut elf = vec![0; 64];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[18..20].copy_from_slice(&AARCH64.to_le_bytes());
        elf.extend_from_slice(names.as_bytes());
        elf.extend_from_slice(content);
        let table = elf.len() as u64;
        elf[40..48].copy_from_slice(&table.to_le_bytes());
        elf[58..60].copy_from_slice(&64u16.to_le_bytes());
        elf[60..62].copy_from_slice(&2u16.to_le_bytes());
        for (name, offset, size) in [(0u32, 64, names.len()), (1, 64 + names.len(), content.len())] {
            let mut header = [0; 64];
            header[..4].copy_from_slice(&name.to_le_bytes());
            header[24..32].copy_from_slice(&(offset as u64).to_le_bytes());
            header[32..40].copy_from_slice(&(size as u64).to_le_bytes());
            elf.extend_from_slice(&header);
        }
        elf
    }

    #[test]
    fn a_section_is_found_by_its_name() {
        let bytes = with_section(".modinfo", b"a=b\0");
        let elf = Elf::parse(&bytes).unwrap();
        assert_eq!(elf.machine().unwrap(), AARCH64);
        assert_eq!(elf.section(".modinfo").unwrap(), Some(&b"a=b\0"[..]));
        assert_eq!(elf.section(".mod").unwrap(), None);
        assert!(elf.segments().unwrap().is_empty());
    }

    #[test]
    fn no_cut_makes_it_panic() {
        let bytes = with_section(".modinfo", b"a=b\0");
        for length in 0..bytes.len() {
            if let Ok(elf) = Elf::parse(&bytes[..length]) {
                let _ = (elf.machine(), elf.segments(), elf.section(".modinfo"));
            }
        }
    }
}
