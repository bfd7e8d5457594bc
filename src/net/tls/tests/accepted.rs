//! Handshakes that succeed, with what was asked for.

use super::*;

#[tokio::test]
async fn version_cipher_and_alpn_are_negotiated_as_asked() {
    let authority = Authority::new();
    let mut config = server_config(&authority.issue());
    config.alpn_protocols = vec![b"mqtt".to_vec()];
    let server = serve_tls(config).await;
    let cases = [
        (
            Some(TlsVersion::V1_2),
            Some("ECDHE-ECDSA-CHACHA20-POLY1305"),
            "TLSv1.2",
        ),
        (
            Some(TlsVersion::V1_3),
            Some("TLS_CHACHA20_POLY1305_SHA256"),
            "TLSv1.3",
        ),
        (None, None, "TLSv1.3"),
        // Only the ciphers that were named are offered, so these alone settle the version.
        (
            None,
            Some("ECDHE-ECDSA-AES128-GCM-SHA256,ECDHE-RSA-AES128-GCM-SHA256"),
            "TLSv1.2",
        ),
    ];
    for (version, ciphers, expected) in cases {
        let settings = TlsSettings {
            version,
            ciphers: ciphers.map(str::to_owned),
            alpn: vec!["x-other".to_owned(), "mqtt".to_owned()],
            ..authority.settings()
        };
        let info = dial(&endpoint(&server, load(&settings).unwrap()))
            .await
            .unwrap()
            .stream
            .tls_info()
            .unwrap();
        assert_eq!(
            (info.version, info.alpn.as_deref()),
            (expected, Some("mqtt"))
        );
        if ciphers.is_some() {
            assert!(
                info.cipher.contains("CHACHA20") || info.cipher.contains("ECDSA_WITH_AES_128"),
                "{}",
                info.cipher
            );
        }
    }
}

#[tokio::test]
async fn sessions_are_resumed_only_when_that_is_wanted() {
    use rustls::HandshakeKind;
    let authority = Authority::new();
    let server = serve_tls(server_config(&authority.issue())).await;
    let client = load(&authority.settings()).unwrap();
    for (client, expected) in [
        (client.clone(), HandshakeKind::Full),
        (client.resuming(10), HandshakeKind::Resumed),
    ] {
        let mut last = None;
        for _ in 0..3 {
            let mut stream = dial(&endpoint(&server, client.clone()))
                .await
                .unwrap()
                .stream;
            // A ticket of TLS 1.3 comes after the handshake.
            assert_echoes(&mut stream).await;
            let Stream::Tls(tls) = stream else {
                panic!("a stream without TLS");
            };
            last = tls.get_ref().1.handshake_kind();
        }
        assert_eq!(last, Some(expected));
    }
}

#[tokio::test]
async fn the_server_name_can_be_overridden() {
    let authority = Authority::new();
    let issued = authority.issue_with(|params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName(
            "broker.example".try_into().unwrap(),
        )];
    });
    let server = serve_tls(server_config(&issued)).await;
    let settings = TlsSettings {
        server_name: Some("broker.example".to_owned()),
        ..authority.settings()
    };
    dial(&endpoint(&server, load(&settings).unwrap()))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_client_certificate_is_shown_when_asked_for() {
    let authority = Authority::new();
    for version in [&TLS12, &TLS13] {
        let server = serve_tls(strict_server_config(
            &authority.issue(),
            &authority,
            version,
        ))
        .await;
        let client = load(&authority.settings_with_certificate()).unwrap();
        let mut stream = dial(&endpoint(&server, client)).await.unwrap().stream;
        assert_echoes(&mut stream).await;
    }
}

