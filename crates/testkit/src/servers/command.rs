//! A program with its arguments, run to its end or as a server.

use super::Failure;
use std::{
    env,
    ffi::{OsStr, OsString},
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What to run.
#[derive(Clone, Debug)]
pub struct Program {
    program: PathBuf,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    dir: Option<PathBuf>,
}

impl Program {
    /// A program, by its path or by its name.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), arguments: Vec::new(), variables: Vec::new(), dir: None }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<T: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Whether an argument was added.
    pub fn has_arg(&self, argument: &str) -> bool {
        self.arguments.iter().any(|given| given == argument)
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Runs it in `dir`.
    #[must_use]
    pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// The command, with its output appended to `log` and nothing to read.
    pub(super) fn command(&self, log: &Path) -> Result<Command, Failure> {
        let open = || OpenOptions::new().create(true).append(true).open(log);
        let cannot = |e: std::io::Error| Failure::new(format!("{}: {e}", log.display()));
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(open().map_err(cannot)?)
            .stderr(open().map_err(cannot)?);
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        Ok(command)
    }

    /// Runs it to its end; it must succeed. Its output is appended to `log`,
    /// whose end is part of the failure.
    pub fn run(&self, log: &Path) -> Result<(), Failure> {
        let status = self
            .command(log)?
            .status()
            .map_err(|e| Failure::new(format!("cannot run {}: {e}", self.program.display())))?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!("{} ended with {status}{}", self.program.display(), tail(log))))
    }

    /// Runs it to its end and gives what it printed. It must succeed.
    pub fn output(&self, log: &Path) -> Result<String, Failure> {
        let output = self
            .command(log)?
            .stdout(Stdio::piped())
            .output()
            .map_err(|e| Failure::new(format!("cannot run {}: {e}", self.program.display())))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let status = output.status;
        Err(Failure::new(format!("{} ended with {status}{}", self.program.display(), tail(log))))
    }

    pub(super) fn name(&self) -> std::path::Display<'_> {
        self.program.display()
    }
}

/// The last lines of a log, as the end of a message.
pub(super) fn tail(log: &Path) -> String {
    let Ok(bytes) = std::fs::read(log) else { return String::new() };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default();
    if last.is_empty() { String::new() } else { format!("; the end of its log:\n{}", last.join("\n")) }
}

/// Where the program called `name` is: on the path, or among the programs for
/// administrators that a user's path leaves out.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/usr/local/go/bin"].map(PathBuf::from));
    dirs.map(|dir| dir.join(name)).find(|file| file.is_file())
}
