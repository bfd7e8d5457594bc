//! TLS settings against good and bad files, and handshakes against good and bad servers.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::net::{DialError, Endpoint, dial, testing::*};

fn endpoint(server: &Server, client: TlsClient) -> Endpoint {
    let mut endpoint = server.endpoint();
    endpoint.tls = Some(client);
    endpoint
}

async fn problem(server: &Server, client: TlsClient) -> TlsProblem {
    match refused(&endpoint(server, client)).await {
        DialError::Tls { problem, .. } => problem,
        other => panic!("not TLS's fault: {other:?}"),
    }
}

fn load(settings: &TlsSettings) -> Result<TlsClient, TlsError> {
    TlsClient::load(settings, "127.0.0.1")
}

// ---- settings and files ----

#[test]
fn a_bad_trust_file_is_named_with_its_option_and_its_problem() {
    let authority = Authority::new();
    let error = |settings: TlsSettings| load(&settings).unwrap_err().to_string();
    let cafile = |path: PathBuf| {
        error(TlsSettings {
            cafile: Some(path),
            ..TlsSettings::default()
        })
    };
    let capath = |path: PathBuf| {
        error(TlsSettings {
            capath: Some(path),
            ..TlsSettings::default()
        })
    };

    let missing = authority.path("missing.pem");
    assert_eq!(
        cafile(missing.clone()),
        format!("--cafile '{}': no such file", missing.display())
    );
    assert_eq!(
        capath(missing.clone()),
        format!("--capath '{}': no such file", missing.display())
    );
    let folder = authority.folder.path().to_owned();
    assert_eq!(
        cafile(folder.clone()),
        format!("--cafile '{}': is a directory", folder.display())
    );
    let text = authority.write("text.pem", "hello");
    assert_eq!(
        cafile(text.clone()),
        format!(
            "--cafile '{}': there is no PEM certificate in it",
            text.display()
        )
    );
    assert_eq!(
        capath(text.clone()),
        format!("--capath '{}': not a directory", text.display())
    );
    let key = authority.write("key.pem", KeyPair::generate().unwrap().serialize_pem());
    assert!(cafile(key).ends_with("there is no PEM certificate in it"));
    let damaged = authority.write(
        "damaged.pem",
        "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n",
    );
    assert!(cafile(damaged).ends_with("line 1: the PEM section is not valid base64"));
    let junk = authority.write("junk.pem", pem("CERTIFICATE", b"junk"));
    assert!(cafile(junk.clone()).contains("no certificate in it can be used as an authority"));
    std::fs::create_dir(authority.path("empty")).unwrap();
    assert!(capath(authority.path("empty")).ends_with("there is no PEM certificate in it"));
    // Even with --insecure a mistyped file is worth knowing.
    let insecure = TlsSettings {
        cafile: Some(missing),
        insecure: true,
        ..TlsSettings::default()
    };
    assert!(load(&insecure).is_err());
}

#[tokio::test]
async fn a_folder_of_certificates_is_trusted_whatever_else_is_in_it() {
    let authority = Authority::new();
    std::fs::create_dir(authority.path("certs")).unwrap();
    authority.write("certs/README", "not a certificate");
    authority.write("certs/broken.pem", "-----BEGIN CERTIFICATE-----\n");
    authority.write("certs/0a1b2c3d.0", authority.issuer.pem());
    let settings = TlsSettings {
        capath: Some(authority.path("certs")),
        ..TlsSettings::default()
    };
    let server = serve_tls(server_config(&authority.issue())).await;
    let dialed = dial(&endpoint(&server, load(&settings).unwrap()))
        .await
        .unwrap();
    assert!(dialed.steps.tls.is_some());
}

