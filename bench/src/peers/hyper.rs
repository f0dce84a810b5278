//! The ceiling: a bare hyper server that answers a fixed body of the size of ours, and does nothing else. It runs as a
//! process of its own, which is this program again.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;

use crate::table;

/// What the server answers.
#[derive(clap::Args)]
pub struct Arguments {
    /// Length of the body.
    #[arg(long)]
    bytes: usize,
}

/// Serves until its standard input ends; its address is its first line of output.
pub async fn serve(arguments: &Arguments) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    table::say(listener.local_addr()?);
    let body = Bytes::from(vec![b' '; arguments.bytes]);
    let message = grpc_message(arguments.bytes);
    let accept = async {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            stream.set_nodelay(true).ok();
            let (body, message) = (body.clone(), message.clone());
            tokio::spawn(async move {
                let service = service_fn(|request| answer(request, body.clone(), message.clone()));
                auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await.ok();
            });
        }
    };
    let end = tokio::task::spawn_blocking(|| std::io::stdin().lines().count());
    tokio::select! {
        () = accept => {}
        _ = end => {}
    }
    Ok(())
}

type Body = http_body_util::Either<
    Full<Bytes>,
    http_body_util::combinators::WithTrailers<Full<Bytes>, std::future::Ready<Option<Result<HeaderMap, Infallible>>>>,
>;

async fn answer(request: Request<Incoming>, body: Bytes, message: Bytes) -> Result<Response<Body>, hyper::Error> {
    let is_grpc = request.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    request.into_body().collect().await?;
    let mut response = if is_grpc {
        let trailers = HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
        let full = Full::new(message).with_trailers(std::future::ready(Some(Ok(trailers))));
        Response::new(http_body_util::Either::Right(full))
    } else {
        Response::new(http_body_util::Either::Left(Full::new(body)))
    };
    let kind = if is_grpc { "application/grpc" } else { "application/json" };
    response.headers_mut().insert("content-type", HeaderValue::from_static(kind));
    Ok(response)
}

/// A gRPC message of this length that every reader of ours takes: one unknown field.
fn grpc_message(length: usize) -> Bytes {
    // Field 1000 of bytes, whose length takes two bytes up to 16 KiB.
    let head = prost::encoding::encoded_len_varint(1_000 << 3 | 2);
    let content = length.saturating_sub(head + 2).max(128);
    let mut message = Vec::with_capacity(5 + length);
    prost::encoding::bytes::encode(1_000, &vec![0_u8; content], &mut message);
    let mut framed = vec![0];
    framed.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend(message);
    framed.into()
}

/// A running bare server; it ends with this value.
pub struct Bare {
    child: Child,
    /// Where it listens.
    pub address: String,
}

impl Bare {
    /// Starts one that answers bodies of this length.
    pub fn start(bytes: usize) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve-fixed", "--bytes", &bytes.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("this program cannot be started again")?;
        let mut address = String::new();
        BufReader::new(child.stdout.take().context("it was piped")?).read_line(&mut address)?;
        Ok(Self { child, address: address.trim().to_owned() })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
