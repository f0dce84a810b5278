//! Golden scripts: `src/scripts/<area>/<behaviour>` gives commands and what comes of them.
//!
//! A noun applies a document (`product os`, `release r1 bundle=b1 previous=r0`), a verb moves a rollout (`pause r1`).
//! Between `begin` and `apply` or `batch` they are collected into one entry. Any write takes `expect=VERSION`,
//! `id=REQUEST` and `reason=TEXT`; a prefix names the caller (`alice: pause r1`). `at SECONDS` sets the clock of the next
//! entries. `steer STEP RELEASE` is a step of the controller, on the present version. `graph`, `show`, `get`, `state`,
//! `changes` and `tokens` look. `UPDATE_GOLDENFILES=1 cargo test` writes the answers; read them before committing.
#![allow(clippy::unwrap_used, reason = "tests")]

mod nouns;
mod print;
mod verbs;

use std::error::Error;

use goldenscript::{Argument, Context, Runner};
use tidegate_model::{Command, Document, Entry, Principal, RequestId, Seed, Steer, Timestamp};

use crate::{Genesis, State, apply, skip};

/// The clock of scripts starts here.
const START: i64 = 1_700_000_000;

struct Script {
    state: State,
    now: Timestamp,
    auth_epoch: Option<u64>,
    collected: Option<Vec<Command>>,
    entries: u64,
}

impl Script {
    fn new() -> Self {
        let genesis = Genesis { version_base: 0, epoch: 1, bare_signatures: false };
        let now = Timestamp::from_secs(START);
        Self { state: State::new(genesis), now, auth_epoch: None, collected: None, entries: 0 }
    }

    /// Collects the command, or applies it.
    fn write(&mut self, command: Command, args: &Args, context: &Context) -> String {
        if let Some(collected) = &mut self.collected {
            match (command, collected.last_mut()) {
                (Command::Apply(mut more), Some(Command::Apply(documents))) => documents.append(&mut more),
                (command, _) => collected.push(command),
            }
            return String::new();
        }
        self.propose(command, args.get("id"), context)
    }

    fn propose(&mut self, command: Command, request_id: Option<&str>, context: &Context) -> String {
        self.entries += 1;
        let caller = if matches!(command, Command::Steer(_)) { "controller" } else { "ops" };
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.entries.to_be_bytes());
        let generated = format!("q{}", self.entries);
        let entry = Entry {
            proposed_at: self.now,
            principal: Principal::new(context.prefix.as_deref().unwrap_or(caller)).unwrap(),
            auth_epoch: self.auth_epoch.unwrap_or_else(|| self.state.auth_epoch()),
            request_id: RequestId::new(request_id.unwrap_or(&generated)).unwrap(),
            seed: Seed(seed),
            command,
        };
        let index = self.state.applied_index() + 1;
        let before = self.state.clone();
        let applied = apply(&mut self.state, index, &entry);
        print::check_books(&before, &self.state, &applied);
        print::applied(&applied)
    }

    /// A step of the controller, on the present version unless `expect` says otherwise.
    fn steer(&self, args: &Args) -> Command {
        let release = nouns::release_id(args.word(1));
        let present = self.state.catalog().releases().get(&release).map_or(1, |release| release.version);
        let expected_version = args.get("expect").map_or(present, |text| text.parse().unwrap());
        Command::Steer(Steer { release, expected_version, step: verbs::step(args.word(0), args) })
    }

    fn look(&self, args: &Args, name: &str) -> Option<String> {
        Some(match name {
            "graph" => print::graph(&self.state),
            "show" => print::rollout(&self.state, args.word(0)),
            "get" => print::object(&self.state, args.word(0), args.word(1)),
            "state" => print::state(&self.state),
            "changes" => print::changes(&self.state, args.word(0).parse().unwrap()),
            "tokens" => print::tokens(&self.state),
            _ => return None,
        })
    }

    fn step(&mut self, name: &str, args: &Args, context: &Context) -> Result<String, Box<dyn Error>> {
        if let Some(text) = self.look(args, name) {
            return Ok(text);
        }
        match name {
            "at" => self.now = Timestamp::from_secs(START + args.word(0).parse::<i64>()?),
            "login" => self.auth_epoch = Some(args.word(0).parse()?),
            "skip" => {
                let index = self.state.applied_index() + 1;
                skip(&mut self.state, index);
            }
            "begin" => self.collected = Some(Vec::new()),
            "apply" | "batch" => {
                let mut commands = self.collected.take().ok_or("begin first")?;
                let command = if name == "batch" { Command::Batch(commands) } else { commands.pop().ok_or("nothing")? };
                return Ok(self.propose(command, args.get("id"), context));
            }
            "steer" => {
                let command = self.steer(args);
                return Ok(self.write(command, args, context));
            }
            _ => {
                let expected_version = args.get("expect").map(str::parse).transpose()?;
                let command = match nouns::spec(name, args) {
                    Some(spec) => Command::Apply(vec![Document { spec, expected_version }]),
                    None => verbs::command(name, args, expected_version).ok_or_else(|| format!("unknown command {name}"))?,
                };
                return Ok(self.write(command, args, context));
            }
        }
        Ok(String::new())
    }
}

impl Runner for Script {
    type Command = goldenscript::Command;

    fn run(&mut self, command: &goldenscript::Command, context: &Context) -> Result<String, Box<dyn Error>> {
        self.step(&command.name, &Args(command.args.clone()), context)
    }
}

/// Arguments: words in order, and `key=value`.
struct Args(Vec<Argument>);

impl Args {
    fn words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|arg| if let Argument::Positional(word) = arg { Some(word.as_str()) } else { None })
    }

    fn word(&self, at: usize) -> &str {
        self.words().nth(at).unwrap_or_else(|| panic!("argument {at} is missing in {:?}", self.0))
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .filter_map(|arg| if let Argument::KeyValue(key, value) = arg { Some((key.as_str(), value.as_str())) } else { None })
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.pairs().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    fn list(&self, key: &str) -> impl Iterator<Item = &str> {
        self.get(key).into_iter().flat_map(|list| list.split('/'))
    }

    fn is(&self, key: &str) -> bool {
        self.words().any(|word| word == key)
    }
}

/// Runs every script of an area, each from an empty state.
fn run_area(area: &str) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/scripts").join(area);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no scripts for {area}");
    for path in paths {
        goldenscript::run(&mut Script::new(), &path).unwrap();
    }
}

macro_rules! areas {
    ($($area:ident)*) => {$(
        #[test]
        fn $area() {
            run_area(stringify!($area));
        }
    )*};
}

areas! { lifecycle steering graph cas apply_documents requests auth promote }
