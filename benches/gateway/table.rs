//! The result as Markdown.

use std::fmt::Write;

use super::measure::Measure;

pub struct Row {
    pub name: String,
    pub ours: Measure,
    pub theirs: Option<Measure>,
}

pub struct Table {
    people: usize,
    rows: Vec<Row>,
}

impl Table {
    pub const fn new(people: usize) -> Self {
        Self { people, rows: Vec::new() }
    }

    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// The operations in which the other service did more a second.
    pub fn behind(&self) -> Vec<&str> {
        let slower = |row: &&Row| row.theirs.is_some_and(|theirs| theirs.per_second > row.ours.per_second);
        self.rows.iter().filter(slower).map(|row| row.name.as_str()).collect()
    }

    pub fn markdown(&self) -> String {
        let mut out = format!(
            "| {} people | Cleargate, a second | CPU each | scim2-server, a second | CPU each | Times as fast |\n\
             | --- | ---: | ---: | ---: | ---: | ---: |\n",
            self.people
        );
        for Row { name, ours, theirs } in &self.rows {
            let (rate, cpu) = (rate(ours.per_second), cpu(ours.cpu_us));
            let line = match theirs {
                Some(theirs) => {
                    let (their_rate, their_cpu) = (self::rate(theirs.per_second), self::cpu(theirs.cpu_us));
                    let times = ours.per_second / theirs.per_second;
                    writeln!(out, "| {name} | {rate} | {cpu} | {their_rate} | {their_cpu} | {times:.1} |")
                }
                None => writeln!(out, "| {name} | {rate} | {cpu} | | | |"),
            };
            line.unwrap();
        }
        out
    }
}

fn rate(per_second: f64) -> String {
    if per_second < 10.0 { format!("{per_second:.1}") } else { format!("{per_second:.0}") }
}

fn cpu(us: f64) -> String {
    if us < 10_000.0 { format!("{us:.0} µs") } else { format!("{:.0} ms", us / 1000.0) }
}
