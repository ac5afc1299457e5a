//! One process per database (R14): an advisory lock on a file of its own, never on the database,
//! whose other locks it would break.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::StoreError;
use crate::files::{folder_of, open_private, this_user};

/// Who holds a lock, as written into its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// When it started, RFC 3339.
    pub started: String,
}

/// A held lock; released when dropped or when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// The lock's file beside the database.
pub(crate) fn path_for(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Takes the lock, or returns who holds it.
pub(crate) fn take(database: &Path, now: Timestamp) -> Result<Lock, StoreError> {
    let path = path_for(database);
    let open = |why: std::io::Error| cannot_open(&path, &why);
    let mut file = open_private(&path).map_err(open)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            let holder = read(&mut file);
            return Err(StoreError::Held {
                path: database.to_owned(),
                pid: holder.as_ref().map_or(0, |holder| holder.pid),
                started: holder.map_or_else(|| "at an unknown time".to_owned(), |h| h.started),
            });
        }
        Err(std::fs::TryLockError::Error(why)) => return Err(open(why)),
    }
    let holder = format!("{}\n{now}\n", std::process::id());
    file.set_len(0).map_err(open)?;
    file.seek(SeekFrom::Start(0)).map_err(open)?;
    file.write_all(holder.as_bytes()).map_err(open)?;
    Ok(Lock { _file: file })
}

/// A process number and a time are shorter.
const HOLDER_BYTES_MAX: u64 = 256;

fn read(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.take(HOLDER_BYTES_MAX).read_to_string(&mut text).ok()?;
    let (pid, started) = text.split_once('\n')?;
    Some(Holder {
        pid: pid.parse().ok()?,
        started: started.trim().to_owned(),
    })
}

/// Why a file beside the database, or the database, cannot be opened, and what to do.
pub(crate) fn cannot_open(path: &Path, why: &std::io::Error) -> StoreError {
    use std::io::ErrorKind::{NotFound, Other, PermissionDenied, ReadOnlyFilesystem};
    let folder = folder_of(path).display();
    let user = this_user().map_or_else(|| "this user".to_owned(), |uid| format!("user {uid}"));
    let what_to_do = match why.kind() {
        // Refused by ourselves: the error says what to do.
        Other => {
            return StoreError::Open {
                path: path.to_owned(),
                why: why.to_string(),
            };
        }
        NotFound => format!("make the folder {folder}, or name another database.path"),
        PermissionDenied => format!("{folder} and the files in it must be {user}'s own"),
        ReadOnlyFilesystem => format!("{folder} must be a folder that {user} may write"),
        _ => format!("{folder} must be on a local disk that {user} may write"),
    };
    StoreError::Open {
        path: path.to_owned(),
        why: format!("{why}: {what_to_do}"),
    }
}
