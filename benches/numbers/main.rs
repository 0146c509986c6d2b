//! The numbers of the product beside their floors, measured in one run: `cargo bench`, or `cargo bench -- start checks`
//! for some groups only. `docs/PERFORMANCE.md` says how to read the table.
//!
//! | group | what |
//! |---|---|
//! | `start` | start-up and idle memory |
//! | `checks` | throughput and latency of `get_job_check` |
//! | `wait` | what waiting costs; with `details` every schedule and every distribution |
//! | `crowd` | many waits under a limit, beside the ideal rounds |
//! | `tokens` | the size of `tools/list` |
//! | `memory` | memory of waits |
//! | `transfer` | memory and speed of large files |
//! | `replicas` | three servers on one PostgreSQL beside one on a file; only when it is named: it takes minutes |
//!
//! A slow number does not fail the run: it stands in the table. A number that could not be measured does.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the table is the result; a measurement fails by panicking"
)]

mod checks;
#[path = "../../tests/support/crowd.rs"]
mod crowd;
#[path = "../../tests/support/home.rs"]
mod home;
mod memory;
mod peer;
#[allow(dead_code, reason = "the part that is needed here")]
#[path = "../../tests/support/postgres.rs"]
mod postgres;
#[path = "../../tests/support/product.rs"]
mod product;
mod replicas;
mod start;
mod table;
mod waiting;
#[path = "../../tests/support/wire.rs"]
mod wire;

use std::path::{Path, PathBuf};
use std::process::Command;

use pdfco::simulator::{self, Life};
use peer::{Side, Stage};
use serde_json::{Value, json};
use table::{Rule, Table};

/// The crowd: as in `examples/fairness.rs`, only faster.
const CROWD: crowd::Crowd = crowd::Crowd { jobs: 200, per_second: 40, checks: 1 };
/// Design: tokens of `tools/list` by default.
const CORE_TOKENS_MAX: f64 = 5_000.0;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let [first, side, way, base, bytes, folder] = words.as_slice()
        && first == "transfer"
    {
        let one = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return one.block_on(memory::transfer(side, way, base, bytes.parse().unwrap(), folder.as_ref()));
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    if words.iter().any(|word| word == "replicas") {
        let (home, mut table) = (tempfile::tempdir().unwrap(), Table::default());
        replicas::measure(&installed(env!("CARGO_BIN_EXE_pdfco").as_ref(), home.path()), &runtime, &mut table);
        return table.print();
    }
    let wanted = |group: &str| words.is_empty() || words.iter().any(|word| word == group);
    let home = tempfile::tempdir().unwrap();
    let options = simulator::Options { credits: i64::MAX / 4, life: Life::Checks(1), ..simulator::Options::default() };
    let service = runtime.block_on(simulator::spawn(options)).unwrap();
    let mut stage = Stage {
        product: installed(env!("CARGO_BIN_EXE_pdfco").as_ref(), home.path()),
        floor: installed(&floor(), home.path()),
        base: service.url().to_owned(),
        home: home.path().to_owned(),
        floor_tools: (1, 500),
    };
    stage.floor_tools = start::tools_of_product(&stage);
    let mut table = Table::default();
    for (group, measure) in [
        ("start", &mut (|table: &mut Table| start::measure(&stage, table)) as &mut dyn FnMut(&mut Table)),
        ("checks", &mut |table| checks::measure(&stage, runtime.handle(), table)),
        ("wait", &mut |table| waiting::measure(table)),
        ("crowd", &mut |table| crowd_served(&runtime, table)),
        ("tokens", &mut |table| tokens(&stage, table)),
        ("memory", &mut |table| memory::waits(&stage, table)),
        ("transfer", &mut |table| memory::transfers(runtime.handle(), home.path(), table)),
    ] {
        if wanted(group) {
            eprintln!("{group}");
            measure(&mut table);
        }
    }
    table.print();
    if words.iter().any(|word| word == "details") {
        waiting::details();
    }
}

