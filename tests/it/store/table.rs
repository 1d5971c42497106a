//! Tables: tags are given once in the whole program, keys of one table do not meet those of another.

use std::collections::BTreeMap;
use std::path::Path;

use cleargate::model::{OrganisationId, SessionId};
use cleargate::store::{Range, Table, split};

use super::{bench, put, text, writes};

fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_two_tables_share_a_tag_or_a_name() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let (mut tags, mut names) = (BTreeMap::new(), BTreeMap::new());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for declared in text.split("Table::new(").skip(1) {
            let (arguments, _) = declared.split_once(')').unwrap();
            let (tag, name) = arguments.split_once(',').unwrap();
            let tag = tag.trim();
            let number = tag.strip_prefix("0x").map_or_else(|| tag.parse(), |digits| u8::from_str_radix(digits, 16));
            let number = number.unwrap_or_else(|_| panic!("{}: the tag `{tag}` is no number", file.display()));
            assert!(number < 0xf0, "{}: tags from 0xf0 on are for tests", file.display());
            let place = file.display().to_string();
            if let Some(other) = tags.insert(number, place.clone()) {
                panic!("tag {number:#04x} is given in {other} and in {place}");
            }
            if let Some(other) = names.insert(name.trim().to_owned(), place.clone()) {
                panic!("the name {name} is given in {other} and in {place}");
            }
        }
    }
    assert!(tags.len() >= 10, "the declarations were not found: {tags:?}");
}

#[test]
fn organisations_and_tables_keep_apart() {
    let one: Table<str, u64> = Table::new(0xf0, "one");
    let two: Table<str, u64> = Table::new(0xf1, "two");
    let other = OrganisationId::from_bytes([9; 16]);
    let keys = [
        one.key(OrganisationId::DEFAULT, "k"),
        two.key(OrganisationId::DEFAULT, "k"),
        one.key(other, "k"),
        one.key(OrganisationId::DEFAULT, "kk"),
    ];
    for (index, key) in keys.iter().enumerate() {
        for (other, prefix) in keys.iter().enumerate() {
            assert!(index == other || !key.starts_with(prefix), "{index} begins with {other}");
        }
    }
    assert!(keys[0].starts_with(&one.prefix(OrganisationId::DEFAULT, &())));
    assert!(!keys[1].starts_with(&one.prefix(OrganisationId::DEFAULT, &())));
}

#[test]
fn the_id_at_the_end_of_a_key_is_read_back() {
    let table: Table<(String, SessionId), u64> = Table::new(0xf0, "pairs");
    let id = SessionId::from_bytes([3; 16]);
    let key = table.key(OrganisationId::DEFAULT, &("name".to_owned(), id));
    assert_eq!(table.suffix(&key), Ok([3; 16]));
    assert!(table.suffix(&key[..10]).is_err());
}

#[tokio::test]
async fn a_page_begins_where_the_last_one_ended() {
    let bench = bench("memory");
    let (store, _) = split(bench.engine.clone());
    bench.engine.commit(writes(["p1", "p10", "p2", "p3", "q"].map(|key| put(key, key)))).await.unwrap();
    let mut range = Range::prefix(b"p".to_vec(), 2);
    let mut seen = Vec::new();
    loop {
        let rows = store.range(range.clone()).await.unwrap();
        let Some((last, _)) = rows.last() else { break };
        range = range.after(last);
        seen.extend(rows.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()));
    }
    assert_eq!(seen, ["p1", "p10", "p2", "p3"]);
    assert_eq!(text(&bench.engine, "q").await.as_deref(), Some("q"));
}
