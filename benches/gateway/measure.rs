//! Wall clock and the server's CPU time, per operation.

use std::fs;
use std::time::{Duration, Instant};

/// Clock ticks of `/proc/PID/stat` in a second: 100 on every Linux of x86-64 and arm64.
const TICKS: f64 = 100.0;

/// What one operation came to in one round.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    pub per_second: f64,
    /// Microseconds of the server's CPU time, user and system, for one operation.
    pub cpu_us: f64,
    /// How many of them its writing thread took: the durable commit.
    pub commit_us: f64,
}

impl Measure {
    pub fn of(count: u64, wall: Duration, cpu_seconds: f64, commit_seconds: f64) -> Self {
        assert!(count > 0, "nothing was done");
        let each = |seconds: f64| seconds * 1e6 / count as f64;
        Self {
            per_second: count as f64 / wall.as_secs_f64(),
            cpu_us: each(cpu_seconds),
            commit_us: each(commit_seconds),
        }
    }

    pub fn try_median(measures: Vec<Self>) -> Option<Self> {
        (!measures.is_empty()).then(|| Self::median(measures))
    }

    /// The middle of each figure.
    pub fn median(measures: Vec<Self>) -> Self {
        let middle = |figure: fn(&Self) -> f64| {
            let mut figures: Vec<f64> = measures.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        Self {
            per_second: middle(|measure| measure.per_second),
            cpu_us: middle(|measure| measure.cpu_us),
            commit_us: middle(|measure| measure.commit_us),
        }
    }
}

/// Started before operations, stopped after them.
pub struct Watch {
    process: u32,
    began: Instant,
    cpu: f64,
    commits: f64,
}

impl Watch {
    pub fn start(process: u32) -> Self {
        Self { process, cpu: cpu_seconds(process), commits: commit_seconds(process), began: Instant::now() }
    }

    pub fn stop(self, count: u64) -> Measure {
        let wall = self.began.elapsed();
        let (cpu, commits) = (cpu_seconds(self.process), commit_seconds(self.process));
        Measure::of(count, wall, cpu - self.cpu, commits - self.commits)
    }
}

/// CPU time of a process since its start, all threads, user and system.
fn cpu_seconds(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
}

/// CPU time of the threads of a process that write its store; none in other services.
fn commit_seconds(process: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap().flatten().map(|thread| thread.path());
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let writers = threads.filter(|thread| read(thread.join("comm")).trim() == "store");
    let nanoseconds =
        |thread: std::path::PathBuf| read(thread.join("schedstat")).split(' ').next()?.parse::<f64>().ok();
    writers.filter_map(nanoseconds).sum::<f64>() / 1e9
}

/// CPU time of the thread that asks.
pub fn thread_seconds() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// Memory of a process that is in RAM.
pub fn resident_mib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}
