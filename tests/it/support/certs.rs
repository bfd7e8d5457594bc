//! Certificates and keys, made once by openssl and kept with the build's other files.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::{self, Command},
    sync::OnceLock,
};

const SCRIPT: &str = include_str!("certs.sh");

pub struct Certs {
    folder: PathBuf,
}

impl Certs {
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The certificates. Made in a folder of one's own and then renamed, so that test processes do not disturb each other.
pub fn certs() -> &'static Certs {
    static CERTS: OnceLock<Certs> = OnceLock::new();
    CERTS.get_or_init(|| {
        let mut hasher = DefaultHasher::new();
        SCRIPT.hash(&mut hasher);
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("certs-{:016x}", hasher.finish()));
        if !folder.is_dir() {
            let making = folder.with_extension(process::id().to_string());
            let _left_over = fs::remove_dir_all(&making);
            fs::create_dir_all(&making).expect("a folder for the certificates");
            let made = Command::new("sh")
                .args(["-c", SCRIPT])
                .current_dir(&making)
                .output()
                .expect("sh runs");
            assert!(
                made.status.success(),
                "openssl failed:\n{}",
                String::from_utf8_lossy(&made.stderr)
            );
            // Another process may have been faster; its certificates are as good.
            if fs::rename(&making, &folder).is_err() {
                let _theirs_won = fs::remove_dir_all(&making);
            }
        }
        Certs { folder }
    })
}
