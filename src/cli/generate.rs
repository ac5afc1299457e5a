//! `qabyl completions SHELL`, and `qabyl man DIR` for packages: both from the commands themselves.

use super::args::{Completions, Man};
use super::{Done, Failure};

#[cfg(feature = "man")]
pub(super) fn completions(args: &Completions) -> Done {
    use clap::CommandFactory as _;
    let shell = args.shell.parse::<clap_complete::Shell>();
    let shell = shell.map_err(|error| Failure::usage(anyhow::anyhow!(error)))?;
    let mut script = Vec::new();
    clap_complete::generate(
        shell,
        &mut super::args::Cli::command(),
        "qabyl",
        &mut script,
    );
    super::print_file(&String::from_utf8_lossy(&script));
    Ok(std::process::ExitCode::SUCCESS)
}

/// One page for each command: `qabyl.1`, `qabyl-stock-import.1`, …
#[cfg(feature = "man")]
pub(super) fn man(args: &Man) -> Done {
    use clap::CommandFactory as _;
    let failed = |error: std::io::Error| {
        let folder = args.folder.display();
        Failure::usage(anyhow::anyhow!(
            "cannot write man pages to {folder}: {error}"
        ))
    };
    std::fs::create_dir_all(&args.folder).map_err(failed)?;
    clap_mangen::generate_to(super::args::Cli::command(), &args.folder).map_err(failed)?;
    Ok(std::process::ExitCode::SUCCESS)
}

#[cfg(not(feature = "man"))]
pub(super) fn completions(_: &Completions) -> Done {
    Err(absent())
}

#[cfg(not(feature = "man"))]
pub(super) fn man(_: &Man) -> Done {
    Err(absent())
}

#[cfg(not(feature = "man"))]
fn absent() -> Failure {
    Failure::usage(anyhow::anyhow!(
        "this build has no completions and man pages: build it with the feature `man`, as the default build is"
    ))
}
