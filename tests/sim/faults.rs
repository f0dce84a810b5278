//! What goes wrong in a run, drawn from its seed: crashes with and without power loss, partitions, held links, clocks,
//! handed-over leadership. Faults overlap; each ends by itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use turmoil::Sim;

use crate::node::Node;
use crate::seams::Dice;
use crate::trace::Kind;
use crate::world::World;

/// Something that happens at one moment.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The process of a node ends; the disk loses what was not synced if there is a seed.
    Die { node: usize, power_loss: Option<u64> },
    /// It starts again.
    Start { node: usize },
    /// Packets between a node and the others are dropped.
    Cut { node: usize },
    /// Packets from one node to another are dropped.
    CutOneWay { from: usize, to: usize },
    /// Packets between a node and the others wait.
    Hold { node: usize },
    /// They are delivered, all at once.
    Release { node: usize },
    /// Cuts of a node end.
    Heal { node: usize },
    /// The leader hands over.
    Transfer { node: usize },
    /// A wall clock is set.
    SetClock { node: usize, skew_ms: i64 },
}

/// The faults of one run.
pub struct Faults {
    dice: Dice,
    nodes: Vec<Arc<Node>>,
    world: Arc<World>,
    planned: Vec<(Duration, Step)>,
    next_at: Duration,
    drawn: u64,
}

impl Faults {
    pub fn new(seed: u64, nodes: Vec<Arc<Node>>, world: Arc<World>) -> Self {
        let next_at = Duration::from_secs(3);
        Self { dice: Dice::new(seed, 2), nodes, world, planned: Vec::new(), next_at, drawn: 0 }
    }

    /// Draws and carries out what is due.
    pub fn due(&mut self, sim: &mut Sim<'_>) {
        let now = sim.elapsed();
        if now >= self.next_at {
            self.draw(now);
            self.next_at = now + self.dice.between_ms(400, 3_500);
        }
        self.carry_out(sim, |at| at <= now);
    }

    /// Ends all faults: everybody runs, hears everybody, and knows the time.
    pub fn end(&mut self, sim: &mut Sim<'_>) {
        self.carry_out(sim, |_| true);
        for node in 0..self.nodes.len() {
            self.take(sim, Step::Heal { node });
            self.take(sim, Step::Release { node });
            self.take(sim, Step::SetClock { node, skew_ms: 0 });
            self.take(sim, Step::Start { node });
        }
    }

    fn carry_out(&mut self, sim: &mut Sim<'_>, is_due: impl Fn(Duration) -> bool) {
        self.planned.sort_by_key(|(at, _)| *at);
        while let Some((at, step)) = self.planned.first().copied()
            && is_due(at)
        {
            self.planned.remove(0);
            self.take(sim, step);
        }
    }

    fn plan(&mut self, at: Duration, step: Step) {
        self.planned.push((at, step));
    }

    fn node(&self) -> usize {
        usize::try_from(self.dice.below(self.nodes.len() as u64)).expect("a few nodes")
    }

    fn leader(&self) -> Option<usize> {
        self.nodes.iter().position(|node| node.handle().is_some_and(|handle| handle.leadership().borrow().is_here))
    }

    /// The leader as often as not.
    fn victim(&self) -> usize {
        match self.leader() {
            Some(leader) if self.dice.below(2) == 0 => leader,
            Some(_) | None => self.node(),
        }
    }

    fn draw(&mut self, now: Duration) {
        self.drawn += 1;
        // Every run has at least one of each of the first two.
        let kind = if self.drawn <= 2 { self.drawn - 1 } else { self.dice.below(12) };
        match kind {
            0 | 2 | 3 => self.plan_crash(now),
            1 | 4 | 5 => self.plan_partition(now),
            6 => self.plan_all_crash(now),
            7 => self.plan_one_way(now),
            8 => self.plan_hold(now),
            9 => self.plan_clock(now),
            10 => self.plan_transfer(now),
            _ => self.plan_crash(now),
        }
    }

    fn plan_crash(&mut self, now: Duration) {
        let node = self.victim();
        self.plan_death(now, node);
    }

