use super::super::ber::{ENUMERATED, INTEGER, OCTETS, SEQUENCE, Writer};
use super::super::message::{BIND_RESPONSE, SEARCH_DONE, SEARCH_REQUEST};
use super::*;

fn message(id: i32, tag: u8, code: i32, text: &str) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |w| {
        w.number(INTEGER, id);
        w.nest(tag, |w| {
            w.number(ENUMERATED, code);
            w.bytes(OCTETS, b"");
            w.bytes(OCTETS, text.as_bytes());
        });
    });
    writer.into_bytes()
}

fn open(ids: &[i32]) -> OpenQuestions {
    let open = OpenQuestions::default();
    for id in ids {
        let question = message(*id, SEARCH_REQUEST, 0, "");
        open.ask(&Message::parse(&question).unwrap());
    }
    open
}

fn reason(result: Result<usize, Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn whole_messages_pass_and_a_beginning_waits() {
    let questions = open(&[1, 2]);
    let mut bytes = message(1, BIND_RESPONSE, 0, "");
    bytes.extend(message(2, SEARCH_DONE, 0, ""));
    let whole = bytes.len();
    bytes.extend([0x30, 0x0c, 0x02]);
    assert_eq!(check_all(&bytes, &questions, 1000).unwrap(), whole);
}

#[test]
fn an_answer_that_nobody_asked_for_is_refused() {
    let answer = message(7, SEARCH_DONE, 0, "");
    assert!(reason(check_all(&answer, &open(&[1]), 1000)).contains("message 7"));
    let questions = open(&[7]);
    assert!(check_all(&answer, &questions, 1000).is_ok());
    assert!(check_all(&answer, &questions, 1000).is_err(), "a second end of one search");
}

#[test]
fn a_claimed_size_over_the_limit_is_refused_before_its_bytes_come() {
    let claim = [0x30, 0x84, 0x7f, 0xff, 0xff, 0xff];
    assert!(reason(check_all(&claim, &open(&[1]), 16 << 20)).contains("over the limit"));
}

#[test]
fn a_notice_of_disconnection_gives_its_reason() {
    let notice = message(0, EXTENDED_RESPONSE, 52, "going down\r\n for maintenance");
    let error = check_all(&notice, &open(&[1]), 1000).unwrap_err();
    assert!(matches!(&error, Error::Unavailable { reason } if reason.contains("going down   for maintenance")));
}

#[tokio::test]
async fn a_message_cut_by_the_end_of_the_connection_is_an_error() {
    let bytes = message(1, SEARCH_DONE, 0, "");
    let (cut, mut library) = (&bytes[..bytes.len() - 1], Vec::new());
    let ended = answers(cut, &mut library, &open(&[1]), 1000).await;
    assert!(matches!(ended, Err(Error::Protocol { .. })));
    assert!(library.is_empty(), "nothing of it has reached the library");
    assert!(answers(&bytes[..], &mut library, &open(&[1]), 1000).await.is_ok());
    assert_eq!(library, bytes);
}
