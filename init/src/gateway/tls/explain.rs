//! Why a server can't be asked through TLS, for the person who reads the status.

use gatepost_core::time::WallTime;
use rustls::pki_types::UnixTime;
use rustls::{CertificateError, Error};
use std::io;

/// The end of a sentence that begins with the server.
pub fn explain(error: &io::Error, name: &str, now: WallTime, clock_is_right: bool) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(why)) => certificate(why, name, now, clock_is_right),
        Some(other) => format!("it does not speak TLS as we do ({other})"),
        None => match error.kind() {
            io::ErrorKind::TimedOut => "it does not answer".into(),
            io::ErrorKind::ConnectionRefused => "it refuses the connection".into(),
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => "there is no way to it".into(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => "it ended the connection".into(),
            _ => format!("the connection failed ({error})"),
        },
    }
}

fn certificate(why: &CertificateError, name: &str, now: WallTime, clock_is_right: bool) -> String {
    let doubt = if clock_is_right { "" } else { ", which no time server has confirmed yet" };
    match why {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("its certificate ran out on {}; the clock says {now}{doubt}", wall(*not_after))
        }
        CertificateError::Expired => format!("its certificate has run out; the clock says {now}{doubt}"),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("its certificate holds from {} on; the clock says {now}{doubt}", wall(*not_before))
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("its certificate is for another name than {name}")
        }
        // The second: somebody took the name of a known authority.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate comes from nobody that is known".into()
        }
        other => format!("its certificate is not accepted ({other})"),
    }
}

fn wall(time: UnixTime) -> WallTime {
    WallTime(time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_wrong_is_said_in_plain_words() {
        let now = WallTime(1_735_689_600);
        let said = |why, right| {
            let error = io::Error::new(io::ErrorKind::InvalidData, Error::InvalidCertificate(why));
            explain(&error, "dns.example", now, right)
        };
        let at = |secs| UnixTime::since_unix_epoch(Duration::from_secs(secs));
        let expired = CertificateError::ExpiredContext { time: at(1_735_689_600), not_after: at(1_700_000_000) };
        assert_eq!(
            said(expired, true),
            "its certificate ran out on 2023-11-14 22:13:20 UTC; the clock says 2025-01-01 00:00:00 UTC"
        );
        let early = CertificateError::NotValidYetContext { time: at(1_735_689_600), not_before: at(1_780_000_000) };
        assert!(
            said(early, false)
                .ends_with("the clock says 2025-01-01 00:00:00 UTC, which no time server has confirmed yet")
        );
        assert_eq!(
            said(CertificateError::NotValidForName, true),
            "its certificate is for another name than dns.example"
        );
        assert_eq!(said(CertificateError::UnknownIssuer, true), "its certificate comes from nobody that is known");
        let plain = |kind: io::ErrorKind| explain(&kind.into(), "dns.example", now, true);
        assert_eq!(plain(io::ErrorKind::ConnectionRefused), "it refuses the connection");
        assert_eq!(plain(io::ErrorKind::TimedOut), "it does not answer");
    }
}
