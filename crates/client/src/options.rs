//! What a caller says about the cluster it wants to reach.

use std::fmt;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};

use crate::limits;

/// How to reach a cluster.
#[derive(Clone, Debug)]
pub struct Options {
    /// Admin endpoints. Any node takes any call; the first one that answers is used, the others when it fails.
    pub endpoints: Vec<Endpoint>,
    /// Bearer token, if the cluster asks for one.
    pub token: Option<Token>,
    /// Longest time for one call, all attempts together.
    pub deadline: Duration,
}

impl Options {
    /// Options for these endpoints, without token, with a deadline of 10 s.
    ///
    /// # Errors
    /// [`OptionsError`] if there is no endpoint, there are too many, or one cannot be read.
    pub fn new<T: AsRef<str>>(endpoints: &[T]) -> Result<Self, OptionsError> {
        if endpoints.is_empty() || endpoints.len() > limits::ENDPOINTS_MAX {
            return Err(OptionsError::Endpoints { count: endpoints.len(), max: limits::ENDPOINTS_MAX });
        }
        let endpoints = endpoints.iter().map(|text| Endpoint::parse(text.as_ref())).collect::<Result<Vec<_>, _>>()?;
        if endpoints.windows(2).any(|pair| pair[0].is_tls != pair[1].is_tls) {
            return Err(OptionsError::MixedSchemes);
        }
        Ok(Self { endpoints, token: None, deadline: Duration::from_secs(10) })
    }

    /// True if the endpoints ask for TLS: the network handed to the client must then speak it.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.is_tls)
    }
}

/// One admin endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    authority: String,
    is_tls: bool,
}

impl Endpoint {
    /// Reads `http://host:port`, `https://host:port` or `host:port` (plain).
    ///
    /// # Errors
    /// [`OptionsError::Endpoint`] naming the rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, OptionsError> {
        let refuse = |rule| OptionsError::Endpoint { text: text.to_owned(), rule };
        let (is_tls, rest) = match text.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some(_) => return Err(refuse("scheme must be http or https")),
            None => (false, text),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('/') {
            return Err(refuse("must have no path"));
        }
        let authority: http::uri::Authority = rest.parse().map_err(|_| refuse("must be host:port"))?;
        if authority.port_u16().is_none() || authority.host().is_empty() || rest.contains('@') {
            return Err(refuse("must be host:port"));
        }
        Ok(Self { authority: rest.to_owned(), is_tls })
    }

    /// `host:port`.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.is_tls { "https" } else { "http" }, self.authority)
    }
}

/// A bearer token; never printed.
#[derive(Clone)]
pub struct Token(MetadataValue<Ascii>);

impl Token {
    /// Takes the text of a token; white space around it is dropped, as files end in a line break.
    ///
    /// # Errors
    /// [`OptionsError::Token`] if it is empty or holds anything but printable ASCII.
    pub fn new(text: &str) -> Result<Self, OptionsError> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(OptionsError::Token);
        }
        let mut value: MetadataValue<Ascii> = format!("Bearer {text}").parse().map_err(|_| OptionsError::Token)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// The `authorization` header that shows it; a secret like the token itself.
    #[must_use]
    pub fn header(&self) -> MetadataValue<Ascii> {
        self.0.clone()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Why options cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// None or too many endpoints.
    #[error("there are {count} endpoints, must be 1 to {max}")]
    Endpoints {
        /// How many were given.
        count: usize,
        /// How many may be.
        max: usize,
    },
    /// An endpoint that cannot be read.
    #[error("endpoint `{text}` {rule}")]
    Endpoint {
        /// As given.
        text: String,
        /// What it must be.
        rule: &'static str,
    },
    /// Plain and TLS endpoints together: a token would travel in the clear to some of them.
    #[error("endpoints must all be http or all be https")]
    MixedSchemes,
    /// A token that cannot travel in a header.
    #[error("token must be printable ASCII without spaces")]
    Token,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_host_and_port() {
        for (text, authority, is_tls) in [
            ("http://127.0.0.1:7501", "127.0.0.1:7501", false),
            ("https://node-1.example:7501/", "node-1.example:7501", true),
            ("localhost:1", "localhost:1", false),
            ("http://[::1]:7501", "[::1]:7501", false),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap(), Endpoint { authority: authority.to_owned(), is_tls }, "{text}");
        }
        for bad in ["", "http://", "ftp://a:1", "a", "http://a:1/x", "http://u@a:1", "a:b", "http://:80", "a:99999"] {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn options_refuse_none_and_mixed() {
        assert_eq!(Options::new::<&str>(&[]).unwrap_err(), OptionsError::Endpoints { count: 0, max: 64 });
        assert_eq!(Options::new(&["http://a:1", "https://a:1"]).unwrap_err(), OptionsError::MixedSchemes);
        assert!(Options::new(&["https://a:1"]).unwrap().is_tls());
    }

    #[test]
    fn tokens_are_never_printed() {
        let token = Token::new(" secret\n").unwrap();
        assert_eq!(format!("{token:?}"), "Token(..)");
        assert_eq!(token.header().to_str().unwrap(), "Bearer secret");
        assert!(!format!("{:?}", token.header()).contains("secret"));
        for bad in ["", " \n", "a b", "ü", "a\u{0}"] {
            assert_eq!(Token::new(bad).unwrap_err(), OptionsError::Token, "{bad:?}");
        }
    }
}