    fn plan_death(&mut self, now: Duration, node: usize) {
        let down = self.dice.between_ms(50, 4_000);
        if self.dice.below(2) == 0 {
            self.plan(now, Step::Die { node, power_loss: None });
            self.plan(now + down, Step::Start { node });
            return;
        }
        let seed = self.dice.u64();
        // As often as not the power goes in the middle of a file operation.
        let mut delay = Duration::ZERO;
        if self.dice.below(2) == 0 {
            self.nodes[node].cut_power_after(1 + self.dice.below(40));
            delay = Duration::from_millis(300);
        }
        self.plan(now + delay, Step::Die { node, power_loss: Some(seed) });
        self.plan(now + delay + down, Step::Start { node });
    }

    fn plan_all_crash(&mut self, now: Duration) {
        for node in 0..self.nodes.len() {
            self.plan_death(now, node);
        }
    }

    fn plan_partition(&mut self, now: Duration) {
        let node = self.victim();
        self.plan(now, Step::Cut { node });
        self.plan(now + self.dice.between_ms(300, 7_000), Step::Heal { node });
    }

    fn plan_one_way(&mut self, now: Duration) {
        let (from, to) = (self.victim(), self.node());
        if from != to {
            self.plan(now, Step::CutOneWay { from, to });
            self.plan(now + self.dice.between_ms(300, 5_000), Step::Heal { node: from });
        }
    }

    fn plan_hold(&mut self, now: Duration) {
        let node = self.victim();
        self.plan(now, Step::Hold { node });
        self.plan(now + self.dice.between_ms(100, 3_000), Step::Release { node });
    }

    fn plan_clock(&mut self, now: Duration) {
        let node = self.node();
        let skew_ms = [3_600_000, -3_600_000, 60, -60, 2_500, -2_500][usize::try_from(self.dice.below(6)).expect("six")];
        self.plan(now, Step::SetClock { node, skew_ms });
        self.plan(now + self.dice.between_ms(500, 6_000), Step::SetClock { node, skew_ms: 0 });
    }

    /// Leadership is handed over while everything runs.
    fn plan_transfer(&mut self, now: Duration) {
        if let Some(node) = self.leader() {
            self.plan(now, Step::Transfer { node });
        }
    }

    fn take(&self, sim: &mut Sim<'_>, step: Step) {
        self.world.trace(Kind::Fault, "faults", &format!("{step:?}"), &[]);
        let name = |node: usize| self.nodes[node].name();
        let others = |node: usize| (0..self.nodes.len()).filter(move |other| *other != node);
        match step {
            Step::Die { node, power_loss } => {
                // A node that is down already only loses a power cut that was waiting for it.
                if sim.is_host_running(name(node)) || self.nodes[node].is_off() {
                    self.world.count(|tally| {
                        tally.crashes += 1;
                        tally.power_losses += u64::from(power_loss.is_some());
                    });
                }
                self.nodes[node].die(power_loss);
                sim.crash(name(node));
            }
            Step::Start { node } => {
                if !sim.is_host_running(name(node)) {
                    sim.bounce(name(node));
                }
            }
            Step::Cut { node } => {
                self.world.count(|tally| tally.partitions += 1);
                others(node).for_each(|other| sim.partition(name(node), name(other)));
            }
            Step::CutOneWay { from, to } => {
                self.world.count(|tally| tally.partitions += 1);
                sim.partition_oneway(name(from), name(to));
            }
            Step::Hold { node } => others(node).for_each(|other| sim.hold(name(node), name(other))),
            Step::Release { node } => others(node).for_each(|other| sim.release(name(node), name(other))),
            Step::Heal { node } => others(node).for_each(|other| sim.repair(name(node), name(other))),
            Step::Transfer { node } => {
                self.world.count(|tally| tally.transfers += 1);
                self.nodes[node].ask_to_hand_over();
            }
            Step::SetClock { node, skew_ms } => {
                self.world.count(|tally| tally.clock_steps += u64::from(skew_ms != 0));
                self.nodes[node].skew.store(skew_ms, Ordering::Relaxed);
            }
        }
    }
}
