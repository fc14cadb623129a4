//! Whether a certificate is to be believed: by webpki and the authorities of webpki-roots, as anywhere, but with a thought
//! for a machine that has no clock of its own.
//!
//! Until time servers were heard our clock shows the time at which the power went, or at which the image was built. It
//! can only be behind. A certificate that is "not valid yet" then says nothing but that, while one that has run out has run
//! out in truth. Without this a new certificate would lock out the very DNS that the time servers' names are asked of.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;

/// Certificates of one chain that may be newer than our clock: the server's own and those above it.
const MAX_NEWER: usize = 4;

/// A verifier for the usual authorities and `extra`.
pub fn verifier(
    extra: &[CertificateDer<'static>],
    provider: Arc<CryptoProvider>,
    clock_is_right: bool,
) -> anyhow::Result<Arc<dyn ServerCertVerifier>> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    roots.add_parsable_certificates(extra.iter().cloned());
    let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
    Ok(Arc::new(Verifier { webpki, clock_is_right }))
}

#[derive(Debug)]
struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    clock_is_right: bool,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut time = now;
        for _ in 0..MAX_NEWER {
            match self.webpki.verify_server_cert(own, above, name, ocsp, time) {
                Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }))
                    if !self.clock_is_right && not_before > time =>
                {
                    time = not_before;
                }
                other => return other,
            }
        }
        self.webpki.verify_server_cert(own, above, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
    use std::time::Duration;

    /// 1 January of the year, counted in days since 1970.
    fn year(year: u64) -> UnixTime {
        let days = (year - 1970) * 365 + (year - 1969) / 4;
        UnixTime::since_unix_epoch(Duration::from_secs(days * 86_400))
    }

    /// What the verifier says of a certificate for dns.example from 2030 to 2031, by an authority from 2025 to 2040.
    fn verify(name: &str, now: UnixTime, clock_is_right: bool) -> Result<(), CertificateError> {
        let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut root = CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (root.not_before, root.not_after) = (date_time_ymd(2025, 1, 1), date_time_ymd(2040, 1, 1));
        let root = root.self_signed(&root_key).unwrap();
        let mut own = CertificateParams::new(vec!["dns.example".into()]).unwrap();
        (own.not_before, own.not_after) = (date_time_ymd(2030, 1, 1), date_time_ymd(2031, 1, 1));
        let own = own.signed_by(&key, &root, &root_key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = verifier(&[root.der().clone()], provider, clock_is_right).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        match verifier.verify_server_cert(own.der(), &[], &name, &[], now) {
            Ok(_) => Ok(()),
            Err(Error::InvalidCertificate(why)) => Err(why),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn rfc8310_only_a_clock_that_is_behind_excuses_a_certificate() {
        let half = UnixTime::since_unix_epoch(Duration::from_secs(year(2030).as_secs() + 180 * 86_400));
        for clock_is_right in [true, false] {
            assert_eq!(verify("dns.example", half, clock_is_right), Ok(()));
            let late = verify("dns.example", year(2032), clock_is_right);
            assert!(matches!(late, Err(CertificateError::ExpiredContext { .. })), "{late:?}");
            let other = verify("other.example", half, clock_is_right);
            assert!(matches!(other, Err(CertificateError::NotValidForNameContext { .. })), "{other:?}");
        }
        for early in [year(2026), year(2020)] {
            assert_eq!(verify("dns.example", early, false), Ok(()), "nobody has confirmed the clock");
            let early_by_a_right_clock = verify("dns.example", early, true);
            assert!(matches!(early_by_a_right_clock, Err(CertificateError::NotValidYetContext { .. })));
            let other = verify("other.example", early, false);
            assert!(matches!(other, Err(CertificateError::NotValidForNameContext { .. })), "{other:?}");
        }
    }
}
