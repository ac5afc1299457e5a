//! The binary under test, in an empty environment.

use std::path::Path;
use std::process::Command;

/// The binary, to be started in this folder: `QABYL_BINARY`, or the one built with this test. Whoever
/// builds with other features in the meantime replaces it.
pub(crate) fn qabyl(folder: &Path) -> Command {
    let binary = std::env::var_os("QABYL_BINARY");
    let mut command = Command::new(binary.unwrap_or_else(|| env!("CARGO_BIN_EXE_qabyl").into()));
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