/// Builds the floor as the product was built for this run, with what the tests ask of the dependencies of both: an
/// example, so that it is no part of the product.
fn floor() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_BIN_EXE_pdfco")).parent().unwrap().to_owned();
    let profile = folder.file_name().unwrap().to_owned();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut build = Command::new(cargo);
    // What this process knows about its own package would make cargo build half of the dependencies anew.
    let of_package =
        |name: &str| ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|own| name.starts_with(own));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(of_package) {
            build.env_remove(name);
        }
    }
    build.args(["build", "--quiet", "--locked", "--example", "floor", "--profile"]).arg(profile);
    assert!(build.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success(), "the floor was not built");
    // Beside the product: `target/release/pdfco` and `target/release/examples/floor`.
    folder.join("examples/floor")
}

/// A copy, as an installer makes one: what a linker has just written lies in the page cache in small pieces, which costs
/// a start some hundreds of microseconds, more or less from one build to the next.
fn installed(binary: &Path, home: &Path) -> PathBuf {
    let copy = home.join(binary.file_name().unwrap());
    std::fs::copy(binary, &copy).unwrap();
    copy
}

fn crowd_served(runtime: &tokio::runtime::Runtime, table: &mut Table) {
    let ideal = crowd::Rounds { jobs: CROWD.jobs, per_second: CROWD.per_second, checks: CROWD.checks + 1 };
    let served = runtime.block_on(CROWD.run());
    assert_eq!(served.ended, CROWD.jobs as usize, "not all jobs ended");
    let name = format!("{} waits, {} requests a second", CROWD.jobs, CROWD.per_second);
    table.add(
        format!("{name}: the last is seen, beside ideal rounds"),
        served.last,
        ideal.last(),
        "s",
        Rule::AtMost(1.2),
    );
    table.add(format!("{name}: seen on the average"), served.mean, ideal.mean(), "s", Rule::Shown);
    table.add(format!("{name}: refused (429)"), served.refused as f64, 0.0, "", Rule::AtMost(1.0));
}

fn tokens(stage: &Stage, table: &mut Table) {
    let tokenizer = tiktoken_rs::o200k_base().unwrap();
    let core = stage.ready(Side::Product, &[]).tools();
    let all = stage.ready(Side::Product, &[("PDFCO_TOOLSETS", "all")]).tools();
    // Its list is not ours to ship: what it takes was measured by tests/clients/official_server.py, which CI runs again.
    let fixture = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/official-server").join(name);
        serde_json::from_str::<Value>(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let official = fixture("tools.json").as_array().unwrap().clone();
    let size = fixture("size.json");
    let is_official = |tool: &&Value| official.iter().any(|official| official["name"] == tool["name"]);
    let same: Vec<&Value> = all.iter().filter(is_official).collect();
    assert_eq!(same.len(), official.len());
    let counted = tokenizer.encode_ordinary(&json!({"tools": core}).to_string()).len();
    let quarter = |tools: &Value| json!({"tools": tools}).to_string().chars().count() as f64 / 4.0;
    let theirs = |name: &str| size[name].as_f64().unwrap() / 4.0;
    let name = format!("`tools/list`, {} tools, tokens against the limit", core.len());
    table.add(name, counted as f64, CORE_TOKENS_MAX, "", Rule::AtMost(1.0));
    let name = "`tools/list`, the official server's 38 tools, characters / 4";
    table.add(name, quarter(&json!(same)), theirs("characters"), "", Rule::AtMost(0.6));
    let mut bare = json!(same);
    for tool in bare.as_array_mut().unwrap() {
        tool.as_object_mut().unwrap().shift_remove("outputSchema");
    }
    let name = "the same without output schemas, which not every client passes on";
    table.add(name, quarter(&bare), theirs("characters_without_output_schemas"), "", Rule::Shown);
}
