//! Fetches missing rows from other nodes, a bounded page at a time.

use std::sync::{Arc, Weak};

use tidegate_consensus::Target;
use tokio::time::Instant;

use super::{Gap, Message};
use crate::codec;
use crate::context::Context;
use crate::limits::{PEER_QUESTION_MAX, REFILL_PAUSE, REFILL_ROUNDS_MAX};
use crate::wire;

/// Serves the gaps of this node's books until the node is gone.
pub async fn refill(context: Weak<Context>) {
    let Some(mut gaps) = context.upgrade().map(|context| context.books.shared.gap.subscribe()) else { return };
    let mut rounds = 0;
    loop {
        let gap = *gaps.borrow_and_update();
        let Some(gap) = gap else {
            rounds = 0;
            if gaps.changed().await.is_err() {
                return;
            }
            continue;
        };
        let Some(alive) = context.upgrade() else { return };
        let message = match ask_others(&alive, gap).await {
            Asked::Page(page) => {
                rounds = 0;
                Some(Message::Page(page))
            }
            // Alone in the cluster, or everybody has answered often enough that they have nothing.
            Asked::NobodyThere => Some(Message::GiveUp),
            Asked::Nothing if rounds >= REFILL_ROUNDS_MAX => Some(Message::GiveUp),
            Asked::Nothing => {
                rounds += 1;
                None
            }
        };
        let Some(message) = message else {
            drop(alive);
            tokio::time::sleep(REFILL_PAUSE).await;
            continue;
        };
        // The writing thread answers every page by moving the gap: wait for that before asking on.
        if alive.books.hand.offer(message).is_ok() {
            drop(alive);
            if gaps.changed().await.is_err() {
                return;
            }
        } else {
            drop(alive);
            tokio::time::sleep(REFILL_PAUSE).await;
        }
    }
}

enum Asked {
    /// Rows that move the gap.
    Page(wire::RowsAnswer),
    /// The membership has nobody else.
    NobodyThere,
    /// Nobody had anything, or nobody answered, or this node is no member yet.
    Nothing,
}

async fn ask_others(context: &Arc<Context>, gap: Gap) -> Asked {
    let Ok(handle) = context.handle() else { return Asked::Nothing };
    let status = handle.status();
    if !status.is_member() {
        return Asked::Nothing;
    }
    let mut others: Vec<u64> = status.members.iter().map(|member| member.member.id).collect();
    others.retain(|id| *id != status.node);
    if others.is_empty() {
        return Asked::NobodyThere;
    }
    for node in others {
        let question = wire::RowsQuestion { from_index: gap.from, to_index: gap.to };
        let request = codec::encode_question(wire::question::Kind::Rows(question));
        let answer = handle.ask(Target::Node(node), request, Instant::now() + PEER_QUESTION_MAX).await;
        let Ok(answer) = answer else { continue };
        if let Some(wire::answer::Kind::Rows(page)) = codec::decode_answer(&answer)
            && page.applied_to >= gap.from
        {
            return Asked::Page(page);
        }
    }
    Asked::Nothing
}
