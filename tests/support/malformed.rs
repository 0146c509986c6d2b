//! Malformed messages, made from a seed: broken JSON, wrong shapes, wrong types in known methods, bad ids, batches, invalid
//! UTF-8, deep nesting. None holds a line end.

use serde_json::{Value, json};

/// Numbers that seem random and are the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 8
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next()).unwrap() % limit.max(1)
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

const METHODS: &[&str] = &[
    "initialize",
    "ping",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "resources/subscribe",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "logging/setLevel",
    "server/discover",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tasks/cancel",
    "subscriptions/listen",
    "no/such/method",
    "",
];

const TOOLS: &[&str] = &[
    "get_job_check",
    "wait_job_completion",
    "submit_job",
    "list_jobs",
    "cancel_job",
    "read_result",
    "download_result",
    "upload_file",
    "list_operations",
    "describe_operation",
    "get_credit_balance",
    "pdf_to_text",
    "fill_forms",
    "no_such_tool",
];

const ARGUMENTS: &[&str] = &[
    "job_id",
    "timeout",
    "interval",
    "force",
    "operation",
    "url",
    "options",
    "wait",
    "read",
    "save_to",
    "client_request_id",
    "status",
    "limit",
    "cursor",
    "offset",
    "tail_lines",
    "index",
    "overwrite",
    "file_path",
    "name",
    "query",
    "api_key",
    "no_such_argument",
];

/// Values as JSON text, because some cannot stand in a [`Value`].
const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-1",
    "-0",
    "1.5",
    "1e308",
    "1e999",
    "-1e999",
    "1e-400",
    "NaN",
    "Infinity",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "\"\"",
    "\" \"",
    "\"NaN\"",
    "\"-1\"",
    "\"../../../etc/passwd\"",
    "\"file:///etc/passwd\"",
    "\"\\u0000\\u0007\\u001b[31m\"",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\u{202e}fdp.exe\"",
    "\"\u{1f600}\u{0301}\"",
    "\"http://169.254.169.254/latest\"",
    "[]",
    "{}",
    "[[]]",
    "[null]",
    "{\"a\":{\"b\":[1,{}]}}",
    "{\"a\":1,\"a\":2}",
];

fn value(random: &mut Random) -> String {
    match random.below(24) {
        0 => format!("\"{}\"", "x".repeat(10_000)),
        1 => {
            let depth = random.below(120);
            format!("{}{}", "[".repeat(depth), "]".repeat(depth))
        }
        2 => {
            let depth = random.below(120);
            format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth))
        }
        3 => format!("\"{}\"", "\u{00e9}".repeat(random.below(500))),
        _ => random.pick(VALUES).to_owned(),
    }
}

/// A good message, for being spoilt.
fn good(random: &mut Random) -> Value {
    let id = json!(random.below(1_000_000));
    let tool = random.pick(TOOLS);
    match random.below(5) {
        0 => json!({"jsonrpc": "2.0", "id": id, "method": "ping"}),
        1 => json!({"jsonrpc": "2.0", "id": id, "method": "tools/list", "params": {}}),
        2 => json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id, "reason": "a"}}),
        3 => json!({"jsonrpc": "2.0", "id": id, "method": "resources/read", "params": {"uri": "job://a"}}),
        _ => {
            json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": {"job_id": "a", "timeout": 0}}})
        }
    }
}

fn spoilt(random: &mut Random) -> Vec<u8> {
    let mut bytes = good(random).to_string().into_bytes();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes[at] = random.below(256) as u8,
            1 => bytes.truncate(at.max(1)),
            2 => drop(bytes.remove(at)),
            _ => bytes.insert(at, random.pick(b"{}[]\",:\\\0\x7f\xff\xc0")),
        }
        if bytes.is_empty() {
            bytes.push(b'{');
        }
    }
    bytes
}

fn envelope(random: &mut Random) -> String {
    let mut fields = Vec::new();
    for name in ["jsonrpc", "id", "method", "params"] {
        let field = match random.below(4) {
            0 => continue,
            1 => value(random),
            _ => match name {
                "jsonrpc" => "\"2.0\"".to_owned(),
                "id" => random.below(1_000).to_string(),
                "method" => json!(random.pick(METHODS)).to_string(),
                _ => "{}".to_owned(),
            },
        };
        fields.push(format!("\"{name}\":{field}"));
    }
    if random.below(8) == 0 {
        fields.push(format!("\"{}\":{}", random.pick(&["id", "result", "error", "method"]), value(random)));
    }
    format!("{{{}}}", fields.join(","))
}

fn params(random: &mut Random) -> String {
    const NAMES: &[&str] = &[
        "name",
        "arguments",
        "uri",
        "cursor",
        "_meta",
        "protocolVersion",
        "capabilities",
        "clientInfo",
        "ref",
        "argument",
        "taskId",
        "task",
        "level",
    ];
    let fields: Vec<String> =
        (0..random.below(5)).map(|_| format!("\"{}\":{}", random.pick(NAMES), value(random))).collect();
    format!("{{{}}}", fields.join(","))
}

fn tool_call(random: &mut Random) -> String {
    let fields: Vec<String> =
        (0..random.below(5)).map(|_| format!("\"{}\":{}", random.pick(ARGUMENTS), value(random))).collect();
    let arguments = if random.below(10) == 0 { value(random) } else { format!("{{{}}}", fields.join(",")) };
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"tools/call\",\"params\":{{\"name\":{},\"arguments\":{arguments}}}}}",
        random.below(1_000_000),
        json!(random.pick(TOOLS)),
    )
}

/// The next malformed message.
pub fn message(random: &mut Random) -> Vec<u8> {
    let mut bytes = match random.below(14) {
        0 => (0..random.below(300)).map(|_| random.below(256) as u8).collect(),
        1..=3 => spoilt(random),
        4 => value(random).into_bytes(),
        5 | 6 => envelope(random).into_bytes(),
        7 | 8 => {
            let (method, params) = (json!(random.pick(METHODS)), params(random));
            let id = random.below(1_000_000);
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":{method},\"params\":{params}}}").into_bytes()
        }
        9 | 10 => tool_call(random).into_bytes(),
        11 => {
            let messages: Vec<String> = (0..random.below(4)).map(|_| good(random).to_string()).collect();
            format!("[{}]", messages.join(",")).into_bytes()
        }
        12 => {
            let open = random.pick(&["[", "{\"a\":", "[{\"params\":", "\""]);
            open.repeat(random.below(20_000)).into_bytes()
        }
        _ => {
            let fields = params(random);
            let method = random.pick(&["cancelled", "progress", "initialized", "roots/list_changed", "never_heard_of"]);
            match random.below(3) {
                0 => format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{fields}}}", value(random)),
                1 => format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"error\":{fields}}}", value(random)),
                _ => format!("{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/{method}\",\"params\":{fields}}}"),
            }
            .into_bytes()
        }
    };
    bytes.retain(|byte| *byte != b'\n');
    bytes
}
