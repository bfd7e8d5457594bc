//! Handshakes that fail, and the words for why.

use super::*;

#[tokio::test]
async fn a_certificate_out_of_its_dates_is_refused_with_the_date() {
    let authority = Authority::new();
    let issued = authority.issue_with(|params| params.not_after = date_time_ymd(2001, 2, 3));
    let error = problem(&serve_tls(server_config(&issued)).await, authority.client()).await;
    assert_eq!(
        error.to_string(),
        "the broker's certificate expired on 2001-02-03 00:00:00 UTC"
    );
    let issued = authority.issue_with(|params| params.not_before = date_time_ymd(2901, 2, 3));
    let error = problem(&serve_tls(server_config(&issued)).await, authority.client()).await;
    assert_eq!(
        error.to_string(),
        "the broker's certificate is not valid before 2901-02-03 00:00:00 UTC"
    );
    assert!(error.hint().unwrap().contains("clock"));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_with_both_names() {
    let authority = Authority::new();
    let issued = authority.issue_with(|params| {
        params.subject_alt_names = vec![
            rcgen::SanType::DnsName("a.example".try_into().unwrap()),
            rcgen::SanType::IpAddress("192.0.2.7".parse().unwrap()),
            rcgen::SanType::IpAddress("::1".parse().unwrap()),
        ];
    });
    let error = problem(&serve_tls(server_config(&issued)).await, authority.client()).await;
    let expected = "the broker's certificate is not for '127.0.0.1'; it is for 'a.example', '192.0.2.7', '::1'";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_certificate_with_only_a_common_name_is_refused_with_the_reason() {
    let authority = Authority::new();
    let issued = authority.issue_with(|params| {
        params.subject_alt_names.clear();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "127.0.0.1");
    });
    let server = serve_tls(server_config(&issued)).await;
    let error = problem(&server, authority.client()).await;
    assert_eq!(
        error.to_string(),
        "the broker's certificate has no subject alternative name, only the common name '127.0.0.1', \
         so it cannot be matched with '127.0.0.1'"
    );
    assert!(error.hint().unwrap().contains("subjectAltName"));
}

#[tokio::test]
async fn an_unknown_authority_and_a_self_signed_certificate_are_told_apart() {
    let (trusted, other) = (Authority::new(), Authority::new());
    let error = problem(
        &serve_tls(server_config(&other.issue())).await,
        trusted.client(),
    )
    .await;
    let expected = "the broker's certificate is signed by 'Test Authority', which is not trusted";
    // Two authorities of one name: the signature decides, and webpki then says "bad signature" or "unknown issuer".
    assert!(
        error.to_string() == expected || error.to_string().contains("signature is wrong"),
        "{error}"
    );

    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "my\u{1b}[31m broker");
    let chain = vec![params.self_signed(&key).unwrap().der().clone()];
    let error = problem(
        &serve_tls(server_config(&Issued { chain, key })).await,
        trusted.client(),
    )
    .await;
    let expected =
        "the broker's certificate 'my[31m broker' is self-signed and not among the trusted ones";
    assert_eq!(error.to_string(), expected);
    assert!(error.hint().unwrap().contains("--cafile"));
}

#[tokio::test]
async fn a_certificate_of_version_1_is_refused_with_the_reason() {
    let authority = Authority::new();
    let folder = authority.folder.path();
    let run = |arguments: &str| openssl(folder, &arguments.split(' ').collect::<Vec<_>>());
    authority.write("ca.key", authority.issuer.key().serialize_pem());
    let Some(()) =
        run("req -new -newkey rsa:2048 -nodes -keyout v1.key -subj /CN=127.0.0.1 -out v1.csr")
    else {
        return;
    };
    run("x509 -req -in v1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 -out v1.pem");
    let chain = trust::certificates("--cert", &authority.path("v1.pem")).unwrap();
    if certificate::facts(&chain[0]).unwrap().version != 1 {
        return; // OpenSSL from 3.4 on writes version 3 here.
    }
    // A resolver of its own, because rustls's usual way to load a server's certificate refuses this one.
    let private = key::read(&authority.path("v1.key"), None).unwrap();
    let provider = Arc::new(ring::default_provider());
    let signing = provider.key_provider.load_private_key(private).unwrap();
    let certified = rustls::sign::CertifiedKey::new(chain, signing);
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    let error = problem(&serve_tls(config).await, authority.client()).await;
    assert!(
        error
            .to_string()
            .ends_with("is of X.509 version 1; TLS needs version 3"),
        "{error}"
    );

    // As a client's certificate it is the broker's business.
    let settings = TlsSettings {
        cert: Some(authority.path("v1.pem")),
        key: Some(authority.path("v1.key")),
        ..authority.settings()
    };
    load(&settings).unwrap();
}

