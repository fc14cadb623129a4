//! Append-only records.
//!
//! ```text
//! file   = header record*
//! header = magic "GPJOURNL" (8) | version u32 | first sequence u64 | checksum (8)
//! record = payload length u32 | kind u8 | sequence u64 | checksum (8) | payload
//! ```
//!
//! Integers are little-endian. A checksum is the first 8 bytes of the SHA-256 of everything else in its header or
//! record. Sequence numbers count up by one from the header's, so a record that was written for another file, or twice,
//! ends the replay just as a torn one does: what follows the first bad record can't be trusted to belong there.

use alloc::vec::Vec;
use sha2::{Digest, Sha256};

/// The version that [`Writer::start`] writes and [`replay`] reads.
///
/// History: 1, the first.
pub const VERSION: u32 = 1;

/// The longest payload, in bytes. No record of ours comes near it; it keeps a damaged length from looking plausible.
pub const MAX_PAYLOAD: usize = 64 * 1024;

/// Bytes of a file's header.
pub const HEADER_LEN: usize = 28;

/// Bytes of a record besides its payload.
pub const RECORD_OVERHEAD: usize = 21;

const MAGIC: [u8; 8] = *b"GPJOURNL";

/// The payload is longer than [`MAX_PAYLOAD`]; nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Frames records one after the other. Holds no bytes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    next: u64,
}

impl Writer {
    /// Begins a new file whose first record will have the number `first`, and puts its header into `out`.
    pub fn start(first: u64, out: &mut Vec<u8>) -> Self {
        let mut header = [0; HEADER_LEN];
        let (covered, checksum) = header.split_at_mut(HEADER_LEN - 8);
        let fields = MAGIC.into_iter().chain(VERSION.to_le_bytes()).chain(first.to_le_bytes());
        covered.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        checksum.copy_from_slice(&digest(&[covered]));
        out.extend_from_slice(&header);
        Self { next: first }
    }

    /// Goes on with a file that was replayed to its end: `next` is [`Replay::next_sequence`].
    pub const fn resume(next: u64) -> Self {
        Self { next }
    }

    /// The number that the next record will have.
    pub const fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Puts one framed record at the end of `out` and returns its number.
    pub fn append(&mut self, kind: u8, payload: &[u8], out: &mut Vec<u8>) -> Result<u64, TooLong> {
        let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= MAX_PAYLOAD).ok_or(TooLong)?;
        let sequence = self.next;
        let prefix = prefix(length, kind, sequence);
        out.reserve(RECORD_OVERHEAD + payload.len());
        out.extend_from_slice(&prefix);
        out.extend_from_slice(&digest(&[&prefix, payload]));
        out.extend_from_slice(payload);
        self.next = sequence.wrapping_add(1);
        Ok(sequence)
    }
}

/// One whole record of a replayed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What the payload is; the writer's own numbering.
    pub kind: u8,
    /// Its place in the file.
    pub sequence: u64,
    /// What was stored.
    pub payload: &'a [u8],
}

/// Why a file gives no records at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHeader {
    /// The file is shorter than a header: new, or cut off while it was created.
    Short,
    /// The first bytes are not a journal's, or they are damaged.
    Damaged,
    /// A journal of a version that this build does not read.
    Version(u32),
}

/// The good records of a file, in order; ends at the first bad one.
#[derive(Clone, Debug)]
pub struct Replay<'a> {
    bytes: &'a [u8],
    good: usize,
    next: u64,
}

/// Reads the header of `bytes` and gives an iterator over the records. Never fails on a record: see [`Replay::good`].
pub fn replay(bytes: &[u8]) -> Result<Replay<'_>, BadHeader> {
    let (header, _) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(BadHeader::Short)?;
    let (covered, checksum) = header.split_at(HEADER_LEN - 8);
    let (magic, rest) = covered.split_first_chunk::<8>().ok_or(BadHeader::Short)?;
    let (version, first) = rest.split_first_chunk::<4>().ok_or(BadHeader::Short)?;
    let first = first.first_chunk::<8>().ok_or(BadHeader::Short)?;
    if *magic != MAGIC || *checksum != digest(&[covered]) {
        return Err(BadHeader::Damaged);
    }
    match u32::from_le_bytes(*version) {
        VERSION => Ok(Replay { bytes, good: HEADER_LEN, next: u64::from_le_bytes(*first) }),
        other => Err(BadHeader::Version(other)),
    }
}

impl<'a> Replay<'a> {
    /// How many bytes from the start of the file were good so far. After the last record: if it is less than the
    /// file's length, the rest is damage, and nothing may be appended behind it.
    pub const fn good(&self) -> usize {
        self.good
    }

    /// Whether everything that was given has been read as good records.
    pub const fn at_end(&self) -> bool {
        self.good == self.bytes.len()
    }

    /// The number that the next record has or will have.
    pub const fn next_sequence(&self) -> u64 {
        self.next
    }
}

impl<'a> Iterator for Replay<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let rest = self.bytes.get(self.good..)?;
        let (head, rest) = rest.split_first_chunk::<RECORD_OVERHEAD>()?;
        let (length, more) = head.split_first_chunk::<4>()?;
        let (kind, more) = more.split_first()?;
        let (sequence, checksum) = more.split_first_chunk::<8>()?;
        let length = u32::from_le_bytes(*length);
        let payload = rest.get(..usize::try_from(length).ok().filter(|length| *length <= MAX_PAYLOAD)?)?;
        let sequence = u64::from_le_bytes(*sequence);
        let expected = digest(&[&prefix(length, *kind, sequence), payload]);
        if sequence != self.next || *checksum != expected {
            return None;
        }
        self.good += RECORD_OVERHEAD + payload.len();
        self.next = sequence.wrapping_add(1);
        Some(Record { kind: *kind, sequence, payload })
    }
}

