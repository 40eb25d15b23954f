//! The compiled program as a child process.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::TEST_TIMEOUT;

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

    /// Starts `serve` after `preparation`, a shell command that runs in the same process.
    pub(crate) fn start_after_shell(preparation: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{preparation}; exec \"$0\" serve"), env!("CARGO_BIN_EXE_tjansteguiden-gateway")]);
        Self::spawn(Self::with_variables(command, variables))
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let stdout = child.stdout.take().expect("a pipe");
        Self { child, lines: BufReader::new(stdout).lines() }
    }

    /// Reads until a line contains `text`, and returns that line.
    pub(crate) async fn line_with(&mut self, text: &str) -> String {
        let wanted = async {
            while let Some(line) = self.lines.next_line().await.expect("the program's output") {
                // Log lines are JSON. The banner of `demo` is not, and contains example credentials.
                assert!(!line.starts_with('{') || super::log::find_canary(&line).is_none(), "{line}");
                if line.contains(text) {
                    return line;
                }
            }
            panic!("the program ended without a line with {text:?}");
        };
        timeout(TEST_TIMEOUT, wanted).await.unwrap_or_else(|_| panic!("no line with {text:?}"))
    }

    /// The next line of output.
    pub(crate) async fn next_line(&mut self) -> String {
        self.line_with("").await
    }

    /// The process id.
    pub(crate) fn process_id(&self) -> u32 {
        self.child.id().expect("a running program")
    }

    /// Reads and discards all further output, so that the program never blocks on a full pipe.
    pub(crate) fn discard_output(&mut self) {
        let empty = Command::new("true").stdout(Stdio::piped()).spawn().expect("true").stdout.take().expect("a pipe");
        let mut lines = std::mem::replace(&mut self.lines, BufReader::new(empty).lines());
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    }

    /// Sends SIGTERM.
    pub(crate) async fn terminate(&self) {
        self.signal("TERM").await;
    }

    /// Sends a signal.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.process_id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status().await.expect("kill");
        assert!(status.success());
    }

    /// Sends SIGTERM until the program exits, and returns its exit code: one that follows another within a second belongs to it.
    pub(crate) async fn terminate_at_once(&mut self) -> Option<i32> {
        let repeat = async {
            loop {
                self.terminate().await;
                if let Ok(status) = timeout(Duration::from_millis(100), self.child.wait()).await {
                    return status.expect("a status").code();
                }
            }
        };
        timeout(TEST_TIMEOUT, repeat).await.expect("the program ends")
    }

    /// Resident memory in MiB, from `/proc`.
    pub(crate) fn resident_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process_id())).expect("a running program");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
        resident.trim().trim_end_matches(" kB").parse::<u64>().expect("a number").div_ceil(1024)
    }

    /// Waits until the program exits, and returns its exit code.
    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        timeout(TEST_TIMEOUT, self.child.wait()).await.expect("the program ends").expect("a status").code()
    }
}
