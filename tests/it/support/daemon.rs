//! The program itself as a service manager runs it: `cleargate serve` in a folder of its own, on free ports of loopback.
//!
//! ```ignore
//! let mut daemon = Daemon::serving("[[scim]]\nid = \"okta\"").await;
//! let answer = daemon.client().get("/login").send().await;
//! daemon.kill().await;
//! daemon.restart().await;
//! ```
//! Peers that must know the daemon's address before it starts are made between [`Daemon::new`] and [`Daemon::start`].

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tempfile::TempDir;

use super::http::Client;
use super::port;

/// Longest wait for a start or an end, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked again.
const LOOK: Duration = Duration::from_millis(10);

/// A daemon and its folder, which stays over restarts; both are gone when this is dropped.
pub struct Daemon {
    folder: TempDir,
    public: SocketAddr,
    operations: SocketAddr,
    ca_pem: Option<String>,
    child: Option<Child>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself, which is for the test to judge.
            drop(child.kill());
            child.wait().unwrap();
        }
    }
}

impl Daemon {
    /// A folder and addresses; plain HTTP on loopback. Nothing runs yet.
    pub fn new() -> Self {
        Self::prepare(false)
    }

    /// The same with TLS, by a certificate that [`Daemon::client`] trusts.
    pub fn with_tls() -> Self {
        Self::prepare(true)
    }

    /// A daemon that is ready, with these lines of configuration.
    pub async fn serving(lines: &str) -> Self {
        let mut daemon = Self::new();
        daemon.configure(lines);
        daemon.start().await;
        daemon
    }

    fn prepare(tls: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (public, operations) = (port::free(), port::free());
        let mut daemon = Self { folder, public, operations, ca_pem: None, child: None };
        let mut text = format!(
            "public_url = \"{}\"\npassword.hashing.memory = \"19MiB\"\nlisten.address = \"{public}\"\n\
             listen.operations = \"{operations}\"\nlisten.admin = \"{}\"\nstore.path = \"{}\"\n",
            if tls { format!("https://{public}") } else { format!("http://{public}") },
            daemon.path("admin.sock").display(),
            daemon.path("cleargate.redb").display(),
        );
        if tls {
            let key = KeyPair::generate().unwrap();
            let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
            let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap().pem();
            fs::write(daemon.path("tls.pem"), &certificate).unwrap();
            write_secret(&daemon.path("tls.key"), &key.serialize_pem());
            text.push_str(&format!(
                "listen.tls = {{ certificate = \"{}\", key = {{ file = \"{}\" }} }}\n",
                daemon.path("tls.pem").display(),
                daemon.path("tls.key").display()
            ));
            daemon.ca_pem = Some(certificate);
        }
        fs::create_dir(daemon.path("conf.d")).unwrap();
        fs::write(daemon.config(), text).unwrap();
        daemon
    }

    /// Replaces the lines of configuration that are the test's own; in force from the next start. They are merged over
    /// the daemon's addresses.
    pub fn configure(&self, lines: &str) {
        fs::write(self.path("conf.d/test.toml"), lines).unwrap();
    }

