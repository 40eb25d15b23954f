//! The program itself, as a process of its own.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::PATIENCE;

pub(crate) struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    pub(crate) fn command(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tjansteguiden-gateway"));
        command.args(arguments);
        Self::with_variables(command, variables)
    }

    fn with_variables(mut command: Command, variables: &[(&str, &str)]) -> Command {
        command.envs(variables.iter().copied()).env_remove("GATEWAY_CONFIG").env_remove("RUST_LOG").kill_on_drop(true);
        command
    }

    pub(crate) fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::spawn(Self::command(arguments, variables))
    }

    /// The gateway, after its process has prepared itself with a shell's command.
    pub(crate) fn start_after(preparation: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{preparation}; exec \"$0\" serve"), env!("CARGO_BIN_EXE_tjansteguiden-gateway")]);
        Self::spawn(Self::with_variables(command, variables))
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let stdout = child.stdout.take().expect("a pipe");
        Self { child, lines: BufReader::new(stdout).lines() }
    }

    /// The next line that has this in it.
    pub(crate) async fn line_with(&mut self, text: &str) -> String {
        let wanted = async {
            while let Some(line) = self.lines.next_line().await.expect("the program's output") {
                // A welcome may show how to call the simulated system; a log may not.
                assert!(!line.starts_with('{') || super::log::canary(&line).is_none(), "{line}");
                if line.contains(text) {
                    return line;
                }
            }
            panic!("the program ended without saying {text:?}");
        };
        timeout(PATIENCE, wanted).await.unwrap_or_else(|_| panic!("the program never said {text:?}"))
    }

    /// The next line.
    pub(crate) async fn next_line(&mut self) -> String {
        self.line_with("").await
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("a running program")
    }

    /// Reads what it says from now on and forgets it, so that it never waits for a reader.
    pub(crate) fn let_talk(&mut self) {
        let nobody = Command::new("true").stdout(Stdio::piped()).spawn().expect("true").stdout.take().expect("a pipe");
        let mut lines = std::mem::replace(&mut self.lines, BufReader::new(nobody).lines());
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    }

    /// Asks it to stop.
    pub(crate) async fn terminate(&self) {
        let id = self.child.id().expect("a running program").to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status().await.expect("kill");
        assert!(status.success());
    }

    /// Waits for its end and returns its exit code.
    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        timeout(PATIENCE, self.child.wait()).await.expect("the program ends").expect("a status").code()
    }
}
