//! A small HTTP/1.1 client with one kept connection per node: what a device's load balancer would use.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection to one node's device listener; reconnects when it was closed.
pub struct Device {
    address: String,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// Status and body of an answer.
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Body, parsed; a string if it is no JSON.
    pub body: serde_json::Value,
}

impl Device {
    /// A client of the listener at `address`; connects on first use.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), sender: None }
    }

    /// `POST /v1/check`.
    pub async fn check(&mut self, request: &serde_json::Value, patience: Duration) -> anyhow::Result<Answer> {
        self.call(Method::POST, "/v1/check", request.to_string().into(), patience).await
    }

    /// `GET path`.
    pub async fn get(&mut self, path: &str, patience: Duration) -> anyhow::Result<Answer> {
        self.call(Method::GET, path, Bytes::new(), patience).await
    }

    async fn call(&mut self, method: Method, path: &str, body: Bytes, patience: Duration) -> anyhow::Result<Answer> {
        match tokio::time::timeout(patience, self.call_once(method, path, body)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                self.sender = None;
                Err(error)
            }
            Err(_) => {
                self.sender = None;
                bail!("{} did not answer {path} within {patience:?}", self.address)
            }
        }
    }

    async fn call_once(&mut self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Answer> {
        if self.sender.as_ref().is_none_or(SendRequest::is_closed) {
            let stream = TcpStream::connect(&self.address).await.context("cannot connect")?;
            stream.set_nodelay(true)?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        let sender = self.sender.as_mut().expect("connected just above");
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.address)
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        // The connection may still be about to finish the exchange before this one.
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        let body = if bytes.is_empty() {
            serde_json::Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into())
        };
        Ok(Answer { status, body })
    }
}
