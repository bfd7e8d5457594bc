//! What the options name: good and bad files, names, versions and lists.

use super::*;

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
    let info = dialed.stream.tls_info().unwrap();
    assert!(info.chain[0].names.contains(&"localhost".to_owned()));
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
