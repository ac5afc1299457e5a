//! A small file system in an image on a loop device, whose power can be cut: the image holds what
//! reached the device, and not what waits in the page cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A mounted image; unmounted when dropped.
pub(super) struct Disk {
    image: PathBuf,
    device: String,
    mount: PathBuf,
    /// Dropped last.
    _folder: TempDir,
}

/// Runs a tool to its end and gives what it printed.
#[track_caller]
fn tool(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let needs = format!("{program} {args:?}: needs root, loop devices, e2fsprogs and util-linux");
    let output = output.expect(&needs);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{needs}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl Disk {
    /// An empty file system.
    pub(super) fn new(mebibytes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        let file = std::fs::File::create(&image).unwrap();
        file.set_len(mebibytes << 20).unwrap();
        tool(
            "mkfs.ext4",
            &["-q", "-F", "-m", "0", "-J", "size=4", text(&image)],
        );
        Self::mount(folder, image)
    }

    /// What a disk would be after the power came back: its journal is replayed.
    pub(super) fn after_the_cut(image: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        std::fs::write(&path, image).unwrap();
        Self::mount(folder, path)
    }

    fn mount(folder: TempDir, image: PathBuf) -> Self {
        // Direct I/O keeps the image's own page cache out of the way.
        let device = tool("losetup", &["-f", "--show", "--direct-io=on", text(&image)]);
        let mount = folder.path().join("mount");
        std::fs::create_dir(&mount).unwrap();
        let disk = Self {
            image,
            device,
            mount,
            _folder: folder,
        };
        tool("mount", &["-t", "ext4", &disk.device, text(&disk.mount)]);
        disk
    }

    /// Its root folder.
    pub(super) fn home(&self) -> &Path {
        &self.mount
    }

    /// What is on the device now. Nobody writes, yet the kernel may: read until two readings agree,
    /// so that it is the state of one moment.
    pub(super) fn cut(&self) -> Vec<u8> {
        let read = || std::fs::read(&self.image).unwrap();
        let mut last = read();
        for _ in 0..50 {
            let next = read();
            if next == last {
                return next;
            }
            last = next;
        }
        panic!("the image does not come to rest under a stopped writer");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, as a process that is just being killed may still have a file open.
        for (program, args) in [
            ("umount", ["-l", text(&self.mount)]),
            ("losetup", ["-d", &self.device]),
        ] {
            let _ = Command::new(program).args(args).output();
        }
    }
}
