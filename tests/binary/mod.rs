//! The binary under test, in an empty environment.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// `QABYL_BINARY`, or the binary built with this test, which whoever builds with other features in the meantime
/// replaces.
pub(crate) fn path() -> OsString {
    let binary = std::env::var_os("QABYL_BINARY");
    binary.unwrap_or_else(|| env!("CARGO_BIN_EXE_qabyl").into())
}

/// The binary, to be started in this folder.
pub(crate) fn qabyl(folder: &Path) -> Command {
    let mut command = Command::new(path());
    command.current_dir(folder);
    for name in [
        "KASPI_TOKEN",
        "RUST_LOG",
        "CREDENTIALS_DIRECTORY",
        "NOTIFY_SOCKET",
        "FAILPOINTS",
    ] {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C");
    command
}
