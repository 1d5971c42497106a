//! scim2-server of PyPI, which keeps everything in memory: the most complete SCIM service that installs by itself.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::provisioning::Service;
use super::support::port;

const TOKEN: &str = "benchmark";
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Rival {
    child: Child,
    base: String,
}

impl Drop for Rival {
    fn drop(&mut self) {
        drop(self.child.kill());
        self.child.wait().unwrap();
    }
}

impl Rival {
    /// Starts it where the tests' Python environment is.
    pub async fn start() -> Option<Self> {
        let folder: PathBuf = std::env::var_os("CLEARGATE_TEST_VENV")?.into();
        let address = port::free();
        let child = Command::new(folder.join("bin/scim2-server"))
            .args(["--bearer-token", TOKEN, "--hostname", "127.0.0.1", "--port", &address.port().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let rival = Self { child, base: format!("http://{address}") };
        let began = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            assert!(began.elapsed() < PATIENCE, "scim2-server does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(rival)
    }

    pub fn service(&self) -> Service {
        Service::new(&self.base, "", TOKEN, self.child.id())
    }
}