    /// Writes a file that only its owner reads, and tells where it is.
    pub fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        write_secret(&path, text);
        path
    }

    /// A path in the daemon's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.path("cleargate.toml")
    }

    /// The address that people use, without a slash at its end.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.ca_pem.is_some() { "https" } else { "http" }, self.public)
    }

    /// A browser or application of the public address, without cookies.
    pub fn client(&self) -> Client {
        let client = Client::new(&self.url());
        match &self.ca_pem {
            Some(pem) => client.trusting(pem),
            None => client,
        }
    }

    /// An administrator on the machine: the unix socket.
    pub fn admin(&self) -> Client {
        Client::unix(&self.path("admin.sock"))
    }

    /// A client of `/healthz`, `/readyz` and `/metrics`.
    pub fn operations(&self) -> Client {
        Client::new(&format!("http://{}", self.operations))
    }

    /// The daemon's process id.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("the daemon runs").id()
    }

    /// What it has written to standard error since it was first started.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Starts the daemon and waits until it is ready; how long that took.
    pub async fn start(&mut self) -> Duration {
        let began = Instant::now();
        self.launch();
        let probe = self.operations();
        loop {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                panic!("the daemon ended with {status} instead of serving:\n{}", self.log());
            }
            let is_ready = probe.get("/readyz").try_send().await.is_ok_and(|answer| answer.status == 200);
            // The socket for administrators is the last listener.
            if is_ready && UnixStream::connect(self.path("admin.sock")).is_ok() {
                return began.elapsed();
            }
            assert!(began.elapsed() < PATIENCE, "the daemon is not ready:\n{}", self.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Starts the daemon without waiting, for starts that must fail.
    pub fn launch(&mut self) {
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        self.spawn(Command::new(program()), log, &[]);
    }

    /// Starts the daemon without waiting, where no file takes more than its first 4 KiB: the header of a store is
    /// overwritten in its place, everything else is refused, as on a full disk. Its log is lost. It is told to tell a service manager at `socket` that it lives, within so many microseconds.
    pub fn launch_on_a_full_disk(&mut self, socket: &Path, watchdog_us: u32) {
        let mut command = Command::new("sh");
        // Who ignores the signal gets an error instead; this and the limit outlast `exec`.
        command.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""]).arg(program());
        let notify = [("NOTIFY_SOCKET", socket.display().to_string()), ("WATCHDOG_USEC", watchdog_us.to_string())];
        self.spawn(command, File::options().write(true).open("/dev/null").unwrap(), &notify);
    }

    fn spawn(&mut self, mut command: Command, log: File, environment: &[(&str, String)]) {
        assert!(self.child.is_none(), "the daemon runs already");
        for name in ["CLEARGATE_CONFIG", "CLEARGATE_LOG", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM", "NOTIFY_SOCKET"] {
            command.env_remove(name);
        }
        command.arg("serve").arg("--config").arg(self.config());
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    /// Stops the daemon at once, as a crash would.
    pub async fn kill(&mut self) {
        self.child.as_mut().expect("the daemon runs").kill().unwrap();
        self.ended().await;
    }

    /// Asks the daemon to stop (SIGTERM), and tells its exit code.
    pub async fn terminate(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.ended().await.code()
    }

    /// Sends a signal, such as `HUP`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// Waits until the process has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.as_mut().expect("the daemon runs").try_wait().unwrap() {
                self.child = None;
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "the daemon does not end:\n{}", self.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Stops the daemon, if it runs, and starts it again on the same folder and addresses.
    pub async fn restart(&mut self) -> Duration {
        if self.child.is_some() {
            self.terminate().await;
        }
        self.start().await
    }

    /// A token for a connection of `[[scim]]`.
    pub async fn scim_token(&self, connection: &str) -> String {
        let output = self.run(&["token", "create", "--connection", connection]).await;
        output["token"].as_str().unwrap().to_owned()
    }

    /// Runs an administration command with `--json`, and reads the one object that it prints.
    pub async fn run(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(program());
        command.args(arguments).arg("--json").arg("--config").arg(self.config()).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {text}\n{}", self.log());
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }
}

/// The program of this build; `CLEARGATE_TEST_PROGRAM` names one of another, such as that without features.
fn program() -> PathBuf {
    std::env::var_os("CLEARGATE_TEST_PROGRAM").map_or_else(|| env!("CARGO_BIN_EXE_cleargate").into(), PathBuf::from)
}

fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = File::options().create(true).write(true).truncate(true).mode(0o600).open(path).unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
}

#[tokio::test]
async fn the_daemon_serves_until_told_to_stop_and_serves_again() {
    let mut daemon = Daemon::serving("").await;
    assert_eq!(daemon.client().get("/login").send().await.status, 200);
    assert_eq!(daemon.client().get("/api/v1/me").send().await.status, 401);
    assert_eq!(daemon.operations().get("/healthz").send().await.status, 200);
    assert_eq!(daemon.terminate().await, Some(0), "{}", daemon.log());
    assert!(daemon.client().get("/login").try_send().await.is_err());
    daemon.restart().await;
    daemon.kill().await;
    daemon.start().await;
    assert_eq!(daemon.admin().get("/api/v1/users").send().await.status, 200);
}

#[tokio::test]
async fn on_a_full_disk_the_daemon_starts_read_only_says_so_and_is_not_killed_for_it() {
    let mut daemon = Daemon::serving("").await;
    assert_eq!(daemon.terminate().await, Some(0), "{}", daemon.log());
    let path = daemon.path("notify.sock");
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    daemon.launch_on_a_full_disk(&path, 200_000);
    let (mut is_ready, mut fed) = (false, 0);
    while !is_ready || fed < 3 {
        let mut bytes = [0; 4096];
        let told = tokio::time::timeout(PATIENCE, socket.recv(&mut bytes)).await;
        let length = told.unwrap_or_else(|_| panic!("ready: {is_ready}, fed {fed} times")).unwrap();
        let told = std::str::from_utf8(&bytes[..length]).unwrap();
        is_ready |= told.contains("READY=1") && told.contains("STATUS=read-only");
        fed += u32::from(told.contains("WATCHDOG=1"));
    }
    let answer = daemon.operations().get("/readyz").send().await;
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("the store refuses writes"), "{}", answer.text());
    assert_eq!(daemon.client().get("/login").send().await.status, 200);
    assert_eq!(daemon.admin().get("/api/v1/users").send().await.status, 200, "what is there is read");
    assert_eq!(daemon.terminate().await, Some(0));
    daemon.start().await;
    assert_eq!(daemon.operations().get("/readyz").send().await.status, 200, "with room it is well again");
}

#[tokio::test]
async fn the_daemon_serves_over_tls() {
    let mut daemon = Daemon::with_tls();
    daemon.start().await;
    let client = daemon.client();
    assert_eq!(client.get("/login").send().await.status, 200);
    assert_eq!(client.http2().get("/login").send().await.status, 200);
}
