//! Instructions per decision, counted by valgrind: the same on a busy machine as on a quiet one, so that a regression of
//! a few percent shows, in continuous integration too.
//!
//! This program runs itself under `valgrind --tool=callgrind`, which counts from `begin` to `end` and writes one file
//! each time. That needs valgrind and nothing else. (iai-callgrind does the same through a runner that has to be
//! installed by hand, in the version that fits the library.) Where valgrind is not installed, nothing is counted and the
//! tables say so.

use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use tidegate_eligibility::{Request, Snapshot, decide};

use crate::asks::{self, Class};
use crate::catalog::World;
use crate::objects::NOW;
use crate::shape::{self, Named};

/// Requests of each class that are counted.
const REQUESTS: usize = 200;
/// From which they are drawn.
const SEED: u64 = 7;

/// Instructions per decision, of one class in one catalog.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// The catalog.
    pub catalog: String,
    /// The class.
    pub class: String,
    /// Instructions of one decision, on average.
    pub instructions: f64,
}

/// True if valgrind can be run here.
#[must_use]
pub fn is_available() -> bool {
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// Counts the classes of these catalogs.
///
/// # Errors
/// Valgrind cannot be started or fails, or its files cannot be read.
pub fn count(catalogs: &[Named]) -> Result<Vec<Count>> {
    let folder = tempfile::tempdir().context("cannot make a folder for what valgrind writes")?;
    let out = folder.path().join("out");
    let program = std::env::current_exe().context("cannot find this program")?;
    let ran = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .args([format!("--zero-before={BEGIN}"), format!("--dump-before={END}")])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["micro", "--counted"])
        .args(catalogs.iter().map(|catalog| catalog.name))
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start valgrind")?;
    ensure!(ran.status.success(), "valgrind failed: {}", ran.status);
    let told = String::from_utf8(ran.stdout).context("what was counted is not told in UTF-8")?;
    told.lines().enumerate().map(|(i, line)| read(line, &folder.path().join(format!("out.{}", i + 1)))).collect()
}

/// The functions between which is counted, as valgrind names them.
const BEGIN: &str = "tidegate_micro::instructions::begin*";
const END: &str = "tidegate_micro::instructions::end*";

/// One line of [`run_counted`], with the file that valgrind wrote for it.
fn read(line: &str, path: &Path) -> Result<Count> {
    let file = std::fs::read_to_string(path).with_context(|| format!("valgrind wrote no {}", path.display()))?;
    let total = file.lines().find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    let total: u32 = total.context("a file of valgrind without a total")?.trim().parse().context("a total that is no number")?;
    let mut parts = line.split('\t');
    let (catalog, class, decisions) = (parts.next(), parts.next(), parts.next());
    let (Some(catalog), Some(class), Some(decisions)) = (catalog, class, decisions) else {
        anyhow::bail!("expected catalog, class and count, got {line:?}");
    };
    let decisions: u32 = decisions.parse().context("a count of decisions that is no number")?;
    Ok(Count {
        catalog: catalog.to_owned(),
        class: class.to_owned(),
        instructions: f64::from(total) / f64::from(decisions.max(1)),
    })
}

/// What runs inside of valgrind: every class of every catalog is counted once, and told with one line.
///
/// # Errors
/// A name that no catalog bears.
#[allow(clippy::print_stdout, reason = "told to the process that started this one")]
pub fn run_counted(names: &[String]) -> Result<()> {
    for name in names {
        let named = shape::find(name).with_context(|| format!("no catalog is called {name:?}"))?;
        let world = World::new(named.shape);
        let snapshot = Snapshot::of(&world.catalog, world.stamp());
        for asks in asks::draw(&world, &snapshot, REQUESTS, SEED) {
            asks.with(|requests| counted(&snapshot, requests));
            println!("{name}\t{}\t{}", asks.class.name(), asks.len());
        }
    }
    Ok(())
}

fn counted(snapshot: &Snapshot, requests: &[Request<'_>]) {
    begin();
    for request in requests {
        black_box(decide(snapshot, black_box(request), NOW));
    }
    end();
}

/// Where counting begins. Its body differs from that of [`end`], so that the compiler does not make one of the two.
#[inline(never)]
fn begin() {
    black_box("begin");
}

/// Where counting ends.
#[inline(never)]
fn end() {
    black_box("end of it");
}

/// The greatest count of one catalog, with its class.
#[must_use]
pub fn worst<'c>(counts: &'c [Count], catalog: &str) -> Option<&'c Count> {
    counts.iter().filter(|count| count.catalog == catalog).max_by(|a, b| a.instructions.total_cmp(&b.instructions))
}

/// The count of one class of one catalog.
#[must_use]
pub fn of(counts: &[Count], catalog: &str, class: Class) -> Option<f64> {
    counts.iter().find(|count| count.catalog == catalog && count.class == class.name()).map(|count| count.instructions)
}