#[tokio::test]
async fn insecure_accepts_any_certificate() {
    let authority = Authority::new();
    let issued = authority.issue_with(|params| {
        params.not_after = date_time_ymd(2001, 1, 1);
        params.subject_alt_names.clear();
    });
    let server = serve_tls(server_config(&issued)).await;
    let settings = TlsSettings {
        insecure: true,
        ..TlsSettings::default()
    };
    let mut stream = dial(&endpoint(&server, load(&settings).unwrap()))
        .await
        .unwrap()
        .stream;
    assert_echoes(&mut stream).await;
}

#[tokio::test]
async fn a_self_signed_certificate_named_by_the_user_is_trusted_even_as_an_authority() {
    let authority = Authority::new();
    for is_ca in [
        IsCa::NoCa,
        IsCa::ExplicitNoCa,
        IsCa::Ca(BasicConstraints::Unconstrained),
    ] {
        let key = KeyPair::generate().unwrap();
        let certificate = |change: &dyn Fn(&mut CertificateParams)| {
            let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
            params.is_ca = is_ca;
            change(&mut params);
            params.self_signed(&key).unwrap()
        };
        let serve_it = async |certificate: &rcgen::Certificate| {
            let chain = vec![certificate.der().clone()];
            let issued = Issued {
                chain,
                key: KeyPair::try_from(key.serialize_der()).unwrap(),
            };
            let path = authority.write("self.pem", certificate.pem());
            let settings = TlsSettings {
                cafile: Some(path),
                ..TlsSettings::default()
            };
            (
                serve_tls(server_config(&issued)).await,
                load(&settings).unwrap(),
            )
        };
        let (server, client) = serve_it(&certificate(&|_| ())).await;
        dial(&endpoint(&server, client))
            .await
            .unwrap_or_else(|error| panic!("{is_ca:?}: {error}"));
        // Name and dates are checked all the same.
        let (server, client) = serve_it(&certificate(&|params| {
            params.not_after = date_time_ymd(2001, 1, 1)
        }))
        .await;
        assert!(
            matches!(problem(&server, client).await, TlsProblem::Expired(_)),
            "{is_ca:?}"
        );
        let (server, client) = serve_it(&certificate(&|params| {
            params.not_before = date_time_ymd(2901, 1, 1)
        }))
        .await;
        assert!(
            matches!(problem(&server, client).await, TlsProblem::NotYetValid(_)),
            "{is_ca:?}"
        );
        let other = certificate(&|params| {
            params.subject_alt_names =
                vec![rcgen::SanType::DnsName("other.example".try_into().unwrap())];
        });
        let (server, client) = serve_it(&other).await;
        assert!(
            matches!(problem(&server, client).await, TlsProblem::WrongName { .. }),
            "{is_ca:?}"
        );
        // Not named by the user, it is refused.
        let (server, _) = serve_it(&certificate(&|_| ())).await;
        let problem = problem(&server, authority.client()).await;
        assert!(
            matches!(
                problem,
                TlsProblem::SelfSigned { .. } | TlsProblem::AuthorityAsServer { .. }
            ),
            "{problem:?}"
        );
    }
}

#[tokio::test]
async fn the_key_log_has_a_line_per_secret() {
    let authority = Authority::new();
    let server = serve_tls(server_config(&authority.issue())).await;
    let settings = TlsSettings {
        keylog: Some(authority.path("keys")),
        ..authority.settings()
    };
    dial(&endpoint(&server, load(&settings).unwrap()))
        .await
        .unwrap();
    let text = std::fs::read_to_string(authority.path("keys")).unwrap();
    assert!(
        text.contains("CLIENT_HANDSHAKE_TRAFFIC_SECRET ")
            && text.contains("CLIENT_TRAFFIC_SECRET_0 "),
        "{text}"
    );
    assert!(text.lines().all(|line| line.split(' ').count() == 3));
}

#[tokio::test]
async fn data_written_before_the_end_still_arrives() {
    let authority = Authority::new();
    let server = serve_tls(server_config(&authority.issue())).await;
    let mut stream = dial(&endpoint(&server, authority.client()))
        .await
        .unwrap()
        .stream;
    stream.write_all(b"last words").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"last words");
}
