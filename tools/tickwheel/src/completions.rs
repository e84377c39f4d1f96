//! `tickwheel completions`: scripts that complete commands in a shell.

use std::process::ExitCode;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

/// Arguments of `tickwheel completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// bash, zsh or fish (elvish and powershell too).
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
pub(crate) fn run(args: &CompletionsArgs) -> ExitCode {
    let mut command = crate::Cli::command();
    clap_complete::generate(args.shell, &mut command, "tickwheel", &mut std::io::stdout().lock());
    ExitCode::SUCCESS
}
