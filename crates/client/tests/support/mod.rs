//! A network in memory with nodes whose answers a test writes, one call at a time.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tidegate_client::{Client, Options, admin};
use tidegate_platform::net::NetFuture;
use tidegate_platform::{Io, Listener, Network, Platform, SeededRandom};
use tokio_stream::Stream;
use tonic::{Code, Status};

type Frames = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, io::Error>> + Send>>;

/// What a node does with one call.
pub enum Reply {
    /// Answers with these messages.
    Messages(Vec<Vec<u8>>),
    /// Answers with these messages, then with this status.
    Ended(Vec<Vec<u8>>, Status),
    /// Refuses.
    Status(Status),
    /// Says nothing, ever.
    Silence,
}

impl Reply {
    /// One message.
    pub fn one(message: &impl Message) -> Self {
        Self::Messages(vec![message.encode_to_vec()])
    }
}

/// One call as a node heard it.
#[derive(Clone, Debug)]
pub struct Heard {
    /// `Service/Method`.
    pub method: String,
    pub message: Bytes,
    pub headers: HeaderMap,
}

/// A node of the fake cluster.
#[derive(Clone, Default)]
pub struct Node {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Node {
    /// Adds what the node does with its next call. Beyond the last one it refuses with `UNIMPLEMENTED`.
    pub fn then(&self, reply: Reply) -> &Self {
        self.replies.lock().unwrap().push_back(reply);
        self
    }

    /// Everything that the node heard.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// The messages that it heard, decoded.
    pub fn messages<M: Message + Default>(&self) -> Vec<M> {
        self.heard().iter().map(|heard| M::decode(heard.message.clone()).unwrap()).collect()
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<StreamBody<Frames>>, Infallible> {
        let (head, body) = request.into_parts();
        let framed = body.collect().await.unwrap().to_bytes();
        let heard = Heard {
            method: head.uri.path().rsplit_once('.').unwrap().1.to_owned(),
            message: framed.slice(5..),
            headers: head.headers,
        };
        self.heard.lock().unwrap().push(heard);
        let reply = self.replies.lock().unwrap().pop_front();
        let (messages, end) = match reply {
            Some(Reply::Messages(messages)) => (messages, Status::ok("")),
            Some(Reply::Ended(messages, status)) => (messages, status),
            Some(Reply::Status(status)) => return Ok(headers_only(status)),
            Some(Reply::Silence) => std::future::pending().await,
            None => return Ok(headers_only(Status::unimplemented("the test has no more answers"))),
        };
        let data = messages.into_iter().map(|message| Ok(Frame::data(framed_message(&message))));
        let mut trailers = HeaderMap::new();
        end.add_header(&mut trailers).unwrap();
        let end = Ok(Frame::trailers(trailers));
        let frames: Frames = Box::pin(tokio_stream::iter(data.chain([end]).collect::<Vec<_>>()));
        let mut response = Response::new(StreamBody::new(frames));
        response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        Ok(response)
    }
}

fn headers_only(status: Status) -> Response<StreamBody<Frames>> {
    status.into_http::<Full<Bytes>>().map(|_| StreamBody::new(Box::pin(tokio_stream::empty()) as Frames))
}

fn framed_message(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap();
    [&[0], &length.to_be_bytes()[..], message].concat().into()
}

/// Connects to the nodes that are up.
#[derive(Clone, Default)]
pub struct Net {
    nodes: Arc<Mutex<HashMap<String, Node>>>,
}

impl Net {
    /// Brings a node up at `NAME:1`.
    pub fn up(&self, name: &str) -> Node {
        let node = Node::default();
        self.nodes.lock().unwrap().insert(format!("{name}:1"), node.clone());
        node
    }
}

impl Network for Net {
    fn connect<'a>(&'a self, authority: &'a str) -> NetFuture<'a, Box<dyn Io>> {
        let node = self.nodes.lock().unwrap().get(authority).cloned();
        Box::pin(async move {
            let node = node.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused))?;
            let (near, far) = tokio::io::duplex(1 << 16);
            let service = hyper::service::service_fn(move |request| node.clone().answer(request));
            let connection =
                hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(far), service);
            tokio::spawn(async move {
                // A connection that a test cuts or forgets ends with an error: nothing to see.
                let _ended = connection.await.is_ok();
            });
            Ok(Box::new(near) as Box<dyn Io>)
        })
    }

    fn listen(&self, _addr: SocketAddr) -> NetFuture<'_, Box<dyn Listener>> {
        Box::pin(async { Err(io::Error::from(io::ErrorKind::Unsupported)) })
    }
}

/// A client of these endpoints (`a` stands for `a:1`), with random numbers from a fixed seed.
pub fn client(net: &Net, names: &[&str]) -> Client {
    client_with(net, names, |_| {})
}

/// The same with other options.
pub fn client_with(net: &Net, names: &[&str], change: impl FnOnce(&mut Options)) -> Client {
    let endpoints: Vec<String> = names.iter().map(|name| format!("http://{name}:1")).collect();
    let mut options = Options::new(&endpoints).unwrap();
    change(&mut options);
    let platform = Platform { random: Arc::new(SeededRandom::new(1)), ..Platform::system() };
    Client::new(options, &platform, Arc::new(net.clone()))
}

/// A refusal as the server sends it.
pub fn refusal(code: Code, details: admin::v1::Refusal) -> Status {
    let any =
        prost_types::Any { type_url: "type.googleapis.com/tidegate.admin.v1.Refusal".to_owned(), value: details.encode_to_vec() };
    let envelope = tonic_types::pb::Status { code: code as i32, message: String::new(), details: vec![any] };
    Status::with_details(code, "as the server says", envelope.encode_to_vec().into())
}

/// A refusal that says nothing but its code.
pub fn refused(code: Code, text: &str) -> Reply {
    Reply::Status(refusal(code, admin::v1::Refusal { code: text.to_owned(), ..admin::v1::Refusal::default() }))
}

/// What a proxy or a dying connection says: no details, so nobody knows whether the call arrived.
pub fn lost() -> Reply {
    Reply::Status(Status::unavailable("connection reset"))
}
