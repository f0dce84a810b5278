//! One state machine with its snapshot, and feeds as they are written by hand.

use tidegate_eligibility::{Decision, Mode, Request, Snapshot, Stamp, compile, decide};
use tidegate_machine::{Genesis, State, apply};
use tidegate_model::{
    CohortId, Command, Entry, Object, Principal, ProductId, ReleaseId, RequestId, Seed, Timestamp, Transition, Verb,
};

use super::super::{Exported, Target, export, import};
use crate::Source;
use crate::stream::Plan;

/// Monday, 5 October 2015, 19:20:11 UTC.
pub const DATE: i64 = 1_444_072_811;
pub const DATE_TEXT: &str = "Mon, 05 Oct 2015 19:20:11 +0000";
pub const DAY: i64 = 86_400;

/// So many days after [`DATE`].
pub fn day(days: i64) -> Timestamp {
    Timestamp::from_secs(DATE + days * DAY)
}

/// A feed of these items, each on a line of its own from line 4 on.
pub fn feed(items: &[String]) -> String {
    let items: String = items.iter().map(|item| format!("{item}\n")).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<rss version=\"2.0\" \
         xmlns:sparkle=\"http://www.andymatuschak.org/xml-namespaces/sparkle\" xmlns:tidegate=\"urn:tidegate:appcast\">\n\
         <channel><title>App</title>\n{items}</channel></rss>\n"
    )
}

/// An item with a file; `more` are further elements.
pub fn item(version: &str, more: &str) -> String {
    format!(
        "<item><sparkle:version>{version}</sparkle:version>{more}<enclosure url=\"https://x.example/App-{version}.zip\" \
         length=\"1000\" type=\"application/octet-stream\" sparkle:edSignature=\"c2ln{}\"/></item>",
        version.replace('.', "")
    )
}

/// Elements of a phased item.
pub fn phased(interval: &str) -> String {
    format!("<pubDate>{DATE_TEXT}</pubDate><sparkle:phasedRolloutInterval>{interval}</sparkle:phasedRolloutInterval>")
}

/// A device that asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Host {
    pub version: &'static str,
    pub group: Option<u8>,
    pub os: Option<&'static str>,
    pub channel: Option<&'static str>,
    pub is_interactive: bool,
}

pub fn host(version: &'static str) -> Host {
    Host { version, ..Host::default() }
}

pub struct Cluster {
    pub state: State,
    snapshot: Snapshot,
}

pub fn target() -> Target {
    Target { product: ProductId::new("app").unwrap(), cohort: CohortId::new("stable").unwrap(), channels: Vec::new() }
}

impl Cluster {
    pub fn new() -> Self {
        Self { state: State::new(Genesis { version_base: 0, epoch: 1, bare_signatures: false }), snapshot: Snapshot::empty() }
    }

    pub fn objects(&self) -> Vec<Object> {
        self.state.catalog().objects().collect()
    }

    /// # Errors
    /// All of them, a line each.
    pub fn plan(&self, feed: &str, now: Timestamp) -> Result<Plan, String> {
        let source = Source { name: "appcast.xml".to_owned(), text: feed.to_owned() };
        import(&source, &target(), &self.objects(), now)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    pub fn run(&mut self, command: Command, at: Timestamp) -> Result<(), String> {
        let index = self.state.applied_index() + 1;
        let entry = Entry {
            proposed_at: at,
            principal: Principal::new("ops").unwrap(),
            auth_epoch: 0,
            request_id: RequestId::new(&format!("import-{index}")).unwrap(),
            seed: Seed([u8::try_from(index % 251).unwrap(); 32]),
            command,
        };
        let applied = apply(&mut self.state, index, &entry);
        applied.result.map_err(|rejection| rejection.to_string())?;
        let stamp = Stamp { config_version: self.state.config_version(), epoch: 1, applied_index: index };
        self.snapshot = compile(&self.snapshot, self.state.catalog(), &applied.changes, stamp);
        Ok(())
    }

    /// Imports a feed, and again: the second time nothing is left to do.
    pub fn import(&mut self, feed: &str, now: Timestamp) -> Result<Plan, String> {
        let plan = self.plan(feed, now)?;
        if !plan.commands.is_empty() {
            let command = Command::Batch(plan.commands.clone());
            self.run(command, now).map_err(|rejection| format!("{rejection}\n{:#?}", plan.commands))?;
        }
        let again = self.plan(feed, now)?;
        if again.commands.is_empty() { Ok(plan) } else { Err(format!("imported again it still does: {:#?}", again.commands)) }
    }

    pub fn verb(&mut self, release: &str, verb: Verb, at: Timestamp) {
        let release = ReleaseId::new(release).unwrap();
        let transition = Transition { release, expected_version: None, reason: Some("by hand".to_owned()), verb };
        self.run(Command::Transition(transition), at).unwrap();
    }

    pub fn export(&self, now: Timestamp) -> Exported {
        let Target { product, cohort, .. } = target();
        export(&self.objects(), &product, &cohort, true, now).unwrap()
    }

    fn decide(&self, host: &Host, now: Timestamp, read: impl FnOnce(Decision<'_>) -> String) -> String {
        let attributes: Vec<(&str, &str)> =
            host.channel.map(|channel| ("cohort", channel)).into_iter().chain(host.os.map(|os| ("os", os))).collect();
        let request = Request {
            product: "app",
            device: Some("host"),
            version: Some(host.version),
            group: host.group,
            attributes: &attributes,
            mode: if host.is_interactive { Mode::Interactive } else { Mode::Background },
            ..Request::default()
        };
        read(decide(&self.snapshot, &request, now))
    }

    /// `OFFER_LATEST 2.0`, or the reason alone.
    pub fn answer(&self, host: &Host, now: Timestamp) -> String {
        self.decide(host, now, |decision| {
            let version = decision.target.and_then(|target| target.version).map(|version| format!(" {version}"));
            format!("{}{}", decision.reason.as_str(), version.unwrap_or_default())
        })
    }

    /// The version that is offered.
    pub fn offered(&self, host: &Host, now: Timestamp) -> Option<String> {
        let answer = self.decide(host, now, |decision| match decision.target {
            Some(target) if decision.is_offer() => target.version.map_or_else(String::new, ToString::to_string),
            _ => String::new(),
        });
        Some(answer).filter(|version| !version.is_empty())
    }
}
