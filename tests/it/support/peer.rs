//! Other people's programs in Python and Node.js that a test starts: the scripts of `tests/peers`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// Longest wait until a peer listens.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running peer; it stops when this is dropped.
pub struct Peer {
    child: Child,
    folder: TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself, which shows at the test's next question.
        drop(self.child.kill());
        self.child.wait().unwrap();
    }
}

impl Peer {
    /// Starts a script of `tests/peers` in the Python environment of the tests and waits until it listens.
    pub async fn python(script: &str, settings: &Value) -> Self {
        let mut command = Command::new(python("python3"));
        command.arg(path(script)).arg(settings.to_string());
        Self::start(command, script).await
    }

    /// Starts a script of `tests/peers` with the Node.js packages of the tests and waits until it listens.
    pub async fn node(script: &str, settings: &Value) -> Self {
        let folder = installed("CLEARGATE_TEST_NODE", "node_modules");
        let mut command = Command::new("node");
        command.arg(path(script)).arg(settings.to_string()).arg(folder);
        Self::start(command, script).await
    }

    async fn start(mut command: Command, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).current_dir(folder.path());
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NODE_OPTIONS", "PYTHONPATH"] {
            command.env_remove(name);
        }
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}: run the tests by ./run test"));
        let output = child.stdout.take().unwrap();
        let peer = Self { child, folder };
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            // Reads on to the end, so that the peer never blocks on its output.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if line == "listening" {
                    // Nobody may wait any more.
                    tell.send(()).unwrap_or_default();
                }
            }
        });
        let listens = tokio::task::spawn_blocking(move || told.recv_timeout(PATIENCE)).await.unwrap();
        assert!(listens.is_ok(), "{name} does not listen:\n{}", peer.log());
        peer
    }

    /// What it has written to standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// A program of the Python environment of the tests.
pub fn python(program: &str) -> PathBuf {
    installed("CLEARGATE_TEST_VENV", "bin").join("bin").join(program)
}

fn path(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(script)
}

/// The folder that `variable` names, in which `part` must be.
fn installed(variable: &str, part: &str) -> PathBuf {
    let help = "the programs that this test needs are not installed: run ./run test";
    let folder = std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set, {help}"));
    let folder = PathBuf::from(folder);
    assert!(folder.join(part).exists(), "{}: {help}", folder.join(part).display());
    folder
}
