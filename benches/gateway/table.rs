//! The result as Markdown.

use std::fmt::Write;

use super::measure::Measure;
use super::rival::Kind;

pub struct Row {
    pub name: String,
    pub ours: Measure,
    /// In the order of [`Kind::ALL`].
    pub theirs: [Option<Measure>; 2],
}

pub struct Table {
    people: usize,
    rows: Vec<Row>,
}

impl Table {
    pub const fn new(people: usize) -> Self {
        Self { people, rows: Vec::new() }
    }

    /// Adds a row, and tells it at once: a run that is cut has told what it measured.
    pub fn add(&mut self, row: Row) {
        eprintln!("{}: {}, {} a second", row.name, cpu(row.ours.cpu_us), rate(row.ours.per_second));
        self.rows.push(row);
    }

    /// The operations in which another service did more a second.
    pub fn behind(&self) -> Vec<&str> {
        let slower = |row: &&Row| row.theirs.iter().flatten().any(|theirs| theirs.per_second > row.ours.per_second);
        self.rows.iter().filter(slower).map(|row| row.name.as_str()).collect()
    }

    pub fn markdown(&self) -> String {
        let mut out = format!("| {} people | Cleargate, a second | CPU each | of it the commit |", self.people);
        for kind in Kind::ALL {
            write!(out, " {}, a second | times as fast |", kind.name()).unwrap();
        }
        out.push_str("\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
        for Row { name, ours, theirs } in &self.rows {
            let (each, commit) = (cpu(ours.cpu_us), commit(ours));
            write!(out, "| {name} | {} | {each} | {commit} |", rate(ours.per_second)).unwrap();
            for theirs in theirs {
                match theirs {
                    Some(theirs) => {
                        let times = ours.per_second / theirs.per_second;
                        write!(out, " {} | {} |", rate(theirs.per_second), rate(times)).unwrap();
                    }
                    None => out.push_str(" | |"),
                }
            }
            out.push('\n');
        }
        out
    }
}

/// The same operations with more people: what they cost, and how many times what they cost with fewer.
pub fn growth(people: usize, rows: &[(String, Measure, f64)]) -> String {
    let mut out = format!("| {people} people | Cleargate, a second | CPU each | of it the commit | times the CPU |\n");
    out.push_str("| --- | ---: | ---: | ---: | ---: |\n");
    for (name, measure, times) in rows {
        let (rate, cpu, commit) = (rate(measure.per_second), cpu(measure.cpu_us), commit(measure));
        writeln!(out, "| {name} | {rate} | {cpu} | {commit} | {times:.1} |").unwrap();
    }
    out
}

fn rate(per_second: f64) -> String {
    if per_second < 10.0 { format!("{per_second:.1}") } else { format!("{per_second:.0}") }
}

/// Empty where nothing was written.
fn commit(measure: &Measure) -> String {
    if measure.commit_us < 1.0 { String::new() } else { cpu(measure.commit_us) }
}

fn cpu(us: f64) -> String {
    if us < 10_000.0 { format!("{us:.0} µs") } else { format!("{:.0} ms", us / 1000.0) }
}
