//! Other SCIM services that install by themselves and keep everything in memory: scim2-server of PyPI, the most complete
//! one, and scimmy-routers of npm.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::provisioning::Service;
use super::support::port;

const TOKEN: &str = "benchmark";
const PATIENCE: Duration = Duration::from_secs(60);

/// Which service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Scim2Server,
    Scimmy,
}

pub struct Rival {
    kind: Kind,
    child: Child,
    base: String,
}

impl Drop for Rival {
    fn drop(&mut self) {
        drop(self.child.kill());
        self.child.wait().unwrap();
    }
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Scim2Server, Self::Scimmy];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Scim2Server => "scim2-server",
            Self::Scimmy => "scimmy-routers",
        }
    }

    /// Whether it takes a group of everybody in less than hours.
    pub const fn takes_large_groups(self) -> bool {
        matches!(self, Self::Scim2Server)
    }

    /// The variable that tells where `./run bench` has installed it.
    const fn folder(self) -> &'static str {
        match self {
            Self::Scim2Server => "CLEARGATE_TEST_VENV",
            Self::Scimmy => "CLEARGATE_BENCH_NODE",
        }
    }

    fn command(self, folder: &Path, port: u16) -> Command {
        let port = port.to_string();
        match self {
            Self::Scim2Server => {
                let mut command = Command::new(folder.join("bin/scim2-server"));
                command.args(["--bearer-token", TOKEN, "--hostname", "127.0.0.1", "--port", &port]);
                command
            }
            Self::Scimmy => {
                let mut command = Command::new("node");
                command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/scimmy.mjs"));
                command.args([&port, TOKEN]).arg(folder);
                command
            }
        }
    }
}

impl Rival {
    /// Starts it where it is installed.
    pub async fn start(kind: Kind) -> Option<Self> {
        let Some(folder) = std::env::var_os(kind.folder()) else {
            eprintln!("without {}: {} is not set, `./run bench` does that", kind.name(), kind.folder());
            return None;
        };
        let address = port::free();
        let child = kind
            .command(&PathBuf::from(folder), address.port())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let rival = Self { kind, child, base: format!("http://{address}") };
        let began = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            assert!(began.elapsed() < PATIENCE, "{} does not listen", kind.name());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(rival)
    }

    pub fn service(&self) -> Service {
        let service = Service::new(&self.base, "", TOKEN, self.child.id());
        if self.kind.takes_large_groups() { service } else { service.without_large_group() }
    }
}
