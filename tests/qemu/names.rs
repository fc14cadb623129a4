//! One DNS question and its answer, made of bytes (RFC 1035 §4), for tests that must ask fast and often.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

/// Asks for the A record of a name; `None` if nothing useful came in time. Runs in the calling thread's namespace.
pub fn ask(server: Ipv4Addr, name: &str, id: u16, timeout: Duration) -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((server, 53)).ok()?;
    socket.set_read_timeout(Some(timeout)).ok()?;
    socket.send(&question(name, id)).ok()?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).ok()?;
    read(answer.get(..length)?, id)
}

/// A standard query with recursion desired.
pub fn question(name: &str, id: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

/// The address in an answer whose last record is the A record: true for the short answers of these tests.
fn read(message: &[u8], id: u16) -> Option<Ipv4Addr> {
    let is_answer = message.get(..2)? == id.to_be_bytes() && message.get(2)? & 0x80 != 0 && message.get(3)? & 0x0f == 0;
    let answers = u16::from_be_bytes([*message.get(6)?, *message.get(7)?]);
    let others = message.get(8..12)?;
    if !is_answer || answers != 1 || others.iter().any(|byte| *byte != 0) {
        return None;
    }
    let address: [u8; 4] = message.get(message.len().checked_sub(4)?..)?.try_into().ok()?;
    Some(address.into())
}
