//! The unit of the daemon, as far as it can be judged without booting: systemd reads it, and it exposes little.

use std::process::Command;

/// Highest exposure that is accepted, in tenths: 1.5.
const MOST_EXPOSURE: &str = "--threshold=15";

/// The unit with this build's program, which exists, in the place of the installed one.
fn unit(folder: &std::path::Path) -> std::path::PathBuf {
    let text = include_str!("../../../systemd/cleargate.service");
    let path = folder.join("cleargate.service");
    std::fs::write(&path, text.replace("/usr/bin/cleargate", env!("CARGO_BIN_EXE_cleargate"))).unwrap();
    path
}

fn analyze(arguments: &[&str], unit: &std::path::Path) -> (bool, String) {
    let output = Command::new("systemd-analyze").args(arguments).arg(unit).output();
    let output = output.expect("systemd-analyze is needed: install the package systemd");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.success(), text)
}

#[test]
fn systemd_finds_nothing_to_say_about_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let (is_good, said) = analyze(&["verify", "--man=no"], &unit(folder.path()));
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("cleargate")).collect();
    assert!(is_good && ours.is_empty(), "{said}");
}

#[test]
fn the_unit_exposes_little() {
    let folder = tempfile::tempdir().unwrap();
    let (is_good, said) = analyze(&["security", "--offline=true", "--no-pager", MOST_EXPOSURE], &unit(folder.path()));
    assert!(is_good, "{said}");
    assert!(said.contains("Overall exposure level"), "{said}");
}

#[test]
fn the_unit_does_not_run_what_would_restart_it_for_ever() {
    let text = include_str!("../../../systemd/cleargate.service");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(!lines.iter().any(|line| line.starts_with("ExecStartPre=")));
    assert!(lines.contains(&"RestartPreventExitStatus=78 243"));
    assert!(lines.contains(&"Type=notify"));
}
