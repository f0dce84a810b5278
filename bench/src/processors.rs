//! What the processors do besides the work measured. Where the one that serves the disk's interrupts sleeps, a sync takes
//! longer, on some machines milliseconds instead of a tenth of one; and every figure about writes says which it was.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

/// Where Linux takes how late a processor may be after its sleep, in microseconds, for as long as the file is open.
const LATENCY_REQUEST: &str = "/dev/cpu_dma_latency";

/// What they do while others are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processors {
    /// They sleep when they have nothing to do: a quiet machine.
    LeftAlone,
    /// They wait for work without sleeping, and without taking any time from it.
    KeptAwake,
    /// Each also has a busy process, of the lowest niceness: a noisy machine.
    Busy,
}

/// Holds them so, until this value is gone.
pub enum Held {
    Alone,
    #[expect(dead_code, reason = "the request stands while the file is open")]
    Awake(File),
    Busy(Vec<Child>),
}

impl Processors {
    /// All of them, the quietest first.
    pub const ALL: [Self; 3] = [Self::LeftAlone, Self::KeptAwake, Self::Busy];

    /// How tables name them.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LeftAlone => "processors left alone",
            Self::KeptAwake => "processors kept awake",
            Self::Busy => "beside busy processes",
        }
    }

    /// Holds them so. Fails where the machine does not let us.
    pub fn hold(self) -> anyhow::Result<Held> {
        match self {
            Self::LeftAlone => Ok(Held::Alone),
            Self::KeptAwake => {
                let mut request = OpenOptions::new().write(true).open(LATENCY_REQUEST).context(LATENCY_REQUEST)?;
                request.write_all(&0_i32.to_ne_bytes()).context(LATENCY_REQUEST)?;
                Ok(Held::Awake(request))
            }
            Self::Busy => {
                let count = std::thread::available_parallelism().map_or(1, usize::from);
                Ok(Held::Busy((0..count).map(|_| busy()).collect::<anyhow::Result<_>>()?))
            }
        }
    }
}

fn busy() -> anyhow::Result<Child> {
    let mut command = Command::new("nice");
    command.args(["-n", "19", "sh", "-c", "while :; do :; done"]).stdin(Stdio::null());
    command.spawn().context("a busy process cannot be started")
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Self::Busy(children) = self {
            for child in children {
                child.kill().ok();
                child.wait().ok();
            }
        }
    }
}
