//! The binary under test, in an environment that tells it nothing.

use std::path::Path;
use std::process::Command;

/// The binary, to be started in this folder.
pub(crate) fn qabyl(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qabyl"));
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
    command
}
