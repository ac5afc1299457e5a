//! The `qabyl` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    qabyl::cli::main()
}
