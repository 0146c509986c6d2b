//! The real binary as an assistant meets it: `pdfco serve`, one JSON message a line over pipes.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "programs of their own take the part they need; a test fails by panicking"
)]

use super::home;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Longest wait for one message.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server process. Dropping it kills it.
pub struct Wire {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
    last_id: i64,
    /// Its home and current folder: thrown away with it.
    pub home: TempDir,
}

impl Wire {
    /// Starts `pdfco serve` in an empty home with these variables and no others.
    pub fn start(variables: &[(&str, &str)]) -> Wire {
        Wire::spawn(Command::new(binary()), variables)
    }

    /// As [`Wire::ready`], under limits that a shell sets first.
    pub fn limited(limits: &str, base: &str, variables: &[(&str, &str)]) -> Wire {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!("{limits}; exec \"$0\" \"$@\"")]).arg(binary());
        Wire::shaken(shell, base, variables)
    }

    fn spawn(command: Command, variables: &[(&str, &str)]) -> Wire {
        let (mut child, home) = Wire::process(command, variables);
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut stderr = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Wire { input: child.stdin.take(), child, lines, errors: Some(errors), last_id: 0, home }
    }

    /// The process alone, all of its streams in the hands of the test.
    pub fn bare(base: &str, variables: &[(&str, &str)]) -> (Child, TempDir) {
        let usual = [("PDFCO_BASE_URL", base), ("PDFCO_API_KEY", "sim_wire"), ("PDFCO_RATE_LIMIT", "off")];
        Wire::process(Command::new(binary()), &[&usual[..], variables].concat())
    }

    fn process(mut command: Command, variables: &[(&str, &str)]) -> (Child, TempDir) {
        let home = tempfile::tempdir().unwrap();
        home::alone(&mut command, home.path());
        command.arg("serve").current_dir(home.path());
        command.envs(variables.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        (command.spawn().unwrap(), home)
    }

    /// Starts against a service at `base`, shakes hands, and is ready for calls.
    pub fn ready(base: &str, variables: &[(&str, &str)]) -> Wire {
        Wire::shaken(Command::new(binary()), base, variables)
    }

    fn shaken(command: Command, base: &str, variables: &[(&str, &str)]) -> Wire {
        let usual = [("PDFCO_BASE_URL", base), ("PDFCO_API_KEY", "sim_wire"), ("PDFCO_RATE_LIMIT", "off")];
        let mut wire = Wire::spawn(command, &[&usual[..], variables].concat());
        wire.initialize("2025-11-25");
        wire
    }

    /// Writes bytes as they are. A server that is gone does not read them.
    pub fn write(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().unwrap();
        let _ = input.write_all(bytes).and_then(|()| input.flush());
    }

    /// Writes one message.
    pub fn send(&mut self, message: &Value) {
        self.write(format!("{message}\n").as_bytes());
    }

    /// The next message, if one comes in time. Whatever is on stdout must be JSON-RPC.
    pub fn next_within(&mut self, time: Duration) -> Option<Value> {
        match self.lines.recv_timeout(time) {
            Ok(line) => {
                let message: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("on stdout: {line}"));
                assert_eq!(message["jsonrpc"], "2.0", "on stdout: {line}");
                Some(message)
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    /// The next message.
    pub fn next(&mut self) -> Value {
        self.next_within(PATIENCE).unwrap_or_else(|| panic!("no message came"))
    }

    /// The next line as it is.
    pub fn next_line(&mut self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    /// Sends a signal, such as `-HUP`.
    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Sends a request and gives its id.
    pub fn request(&mut self, method: &str, params: Value) -> i64 {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        id
    }

    /// The answer to `id`, and the notifications that came before it.
    pub fn answer(&mut self, id: i64) -> (Value, Vec<Value>) {
        let mut before = Vec::new();
        loop {
            let message = self.next();
            if message["id"] == id && message.get("method").is_none() {
                return (message, before);
            }
            before.push(message);
        }
    }

    /// Sends a request and gives its whole answer.
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        self.answer(id).0
    }

    /// Shakes hands; gives the result of `initialize`.
    pub fn initialize(&mut self, version: &str) -> Value {
        let answer = self.ask("initialize", hello(version));
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        answer["result"].clone()
    }

    /// Calls a tool and returns its answer: the structured content, or for a text the details and the text in `content`.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.ask("tools/call", json!({"name": tool, "arguments": arguments}));
        if answer["result"]["structuredContent"].is_object() {
            return answer["result"]["structuredContent"].clone();
        }
        let content = &answer["result"]["content"];
        let details = content[0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"));
        let mut joined: Value = serde_json::from_str(details).unwrap_or_else(|error| panic!("{error}: {answer}"));
        if content[1]["text"].is_string() {
            joined["output"]["text"] = content[1]["text"].clone();
        }
        joined
    }

    /// Whether it still answers.
    pub fn is_alive(&mut self) -> bool {
        self.ask("ping", json!({}))["result"].is_object()
    }

    /// Ends its input.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Resident memory in KiB; nothing where the system does not say.
    pub fn resident(&self) -> Option<u64> {
        self.memory("VmRSS:")
    }

    /// The most that it ever was.
    pub fn peak(&self) -> Option<u64> {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        line.trim().trim_end_matches("kB").trim().parse().ok()
    }

    /// Its process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Open file descriptors; nothing where the system does not say.
    pub fn descriptors(&self) -> Option<usize> {
        Some(std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).ok()?.count())
    }

    /// How it ended, if it did in time.
    pub fn exit_within(&mut self, time: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + time;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks it to end, as service managers do.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Ends it without a chance to tidy up.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// What it said on stderr; it has ended.
    pub fn said(&mut self) -> String {
        self.errors.take().unwrap().join().unwrap()
    }

    /// Ends it in good order; gives what it said on stderr.
    pub fn finish(mut self) -> String {
        self.close_input();
        let ended = self.exit_within(Duration::from_secs(5));
        assert_eq!(ended.and_then(|status| status.code()), Some(0));
        assert!(self.next_within(Duration::from_millis(200)).is_none(), "a message after the end of the input");
        self.errors.take().unwrap().join().unwrap()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary: the one that `PDFCO_TEST_BINARY` names, or the one that Cargo built for the tests; an example lies in a
/// folder beside it.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("PDFCO_TEST_BINARY") {
        return path.into();
    }
    match option_env!("CARGO_BIN_EXE_pdfco") {
        Some(path) => path.into(),
        None => std::env::current_exe().unwrap().parent().and_then(Path::parent).unwrap().join("pdfco"),
    }
}

/// The parameters of `initialize`.
pub fn hello(version: &str) -> Value {
    json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "wire", "version": "1"}})
}

/// A ledger in `folder`, as the value of `PDFCO_LEDGER`.
pub fn ledger_in(folder: &Path) -> String {
    folder.join("ledger.sqlite").display().to_string()
}
