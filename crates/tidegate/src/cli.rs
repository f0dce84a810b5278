//! The command line: every command, flag and environment variable. Nothing here acts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cli_edge::Edge;
use crate::settings::NodeSettings;

/// Decides which device may take which software release, now.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, about, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// How to reach the cluster and how to print.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Admin endpoints of the cluster; any node takes any call
    #[arg(
        long,
        global = true,
        value_delimiter = ',',
        env = "TIDEGATE_ENDPOINT",
        default_value = "http://127.0.0.1:7501,http://127.0.0.1:7502,http://127.0.0.1:7503",
        value_name = "URL[,URL...]"
    )]
    pub endpoint: Vec<String>,
    /// How data is printed
    #[arg(long, global = true, value_enum, default_value_t = Output::Table, env = "TIDEGATE_OUTPUT")]
    pub output: Output,
    /// File with the bearer token
    #[arg(long, global = true, env = "TIDEGATE_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Client certificate (PEM)
    #[arg(long, global = true, env = "TIDEGATE_CERT", value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// Key of the client certificate (PEM)
    #[arg(long, global = true, env = "TIDEGATE_KEY", value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Certificates that servers are trusted by (PEM)
    #[arg(long, global = true, env = "TIDEGATE_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Longest wait for one call
    #[arg(long, global = true, env = "TIDEGATE_TIMEOUT", value_name = "SECONDS", default_value_t = 10)]
    pub timeout: u64,
}

/// Output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Table,
    /// For programs
    Json,
    /// In the form of manifests
    Yaml,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring up a cluster on this machine with sample data, and show what to try
    Dev(Dev),
    /// Run one node
    Serve(Serve),
    /// Follow the catalog from outside the cluster, and answer devices from it
    Edge(Edge),
    /// Check or print the merged configuration of a node
    #[command(subcommand)]
    Config(Config),
    /// Create and change objects: all documents of one call commit as one log entry, or none
    Apply(Apply),
    /// Print objects
    Get(Get),
    /// Show what an apply would change, in the objects and for the fleet
    Diff(Diff),
    /// Remove an object
    Delete(Delete),
    /// Print the versions of an object
    History(ObjectName),
    /// Print all objects as manifests, or a cohort as a Sparkle feed
    Export(Export),
    /// Move rollouts and watch them
    #[command(subcommand)]
    Rollout(Rollout),
    /// Ask what a device would hear
    Check(Check),
    /// Play rollout tests on a virtual clock, without a cluster
    Test(Test),
    /// Bring foreign release data in
    #[command(subcommand)]
    Import(Import),
    /// Device records
    #[command(subcommand)]
    Device(Device),
    /// Who did what
    #[command(subcommand)]
    Audit(Audit),
    /// Run the cluster
    #[command(subcommand)]
    Cluster(Cluster),
    /// Print a completion script
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

#[derive(Debug, Args)]
pub struct Dev {
    /// How many nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=9))]
    pub nodes: u16,
    /// Where the nodes keep their data
    #[arg(long, default_value = ".tidegate-dev", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Leave the store empty
    #[arg(long)]
    pub no_sample: bool,
    /// Added to every port, for a second cluster beside the first
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=50_000))]
    pub port_offset: u16,
}

#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    pub settings: NodeSettings,
    /// Stop when standard input ends: set by `dev`, so that no node outlives it
    #[arg(long, hide = true)]
    pub stop_with_stdin: bool,
}

#[derive(Debug, Subcommand)]
pub enum Config {
    /// Say whether the configuration is valid
    Check(NodeSettings),
    /// Print the merged, validated configuration
    Print(NodeSettings),
}

#[derive(Debug, Args)]
pub struct Files {
    /// Manifest file, folder of them, or - for standard input
    #[arg(short = 'f', long = "file", required = true, value_name = "FILE|DIR|-")]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Apply {
    #[command(flatten)]
    pub files: Files,
    /// Judge it and show what would change, change nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub fleet: Fleet,
    /// The version that the (single) object must have; 0: it must not exist
    #[arg(long, value_name = "N")]
    pub expected_version: Option<u64>,
    #[command(flatten)]
    pub request: RequestId,
}

#[derive(Debug, Args)]
pub struct Diff {
    #[command(flatten)]
    pub files: Files,
    #[command(flatten)]
    pub fleet: Fleet,
}

/// Whom to ask before and after a change.
#[derive(Debug, Args)]
pub struct Fleet {
    /// Count what these devices would be offered before and after: a CSV with a header (device, product, release, bundle,
    /// version, tags, attr.NAME, ...), or a check request in JSON on each line; without FILE: all device records
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "a flag that is left out, given, or given a file")]
    pub devices: Option<Option<PathBuf>>,
    /// Product of devices that do not name one; may be left out if there is only one
    #[arg(long, value_name = "PRODUCT")]
    pub product: Option<String>,
    /// Release that devices run which do not say what they run
    #[arg(long, value_name = "RELEASE")]
    pub on: Option<String>,
    /// Also publish this draft, in the comparison alone
    #[arg(long, value_name = "RELEASE")]
    pub publish: Vec<String>,
    /// As of another instant (RFC 3339): a ramp grows with time
    #[arg(long, value_name = "INSTANT")]
    pub at: Option<String>,
}

