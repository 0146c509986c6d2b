//! The real binary as a shell runs it: nothing of this machine's environment, a home of its own, no leftovers.
//!
//! `Pdfco::new(home).args(&["jobs", "list"]).env("PDFCO_LEDGER", "memory").run()` gives [`Ended`], which reads like a
//! sentence: `.code(0).says("no jobs recorded")`.

use super::home;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// A call of the binary, being put together.
pub struct Pdfco {
    command: Command,
    line: String,
}

impl Pdfco {
    /// In the repository's folder, at home in `home`, with no other environment.
    pub fn new(home: &Path) -> Pdfco {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pdfco"));
        home::alone(&mut command, home);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
        // Impatient: checks cost nothing here.
        command.env("PDFCO_CHECK_WORTH_SECONDS", "0.05");
        Pdfco { command, line: "pdfco".to_owned() }
    }

    /// Adds arguments.
    pub fn args(mut self, args: &[&str]) -> Pdfco {
        self.line = format!("{} {}", self.line, args.join(" "));
        self.command.args(args);
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: &str) -> Pdfco {
        self.command.env(name, value);
        self
    }

    /// Runs it in another folder.
    pub fn folder(mut self, folder: &Path) -> Pdfco {
        self.command.current_dir(folder);
        self
    }

    /// Another program with the same environment, on whose `PATH` the binary is.
    pub fn by(mut self, program: &str, args: &[&str]) -> Pdfco {
        let mut command = Command::new(program);
        command.env_clear().current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).args(args);
        for (name, value) in self.command.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        let folder = Path::new(env!("CARGO_BIN_EXE_pdfco")).parent().unwrap().display().to_string();
        command.env("PATH", format!("{folder}:/usr/local/bin:/usr/bin:/bin"));
        self.line = format!("{program} {}", args.join(" "));
        self.command = command;
        self
    }

    /// The same call, run by another program such as `timeout 2`.
    pub fn under(self, words: &[&str]) -> Pdfco {
        let own: Vec<String> = self.command.get_args().map(|arg| arg.to_str().unwrap().to_owned()).collect();
        let mut args = words[1..].to_vec();
        args.push("pdfco");
        args.extend(own.iter().map(String::as_str));
        self.by(words[0], &args)
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Ended {
        let Output { status, stdout, stderr } = self.command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { line: self.line, code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Starts it and lets it run; it ends with the test.
    pub fn start(mut self) -> Running {
        Running { child: self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap() }
    }
}

/// How a call ended.
#[derive(Debug)]
pub struct Ended {
    line: String,
    code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// It ended with this code.
    pub fn code(self, code: i32) -> Ended {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// This stands on stdout.
    pub fn says(self, words: &str) -> Ended {
        assert!(self.stdout.contains(words), "{words:?} is not on stdout: {self:#?}");
        self
    }

    /// This stands on stderr.
    pub fn complains(self, words: &str) -> Ended {
        assert!(self.stderr.contains(words), "{words:?} is not on stderr: {self:#?}");
        self
    }

    /// Nothing stands on stdout.
    pub fn prints_nothing(self) -> Ended {
        assert!(self.stdout.is_empty(), "{self:#?}");
        self
    }

    /// The one JSON object on stdout: an envelope.
    pub fn envelope(&self) -> Value {
        let envelope: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"));
        assert_eq!(envelope["app_id"], "pdfco");
        for name in ["command", "summary", "lines", "data"] {
            assert!(envelope.get(name).is_some(), "{name}: {self:#?}");
        }
        envelope
    }
}

/// A process that ends when this is dropped.
pub struct Running {
    child: Child,
}

impl Running {
    /// Its first line on stdout.
    pub fn first_line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        line
    }

    /// Its lines on stdout, as they come.
    pub fn lines(&mut self) -> impl Iterator<Item = String> + use<> {
        BufReader::new(self.child.stdout.take().unwrap()).lines().map_while(Result::ok)
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// What it says on stderr.
    pub fn stderr(&mut self) -> std::process::ChildStderr {
        self.child.stderr.take().unwrap()
    }

    /// Asks it to stop, as Ctrl-C or `kill` would, and gives its exit code.
    #[cfg(unix)]
    pub fn signalled(mut self, signal: &str) -> Option<i32> {
        Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A simulator in a process of its own, and a home with a ledger: what several calls share.
pub struct Shared {
    simulator: Running,
    url: String,
    key: String,
    home: tempfile::TempDir,
}

impl Shared {
    /// Starts it; `options` go to `pdfco simulate`. Its jobs are done after one check, unless the options say otherwise.
    pub fn start(options: &[&str]) -> Shared {
        let has_life = options.iter().any(|option| matches!(*option, "--checks" | "--seconds"));
        let life: &[&str] = if has_life { &[] } else { &["--checks", "1"] };
        Shared::as_it_comes(&[life, options].concat())
    }

    /// Starts it with nothing but `options`.
    pub fn as_it_comes(options: &[&str]) -> Shared {
        let home = tempfile::tempdir().unwrap();
        let mut simulator = Pdfco::new(home.path()).args(&["simulate", "--json"]).args(options).start();
        let reported: Value = serde_json::from_str(&simulator.first_line()).unwrap();
        let word = |name: &str| reported[name].as_str().unwrap().to_owned();
        Shared { url: word("url"), key: word("key"), simulator, home }
    }

    /// A call that works with it.
    pub fn call(&self, args: &[&str]) -> Pdfco {
        Pdfco::new(self.home.path())
            .env("PDFCO_BASE_URL", &self.url)
            .env("PDFCO_API_KEY", &self.key)
            .env("PDFCO_LEDGER", self.ledger().to_str().unwrap())
            .args(args)
    }

    /// Where the simulator is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The ledger's file.
    pub fn ledger(&self) -> PathBuf {
        self.home.path().join("ledger.sqlite")
    }

    /// The key of its calls.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// A place in the home.
    pub fn path(&self, name: &str) -> String {
        self.home.path().join(name).to_str().unwrap().to_owned()
    }
}
