//! `tickwheel completions`: scripts that complete commands in a shell.

use std::io::Write as _;
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
pub(crate) fn run(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "tickwheel", &mut script);
    match std::io::stdout().lock().write_all(&script) {
        // `tickwheel completions bash | head` is no failure.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}