#[derive(Debug, Args)]
pub struct Export {
    /// As a feed that Sparkle reads: what the cohort offers and such a feed can say
    #[arg(long, requires_all = ["product", "cohort"])]
    pub appcast: bool,
    /// The product
    #[arg(long, requires = "appcast")]
    pub product: Option<String>,
    /// The cohort, as the default channel
    #[arg(long, requires = "appcast")]
    pub cohort: Option<String>,
    /// Also the cohorts that follow it, each as the channel of its name
    #[arg(long, requires = "appcast")]
    pub channels: bool,
}

/// Identity of a write.
#[derive(Debug, Clone, Args)]
pub struct RequestId {
    /// Repeat a write of unknown outcome under its id: it takes effect once
    #[arg(long, value_name = "ID")]
    pub request_id: Option<String>,
}

#[derive(Debug, Args)]
pub struct Get {
    /// product, cohort, bundle, release, policy, device, hold, override, exclusion, attestation
    pub kind: String,
    /// One object; left out: all of the kind
    pub id: Option<String>,
    /// How fresh the answer must be
    #[arg(long, value_enum, default_value_t = Consistency::Linearizable)]
    pub consistency: Consistency,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Consistency {
    /// Contains every write that was acknowledged before
    Linearizable,
    /// What the node has
    Local,
}

#[derive(Debug, Args)]
pub struct ObjectName {
    /// Kind of the object
    pub kind: String,
    /// Its id; cohorts and devices may be written PRODUCT/ID
    pub id: String,
}

#[derive(Debug, Args)]
pub struct Delete {
    #[command(flatten)]
    pub object: ObjectName,
    /// The version that it must have
    #[arg(long, value_name = "N")]
    pub expected_version: Option<u64>,
    #[command(flatten)]
    pub request: RequestId,
}

#[derive(Debug, Subcommand)]
pub enum Rollout {
    /// Publish a draft: link it and open its first stage
    Publish {
        #[command(flatten)]
        on: On,
        /// Withdraw the latest in the same entry if it is still limited
        #[arg(long)]
        supersede: bool,
        /// Confirm that an insertion is at once available to everybody on that path
        #[arg(long)]
        insert_unphased: bool,
    },
    /// Stop offering it for now
    Pause(On),
    /// Go on where it was paused
    Resume {
        #[command(flatten)]
        on: On,
        /// Acknowledge a failed gate
        #[arg(long)]
        acknowledge: bool,
    },
    /// Stop offering it for ever
    Withdraw {
        #[command(flatten)]
        on: On,
        /// Where devices on it go back to
        #[arg(long, value_name = "RELEASE")]
        revert_to: Option<String>,
        /// Share of them, by position
        #[arg(long, value_name = "PERCENT", default_value = "100")]
        revert_percent: String,
        /// It no longer counts as required
        #[arg(long)]
        open_barrier: bool,
    },
    /// Everybody has it, or shall
    Complete(On),
    /// Pass the current stage, or one domain of it
    Advance {
        #[command(flatten)]
        on: On,
        /// Only this domain
        #[arg(long)]
        domain: Option<String>,
    },
    /// Approve the open stage, or consent for one device
    Approve {
        #[command(flatten)]
        on: On,
        /// Who approves, if not the caller
        #[arg(long)]
        by: Option<String>,
        /// Consent for this device instead
        #[arg(long)]
        device: Option<String>,
    },
    /// Not a target for now, whatever its state
    Disable(On),
    /// A target again
    Enable(On),
    /// Delete a draft
    Discard(On),
    /// Forget a device's failures with it
    Clear {
        #[command(flatten)]
        on: On,
        /// The device
        #[arg(long)]
        device: String,
    },
    /// Make a release of the same bundle in another cohort
    Promote {
        #[command(flatten)]
        on: On,
        /// The other cohort
        #[arg(long)]
        to: String,
        /// Id of the new release
        #[arg(long = "as")]
        new_id: Option<String>,
        /// Keep the version number
        #[arg(long)]
        keep_version: bool,
    },
    /// Where it stands
    Status {
        /// The release
        release: String,
    },
    /// Print each change as it happens
    Watch {
        /// The release
        release: String,
    },
}

/// What every verb takes.
#[derive(Debug, Args)]
pub struct On {
    /// The release
    pub release: String,
    /// The version that it must have
    #[arg(long, value_name = "N")]
    pub expected_version: Option<u64>,
    /// Why, for people
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub request: RequestId,
}

#[derive(Debug, Args)]
pub struct Check {
    /// The product
    #[arg(long)]
    pub product: String,
    /// Key of the device
    #[arg(long)]
    pub device: Option<String>,
    /// Release that it reports
    #[arg(long)]
    pub release: Option<String>,
    /// Bundle that it reports
    #[arg(long)]
    pub bundle: Option<String>,
    /// Version that it reports (--version is spelled the same here)
    #[arg(long)]
    pub version: Option<String>,
    /// An attribute, as KEY=VALUE
    #[arg(long = "attr", value_name = "KEY=VALUE")]
    pub attributes: Vec<String>,
    /// A tag
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
    /// Security epoch that it reports
    #[arg(long)]
    pub security_epoch: Option<u64>,
    /// The user asked for it
    #[arg(long)]
    pub interactive: bool,
    /// Name every candidate and why not
    #[arg(long)]
    pub explain: bool,
    /// At another instant (RFC 3339): hypothetical
    #[arg(long, value_name = "INSTANT")]
    pub at: Option<String>,
}

#[derive(Debug, Args)]
pub struct Test {
    /// Test file, or a folder of them
    #[arg(required = true, value_name = "FILE|DIR")]
    pub files: Vec<PathBuf>,
    /// Also write a report in JUnit's format
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print every step, and what the controller did
    #[arg(short, long)]
    pub verbose: bool,
}

#[derive(Debug, Subcommand)]
pub enum Import {
    /// One update document of a Fedora CoreOS stream
    Fcos {
        /// The document (JSON), or - for standard input
        file: PathBuf,
        /// Product that takes it; created with dotted versions if it does not exist
        #[arg(long)]
        product: String,
        /// Cohort that takes it; created if it does not exist
        #[arg(long)]
        cohort: String,
        /// Show the plan, change nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        request: RequestId,
    },
    /// A Sparkle feed: its default channel into one cohort, each other channel into one that follows it
    Appcast {
        /// The feed (XML), or - for standard input
        file: PathBuf,
        /// Product that takes it; created if it does not exist
        #[arg(long)]
        product: String,
        /// Cohort of the default channel; created if it does not exist
        #[arg(long)]
        cohort: String,
        /// Cohort of a channel, if it is not to be called like the channel; a channel may have several
        #[arg(long = "channel", value_name = "CHANNEL=COHORT")]
        channels: Vec<String>,
        /// Cohorts of the channel `beta`: short for --channel beta=COHORT
        #[arg(long, value_name = "COHORT")]
        beta: Vec<String>,
        /// Show the plan, change nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        request: RequestId,
    },
}

#[derive(Debug, Subcommand)]
pub enum Device {
    /// All device records
    List,
    /// One device record
    Get {
        /// The device, PRODUCT/KEY if the key alone is not unique
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Audit {
    /// The newest records
    Tail {
        /// How many
        #[arg(long, default_value_t = 20)]
        lines: u32,
    },
}

#[derive(Debug, Subcommand)]
pub enum Cluster {
    /// Form a cluster of nodes that run and know no cluster yet; once
    Init {
        /// Peer addresses of the first voters
        #[arg(required = true, value_name = "HOST:PORT")]
        peers: Vec<String>,
    },
    /// Take a running node in: as learner, then as voter once it has caught up
    Join {
        /// Its peer address
        #[arg(value_name = "HOST:PORT")]
        peer: String,
    },
    /// Take a running node in as a read replica
    AddLearner {
        /// Its peer address
        #[arg(value_name = "HOST:PORT")]
        peer: String,
    },
    /// Make a learner that has caught up a voter
    Promote {
        /// Id of the node
        node: u64,
    },
    /// Remove a node for good; its id is never used again
    Remove {
        /// Id of the node
        node: u64,
    },
    /// Where every node stands
    Status,
    /// Hand the lead over
    TransferLeader {
        /// To this node; left out: to the best follower
        #[arg(long)]
        to: Option<u64>,
    },
    /// Print or change cluster-wide settings
    Settings {
        /// Changes, as KEY=VALUE
        #[arg(value_name = "KEY=VALUE")]
        changes: Vec<String>,
    },
    /// Compare the digests of all nodes
    Verify,
    /// Write the whole state into a file, from any node, while writes go on
    Backup {
        /// The file; there must be none of that name
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Ask no cluster: read the file, say what is in it and whether it is whole
        #[arg(long)]
        verify: bool,
    },
    /// Make the data folder of a stopped node from a backup: the only voter of a new epoch
    Restore(Restore),
    /// After a majority was lost for good: make a data folder from what one node has left
    Recover(Recover),
    /// API tokens
    #[command(subcommand)]
    Token(Token),
}

#[derive(Debug, Args)]
pub struct Restore {
    /// The backup
    #[arg(long, value_name = "FILE")]
    pub backup: PathBuf,
    #[command(flatten)]
    pub settings: NodeSettings,
}

#[derive(Debug, Args)]
pub struct Recover {
    /// Data folder of a stopped node; it is only read. Without the other flags: say what is in it, and stop
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,
    /// Make the data folder of this node's configuration from it
    #[arg(long)]
    pub i_accept_that_acknowledged_writes_may_be_lost: bool,
    #[command(flatten)]
    pub settings: NodeSettings,
}

#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token and print its secret, once
    Create {
        /// Its name: the principal of whoever bears it
        name: String,
        /// read, operate or admin
        #[arg(long)]
        role: String,
    },
    /// Make a token useless
    Revoke {
        /// Its name
        name: String,
    },
    /// All tokens, without their secrets
    List,
}
