//! Messages in a stream of octets (TCP, TLS): each stands behind its length (RFC 1035 section 4.2.2, RFC 7766 section 8).
//! Reading and writing are the shell's.

use alloc::vec::Vec;

/// A peer announces a message that is longer than what is read from it: it is to be disconnected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Takes octets as they come, gives whole messages. Holds at most one message that is not whole, and what came behind it in
/// the same read.
#[derive(Debug)]
pub struct Frames {
    buffer: Vec<u8>,
    limit: usize,
}

impl Frames {
    /// Messages of at most `limit` octets.
    pub fn up_to(limit: usize) -> Self {
        Self { buffer: Vec::new(), limit }
    }

    /// Where to append what was read, however it is cut.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// The next whole message without its length; `None`: more must be read first.
    ///
    /// # Errors
    /// The next message is longer than the limit. It stays so.
    pub fn next_message(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        let Some((length, rest)) = self.buffer.split_first_chunk::<2>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*length));
        if length > self.limit {
            return Err(TooLong);
        }
        let Some(message) = rest.get(..length).map(Vec::from) else { return Ok(None) };
        self.buffer.drain(..2 + length);
        Ok(Some(message))
    }
}

/// The message behind its length; `None` if it is longer than a length can say.
pub fn framed(message: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(message.len()).ok()?;
    Some([&length.to_be_bytes(), message].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn rfc7766_8_a_message_over_the_limit_is_refused_before_it_is_read() {
        let mut frames = Frames::up_to(4);
        frames.buffer().extend([0, 4, 1, 2, 3, 4, 0, 5]);
        assert_eq!(frames.next_message(), Ok(Some(vec![1, 2, 3, 4])));
        assert_eq!(frames.next_message(), Err(TooLong));
        assert_eq!(framed(&vec![0; 65_536]), None);
    }

    proptest! {
        /// However a stream is cut, the messages are the same, and none is held back.
        #[test]
        fn rfc7766_8_messages_come_whole_however_the_stream_is_cut(
            messages in vec(vec(any::<u8>(), 0..300), 0..20), piece in 1..50_usize,
        ) {
            let stream: Vec<u8> = messages.iter().flat_map(|message| framed(message).unwrap()).collect();
            let (mut frames, mut seen) = (Frames::up_to(300), Vec::new());
            for piece in stream.chunks(piece) {
                frames.buffer().extend_from_slice(piece);
                while let Some(message) = frames.next_message().unwrap() {
                    seen.push(message);
                }
            }
            prop_assert_eq!(seen, messages);
            prop_assert!(frames.buffer().is_empty());
        }
    }
}