#[tokio::test]
async fn a_plain_text_listener_is_recognised() {
    let authority = Authority::new();
    let server = serve(|stream| say(stream, b"\x20\x02\x00\x01".repeat(10))).await;
    let error = problem(&server, authority.client()).await;
    assert!(matches!(error, TlsProblem::NotTls), "{error:?}");
    assert!(error.hint().unwrap().contains("plain-text"));
    let server = serve(|stream| say(stream, Vec::new())).await;
    let error = problem(&server, authority.client()).await;
    assert_eq!(
        error.to_string(),
        "the connection was closed during the handshake"
    );
    assert!(error.hint().unwrap().contains("8883"));
}

#[tokio::test]
async fn no_common_version_cipher_or_alpn_is_named() {
    let authority = Authority::new();
    let issued = authority.issue();
    let server = serve_tls(strict_server_config(&issued, &authority, &TLS13)).await;
    let old = TlsSettings {
        version: Some(TlsVersion::V1_2),
        ..authority.settings()
    };
    let error = problem(&server, load(&old).unwrap()).await;
    assert!(matches!(error, TlsProblem::NoCommonVersion(_)), "{error:?}");
    let server = serve_tls(strict_server_config(&issued, &authority, &TLS12)).await;
    let new = TlsSettings {
        version: Some(TlsVersion::V1_3),
        ..authority.settings()
    };
    let error = problem(&server, load(&new).unwrap()).await;
    assert!(matches!(error, TlsProblem::NoCommonVersion(_)), "{error:?}");

    // The server's certificate is ECDSA's.
    let server = serve_tls(server_config(&issued)).await;
    let rsa = TlsSettings {
        ciphers: Some("ECDHE-RSA-AES128-GCM-SHA256".to_owned()),
        ..authority.settings()
    };
    let error = problem(&server, load(&rsa).unwrap()).await;
    assert!(matches!(error, TlsProblem::NoCommonParameters), "{error:?}");

    let mut config = server_config(&issued);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let server = serve_tls(config).await;
    let alpn = TlsSettings {
        alpn: vec!["mqtt".to_owned()],
        ..authority.settings()
    };
    let error = problem(&server, load(&alpn).unwrap()).await;
    assert!(matches!(error, TlsProblem::NoCommonAlpn), "{error:?}");
}

#[tokio::test]
async fn a_missing_or_refused_client_certificate_is_named() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let strange = TlsSettings {
        cafile: authority.settings().cafile,
        ..stranger.settings_with_certificate()
    };
    // TLS 1.2 fails within the handshake …
    let server = serve_tls(strict_server_config(&authority.issue(), &authority, &TLS12)).await;
    let error = problem(&server, authority.client()).await;
    assert!(matches!(error, TlsProblem::CertificateWanted), "{error:?}");
    assert!(error.hint().unwrap().contains("--cert"));
    let error = problem(&server, load(&strange).unwrap()).await;
    assert!(
        matches!(error, TlsProblem::CertificateRefused(_)),
        "{error:?}"
    );

    // … TLS 1.3 only with the first read.
    let server = serve_tls(strict_server_config(&authority.issue(), &authority, &TLS13)).await;
    for (client, expected) in [
        (authority.client(), "the broker wants a client certificate"),
        (
            load(&strange).unwrap(),
            "the broker refused the client certificate: ",
        ),
    ] {
        let mut stream = dial(&endpoint(&server, client)).await.unwrap().stream;
        let error = stream.read(&mut [0; 10]).await.unwrap_err();
        let words = explain_io(&error).unwrap().to_string();
        assert!(words.starts_with(expected), "{words}");
    }
    assert!(explain_io(&std::io::Error::from_raw_os_error(111)).is_none());
    assert!(explain_io(&std::io::Error::other("x")).is_none());
}

#[tokio::test]
async fn an_alert_is_still_explained_through_a_websocket() {
    let authority = Authority::new();
    let server = serve_tls(strict_server_config(&authority.issue(), &authority, &TLS13)).await;
    let mut endpoint = endpoint(&server, authority.client());
    endpoint.websocket = Some(crate::net::WebSocket::new("/mqtt", &[]).unwrap());
    let error = refused(&endpoint).await;
    assert!(
        error
            .to_string()
            .ends_with("the broker wants a client certificate"),
        "{error}"
    );
}