#[test]
fn certificate_and_key_go_together_and_match() {
    let authority = Authority::new();
    let good = authority.settings_with_certificate();
    assert!(load(&good).is_ok());
    let error = |change: &dyn Fn(&mut TlsSettings)| {
        let mut settings = good.clone();
        change(&mut settings);
        load(&settings).unwrap_err()
    };
    assert!(matches!(error(&|s| s.key = None), TlsError::CertWithoutKey));
    assert!(matches!(
        error(&|s| s.cert = None),
        TlsError::KeyWithoutCert
    ));
    let other = authority.write("other.key", KeyPair::generate().unwrap().serialize_pem());
    let mismatch = error(&|s| s.key = Some(other.clone()));
    assert!(
        matches!(mismatch, TlsError::KeyMismatch { .. }),
        "{mismatch}"
    );
    assert!(
        mismatch.to_string().contains("other.key") && mismatch.to_string().contains("client.pem")
    );
    assert!(matches!(
        error(&|s| s.key = s.cert.clone()),
        TlsError::NoKey { .. }
    ));
    assert!(matches!(
        error(&|s| s.cert = s.key.clone()),
        TlsError::NoCertificate {
            option: "--cert",
            ..
        }
    ));
    let missing = error(&|s| s.key = Some("/nonexistent/k".into()));
    assert_eq!(missing.to_string(), "--key '/nonexistent/k': no such file");
    let junk = authority.write("junk.key", pem("PRIVATE KEY", b"junk"));
    assert!(matches!(
        error(&|s| s.key = Some(junk.clone())),
        TlsError::BadKey { .. }
    ));
    let dsa = authority.write("dsa.key", pem("DSA PRIVATE KEY", b"junk"));
    assert!(
        error(&|s| s.key = Some(dsa.clone()))
            .to_string()
            .contains("'DSA PRIVATE KEY' is not a kind")
    );
}

