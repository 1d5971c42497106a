use super::*;

const GROUP: &str = r#"{"kind":"group","id":"01890a5d-ac96-774b-bcce-b302099a8057","displayName":"Analysts","attributes":{},"created":"2026-11-22T08:09:10.011Z","changed":"2026-11-22T08:09:10.011Z","revision":1}"#;

fn document(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn problems(lines: &[&str]) -> Vec<String> {
    match Transfer::read(&document(lines)) {
        Err(Error::Document { problems }) => problems,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_document_is_read_as_it_was_written() {
    let text = document(&[r#"{"kind":"export","format":1}"#, GROUP, r#"{"kind":"end","records":1}"#]);
    let Document(records) = Transfer::read(&text).unwrap();
    let mut out = Vec::new();
    write(&mut out, &Line::Export(Header { format: FORMAT })).unwrap();
    for (_, record) in &records {
        write(&mut out, &record.to_line()).unwrap();
    }
    write(&mut out, &Line::End(End { records: records.len() })).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), text);
}

#[test]
fn a_document_that_is_not_whole_is_refused_with_every_problem() {
    let (begin, end) = (r#"{"kind":"export","format":1}"#, r#"{"kind":"end","records":1}"#);
    let first = |lines: &[&str]| problems(lines).remove(0);
    assert!(first(&[begin, GROUP]).contains("no end"));
    assert!(first(&[begin, end]).contains("1 records at its end"));
    assert!(first(&[GROUP, end]).contains("not the beginning"));
    assert!(first(&[r#"{"kind":"export","format":2}"#, GROUP, end]).contains("format 2"));
    assert!(first(&[begin, begin, GROUP, end]).starts_with("line 2:"));
    assert!(first(&[begin, GROUP, end, GROUP]).contains("behind the end"));
    assert!(first(&[begin, &GROUP.replace("revision", "revison"), end]).contains("revison"));
    assert!(first(&[begin, &GROUP.replace("Analysts", ""), end]).starts_with("line 2:"));
    assert!(first(&[begin, r#"{"kind":"password","id":"x"}"#, end]).contains("password"));
    assert_eq!(problems(&[begin, "", "{", "[]", end]).len(), 3);
    let many: Vec<&str> = std::iter::repeat_n("x", 1000).collect();
    assert_eq!(problems(&many).len(), MAX_PROBLEMS);
}
