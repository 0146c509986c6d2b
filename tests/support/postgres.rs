//! PostgreSQL for the tests: a cluster of their own from the installed binaries, one for the whole run, and a database for
//! each test. `PDFCO_TEST_POSTGRES` names a server to use in its place.
//!
//! `initdb` refuses to run as root; then it runs as the user `postgres`. Where there are no binaries the tests that need
//! them are left out, and that is said on stderr.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Once, OnceLock};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tempfile::TempDir;

/// The user of the tests' databases, and its password.
pub const USER: &str = "pdfco";
pub const PASSWORD: &str = "canary-of-the-database";
/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server with its files in a folder of its own. It ends with this, and with the process.
pub struct Cluster {
    folder: TempDir,
    port: u16,
    server: Option<Child>,
}

/// Certificates of two authorities: the one that signed the server's certificate, and another.
pub struct Authorities {
    pub ours: PathBuf,
    pub other: PathBuf,
}

/// One database for one test.
pub struct Database {
    /// Its address, password included: the value of `PDFCO_LEDGER`.
    pub url: String,
    admin: String,
    name: String,
    is_ours: bool,
}

/// A database of the run's cluster; none where there is no PostgreSQL.
pub async fn database() -> Option<Database> {
    if let Ok(url) = std::env::var("PDFCO_TEST_POSTGRES") {
        return Some(Database::create(&url, None).await);
    }
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let cluster = tokio::task::spawn_blocking(|| CLUSTER.get_or_init(Cluster::start).as_ref()).await.unwrap()?;
    Some(cluster.database().await)
}

/// Where `initdb` and `postgres` are.
fn binaries() -> Option<PathBuf> {
    let asked = Command::new("pg_config").arg("--bindir").output().ok();
    let named = asked.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    // Debian's client package has a `pg_config` of its own that names no server's folder.
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
    debian.sort();
    let found = named.into_iter().chain(debian.into_iter().rev()).find(|folder| folder.join("initdb").is_file());
    if found.is_none() {
        say_what_is_left_out();
    }
    found
}

/// One line, past the test harness, which keeps what passing tests print.
fn say_what_is_left_out() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let listed = std::env::current_exe().ok().and_then(|tests| Command::new(tests).arg("--list").output().ok());
        let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let count = listed.lines().filter(|line| line.contains("postgres") && line.ends_with(": test")).count();
        let line = format!(
            "PostgreSQL is not installed (no initdb where `pg_config --bindir` says): {count} tests are left out\n"
        );
        let _ = std::io::stderr().write_all(line.as_bytes());
    });
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&id.stdout).trim() == "0"
}

