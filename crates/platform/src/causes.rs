//! An error with its causes, for one line of a log or an answer: the outermost one of a transport says little.

/// The error and everything behind it, outermost first, separated by colons.
#[must_use]
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("no connection")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn the_outermost_comes_first() {
        let inner = std::io::Error::other("connection refused");
        assert_eq!(causes(&Outer(inner)), "no connection: connection refused");
        assert_eq!(causes(&std::io::Error::other("alone")), "alone");
    }
}
