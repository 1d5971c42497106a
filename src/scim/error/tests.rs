use super::*;

#[test]
fn what_is_too_much_for_one_commit_is_told_apart_from_a_value_that_is_too_large() {
    let refused = |what| Error::Directory(directory::Error::Store(store::Error::TooLarge { what, limit: 1 })).answer();
    let batch = refused("a batch's entries");
    assert_eq!((batch.status, batch.scim_type), (StatusCode::BAD_REQUEST, Some("tooMany")));
    assert!(batch.detail.contains("several requests"));
    assert_eq!(refused("a value").status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn whatever_is_not_available_says_when_to_come_back() {
    let store = directory::Error::Store(store::Error::Unavailable { reason: "full".to_owned() });
    for error in [Error::Unavailable, Error::Directory(store)] {
        let response = error.into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers().get(header::RETRY_AFTER), Some(&HeaderValue::from(5)));
    }
}
