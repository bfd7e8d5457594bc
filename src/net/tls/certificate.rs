//! The few facts of a certificate that people want to know. Nothing here decides whether it is trusted.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use pkcs8::der::{
    Decode,
    asn1::{GeneralizedTime, UtcTime},
};

use crate::net::words::printable;

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// 1 to 3.
    pub version: u8,
    pub subject: Name,
    pub issuer: Name,
    pub common_name: Option<String>,
    pub self_issued: bool,
    pub has_alternative_names: bool,
    /// The subject alternative names of hosts and addresses.
    pub names: Vec<String>,
    /// Since 1970.
    pub not_before: Duration,
    pub not_after: Duration,
    /// The SubjectPublicKeyInfo, whole.
    pub public_key: Vec<u8>,
}

/// A distinguished name in the shortest form that tells it from others; `None` when it has neither a common name nor
/// an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(pub Option<String>);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(name) => write!(f, "'{name}'"),
            None => f.write_str("an unnamed authority"),
        }
    }
}

/// The facts, when the bytes look like a certificate.
pub(super) fn facts(der: &[u8]) -> Option<Facts> {
    let certificate = Element::of_tag(SEQUENCE, &mut &*der)?;
    let body = Element::of_tag(SEQUENCE, &mut &*certificate.content)?;
    let rest = &mut &*body.content;
    let version = match rest.first() {
        // [0] EXPLICIT INTEGER, counted from 0; missing means version 1.
        Some(0xa0) => Element::next(rest)?.content.last()?.checked_add(1)?,
        _ => 1,
    };
    let _serial = Element::next(rest)?;
    let _signature = Element::next(rest)?;
    let issuer = Element::of_tag(SEQUENCE, rest)?;
    let validity = Element::of_tag(SEQUENCE, rest)?;
    let subject = Element::of_tag(SEQUENCE, rest)?;
    let public_key = Element::of_tag(SEQUENCE, rest)?;
    let times = &mut &*validity.content;
    Some(Facts {
        version,
        subject: name(subject.content),
        issuer: name(issuer.content),
        common_name: attribute(subject.content, COMMON_NAME),
        self_issued: subject.content == issuer.content,
        has_alternative_names: rest
            .windows(SUBJECT_ALT_NAME.len())
            .any(|window| window == SUBJECT_ALT_NAME),
        names: alternative_names(rest).unwrap_or_default(),
        not_before: time(&Element::next(times)?)?,
        not_after: time(&Element::next(times)?)?,
        public_key: public_key.whole.to_vec(),
    })
}

const SEQUENCE: u8 = 0x30;
const BOOLEAN: u8 = 0x01;
/// GeneralName's [2] and [7].
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// Object identifiers as encoded, tag and length included.
const COMMON_NAME: &[u8] = &[0x06, 3, 0x55, 0x04, 3];
const ORGANISATION: &[u8] = &[0x06, 3, 0x55, 0x04, 10];
const SUBJECT_ALT_NAME: &[u8] = &[0x06, 3, 0x55, 0x1d, 17];

/// One tag-length-value.
struct Element<'a> {
    tag: u8,
    whole: &'a [u8],
    content: &'a [u8],
}

impl<'a> Element<'a> {
    /// Takes the next element off the front.
    fn next(rest: &mut &'a [u8]) -> Option<Self> {
        let all = *rest;
        let (tag, first) = (*all.first()?, *all.get(1)?);
        let (header, length) = match first {
            0..=0x7f => (2, usize::from(first)),
            // A certificate of 16 MiB or more does not fit into a handshake.
            0x81..=0x83 => {
                let bytes = all.get(2..2 + usize::from(first & 0x7f))?;
                let length = bytes
                    .iter()
                    .fold(0, |length, byte| (length << 8) | usize::from(*byte));
                (2 + bytes.len(), length)
            }
            _ => return None,
        };
        let whole = all.get(..header + length)?;
        *rest = &all[whole.len()..];
        Some(Self {
            tag,
            whole,
            content: &whole[header..],
        })
    }

    fn of_tag(tag: u8, rest: &mut &'a [u8]) -> Option<Self> {
        Self::next(rest).filter(|element| element.tag == tag)
    }
}

fn time(element: &Element<'_>) -> Option<Duration> {
    UtcTime::from_der(element.whole)
        .map(|time| time.to_unix_duration())
        .or_else(|_| GeneralizedTime::from_der(element.whole).map(|time| time.to_unix_duration()))
        .ok()
}

fn name(name: &[u8]) -> Name {
    Name(attribute(name, COMMON_NAME).or_else(|| attribute(name, ORGANISATION)))
}

/// The hosts and addresses of the extension, out of what follows the public key.
fn alternative_names(extensions: &[u8]) -> Option<Vec<String>> {
    let at = extensions
        .windows(SUBJECT_ALT_NAME.len())
        .position(|window| window == SUBJECT_ALT_NAME)?;
    let rest = &mut &extensions[at + SUBJECT_ALT_NAME.len()..];
    let mut value = Element::next(rest)?;
    if value.tag == BOOLEAN {
        // "critical" stands before the value
        value = Element::next(rest)?;
    }
    let names = Element::of_tag(SEQUENCE, &mut &*value.content)?;
    let names = &mut &*names.content;
    let mut found = Vec::new();
    while let Some(element) = Element::next(names) {
        match element.tag {
            DNS_NAME => found.push(printable(&String::from_utf8_lossy(element.content))),
            IP_ADDRESS => found.extend(address(element.content)),
            _ => {}
        }
    }
    Some(found)
}

fn address(bytes: &[u8]) -> Option<String> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
        _ => None,
    }
}

/// The text of the first attribute of that kind in a distinguished name.
fn attribute(name: &[u8], kind: &[u8]) -> Option<String> {
    let at = name.windows(kind.len()).position(|window| window == kind)?;
    let value = Element::next(&mut &name[at + kind.len()..])?;
    Some(printable(&String::from_utf8_lossy(value.content)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    #[test]
    fn the_facts_of_a_certificate_are_read() {
        let key = KeyPair::generate().expect("key");
        let mut params =
            CertificateParams::new(["broker.example", "10.0.0.1", "::1"].map(str::to_owned))
                .expect("name");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "my broker");
        params.not_before = rcgen::date_time_ymd(2001, 9, 9);
        params.not_after = rcgen::date_time_ymd(2101, 1, 1);
        let certificate = params.self_signed(&key).expect("certificate");
        let facts = facts(certificate.der()).expect("facts");
        assert_eq!(facts.version, 3);
        assert_eq!(
            (facts.subject.to_string(), facts.issuer.to_string()),
            ("'my broker'".to_owned(), "'my broker'".to_owned())
        );
        assert_eq!(facts.names, ["broker.example", "10.0.0.1", "::1"]);
        assert!(facts.self_issued && facts.has_alternative_names);
        assert_eq!(facts.not_before.as_secs(), 999_993_600);
        assert_eq!(facts.not_after.as_secs(), 4_133_980_800);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = facts(&bytes);
        }

        #[test]
        fn a_damaged_certificate_is_read_or_refused(at in 0_usize..1000, byte: u8) {
            let mut der = damaged_original();
            let length = der.len();
            der[at % length] = byte;
            let _ = facts(&der);
        }
    }

    fn damaged_original() -> Vec<u8> {
        static DER: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        DER.get_or_init(|| {
            rcgen::generate_simple_self_signed(["x".to_owned()])
                .expect("certificate")
                .cert
                .der()
                .to_vec()
        })
        .clone()
    }
}
