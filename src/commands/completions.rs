//! `completions`: prints a completion script for a shell.

use clap_complete::Shell;

use super::CommandError;

/// Prints the script for all commands and options of `command`.
///
/// # Errors
/// When standard output cannot be written, other than a closed pipe.
pub fn run(shell: Shell, mut command: clap::Command) -> Result<(), CommandError> {
    let mut script = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut script);
    Ok(super::print(&String::from_utf8_lossy(&script))?)
}