#[test]
fn keys_in_every_form_openssl_writes_are_read() {
    let authority = Authority::new();
    let folder = authority.folder.path();
    let run = |arguments: &str| openssl(folder, &arguments.split(' ').collect::<Vec<_>>());
    let Some(()) = run("version") else { return };
    run("genrsa -out rsa.pem 2048");
    run("ecparam -name prime256v1 -genkey -out ec.pem");
    run("genpkey -algorithm ed25519 -out ed.pem");
    run("rsa -in rsa.pem -traditional -out rsa.pkcs1");
    run("pkcs8 -topk8 -nocrypt -in rsa.pem -out rsa.pkcs8");
    run("pkcs8 -topk8 -nocrypt -in ec.pem -out ec.pkcs8");
    let mut encrypted = Vec::new();
    for (kind, source) in [("rsa", "rsa.pem"), ("ec", "ec.pem"), ("pkey", "ed.pem")] {
        for cipher in ["aes-128-cbc", "aes-256-cbc", "des3"] {
            let out = format!("{kind}.{cipher}.p8");
            run(&format!(
                "pkcs8 -topk8 -v2 {cipher} -passout pass:sesame -in {source} -out {out}"
            ));
            encrypted.push((source, out));
        }
        run(&format!(
            "pkcs8 -topk8 -scrypt -scrypt_N 1024 -passout pass:sesame -in {source} -out {kind}.scrypt"
        ));
        encrypted.push((source, format!("{kind}.scrypt")));
        run(&format!(
            "pkcs8 -topk8 -v2 aes-128-cbc -v2prf hmacWithSHA1 -passout pass:sesame -in {source} -out {kind}.sha1"
        ));
        encrypted.push((source, format!("{kind}.sha1")));
        if kind != "pkey" {
            let traditional = if kind == "rsa" { " -traditional" } else { "" };
            for cipher in ["aes128", "aes192", "aes256", "des3"] {
                let out = format!("{kind}.{cipher}.old");
                run(&format!(
                    "{kind} -in {source}{traditional} -{cipher} -passout pass:sesame -out {out}"
                ));
                let text = std::fs::read_to_string(authority.path(&out)).unwrap();
                assert!(text.contains("Proc-Type: 4,ENCRYPTED"), "{out}");
                encrypted.push((source, out));
            }
        }
    }
    for (source, days) in [("rsa.pem", "1"), ("ec.pem", "1"), ("ed.pem", "1")] {
        run(&format!(
            "req -x509 -new -key {source} -subj /CN=client -days {days} -out {source}.crt"
        ));
    }
    let settings = |source: &str, key: &str, passphrase: Option<&str>| TlsSettings {
        cert: Some(authority.path(&format!("{source}.crt"))),
        key: Some(authority.path(key)),
        key_passphrase: passphrase.map(Secret::new),
        ..authority.settings()
    };
    let plain = [
        ("rsa.pem", "rsa.pkcs1"),
        ("rsa.pem", "rsa.pkcs8"),
        ("ec.pem", "ec.pem"),
        ("ec.pem", "ec.pkcs8"),
        ("ed.pem", "ed.pem"),
    ];
    for (source, key) in plain {
        load(&settings(source, key, None)).unwrap_or_else(|error| panic!("{key}: {error}"));
        // A passphrase that is not needed does no harm.
        load(&settings(source, key, Some("x"))).unwrap_or_else(|error| panic!("{key}: {error}"));
    }
    assert_eq!(encrypted.len(), 15 + 8);
    for (source, key) in &encrypted {
        load(&settings(source, key, Some("sesame")))
            .unwrap_or_else(|error| panic!("{key}: {error}"));
        let missing = load(&settings(source, key, None)).unwrap_err();
        assert!(
            matches!(missing, TlsError::PassphraseMissing { .. }),
            "{key}: {missing}"
        );
        assert!(
            missing
                .to_string()
                .contains("the key is encrypted and there is no passphrase")
        );
        for wrong in ["open", "", "sesame "] {
            let error = load(&settings(source, key, Some(wrong))).unwrap_err();
            assert!(
                matches!(error, TlsError::PassphraseWrong { .. }),
                "{key}: {error}"
            );
        }
    }
    // The oldest PKCS#8 encryption cannot be undone, and says how to get rid of it.
    run("pkcs8 -topk8 -v1 PBE-SHA1-3DES -passout pass:sesame -in rsa.pem -out rsa.pbes1");
    let error = load(&settings("rsa.pem", "rsa.pbes1", Some("sesame"))).unwrap_err();
    assert!(matches!(error, TlsError::KeyEncryption { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("openssl pkcs8"));
}

#[test]
fn bad_names_versions_and_lists_are_refused_before_connecting() {
    let authority = Authority::new();
    let error = |settings: TlsSettings| load(&settings).unwrap_err();
    let name = TlsSettings {
        server_name: Some("a b".to_owned()),
        ..authority.settings()
    };
    assert!(matches!(error(name), TlsError::ServerName(name) if name == "a b"));
    let alpn = TlsSettings {
        alpn: vec![String::new()],
        ..authority.settings()
    };
    assert!(matches!(error(alpn), TlsError::Alpn(_)));
    let ciphers = |list: &str, version| TlsSettings {
        ciphers: Some(list.to_owned()),
        version,
        ..authority.settings()
    };
    assert!(matches!(
        error(ciphers("RC4", None)),
        TlsError::UnknownCipher { .. }
    ));
    let none_left = error(ciphers("TLS_AES_128_GCM_SHA256", Some(TlsVersion::V1_2)));
    assert_eq!(
        none_left.to_string(),
        "--ciphers: none of them belongs to tlsv1.2"
    );
    let keylog = TlsSettings {
        keylog: Some("/nonexistent/keys".into()),
        ..authority.settings()
    };
    assert!(matches!(error(keylog), TlsError::Keylog { .. }));
    for (text, version) in [
        ("tlsv1.2", TlsVersion::V1_2),
        ("1.3", TlsVersion::V1_3),
        ("TLSv1.3", TlsVersion::V1_3),
    ] {
        assert_eq!(text.parse::<TlsVersion>().unwrap(), version);
    }
    assert!(matches!(
        "tlsv1.1".parse::<TlsVersion>(),
        Err(TlsError::Version(_))
    ));
    for host in [
        "::1",
        "192.0.2.1",
        "broker",
        "my_broker.example",
        "xn--bcher-kva.example",
    ] {
        TlsClient::load(&authority.settings(), host)
            .unwrap_or_else(|error| panic!("{host}: {error}"));
    }
}

#[test]
fn a_passphrase_is_shown_nowhere() {
    let settings = TlsSettings {
        key_passphrase: Some(Secret::new("hunter2")),
        ..TlsSettings::default()
    };
    assert!(!format!("{settings:?}").contains("hunter2"));
}

// ---- handshakes that succeed ----

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

// ---- handshakes that fail ----

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
        ];
    });
    let error = problem(&serve_tls(server_config(&issued)).await, authority.client()).await;
    let expected =
        "the broker's certificate is not for '127.0.0.1'; it is for 'a.example', '192.0.2.7'";
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
