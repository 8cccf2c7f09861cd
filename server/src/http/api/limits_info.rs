//! What there is of what is limited, as the API shows it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::endpoint::Context;

/// Limits, the budget, and what is used of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LimitsInfo {
    connections: Share<usize>,
    viewers: Share<usize>,
    viewers_per_stream: usize,
    /// Share of all processors; null without such a budget.
    cpu: Option<Share<f64>>,
    /// Bytes of memory; null without such a budget.
    memory: Option<Share<u64>>,
}

/// How much is used of how much there may be.
#[derive(Debug, Serialize, ToSchema)]
struct Share<T> {
    used: T,
    most: T,
}

impl LimitsInfo {
    /// As it is now; the budget as it was last measured.
    pub(super) fn of(context: &Context) -> Self {
        let (audience, connections) = (&context.audience, &context.connections);
        let limits = context.limits.now();
        let (budget, used) = (audience.budget().settings(), audience.budget().used());
        Self {
            connections: Share { used: connections.count(), most: connections.most() },
            viewers: Share { used: audience.count(), most: limits.viewers },
            viewers_per_stream: limits.viewers_per_stream(),
            cpu: budget.cpu.map(|most| Share { used: (used.cpu * 1000.0).round() / 1000.0, most }),
            memory: budget.memory.map(|most| Share { used: used.memory, most: most.0 }),
        }
    }
}
