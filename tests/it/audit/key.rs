//! The installation's key: made once, kept to its owner, never replaced.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cleargate::audit::{KeyError, open_master_key};
use cleargate::config::MasterKey;
use cleargate::secret::IdSource;
use zeroize::Zeroizing;

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_first_start_makes_a_key_and_later_ones_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let (key, store) = (folder.path().join("new/cleargate.key"), folder.path().join("new/cleargate.redb"));
    let source = MasterKey::Beside(key.clone());
    let first = open_master_key(&source, &store, &IdSource::system()).unwrap();
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&store, "the store").unwrap();
    let second = open_master_key(&source, &store, &IdSource::system()).unwrap();
    assert_eq!(first.tag(b"x"), second.tag(b"x"));
    let elsewhere = MasterKey::Beside(folder.path().join("other.key"));
    let other = open_master_key(&elsewhere, Path::new("/nonexistent/store"), &IdSource::system()).unwrap();
    assert_ne!(first.tag(b"x"), other.tag(b"x"));
}

#[test]
fn a_key_that_was_lost_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (key, store) = (folder.path().join("cleargate.key"), folder.path().join("cleargate.redb"));
    std::fs::write(&store, "the store").unwrap();
    let lost = open_master_key(&MasterKey::Beside(key.clone()), &store, &IdSource::system()).unwrap_err();
    assert!(matches!(lost, KeyError::Lost { .. }), "{lost:?}");
    assert!(!key.exists());
}

#[test]
fn a_key_that_others_may_read_or_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (key, store) = (folder.path().join("cleargate.key"), folder.path().join("cleargate.redb"));
    let source = MasterKey::Beside(key.clone());
    open_master_key(&source, &store, &IdSource::system()).unwrap();
    for mode in [0o640, 0o604, 0o666] {
        set_mode(&key, mode);
        let exposed = open_master_key(&source, &store, &IdSource::system()).unwrap_err();
        assert!(matches!(exposed, KeyError::Exposed { .. }), "{exposed:?}");
        assert!(exposed.to_string().contains(&format!("{mode:04o}")), "{exposed}");
    }
    set_mode(&key, 0o600);
    for text in ["", "\n", "secret", &"0".repeat(64), &"f".repeat(65), &"f".repeat(9_000)] {
        std::fs::write(&key, text).unwrap();
        let malformed = open_master_key(&source, &store, &IdSource::system()).unwrap_err();
        assert!(matches!(malformed, KeyError::Malformed { .. }), "{malformed:?}");
        assert!(text.len() < 6 || !malformed.to_string().contains(text), "the text is not told");
    }
    std::fs::write(&key, [0xff; 64]).unwrap();
    assert!(open_master_key(&source, &store, &IdSource::system()).is_err());
}

#[test]
fn a_given_key_needs_no_file() {
    let source = MasterKey::Given(Zeroizing::new([7; 32]));
    let key = open_master_key(&source, Path::new("/nonexistent"), &IdSource::system()).unwrap();
    assert_eq!(key.tag(b"x"), cleargate::secret::MacKey::new(&[7; 32]).tag(b"x"));
}
