//! Where conversions keep their files, and how nothing of them stays.
//!
//! Each process has a folder of its own, with a file that it holds locked for as long as it lives. A folder whose lock is
//! free belongs to nobody any more, and is deleted by whoever comes next.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use autorepost_core::{Error, ErrorKind, Result};
use tempfile::TempDir;

const LOCK: &str = "lock";

/// The folder of the conversions of all processes.
pub struct Room {
    folder: PathBuf,
    own: Mutex<Option<Own>>,
}

/// The folder of this process. Its lock is let go of after the folder is deleted.
struct Own {
    folder: TempDir,
    _lock: File,
}

impl Room {
    /// Sweeps what killed processes left in a folder. Nothing is made before something is converted.
    pub fn new(folder: PathBuf) -> Self {
        if folder.exists() {
            // Who cannot sweep now finds out what is wrong when something is to be converted.
            let _ = locked(&folder).map(|_gate| sweep(&folder));
        }
        Self { folder, own: Mutex::default() }
    }

    /// A folder for one conversion, which is deleted when it is dropped.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) when no folder can be made there.
    pub fn enter(&self, op: &'static str) -> Result<TempDir> {
        self.open().map_err(|cause| {
            let kind = match cause.kind() {
                io::ErrorKind::StorageFull => ErrorKind::Unavailable,
                _ => ErrorKind::Configuration,
            };
            let text = format!("the folder {} cannot be used for conversions: {}", self.folder.display(), cause.kind());
            Error::new(kind, op, text).source(cause)
        })
    }

    fn open(&self) -> io::Result<TempDir> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let own = match &mut *own {
            Some(own) => own,
            none => {
                fs::create_dir_all(&self.folder)?;
                // Nobody sweeps between the folder and its lock.
                let _gate = locked(&self.folder)?;
                sweep(&self.folder);
                let folder = tempfile::Builder::new().prefix("process-").tempdir_in(&self.folder)?;
                let lock = locked(folder.path())?;
                none.insert(Own { folder, _lock: lock })
            }
        };
        tempfile::Builder::new().prefix("conversion-").tempdir_in(own.folder.path())
    }
}

/// Takes the lock of a folder.
fn locked(folder: &Path) -> io::Result<File> {
    let file = File::create(folder.join(LOCK))?;
    file.lock()?;
    Ok(file)
}

/// Deletes the folders of processes that are gone. The caller holds the lock of `folder`.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if !path.is_dir() {
            continue;
        }
        // Without a lock its process died before it had one.
        let alive = File::open(path.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_err());
        if !alive {
            let _ = fs::remove_dir_all(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_behind_is_swept_and_what_is_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::new(folder.path().join("conversions"));
        let inside = room.enter("test").unwrap();
        fs::write(inside.path().join("a"), b"a").unwrap();
        // As a process leaves it that was killed: with a lock that nobody holds, or before it had one.
        for name in ["process-dead", "process-early"] {
            fs::create_dir(room.folder.join(name)).unwrap();
        }
        File::create(room.folder.join("process-dead").join(LOCK)).unwrap();
        drop(Room::new(room.folder.clone()));
        let left =
            || fs::read_dir(&room.folder).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
        assert_eq!(left(), 1);
        assert!(inside.path().join("a").exists());
        drop(inside);
        let path = room.folder.clone();
        drop(room);
        assert_eq!(fs::read_dir(path).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count(), 0);
    }
}
