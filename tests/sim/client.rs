//! A client of a run: proposes, reads and checks, one call at a time, and never repeats a command.

use std::sync::Arc;
use std::time::Duration;

use tidegate_platform::{Io, Network as _};
use tokio::time::Instant;

use crate::app::SimApp;
use crate::door::{self, Request, Response};
use crate::seams::{Dice, SimNetwork};
use crate::trace::Kind;
use crate::world::World;

/// Longest wait for an answer; a check may be stopped for longer than the bound on staleness.
const ANSWER_MAX: Duration = Duration::from_secs(10);
const CONNECT_MAX: Duration = Duration::from_millis(500);

pub struct Client {
    pub number: u64,
    pub nodes: u64,
    pub world: Arc<World>,
    pub dice: Dice,
    pub ends_at: Duration,
}

impl Client {
    fn name(&self) -> String {
        format!("client-{}", self.number)
    }

    /// Calls until it is time to end.
    pub async fn run<A: SimApp>(self) {
        let network = SimNetwork { world: Arc::clone(&self.world), node: self.name() };
        let mut leader = 1 + self.dice.below(self.nodes);
        let mut connection: Option<(u64, Box<dyn Io>)> = None;
        let mut operations = 0;
        while self.world.now() < self.ends_at {
            // Callers come at random moments.
            let pause = Instant::now() + self.dice.between_ms(5, 60);
            tokio::time::interval_at(pause, ANSWER_MAX).tick().await;
            let request = self.request::<A>(&mut operations);
            let target = match request {
                Request::Propose(_) => leader,
                Request::Read | Request::Check { .. } => 1 + self.dice.below(self.nodes),
            };
            if connection.as_ref().is_none_or(|(node, _)| *node != target) {
                connection = self.connect(&network, target).await.map(|io| (target, io));
            }
            let needed = self.world.acknowledged_so_far();
            let response = match &mut connection {
                Some((_, io)) => self.call(io, &request).await,
                None => None,
            };
            if response.is_none() {
                connection = None;
            }
            leader = self.next_leader(leader, &request, response.as_ref());
            self.record(target, needed, &request, response);
        }
    }

    fn request<A: SimApp>(&self, operations: &mut u64) -> Request {
        match self.dice.below(10) {
            0..5 => {
                *operations += 1;
                // Clients number their commands apart from one another.
                Request::Propose(A::command(self.number * 1_000_000 + *operations, &self.dice))
            }
            5 => Request::Read,
            _ => {
                let is_stopped = self.dice.below(25) == 0;
                Request::Check { stopped_ms: if is_stopped { 100 + self.dice.below(6_500) } else { 0 } }
            }
        }
    }

    async fn connect(&self, network: &SimNetwork, node: u64) -> Option<Box<dyn Io>> {
        let authority = format!("node-{node}:{}", door::PORT);
        let connecting = network.connect(&authority);
        tokio::time::timeout(CONNECT_MAX, connecting).await.ok()?.ok()
    }

    async fn call(&self, io: &mut Box<dyn Io>, request: &Request) -> Option<Response> {
        let exchange = async {
            door::send(io, &request.encode()).await?;
            door::receive(io).await
        };
        let answer = tokio::time::timeout(ANSWER_MAX, exchange).await.ok()?.ok()?;
        Some(Response::decode(&answer))
    }

    fn next_leader(&self, leader: u64, request: &Request, response: Option<&Response>) -> u64 {
        match (request, response) {
            (Request::Propose(_), Some(Response::Refused { leader: Some(hint) })) => *hint,
            (Request::Propose(_), Some(Response::Refused { leader: None }) | None) => 1 + self.dice.below(self.nodes),
            _ => leader,
        }
    }

    fn record(&self, node: u64, needed: u64, request: &Request, response: Option<Response>) {
        let text = format!("{:?} at node-{node}: {response:?}", request_name(request));
        self.world.trace(Kind::Client, &self.name(), &text, &[]);
        if let Some(Response::State { applied_index, digest }) = response {
            self.world.read(node, needed, applied_index, digest);
        }
    }
}

fn request_name(request: &Request) -> &'static str {
    match request {
        Request::Propose(_) => "propose",
        Request::Read => "read",
        Request::Check { .. } => "check",
    }
}
