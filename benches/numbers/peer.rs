//! A server process, product or floor, and a client that costs next to nothing.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

/// The key of every measurement.
pub const KEY: &str = "sim_numbers";

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `pdfco serve`.
    Product,
    /// `examples/floor.rs`.
    Floor,
}

/// Both, in the order in which they alternate.
pub const SIDES: [Side; 2] = [Side::Product, Side::Floor];

/// How the processes of one run are started.
pub struct Stage {
    /// The product's binary.
    pub product: PathBuf,
    /// The floor's binary.
    pub floor: PathBuf,
    /// The service.
    pub base: String,
    /// Home of the processes.
    pub home: PathBuf,
    /// The floor's tools, as many and as large as the product's.
    pub floor_tools: (usize, usize),
}

impl Stage {
    /// A server's command, with nothing of this machine's settings.
    pub fn command(&self, side: Side, more: &[(&str, &str)]) -> Command {
        let mut command = match side {
            Side::Product => Command::new(&self.product),
            Side::Floor => Command::new(&self.floor),
        };
        command.env_clear().current_dir(&self.home).env("HOME", &self.home);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        match side {
            Side::Product => {
                command.arg("serve");
                command.env("PDFCO_BASE_URL", &self.base).env("PDFCO_API_KEY", KEY).env("PDFCO_RATE_LIMIT", "off");
            }
            Side::Floor => {
                command.arg("stdio");
                command.env("FLOOR_BASE", &self.base).env("FLOOR_KEY", KEY);
                let (count, bytes) = self.floor_tools;
                command.env("FLOOR_TOOLS", count.to_string()).env("FLOOR_TOOL_BYTES", bytes.to_string());
            }
        }
        command.envs(more.iter().copied());
        command
    }

    /// A server that has shaken hands.
    pub fn ready(&self, side: Side, more: &[(&str, &str)]) -> Peer {
        let mut peer = Peer::start(self.command(side, more));
        peer.initialize();
        peer
    }
}

/// A server process on pipes. Dropping it kills it.
pub struct Peer {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    last_id: u64,
    line: String,
}

/// How calls went.
#[derive(Clone, Copy, Debug)]
pub struct Calls {
    /// Answers in a second.
    pub per_second: f64,
    /// Half of them took no longer, in microseconds.
    pub p50: f64,
    /// Ninety-nine of a hundred took no longer, in microseconds.
    pub p99: f64,
}

impl Calls {
    /// From how long each call took.
    pub fn from_times(mut took: Vec<Duration>, all: Duration) -> Calls {
        took.sort_unstable();
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
        Calls { per_second: took.len() as f64 / all.as_secs_f64(), p50: at(0.5), p99: at(0.99) }
    }
}

/// As much of an answer as has to be read to know that it is one.
#[derive(Deserialize)]
struct Answered {
    id: u64,
    result: Outcome,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    #[serde(default)]
    is_error: bool,
}

impl Peer {
    /// Starts a process.
    pub fn start(mut command: Command) -> Peer {
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Peer { child, input, output, last_id: 0, line: String::new() }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// A line of `/proc/PID/status`, in KiB.
    pub fn memory(&self, field: &str) -> f64 {
        memory_of(&self.id().to_string(), field)
    }

    fn write(&mut self, text: &str) {
        self.input.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Sends a request; gives its id.
    pub fn request(&mut self, method: &str, params: &Value) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        self.write(&format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}\n"));
        id
    }

    fn read_line(&mut self) {
        self.line.clear();
        assert!(self.output.read_line(&mut self.line).unwrap() > 0, "the server is gone");
    }

    /// Sends a request and gives the line that answers it.
    pub fn ask(&mut self, method: &str, params: &Value) -> Value {
        let id = self.request(method, params);
        loop {
            self.read_line();
            let message: Value = serde_json::from_str(&self.line).unwrap();
            if message["id"] == id {
                return message;
            }
        }
    }

    /// The next line.
    pub fn next(&mut self) -> Value {
        self.read_line();
        serde_json::from_str(&self.line).unwrap()
    }

    /// Shakes hands.
    pub fn initialize(&mut self) {
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "numbers", "version": "1"}});
        let answer = self.ask("initialize", &hello);
        assert!(answer["result"].is_object(), "{answer}");
        self.write("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
    }

    /// The tools that it shows.
    pub fn tools(&mut self) -> Vec<Value> {
        self.ask("tools/list", &json!({}))["result"]["tools"].as_array().unwrap().clone()
    }

    /// Calls a tool; gives its structured content.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.ask("tools/call", &json!({"name": tool, "arguments": arguments}));
        assert!(answer["result"]["structuredContent"].is_object(), "{answer}");
        answer["result"]["structuredContent"].clone()
    }

    /// Begins a call and does not wait for it.
    pub fn begin(&mut self, tool: &str, arguments: &Value) {
        self.request("tools/call", &json!({"name": tool, "arguments": arguments}));
    }

    /// Keeps as many calls under way as there are `arguments`, for so long; each answer is followed by the next call.
    pub fn calls(&mut self, tool: &str, arguments: &[Value], time: Duration) -> Calls {
        let params: Vec<Value> = arguments.iter().map(|given| json!({"name": tool, "arguments": given})).collect();
        let mut under_way = HashMap::new();
        let mut took = Vec::new();
        let began = Instant::now();
        for (slot, params) in params.iter().enumerate() {
            under_way.insert(self.request("tools/call", params), (slot, Instant::now()));
        }
        while !under_way.is_empty() {
            self.read_line();
            // Notifications have no id, and none was asked for.
            let Ok(answer) = serde_json::from_str::<Answered>(&self.line) else { panic!("no answer: {}", self.line) };
            assert!(!answer.result.is_error, "{}", self.line);
            let (slot, since) = under_way.remove(&answer.id).unwrap();
            took.push(since.elapsed());
            if began.elapsed() < time {
                let now = Instant::now();
                under_way.insert(self.request("tools/call", &params[slot]), (slot, now));
            }
        }
        Calls::from_times(took, began.elapsed())
    }

    /// Ends its input and waits for its end.
    pub fn finish(mut self) {
        self.input = None;
        let mut rest = Vec::new();
        self.output.read_to_end(&mut rest).unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line of a process's status, in KiB.
pub fn memory_of(process: &str, field: &str) -> f64 {
    let status = std::fs::read_to_string(Path::new("/proc").join(process).join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
