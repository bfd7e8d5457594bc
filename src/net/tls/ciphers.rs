//! `--ciphers`: OpenSSL's and IANA's names for the cipher suites that rustls has.

use rustls::{
    SupportedCipherSuite,
    crypto::ring::{ALL_CIPHER_SUITES, cipher_suite as suite},
};

use super::TlsError;

/// OpenSSL's name beside each suite; for TLS 1.3 it is IANA's.
const OPENSSL_NAMES: [(&str, SupportedCipherSuite); 9] = [
    ("TLS_AES_256_GCM_SHA384", suite::TLS13_AES_256_GCM_SHA384),
    ("TLS_AES_128_GCM_SHA256", suite::TLS13_AES_128_GCM_SHA256),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        suite::TLS13_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-RSA-AES256-GCM-SHA384",
        suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-RSA-AES128-GCM-SHA256",
        suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-RSA-CHACHA20-POLY1305",
        suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

/// The suites named in the list, in its order and each once.
pub(super) fn parse(list: &str) -> Result<Vec<SupportedCipherSuite>, TlsError> {
    let mut suites: Vec<SupportedCipherSuite> = Vec::new();
    for name in list
        .split([':', ','])
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        let suite = find(name).ok_or_else(|| TlsError::UnknownCipher {
            name: name.to_owned(),
        })?;
        if !suites.contains(&suite) {
            suites.push(suite);
        }
    }
    if suites.is_empty() {
        Err(TlsError::NoCipher)
    } else {
        Ok(suites)
    }
}

fn find(name: &str) -> Option<SupportedCipherSuite> {
    let by_openssl = OPENSSL_NAMES
        .iter()
        .find(|(openssl, _)| openssl.eq_ignore_ascii_case(name))
        .map(|(_, s)| *s);
    by_openssl.or_else(|| {
        ALL_CIPHER_SUITES
            .iter()
            .copied()
            .find(|suite| iana_name(*suite).eq_ignore_ascii_case(name))
    })
}

pub(super) fn iana_name(suite: SupportedCipherSuite) -> String {
    // rustls writes TLS13_… where IANA has TLS_….
    suite
        .suite()
        .as_str()
        .unwrap_or("unknown")
        .replacen("TLS13_", "TLS_", 1)
}

pub(super) fn accepted() -> String {
    OPENSSL_NAMES.map(|(name, _)| name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openssl_and_iana_names_mean_the_same_suite() {
        let one = parse("ECDHE-RSA-AES128-GCM-SHA256").expect("OpenSSL's name");
        let other = parse("tls_ecdhe_rsa_with_aes_128_gcm_sha256").expect("IANA's name");
        assert_eq!(one, other);
        assert_eq!(
            parse("TLS_AES_128_GCM_SHA256").expect("TLS 1.3"),
            [suite::TLS13_AES_128_GCM_SHA256]
        );
    }

    #[test]
    fn every_suite_has_an_openssl_name() {
        assert_eq!(OPENSSL_NAMES.len(), ALL_CIPHER_SUITES.len());
        for suite in ALL_CIPHER_SUITES {
            assert!(
                OPENSSL_NAMES.iter().any(|(_, named)| named == suite),
                "{suite:?}"
            );
        }
    }

    #[test]
    fn a_list_keeps_its_order_and_drops_repetitions() {
        let suites = parse(
            "ECDHE-RSA-AES256-GCM-SHA384, TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES256-GCM-SHA384:",
        );
        let expected = [
            suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            suite::TLS13_AES_128_GCM_SHA256,
        ];
        assert_eq!(suites.expect("both known"), expected);
    }

    #[test]
    fn an_unknown_cipher_is_named_beside_the_known_ones() {
        let error = parse("TLS_AES_128_GCM_SHA256:AES256-SHA")
            .expect_err("no forward secrecy")
            .to_string();
        assert!(
            error.contains("'AES256-SHA'") && error.contains("ECDHE-RSA-AES256-GCM-SHA384"),
            "{error}"
        );
        assert!(matches!(parse(" : "), Err(TlsError::NoCipher)));
    }
}