/// `program` as a user for whom `initdb` works.
fn as_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"]).arg(program);
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Cluster {
    /// A new server that runs; none where there is no PostgreSQL.
    pub fn start() -> Option<Cluster> {
        let binaries = binaries()?;
        let cluster = Cluster::empty();
        let mut initdb = as_user(&binaries.join("initdb"));
        initdb.args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--pgdata"]);
        run(initdb.arg(cluster.data()).current_dir(cluster.folder.path()));
        Some(cluster.running())
    }

    fn empty() -> Cluster {
        let folder = tempfile::Builder::new().prefix("pdfco-pg-").tempdir_in("/tmp").unwrap();
        if is_root() {
            run(Command::new("chown").arg("postgres:postgres").arg(folder.path()));
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Cluster { folder, port, server: None }
    }

    fn running(mut self) -> Cluster {
        let hba = "local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(self.data().join("pg_hba.conf"), hba).unwrap();
        self.resume();
        self
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A standby of this server, which follows it.
    pub fn standby(&self) -> Cluster {
        let standby = Cluster::empty();
        let mut copy = as_user(&binaries().unwrap().join("pg_basebackup"));
        copy.args([
            "--no-sync",
            "--checkpoint=fast",
            "--write-recovery-conf",
            "--wal-method=stream",
            "--host=127.0.0.1",
        ]);
        copy.args(["--username=postgres", "--port", &self.port.to_string(), "--pgdata"]).arg(standby.data());
        run(copy.current_dir(standby.folder.path()));
        standby.running()
    }

    /// Makes a standby a primary.
    pub async fn promote(&self) {
        let mut admin = self.admin("postgres").await;
        admin.execute("SELECT pg_promote(true)").await.unwrap();
    }

    /// Starts the server again after [`Cluster::stop`].
    pub fn resume(&mut self) {
        // The shell ends the server when its input ends: with this process, however that ends.
        let postgres = as_user(&binaries().unwrap().join("postgres"));
        let program: Vec<String> = std::iter::once(postgres.get_program())
            .chain(postgres.get_args())
            .map(|part| format!("'{}'", part.to_string_lossy()))
            .collect();
        let script = format!(
            "{} -D '{}' -k '{}' -p {} -c listen_addresses=127.0.0.1 -c fsync=off -c shared_buffers=32MB \
             -c max_connections=300 -c wal_level=replica -c max_wal_senders=4 >>'{}' 2>&1 </dev/null & \
             server=$!; (read -r _; kill -INT $server 2>/dev/null) <&3 & wait $server",
            program.join(" "),
            self.data().display(),
            self.folder.path().display(),
            self.port,
            self.folder.path().join("log").display(),
        );
        let shell = Command::new("sh")
            .args(["-c", &format!("exec 3<&0; {script}")])
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        self.server = Some(shell);
        let deadline = Instant::now() + PATIENCE;
        while !self.is_ready() {
            assert!(Instant::now() < deadline, "{}", std::fs::read_to_string(self.folder.path().join("log")).unwrap());
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    fn is_ready(&self) -> bool {
        let mut asked = Command::new(binaries().unwrap().join("pg_isready"));
        asked.args(["--quiet", "--host=127.0.0.1", "--port", &self.port.to_string()]).status().unwrap().success()
    }

    /// Starts the server again with TLS, under a certificate for `localhost` of an authority of its own. None, which is
    /// said aloud, where there is no `openssl`.
    pub fn with_tls(&mut self) -> Option<Authorities> {
        let folder = self.folder.path().to_owned();
        let openssl = |words: &[&str]| Command::new("openssl").args(words).current_dir(&folder).output();
        if !openssl(&["version"]).is_ok_and(|output| output.status.success()) {
            let _ = std::io::stderr().write_all(b"openssl is not installed: the test of TLS is left out\n");
            return None;
        }
        let key = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        let made = |words: &[&str]| {
            let output = openssl(words).unwrap();
            assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        for name in ["ours", "other"] {
            let (subject, secret, certificate) = (format!("/CN={name}"), format!("{name}.key"), format!("{name}.crt"));
            made(&[&key[..], &["-x509", "-subj", &subject, "-keyout", &secret, "-out", &certificate]].concat());
        }
        made(&[&key[..], &["-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"]].concat());
        std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost").unwrap();
        made(&[
            "x509",
            "-req",
            "-in",
            "server.csr",
            "-CA",
            "ours.crt",
            "-CAkey",
            "ours.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "names",
            "-out",
            "server.crt",
        ]);
        self.stop();
        for name in ["server.key", "server.crt"] {
            std::fs::copy(folder.join(name), self.data().join(name)).unwrap();
        }
        run(Command::new("chmod").arg("0600").arg(self.data().join("server.key")));
        if is_root() {
            run(Command::new("chown").arg("postgres:postgres").arg(self.data().join("server.key")));
        }
        let settings = self.data().join("postgresql.conf");
        let text = std::fs::read_to_string(&settings).unwrap();
        std::fs::write(&settings, format!("{text}\nssl = on\n")).unwrap();
        self.resume();
        Some(Authorities { ours: folder.join("ours.crt"), other: folder.join("other.crt") })
    }

    /// Stops the server and cuts all connections.
    pub fn stop(&mut self) {
        if let Some(mut shell) = self.server.take() {
            drop(shell.stdin.take());
            shell.wait().unwrap();
        }
    }

    /// The address of a database of this server for `user`.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// The same database on another server: the address that a name would lead to after a failover.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A new database.
    pub async fn database(&self) -> Database {
        Database::create(&self.url("postgres", "postgres"), Some(self.port)).await
    }

    /// A folder with a small disk of its own, which the server may use; none where this user cannot mount one.
    pub fn small_disk(&self, size: &str) -> Option<Disk> {
        let folder = self.folder.path().join("disk");
        std::fs::create_dir(&folder).unwrap();
        let options = format!("size={size},mode=0777");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&folder).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            let _ =
                std::io::stderr().write_all(b"No disk can be mounted here: the test with a full disk is left out\n");
            return None;
        }
        let data = folder.join("data");
        std::fs::create_dir(&data).unwrap();
        run(Command::new("chown").arg("postgres:postgres").arg(&data));
        Some(Disk { mounted: folder, data })
    }

    /// A connection of an administrator.
    pub async fn admin(&self, database: &str) -> PgConnection {
        PgConnection::connect(&self.url("postgres", database)).await.unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Database {
    async fn create(admin: &str, own_port: Option<u16>) -> Database {
        let name = format!("pdfco_test_{}", uuid::Uuid::new_v4().simple());
        let mut connection = PgConnection::connect(admin).await.unwrap();
        let owner = if own_port.is_some() { format!(" OWNER {USER}") } else { String::new() };
        if own_port.is_some() {
            let role = format!(
                "DO $do$ BEGIN CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $do$"
            );
            connection.execute(AssertSqlSafe(role)).await.unwrap();
        }
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}{owner}"))).await.unwrap();
        let mut url = url::Url::parse(admin).unwrap();
        url.set_path(&name);
        let admin_url = url.to_string();
        if own_port.is_some() {
            url.set_username(USER).unwrap();
            url.set_password(Some(PASSWORD)).unwrap();
        }
        Database { url: url.to_string(), admin: admin_url, name, is_ours: own_port.is_none() }
    }

    /// A connection of an administrator.
    pub async fn beside(&self) -> PgConnection {
        let options: PgConnectOptions = self.admin.parse().unwrap();
        PgConnection::connect_with(&options).await.unwrap()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !self.is_ours {
            return;
        }
        // On a server that was there before, nothing is left behind.
        let (admin, name) = (std::env::var("PDFCO_TEST_POSTGRES").unwrap_or_default(), self.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let Ok(mut connection) = PgConnection::connect(&admin).await else { return };
                let _ = connection.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await;
            });
        });
        let _ = dropping.join();
    }
}

/// A small disk. It is taken away with this.
pub struct Disk {
    mounted: PathBuf,
    data: PathBuf,
}

impl Disk {
    /// Where the server may keep its files.
    pub fn path(&self) -> &Path {
        &self.data
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.mounted).status();
    }
}
