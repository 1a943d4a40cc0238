//! Secrets from a JSON file, or from a folder with a file for each.

use std::{
    io::ErrorKind as Io,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use autorepost_core::{Error, ErrorKind, Result, port::SecretSource, seal::Secret};
use tokio::io::AsyncReadExt;
use zeroize::Zeroizing;

use crate::bundle::{BUNDLE_BYTES_MAX, Bundle, check_bytes};

const OP: &str = "read secrets";

/// Secrets of a file or a folder, read anew each time, so that a replaced file counts at once. Replace a file by renaming
/// another over it: one that is half written is an error.
///
/// - A file is a JSON object of names and strings.
/// - In a folder each secret is a file of its name, as Docker and Kubernetes mount them. One line break at its end does not
///   count.
#[derive(Debug, Clone)]
pub struct FileSecrets {
    path: PathBuf,
}

impl FileSecrets {
    /// The secrets of this file or folder. It is not looked at before the first question.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

#[async_trait]
impl SecretSource for FileSecrets {
    async fn secret(&self, name: &str) -> Result<Option<Secret>> {
        let place = self.path.display().to_string();
        let about = tokio::fs::metadata(&self.path).await.map_err(|cause| error(&self.path, &cause))?;
        if !about.is_dir() {
            let text = read(&self.path).await.map_err(|cause| error(&self.path, &cause))?;
            return Bundle::parse(&place, as_text(&place, &text)?)?.value(&place, name);
        }
        if !is_file_name(name) {
            return Ok(None);
        }
        let path = self.path.join(name);
        let bytes = match read(&path).await {
            Err(cause) if cause.kind() == Io::NotFound => return Ok(None),
            other => other.map_err(|cause| error(&path, &cause))?,
        };
        let place = path.display().to_string();
        check_bytes(&place, bytes.len())?;
        let text = as_text(&place, &bytes)?;
        let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
        Ok(Some(text).filter(|text| !text.is_empty()).map(Secret::new))
    }
}

/// A name that stays inside the folder.
fn is_file_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// Reads a file up to one byte more than is allowed.
async fn read(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(BUNDLE_BYTES_MAX + 1));
    let file = tokio::fs::File::open(path).await?;
    file.take(BUNDLE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

fn as_text<'a>(place: &str, bytes: &'a [u8]) -> Result<&'a str> {
    std::str::from_utf8(bytes)
        .map_err(|_| Error::new(ErrorKind::Configuration, OP, format!("{place} is not text in UTF-8")))
}

fn error(path: &Path, cause: &std::io::Error) -> Error {
    let place = path.display();
    let detail = match cause.kind() {
        Io::NotFound => format!("{place} does not exist: make it, or name another file or folder of secrets"),
        Io::PermissionDenied => format!("{place} may not be read: check its owner and its permissions"),
        _ => format!("{place} cannot be read: {cause}"),
    };
    Error::new(ErrorKind::Configuration, OP, detail)
}
