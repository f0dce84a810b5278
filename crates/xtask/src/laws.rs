//! The laws that Tidegate keeps, by the ids that tests cite.

/// A group of laws: its title, and each law with its id.
pub type Group = (&'static str, &'static [(&'static str, &'static str)]);

/// All laws. Numbers leave gaps by group.
pub const LAWS: &[Group] = &[
    (
        "Determinism and replication",
        &[
            ("P-01", "For any state history and any two nodes at equal config version: snapshot digests are equal."),
            ("P-02", "decide(s, r, now) called twice, in any order with other calls, gives identical bytes."),
            ("P-03", "Applying the same log from empty, from a snapshot install, or in chunks gives the same state digest."),
            ("P-04", "No command's apply result depends on wall clock, hash-map order, thread count or node id."),
            ("P-05", "Config versions observed at one node never go down across restart, snapshot install or leader change."),
            ("P-06", "A rejected command (failed CAS or guard) changes nothing but the audit counter."),
            ("P-07", "Retrying a command with the same request id yields one effect and the same answer."),
            ("P-08", "A check leaves the replicated state unchanged."),
        ],
    ),
    (
        "Exposure",
        &[
            ("P-10", "Nested: for ppm a <= b, admitted(a) is a subset of admitted(b), for every salt and key."),
            ("P-11", "0 admits nobody, 1,000,000 admits everybody including keyless devices."),
            ("P-12", "Uniform: over many random keys the admitted share is within 4 standard deviations of ppm."),
            (
                "P-13",
                "Independent: with fresh salts, admission in one rollout does not predict admission in another \
                 (correlation near 0).",
            ),
            (
                "P-14",
                "Inherited salt and roster: at equal ppm (hash) or n (roster) the superseding rollout admits exactly the \
                 same set.",
            ),
            ("P-15", "Time ramp: admitted at t1 implies admitted at any t2 > t1 while ACTIVE and unchanged."),
            ("P-16", "Pause/resume at any times leaves admitted set at resume equal to that at pause (hash and ramp)."),
            ("P-17", "Stage index: admitted at index i implies admitted at j > i."),
            (
                "P-18",
                "Roster: the devices ever admitted never exceed the greatest n so far, under any interleaving of joins, \
                 leaves, raises, supersedes and re-computations (no slot is re-used); for Percent, n never falls.",
            ),
            (
                "P-19",
                "Roster sticky: raising n never removes; a join never displaces; a leave admits nobody. With registered \
                 devices in the cohort no other one is ever in it.",
            ),
            ("P-20", "Shrinking (if permitted) never produces an offer of an older version to anybody."),
        ],
    ),
    (
        "Resolution",
        &[
            (
                "P-21",
                "If any candidate on the path passes all checks and pierces every active soft hold, the answer is an offer \
                 (a failing or held newer one never hides it).",
            ),
            (
                "P-22",
                "A target of source Release is reachable from the position by next edges, and not beyond the first release \
                 that counts as required: a rolled-back one does if it was ever COMPLETED and its barrier is not open.",
            ),
            (
                "P-23",
                "Every device that follows offers repeatedly in a frozen snapshot at fixed now reaches a fixed point \
                 within number-of-releases steps and never visits a release twice.",
            ),
            ("P-24", "The fixed point under COMPLETED latest, no holds, no dead ends, all compatible is the latest."),
            (
                "P-25",
                "With a chain of distinct bundles where all are unrequired, one hop suffices; with k required between, \
                 exactly k+1 hops (if the latest is allowed and not itself counted).",
            ),
            ("P-26", "Position precedence: adding a valid release id to a request makes bundle and version irrelevant."),
            ("P-27", "Garbage in a higher-precedence field gives the same decision as leaving it out."),
            ("P-28", "Version entry never selects a release whose version is <= the reported version."),
            ("P-29", "Any legal sequence of graph edits keeps: acyclic, one cohort, at most one sink."),
            (
                "P-30",
                "With no override, decisions (source Release or Revert) never offer a release in DRAFT, PAUSED, \
                 ROLLED_BACK, disabled, dead end, untriggered, recalled or unsigned.",
            ),
        ],
    ),
    (
        "Overrides and holds",
        &[
            ("P-31", "With an active override the set of possible answers does not depend on the release graph at all."),
            (
                "P-32",
                "At most one override applies; permuting insertion order of overrides does not change which, given \
                 distinct (start, created_version).",
            ),
            (
                "P-33",
                "Adding a hold never turns a negative answer into an offer of a newer or equal release, and never changes \
                 the target to a newer one.",
            ),
            (
                "P-34",
                "Hard holds dominate: with one active no offer of any source appears; with one limited to a bundle, no \
                 offer of that bundle of any source.",
            ),
            ("P-35", "Removing an expired hold or override from the state changes no decision."),
        ],
    ),
    (
        "Lifecycle",
        &[
            ("P-36", "From every state exactly the verbs of B.3 succeed; all others fail with ILLEGAL_TRANSITION."),
            (
                "P-37",
                "After ROLLED_BACK no later config version ever offers that release, as target or as revert (its bundle \
                 only by another release or an override).",
            ),
            ("P-38", "A release can become latest only if the former latest is unconstrained or withdrawn in the same command."),
            ("P-39", "Stage index and COMPLETED never go back."),
            ("P-40", "After(X) triggers fire exactly once, only on COMPLETED of X, and survive leader change."),
        ],
    ),
    (
        "Safety of time and staleness",
        &[
            (
                "P-41",
                "Let pause commit at T. No node answers with that release later than T + max_staleness (simulated clocks, \
                 partitions, restarts).",
            ),
            (
                "P-42",
                "A node never adopts an older snapshot, in any delivery order, duplication or loss of deltas; full pull \
                 and deltas converge to the same digest.",
            ),
            (
                "P-43",
                "With clocks skewed by at most e, any decision equals some decision of a skew-free node at a time within \
                 e.",
            ),
        ],
    ),
    (
        "Isolation and gates",
        &[
            (
                "P-44",
                "No two domains of one exclusion group are open at any config version, over any mix of rollouts, pauses, \
                 withdrawals, advances and crashes; `complete` with a reason excepted.",
            ),
            ("P-45", "Gate verdict depends only on the set of distinct events, not on order or duplicates."),
            (
                "P-46",
                "Adding failures never turns fail into pass; adding successes never turns pass into fail (monotone in each \
                 count at fixed denominators rule).",
            ),
            (
                "P-47",
                "A stage never advances by itself before its bake has elapsed measured in committed time (pauses and \
                 unlimited freezes not counted), whatever the leader changes.",
            ),
        ],
    ),
    (
        "Security",
        &[
            ("P-48", "Epoch in accepted decisions per device never goes down."),
            (
                "P-49",
                "A decision signature covers device, nonce, target digest, config version, expiry: flipping any bit fails \
                 verification.",
            ),
        ],
    ),
];
