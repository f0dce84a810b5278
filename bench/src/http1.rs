//! The load on an HTTP/1.1 server: connections that send the same few requests in turn, each after the answer to the one
//! before. As little work as possible, for it runs on the processors of those that are measured.

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One kept connection.
pub struct Connection {
    stream: TcpStream,
    requests: std::sync::Arc<[Vec<u8>]>,
    next: usize,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects; the requests are complete, head and body.
    pub async fn open(address: &str, requests: std::sync::Arc<[Vec<u8>]>, first: usize) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("nobody listens at {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, requests, next: first, buffer: Vec::with_capacity(8_192) })
    }

    /// Sends the next request and reads its answer.
    pub async fn exchange(mut self) -> anyhow::Result<Self> {
        let request = &self.requests[self.next % self.requests.len()];
        self.next += 1;
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server has closed the connection");
            }
            if let Some(length) = answer_length(&self.buffer)?
                && self.buffer.len() >= length
            {
                return Ok(self);
            }
        }
    }

    /// The body of the last answer.
    pub fn body(&self) -> &[u8] {
        head_length(&self.buffer).map_or(&[], |head| &self.buffer[head..])
    }
}

fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// Length of head and body, once the head is there.
fn answer_length(bytes: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(head) = head_length(bytes) else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..head]).context("a head is text")?;
    let mut lines = text.lines();
    let status = lines.next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 200") {
        bail!("the answer is {status:?}: {:?}", String::from_utf8_lossy(&bytes[head..]));
    }
    let length = lines.filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.context("an answer tells its length")?.1.trim().parse()?;
    Ok(Some(head + length))
}

/// A request with a JSON body.
pub fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into()
}

/// A request without a body; `more` are complete header lines.
pub fn get(path: &str, more: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{more}\r\n").into()
}
