//! The arguments of the command line as they are given: parsed, or refused without being obeyed.

use clap::Parser as _;

use super::args::Cli;
use super::{USAGE, complain};
use crate::diagnostics::{CONTROL_CHARACTERS, has_control};
use crate::text::shown;

/// As much of an argument is quoted, in characters.
const QUOTED_CHARS_MAX: usize = 80;

/// The arguments, or the end of the process with what is wrong with them. One may come from elsewhere, such as the
/// name of a file: it is quoted in a form that a terminal does not obey, and control characters are refused.
pub(super) fn parsed() -> Cli {
    let args: Vec<String> = std::env::args_os()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let quotable = || args.iter().map(|arg| shown(arg, usize::MAX));
    match Cli::try_parse() {
        Ok(cli) => {
            let Some(refused) = with_control(&args) else {
                return cli;
            };
            let refused = shown(refused, QUOTED_CHARS_MAX);
            complain(&format!("the argument {refused} {CONTROL_CHARACTERS}"));
        }
        Err(_) => match Cli::try_parse_from(quotable()) {
            Err(error) => error.exit(),
            Ok(_) => complain("an argument is not UTF-8 text, or has control characters"),
        },
    }
    std::process::exit(i32::from(USAGE));
}

/// The first argument with control characters. The comment that a buyer sees may have line breaks.
fn with_control(args: &[String]) -> Option<&str> {
    let mut before = "";
    for arg in args.iter().skip(1) {
        let is_comment = before == "--comment" || arg.starts_with("--comment=");
        let is_refused = if is_comment {
            has_control(&arg.replace(['\r', '\n'], " "))
        } else {
            has_control(arg)
        };
        if is_refused {
            return Some(arg);
        }
        before = arg;
    }
    None
}