/// The fields of a record that stand before its checksum.
fn prefix(length: u32, kind: u8, sequence: u64) -> [u8; 13] {
    let mut prefix = [0; 13];
    let fields = length.to_le_bytes().into_iter().chain([kind]).chain(sequence.to_le_bytes());
    prefix.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
    prefix
}

fn digest(parts: &[&[u8]]) -> [u8; 8] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    let whole: [u8; 32] = hash.finalize().into();
    let mut short = [0; 8];
    short.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    /// A record's kind and payload.
    type Plain = (u8, Vec<u8>);

    /// A file with three records, and the offset at which each record ends.
    fn small() -> (Vec<u8>, Vec<Plain>, Vec<usize>) {
        let records = vec![(1, b"first".to_vec()), (2, Vec::new()), (1, b"the third one".to_vec())];
        let mut file = Vec::new();
        let mut writer = Writer::start(41, &mut file);
        let mut ends = Vec::new();
        for (kind, payload) in &records {
            writer.append(*kind, payload, &mut file).unwrap();
            ends.push(file.len());
        }
        (file, records, ends)
    }

    fn read(bytes: &[u8]) -> Vec<Plain> {
        replay(bytes).map(|r| r.map(|r| (r.kind, r.payload.to_vec())).collect()).unwrap_or_default()
    }

    #[test]
    fn what_was_written_is_read() {
        let (file, records, _) = small();
        assert_eq!(read(&file), records);
        let mut replay = replay(&file).unwrap();
        assert_eq!(replay.by_ref().map(|r| r.sequence).collect::<Vec<_>>(), [41, 42, 43]);
        assert!(replay.at_end());
        assert_eq!((replay.good(), replay.next_sequence()), (file.len(), 44));
    }

    #[test]
    fn a_resumed_file_goes_on() {
        let (mut file, mut records, _) = small();
        let mut old = replay(&file).unwrap();
        old.by_ref().for_each(drop);
        let mut writer = Writer::resume(old.next_sequence());
        assert_eq!(writer.append(7, b"more", &mut file), Ok(44));
        records.push((7, b"more".to_vec()));
        assert_eq!(read(&file), records);
    }

    #[test]
    fn cut_at_every_byte() {
        let (file, records, ends) = small();
        for length in 0..file.len() {
            let whole = ends.iter().filter(|end| **end <= length).count();
            assert_eq!(read(&file[..length]), records[..whole], "cut after {length} bytes");
            if let Ok(mut replay) = replay(&file[..length]) {
                replay.by_ref().for_each(drop);
                let good = ends[..whole].last().copied().unwrap_or(HEADER_LEN);
                assert_eq!((replay.good(), replay.at_end()), (good, good == length));
            }
        }
    }

    #[test]
    fn every_bit_flipped() {
        let (file, records, ends) = small();
        for bit in 0..file.len() * 8 {
            let mut bad = file.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let before = if bit / 8 < HEADER_LEN { 0 } else { ends.iter().filter(|end| **end <= bit / 8).count() };
            assert_eq!(read(&bad), records[..before], "bit {bit}");
        }
    }

    #[test]
    fn a_tail_of_zeroes_is_damage() {
        let (mut file, records, _) = small();
        let good = file.len();
        file.extend([0; 4096]);
        assert_eq!(read(&file), records);
        let mut replay = replay(&file).unwrap();
        replay.by_ref().for_each(drop);
        assert_eq!((replay.good(), replay.at_end()), (good, false));
    }

    #[test]
    fn a_record_of_another_file_ends_the_replay() {
        let (mut file, records, _) = small();
        Writer::resume(43).append(1, b"stale", &mut file).unwrap();
        assert_eq!(read(&file), records);
    }

    #[test]
    fn headers_are_told_apart() {
        let (file, ..) = small();
        assert_eq!(replay(&[]).unwrap_err(), BadHeader::Short);
        assert_eq!(replay(&[0; 64]).unwrap_err(), BadHeader::Damaged);
        let mut newer = file[..HEADER_LEN].to_vec();
        newer[8] = 2;
        let checksum = digest(&[&newer[..HEADER_LEN - 8]]);
        newer[HEADER_LEN - 8..].copy_from_slice(&checksum);
        assert_eq!(replay(&newer).unwrap_err(), BadHeader::Version(2));
    }

    #[test]
    fn the_bound_is_kept() {
        let mut out = Vec::new();
        let mut writer = Writer::start(0, &mut out);
        assert_eq!(writer.append(0, &vec![0; MAX_PAYLOAD + 1], &mut out), Err(TooLong));
        assert_eq!(out.len(), HEADER_LEN);
        writer.append(0, &vec![1; MAX_PAYLOAD], &mut out).unwrap();
        assert_eq!(read(&out).len(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), keep in 0usize..200) {
            read(&bytes);
            let (mut file, ..) = small();
            file.truncate(keep);
            file.extend(bytes);
            read(&file);
        }
    }
}
