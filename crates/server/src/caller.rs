//! Who is calling, and what they may do.
//!
//! While the cluster has no token everybody is `anonymous` with every right; the configuration sees to it that this is
//! reachable on loopback only, unless asked for by name. Applying a command judges again, on the state of the log.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use tidegate_machine::State;
use tidegate_machine::settings::{ANONYMOUS, CONTROLLER};
use tidegate_model::{Principal, Role};

use crate::limits::TOKEN_BYTES_MAX;
use crate::refusal::{Door, Unauthenticated};

/// A caller that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Name of its token, or `anonymous`.
    pub principal: Principal,
    /// What it may do.
    pub role: Role,
    /// Generation of the credentials at which it was looked up.
    pub auth_epoch: u64,
}

impl Caller {
    /// Looks up the bearer of an `authorization` header.
    ///
    /// # Errors
    /// [`Door::Unauthenticated`].
    pub fn identify(state: &State, authorization: Option<&[u8]>) -> Result<Self, Door> {
        let auth_epoch = state.auth_epoch();
        if state.tokens().is_empty() {
            let principal = Principal::new(ANONYMOUS).expect("the reserved name is an id");
            return Ok(Self { principal, role: Role::Admin, auth_epoch });
        }
        let header = authorization.ok_or(Door::Unauthenticated(Unauthenticated::Missing))?;
        let secret = bearer(header).ok_or(Door::Unauthenticated(Unauthenticated::Malformed))?;
        let hash: [u8; 32] = Sha256::digest(secret).into();
        // Every token is compared, each in constant time: how long it takes tells nothing about any of them.
        let mut found = None;
        // A token cannot have the controller's name; were one there all the same, nobody could come in by it.
        for (name, token) in state.tokens().iter().filter(|(name, _)| name.as_str() != CONTROLLER) {
            if bool::from(token.hash.0.ct_eq(&hash)) {
                found = Some(Self { principal: name.clone(), role: token.role, auth_epoch });
            }
        }
        found.ok_or(Door::Unauthenticated(Unauthenticated::Unknown))
    }

    /// Lets pass whoever has at least this role.
    ///
    /// # Errors
    /// [`Door::Forbidden`].
    pub fn need(&self, needs: Role) -> Result<(), Door> {
        if self.role >= needs {
            return Ok(());
        }
        Err(Door::Forbidden { principal: self.principal.to_string(), has: self.role, needs })
    }
}

fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = header.split_at_checked(7)?;
    let secret = rest.trim_ascii();
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer ");
    (is_bearer && !secret.is_empty() && secret.len() <= TOKEN_BYTES_MAX).then_some(secret)
}
