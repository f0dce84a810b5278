//! A client of a run: writes what its script says, reads and checks, one call at a time, on any node.
//!
//! A write without a definite answer is repeated under the same request id, or given up; then nobody knows what became
//! of it.

use std::sync::Arc;
use std::time::Duration;

use tidegate_platform::{Io, Network as _};
use tokio::time::Instant;

use crate::door::{self, Request, Response};
use crate::script::{DEVICES, Meaning, Order, Script};
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
    pub script: Script,
}

impl Client {
    fn name(&self) -> String {
        format!("client-{}", self.number)
    }

    /// Calls until it is time to end.
    pub async fn run(mut self) {
        let network = SimNetwork { world: Arc::clone(&self.world), node: self.name() };
        let mut target = 1 + self.dice.below(self.nodes);
        let mut connection: Option<(u64, Box<dyn Io>)> = None;
        let mut open: Option<Order> = None;
        while self.world.now() < self.ends_at {
            // Callers come at random moments.
            let pause = Instant::now() + self.dice.between_ms(5, 60);
            tokio::time::interval_at(pause, ANSWER_MAX).tick().await;
            if self.dice.below(4) == 0 {
                target = 1 + self.dice.below(self.nodes);
            }
            let request = self.request(&mut open);
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
                target = 1 + self.dice.below(self.nodes);
            }
            self.record(target, needed, &request, response.as_ref());
            if matches!(request, Request::Write { .. }) {
                open = open.and_then(|order| self.after(order, response));
            }
        }
    }

    /// A write is repeated until it is done with; in between and otherwise, reads and checks.
    fn request(&mut self, open: &mut Option<Order>) -> Request {
        match self.dice.below(10) {
            0..5 => {
                let order = open.get_or_insert_with(|| self.script.next());
                if let Meaning::GoesOn(release) = &order.meaning {
                    self.world.note(|oracle, _| oracle.goes_on(release));
                }
                Request::Write { request_id: order.request_id.clone(), command: order.command.clone() }
            }
            5 => Request::Read,
            _ => {
                let is_stopped = self.dice.below(25) == 0;
                let stopped_ms = if is_stopped { 100 + self.dice.below(6_500) } else { 0 };
                // On the newest release but one, or further back.
                let release = self.script.release.saturating_sub(1 + self.dice.below(3));
                Request::Check { client: self.number, device: self.dice.below(DEVICES), release, stopped_ms }
            }
        }
    }

    /// What is left of an order after an attempt.
    fn after(&self, order: Order, response: Option<Response>) -> Option<Order> {
        match response {
            Some(Response::Done { .. }) => {
                if let Meaning::Stops(release) = &order.meaning {
                    self.world.note(|oracle, now| oracle.stopped(release, now));
                }
                None
            }
            Some(Response::Rejected) => None,
            // Also without an answer it may have been executed.
            Some(_) | None if order.is_vital || self.dice.below(3) > 0 => Some(order),
            Some(_) | None => {
                if let Meaning::GoesOn(release) = &order.meaning {
                    self.world.note(|oracle, _| oracle.lost_track(release));
                }
                None
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

    fn record(&self, node: u64, needed: u64, request: &Request, response: Option<&Response>) {
        let name = match request {
            Request::Write { request_id, .. } => request_id.as_str(),
            Request::Read => "read",
            Request::Check { .. } => "check",
        };
        self.world.trace(Kind::Client, &self.name(), &format!("{name} at node-{node}: {response:?}"), &[]);
        if let Some(Response::State { config_version, catalog }) = response {
            self.world.read(node, needed, *config_version, *catalog);
        }
    }
}
