//! Creating and opening files for writing. Root may run a command in a folder that another user owns, so no
//! link planted there may decide which file is written. Every file that Qabyl writes is opened here.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Opens a file for reading and writing, or creates it so that only its owner can read it.
///
/// # Errors
/// Besides those of the file system: the path is a symbolic link, or the file is not a regular one, has
/// another name too, or belongs to neither root, nor this user, nor the owner of its folder.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    open_checked(path, |found| {
        if links(found) > 1 {
            return Err(refused("it has another name (a hard link): remove that"));
        }
        Ok(())
    })
}

/// As [`open_private`], for a file that may have two names for a moment: a restore gives the finished
/// database its name before it takes the temporary one away, and may be killed between the two.
pub(crate) fn open_private_linked(path: &Path) -> io::Result<File> {
    open_checked(path, |_| Ok(()))
}

/// Bytes free for this user on the file system of a folder; `None` where that is unknown.
#[cfg(target_os = "linux")]
pub(crate) fn free_bytes(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Bytes free for this user; unknown on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn free_bytes(_: &Path) -> Option<u64> {
    None
}

fn open_checked(path: &Path, check: impl FnOnce(&Metadata) -> io::Result<()>) -> io::Result<File> {
    match create_private(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        created => return created,
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    do_not_follow(&mut options);
    let file = options.open(path).map_err(|error| {
        let is_link = path
            .symlink_metadata()
            .is_ok_and(|found| found.is_symlink());
        if is_link {
            refused("it is a symbolic link: remove it, or name the file itself")
        } else {
            error
        }
    })?;
    // What was opened is checked, not the path: that may lead elsewhere by now.
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(refused("it is not a regular file: remove it"));
    }
    check(&found)?;
    check_owner(path, &found)?;
    Ok(file)
}

/// Creates a file that is not there yet and that only its owner can read.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] also where the name is a link, wherever it leads.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    give_to_owner_of_folder(path, &file);
    Ok(file)
}

/// Puts a whole file in the place of what has that name, a link included: readers see the old file or the
/// new one, never a part.
///
/// # Errors
/// Those of the file system; then what was there is still there.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_by(path, content, |partial| {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(partial)
    })
}

/// As [`replace`], with a file that only its owner can read.
///
/// # Errors
/// Those of the file system; then what was there is still there.
pub(crate) fn replace_private(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_by(path, content, create_private)
}

fn replace_by(
    path: &Path,
    content: &[u8],
    make: impl Fn(&Path) -> io::Result<File>,
) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = PathBuf::from(name);
    // A process of the same number may have died here.
    match std::fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = make(&partial)
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&partial, path));
    if written.is_err() {
        // The first error says more than this one would.
        let _ = std::fs::remove_file(&partial);
    }
    written
}

/// A file as it was read.
pub(crate) struct Whole {
    /// Its content.
    pub(crate) bytes: Vec<u8>,
    /// When it was last changed.
    pub(crate) modified: SystemTime,
}

/// Reads a whole regular file of at most so many bytes. A link is not followed: it could be replaced by
/// somebody else and lead anywhere. Nothing else than a file is opened for longer than it takes to see that:
/// a pipe or a device may never end.
///
/// # Errors
/// What it is instead, or those of the file system.
pub(crate) fn read_regular(path: &Path, most: u64) -> io::Result<Whole> {
    let is_link = |path: &Path| {
        let found = std::fs::symlink_metadata(path);
        found.is_ok_and(|found| found.file_type().is_symlink())
    };
    match open_to_read(path, Links::Refused) {
        Err(_) if is_link(path) => Err(refused("it is a symbolic link: name the file itself")),
        opened => read_opened(opened?, most),
    }
}

/// Reads a whole text file of at most so many bytes. Links are followed: a secret or a configuration may be mounted
/// as one. Nothing is read that may never end.
///
/// # Errors
/// What it is instead, or those of the file system; [`io::ErrorKind::InvalidData`] where it is not UTF-8.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    text_of(open_to_read(path, Links::Followed)?)
}

/// As [`read_text`], of a file that is open.
///
/// # Errors
/// As there.
pub(crate) fn text_of(file: File) -> io::Result<String> {
    String::from_utf8(read_opened(file, TEXT_BYTES_MAX)?.bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Reads a whole file of at most so many bytes that a person named, or a link to one.
///
/// # Errors
/// What it is instead, or those of the file system.
pub(crate) fn read_given(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    Ok(read_opened(open_to_read(path, Links::Followed)?, most)?.bytes)
}

/// Opens a file for reading, and waits for nothing: whoever may rename it can put a pipe in its place at any moment.
///
/// # Errors
/// Those of the file system. What was opened is for the caller to check.
pub(crate) fn open_unchecked(path: &Path) -> io::Result<File> {
    open_to_read(path, Links::Followed)
}

/// The first bytes of a regular file; `None` where it is none, is shorter, or cannot be read.
pub(crate) fn first_bytes<const N: usize>(path: &Path) -> Option<[u8; N]> {
    let mut file = open_to_read(path, Links::Refused).ok()?;
    let mut first = [0; N];
    let is_file = file.metadata().is_ok_and(|found| found.is_file());
    (is_file && file.read_exact(&mut first).is_ok()).then_some(first)
}

/// No configuration, rules or secret comes near this. Bytes.
const TEXT_BYTES_MAX: u64 = 4 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    Followed,
    Refused,
}

fn open_to_read(path: &Path, links: Links) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    without_waiting(&mut options, links);
    options.open(path)
}

