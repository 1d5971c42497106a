//! The socket for administration on the machine itself.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use axum::Router;
use axum::extract::Request;
use axum::routing::get;
use cleargate::http::{Bind, Bound, Error, ListenerSettings, PeerUid, circumstance, serve};
use cleargate::tasks::Tasks;

use super::PATIENCE;
use crate::support::http::Client;

fn routes() -> Router {
    Router::new().route(
        "/",
        get(|request: Request| async move {
            let (parts, _) = request.into_parts();
            let from = circumstance(&parts);
            assert_eq!(from.address, None, "a forwarded address is nothing here");
            format!("{:?}", parts.extensions.get::<PeerUid>())
        }),
    )
}

fn start(path: &Path, mode: u32, tasks: &Tasks) -> Result<Bound, Error> {
    serve(ListenerSettings::new("admin", Bind::Unix { path: path.to_owned(), mode }), routes(), tasks)
}

#[tokio::test]
async fn the_kernel_says_who_asks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let tasks = Tasks::new();
    let bound = start(&path, 0o600, &tasks).unwrap();
    assert_eq!((bound.address, bound.url), (None, format!("unix:{}", path.display())));
    let answer = Client::unix(&path).get("/").header("x-forwarded-for", "203.0.113.9").send().await;
    // The file was made by this process, so its owner is who asks.
    let uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&path).unwrap());
    assert_eq!(answer.text(), format!("Some(PeerUid({uid}))"));
    assert!(answer.header("x-request-id").is_some());
    assert!(tasks.join(PATIENCE).await.is_empty());
    assert!(!path.exists(), "the file goes with the listener");
}

#[tokio::test]
async fn the_file_has_the_permissions_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [0o600, 0o660] {
        let path = folder.path().join(format!("{mode:o}.sock"));
        let tasks = Tasks::new();
        start(&path, mode, &tasks).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        assert_eq!(Client::unix(&path).get("/").send().await.status, 200);
        tasks.join(PATIENCE).await;
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
}

#[tokio::test]
async fn a_socket_that_a_dead_process_left_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let tasks = Tasks::new();
    start(&path, 0o600, &tasks).unwrap();
    assert_eq!(Client::unix(&path).get("/").send().await.status, 200);
}

#[tokio::test]
async fn a_living_socket_and_other_files_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let tasks = Tasks::new();
    start(&path, 0o600, &tasks).unwrap();
    let error = start(&path, 0o600, &tasks).unwrap_err();
    assert!(
        matches!(&error, Error::Bind { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse),
        "{error:?}"
    );
    assert_eq!(Client::unix(&path).get("/").send().await.status, 200, "the first one still answers");

    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "dear diary").unwrap();
    assert!(matches!(start(&file, 0o600, &tasks), Err(Error::Bind { .. })));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "dear diary");
    assert!(start(&folder.path().join("missing/admin.sock"), 0o600, &tasks).is_err());
}
