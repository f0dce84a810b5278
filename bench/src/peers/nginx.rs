//! nginx of Debian, answering a static file.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;
use tidegate_harness::ports::free_address;
use tidegate_harness::wait;

/// Debian keeps it out of a user's path.
const PROGRAM: &str = "/usr/sbin/nginx";

/// Whether it is installed.
pub fn is_installed() -> bool {
    std::path::Path::new(PROGRAM).exists()
}

/// A running server; it ends with this value.
pub struct Nginx {
    child: Child,
    /// Where it listens; the file is at `/answer.json`.
    pub address: String,
    _folder: TempDir,
}

impl Nginx {
    /// Starts one whose file has this length.
    pub async fn start(bytes: usize) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let at = folder.path().display();
        std::fs::write(folder.path().join("answer.json"), vec![b' '; bytes])?;
        let address = free_address().to_string();
        let text = format!(
            "daemon off; worker_processes auto; pid {at}/pid; error_log {at}/error.log;\n\
             events {{ worker_connections 2048; }}\n\
             http {{ access_log off; keepalive_requests 1000000000; default_type application/json;\n\
             client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n\
             sendfile on; open_file_cache max=10; server {{ listen {address}; root {at}; }} }}\n"
        );
        let config = folder.path().join("nginx.conf");
        std::fs::write(&config, text)?;
        // Its workers may run as somebody else, who must be able to read the file.
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let mut command = Command::new(PROGRAM);
        command.arg("-c").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().context("nginx cannot be started")?;
        let nginx = Self { child, address, _folder: folder };
        wait::until("nginx listens", Duration::from_secs(10), || async {
            tokio::net::TcpStream::connect(&nginx.address).await.ok().map(|_| ())
        })
        .await;
        Ok(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master takes its workers along only when it is asked to end.
        Command::new("kill").arg(self.child.id().to_string()).status().ok();
        self.child.wait().ok();
    }
}