fn read_opened(file: File, most: u64) -> io::Result<Whole> {
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(refused("it is not a file"));
    }
    let mut bytes = Vec::new();
    let too_large = || refused(&format!("it has more than {} MiB", most / (1024 * 1024)));
    if found.len() > most {
        return Err(too_large());
    }
    // It may grow while it is read.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(too_large());
    }
    Ok(Whole {
        bytes,
        modified: found.modified()?,
    })
}

#[cfg(target_os = "linux")]
fn without_waiting(options: &mut OpenOptions, links: Links) {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    flags.set(OFlags::NOFOLLOW, links == Links::Refused);
    options.custom_flags(flags.bits().cast_signed());
}

#[cfg(not(target_os = "linux"))]
fn without_waiting(_: &mut OpenOptions, _: Links) {}

/// Asks the kernel to end this process before others where memory is short. Not every system can.
pub(crate) fn end_first_where_memory_is_short() -> io::Result<()> {
    std::fs::write("/proc/self/oom_score_adj", "1000")
}

/// The folder a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// The user this process runs as, where the system says so.
pub(crate) fn this_user() -> Option<u32> {
    #[cfg(unix)]
    return std::fs::metadata("/proc/self")
        .ok()
        .map(|process| std::os::unix::fs::MetadataExt::uid(&process));
    #[cfg(not(unix))]
    None
}

fn refused(why: &str) -> io::Error {
    io::Error::other(why)
}

#[cfg(target_os = "linux")]
fn do_not_follow(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
}

#[cfg(not(target_os = "linux"))]
fn do_not_follow(_: &mut OpenOptions) {}

#[cfg(unix)]
fn links(found: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(found)
}

#[cfg(not(unix))]
fn links(_: &Metadata) -> u64 {
    1
}

#[cfg(unix)]
fn check_owner(path: &Path, found: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let owner = found.uid();
    let is_folders =
        || std::fs::metadata(folder_of(path)).is_ok_and(|folder| folder.uid() == owner);
    if owner == 0 || this_user() == Some(owner) || is_folders() {
        return Ok(());
    }
    Err(refused(&format!(
        "it belongs to user {owner}, who owns neither its folder nor this process: remove it"
    )))
}

#[cfg(not(unix))]
fn check_owner(_: &Path, _: &Metadata) -> io::Result<()> {
    Ok(())
}

/// A command run by root in the service's own folder must not leave a file that the service cannot open.
/// SQLite does the same for the files it makes beside the database. Only root can, and only root needs to.
fn give_to_owner_of_folder(path: &Path, file: &File) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, fchown};
        if let Ok(owner) = std::fs::metadata(folder_of(path)) {
            let _ = fchown(file, Some(owner.uid()), Some(owner.gid()));
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at once")]

    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    const KEPT: &str = "must stay as it is";

    /// A folder with a file that nothing may write to.
    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        std::fs::write(&target, KEPT).unwrap();
        (folder, target)
    }

    fn why(opened: io::Result<File>) -> String {
        opened.unwrap_err().to_string()
    }

    #[test]
    fn a_symbolic_link_is_never_followed() {
        let (folder, target) = folder();
        let link = folder.path().join("link");
        symlink(&target, &link).unwrap();
        assert!(why(open_private(&link)).contains("symbolic link"));
        assert!(why(open_private_linked(&link)).contains("symbolic link"));
        create_private(&link).unwrap_err();
        let dangling = folder.path().join("dangling");
        symlink(folder.path().join("absent"), &dangling).unwrap();
        assert!(why(open_private(&dangling)).contains("symbolic link"));
        assert!(!folder.path().join("absent").exists());
        replace(&link, b"new").unwrap();
        assert!(!link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(std::fs::read_to_string(&link).unwrap(), "new");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), KEPT);
    }

    #[test]
    fn a_link_with_the_name_of_the_temporary_file_is_replaced() {
        let (folder, target) = folder();
        let file = folder.path().join("file");
        let partial = folder
            .path()
            .join(format!("file.{}.partial", std::process::id()));
        symlink(&target, &partial).unwrap();
        replace(&file, b"new").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), KEPT);
    }

    #[test]
    fn a_hard_link_is_refused_but_for_the_database() {
        let (folder, target) = folder();
        let link = folder.path().join("link");
        std::fs::hard_link(&target, &link).unwrap();
        assert!(why(open_private(&link)).contains("hard link"));
        open_private_linked(&link).unwrap();
    }

    #[test]
    fn what_is_not_a_regular_file_is_refused() {
        assert!(why(open_private(Path::new("/dev/null"))).contains("regular file"));
    }

    #[test]
    fn a_file_of_a_third_user_is_refused() {
        let (_folder, target) = folder();
        open_private(&target).unwrap();
        // Only root can give a file away.
        if this_user() == Some(0) {
            chown(&target, Some(12345), None).unwrap();
            assert!(why(open_private(&target)).contains("user 12345"));
        }
    }

    #[test]
    fn a_new_private_file_is_its_owners_alone_and_a_replaced_one_keeps_nothing_beside_it() {
        let (folder, _) = folder();
        let file = folder.path().join("file");
        let mode = open_private(&file)
            .unwrap()
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        replace(&file, b"one").unwrap();
        replace(&file, b"two").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
