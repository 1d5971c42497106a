//! Whole pictures that are compared with a file. `CLEARGATE_GOLDEN=write` writes them anew, to be read before a commit.

use std::path::Path;

/// Compares `actual` with `tests/golden/{name}`.
#[track_caller]
pub fn check(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("CLEARGATE_GOLDEN").is_some_and(|mode| mode == "write") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(actual == expected, "{} differs; now it would be:\n{actual}", path.display());
}
