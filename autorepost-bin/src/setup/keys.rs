//! The keys that seal credentials, where the configuration does not give them.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use autorepost_core::{
    port::Clock as _,
    seal::{KeyRing, Secret},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{ambient::SystemClock, config::Config};

/// The file that keeps the keys which nobody configured.
pub fn file(config: &Config) -> PathBuf {
    config.folder.join("token.key")
}

/// Replaces the keys in their file, whole or not at all.
///
/// # Errors
///
/// When the file cannot be written; the one before is there then.
pub fn replace(path: &Path, keys: &Secret) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("nothing can be written in {}", folder.display()))?;
    writeln!(file, "{}", keys.expose())?;
    file.as_file().sync_all()?;
    file.persist(path).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(())
}

/// The configured keys; or those of the folder, where a new installation makes its own.
///
/// # Errors
///
/// When there is none, or it is wrong.
pub fn key(config: &Config) -> anyhow::Result<Secret> {
    if let Some(keys) = &config.keys {
        return Ok(keys.clone());
    }
    let path = file(config);
    match fs::read_to_string(&path) {
        Ok(text) => {
            KeyRing::parse(text.trim()).with_context(|| format!("the key in {} is wrong", path.display()))?;
            Ok(Secret::new(text.trim()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // A new key would open nothing that an older one sealed, so it is made for a new installation only.
            let fresh = !config.folder.join("autorepost.db").exists();
            if !fresh || !config.database_url.expose().starts_with("sqlite:") {
                bail!(
                    "there is no key: set TOKEN_ENCRYPTION_KEY, or put back {}. A key that is new opens nothing that was \
                     sealed before; \"autorepost keys generate\" makes one",
                    path.display()
                );
            }
            make_key(&path)
        }
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

fn make_key(path: &Path) -> anyhow::Result<Secret> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    let key = autorepost_core::seal::generate_on(SystemClock.now().date_naive(), bytes);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).with_context(|| format!("{} cannot be written", path.display()))?;
    writeln!(file, "{}", key.expose())?;
    file.sync_all()?;
    tracing::warn!("made a new key, {}: keep a copy of it, without it no account opens", path.display());
    Ok(key)
}

/// What signs media addresses: bound to the keys of the installation, so that every process of it agrees.
pub(super) fn link_keys(keys: &Secret) -> Vec<[u8; 32]> {
    let link_key = |key: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(b"autorepost media links v1");
        mac.finalize().into_bytes().into()
    };
    keys.expose().split(',').map(|key| link_key(key.trim())).collect()
}
