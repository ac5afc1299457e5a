//! `qabyl completions SHELL` and `qabyl man DIR`, generated from the command definitions.

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

/// Writes one page for each command: `qabyl.1`, `qabyl-stock-import.1`, …
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
    let mut all = super::args::Cli::command().disable_help_subcommand(true);
    all.build();
    write_pages(all, &args.folder).map_err(failed)?;
    Ok(std::process::ExitCode::SUCCESS)
}

#[cfg(feature = "man")]
fn write_pages(command: clap::Command, folder: &std::path::Path) -> std::io::Result<()> {
    for command in command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        write_pages(command.clone(), folder)?;
    }
    let page = clap_mangen::Man::new(command);
    let mut text = Vec::new();
    page.render(&mut text)?;
    crate::files::replace(&folder.join(page.get_filename()), &text)
}

#[cfg(not(feature = "man"))]
pub(super) fn completions(_: &Completions) -> Done {
    Err(not_built_in())
}

#[cfg(not(feature = "man"))]
pub(super) fn man(_: &Man) -> Done {
    Err(not_built_in())
}

#[cfg(not(feature = "man"))]
fn not_built_in() -> Failure {
    Failure::usage(anyhow::anyhow!(
        "this build has no completions or man pages: build it with the feature `man`, which is on by default"
    ))
}
