//! What machines ask about the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cleargate::http::Metrics;
use cleargate::http::operations::{self, Readiness};
use futures_util::future::BoxFuture;

use super::Server;

struct Switch(AtomicBool);

impl Readiness for Switch {
    fn check(&self) -> BoxFuture<'_, Result<(), String>> {
        let ready = self.0.load(Ordering::SeqCst);
        Box::pin(async move { if ready { Ok(()) } else { Err("the store does not answer".to_owned()) } })
    }
}

#[tokio::test]
async fn liveness_readiness_and_metrics_are_told_apart() {
    let (metrics, ready) = (Metrics::new(), Arc::new(Switch(AtomicBool::new(false))));
    let router = operations::router(metrics.clone(), Arc::clone(&ready) as Arc<dyn Readiness>);
    let server = Server::start(router, |settings| settings.metrics = metrics);
    let client = server.client();
    assert_eq!(client.get("/healthz").send().await.status, 200);
    let waiting = client.get("/readyz").send().await;
    assert_eq!((waiting.status, waiting.text()), (503, "not ready: the store does not answer\n"));
    ready.0.store(true, Ordering::SeqCst);
    assert_eq!(client.get("/readyz").send().await.status, 200);

    for path in ["/a", "/b?user=ada", "/users/ada@example.com"] {
        assert_eq!(client.get(path).send().await.status, 404);
    }
    let answer = client.get("/metrics").send().await;
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    for line in [
        "cleargate_http_requests_total{route=\"/readyz\",method=\"GET\",code=\"503\"} 1",
        "cleargate_http_requests_total{route=\"/readyz\",method=\"GET\",code=\"200\"} 1",
        "cleargate_http_requests_total{route=\"unknown\",method=\"GET\",code=\"404\"} 3",
    ] {
        assert!(answer.text().lines().any(|got| got == line), "{line} is missing in\n{}", answer.text());
    }
    assert!(!answer.text().contains("ada"), "no path as it was asked");
    assert_eq!(client.post("/metrics").send().await.status, 405);
}
