//! The command line.

use std::path::PathBuf;

use tidegate_consensus::freshness::Sabotage;

pub const USAGE: &str = "usage: sim --seed N [--json] [--dump FILE] [--leak] [--verbose]
           [--sabotage clock-first|reused-start|no-quorum-round|never-expires]";

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    pub seed: u64,
    pub json: bool,
    pub verbose: bool,
    /// One node draws from the operating system instead of its seed.
    pub leak: bool,
    pub dump: Option<PathBuf>,
    pub sabotage: Option<Sabotage>,
}

pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments::default();
    let mut seed = None;
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--seed" => seed = Some(value()?.parse().map_err(|error| format!("--seed: {error}"))?),
            "--dump" => arguments.dump = Some(value()?.into()),
            "--sabotage" => arguments.sabotage = Some(sabotage(&value()?)?),
            "--json" => arguments.json = true,
            "--leak" => arguments.leak = true,
            "--verbose" => arguments.verbose = true,
            _ => return Err(format!("unknown argument {word}")),
        }
    }
    arguments.seed = seed.ok_or("--seed is missing")?;
    Ok(arguments)
}

fn sabotage(name: &str) -> Result<Sabotage, String> {
    match name {
        "clock-first" => Ok(Sabotage::ClockReadFirst),
        "reused-start" => Ok(Sabotage::ReusedStart),
        "no-quorum-round" => Ok(Sabotage::NoQuorumRound),
        "never-expires" => Ok(Sabotage::NeverExpires),
        _ => Err(format!("unknown sabotage {name}")),
    }
}
