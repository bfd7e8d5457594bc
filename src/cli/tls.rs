//! TLS options. Any of them turns TLS on.

use std::path::PathBuf;

use clap::Args;

use super::values;
use crate::net::Secret;

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "TLS (any of these turns it on)")]
pub struct TlsArgs {
    /// Trust the certificate authorities in this PEM file
    #[arg(long, value_name = "FILE")]
    pub cafile: Option<PathBuf>,
    /// Trust the certificate authorities in the PEM files of this folder
    #[arg(long, value_name = "DIR")]
    pub capath: Option<PathBuf>,
    /// Trust the system's certificate authorities (the default when none are given)
    #[arg(long)]
    pub tls_use_os_certs: bool,
    /// Show this client certificate (PEM, with its chain)
    #[arg(long, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// Private key of the client certificate (PEM: PKCS#8, PKCS#1, SEC1, also encrypted)
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Passphrase of an encrypted key; others on this machine can read it: prefer one of the next three,
    /// or MOZZIE_KEY_PASSWORD
    #[arg(long, value_name = "PASSPHRASE", allow_hyphen_values = true, value_parser = values::secret())]
    pub key_password: Option<Secret>,
    /// Read the passphrase from the first line of this file ('-' for stdin)
    #[arg(long, value_name = "FILE", conflicts_with = "key_password")]
    pub key_password_file: Option<PathBuf>,
    /// Ask for the passphrase on the terminal
    #[arg(long, conflicts_with_all = ["key_password", "key_password_file"])]
    pub key_password_prompt: bool,
    /// Take the passphrase from the first line that this command prints
    #[arg(long, value_name = "COMMAND",
          conflicts_with_all = ["key_password", "key_password_file", "key_password_prompt"])]
    pub key_password_command: Option<String>,
    /// Do not verify the broker's certificate at all
    #[arg(long)]
    pub insecure: bool,
    /// Expect this name in the broker's certificate, and send it (default: the host)
    #[arg(long, value_name = "NAME")]
    pub tls_server_name: Option<String>,
    /// Offer these application protocols, such as mqtt
    #[arg(long, value_name = "NAME[,NAME]", value_delimiter = ',')]
    pub tls_alpn: Vec<String>,
    /// Use only this version of TLS [possible values: tlsv1.2, tlsv1.3]
    #[arg(long, value_name = "VERSION")]
    pub tls_version: Option<crate::net::TlsVersion>,
    /// Offer only these cipher suites (OpenSSL or IANA names, separated by ':')
    #[arg(long, value_name = "LIST")]
    pub ciphers: Option<String>,
    /// Form of the private key [possible values: pem]
    #[arg(long, value_name = "FORM", hide = true)]
    pub keyform: Option<String>,
    /// OpenSSL engine that holds the key
    #[arg(long, value_name = "ENGINE", hide = true)]
    pub tls_engine: Option<String>,
    /// SHA-1 of the engine's key password
    #[arg(long, value_name = "HASH", hide = true)]
    pub tls_engine_kpass_sha1: Option<String>,
    /// Pre-shared key in hexadecimal
    #[arg(long, value_name = "HEX", hide = true)]
    pub psk: Option<String>,
    /// Name that belongs to the pre-shared key
    #[arg(long, value_name = "NAME", hide = true)]
    pub psk_identity: Option<String>,
    /// Use no TLS, not even on port 8883
    #[arg(long)]
    pub no_tls: bool,
    /// Append the session keys to this file, for Wireshark
    #[arg(long, value_name = "FILE")]
    pub tls_keylog: Option<PathBuf>,
}

impl TlsArgs {
    /// Whether any option was given.
    pub fn is_used(&self) -> bool {
        self.cafile.is_some()
            || self.capath.is_some()
            || self.tls_use_os_certs
            || self.cert.is_some()
            || self.key.is_some()
            || self.key_password.is_some()
            || self.key_password_file.is_some()
            || self.key_password_prompt
            || self.key_password_command.is_some()
            || self.insecure
            || self.tls_server_name.is_some()
            || !self.tls_alpn.is_empty()
            || self.tls_version.is_some()
            || self.ciphers.is_some()
            || self.tls_keylog.is_some()
            || self.keyform.is_some()
            || self.tls_engine.is_some()
            || self.tls_engine_kpass_sha1.is_some()
            || self.psk.is_some()
            || self.psk_identity.is_some()
    }
}
