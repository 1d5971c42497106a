//! What a browser brings back that the provider never said, or said to somebody else.

use futures_util::FutureExt;

use super::*;

pub(super) fn cases() -> Cases {
    let mut cases = handles();
    cases.extend(contents());
    cases
}

/// The answer belongs to no sign-in of this browser.
fn handles() -> Cases {
    vec![
        by_browser("nothing at all, as of a fragment", "ticket", |visit| visit.fields.clear()),
        by_browser("no state", "ticket", |visit| visit.remove("state")),
        by_browser("an empty state", "ticket", |visit| visit.set("state", "")),
        by_browser("an invented state", "ticket", |visit| visit.set("state", &"x".repeat(43))),
        by_browser("a huge state", "ticket", |visit| visit.set("state", &"x".repeat(16 * 1024))),
        by_browser("a state of control characters", "ticket", |visit| visit.set("state", "\0\r\n\u{202e}")),
        by_browser("the state twice", "ticket", |visit| visit.double("state")),
        by_browser("the state and another's", "ticket", |visit| {
            let theirs = visit.others.iter().find(|(name, _)| name == "state").unwrap().clone();
            visit.fields.push(theirs);
        }),
        by_browser("the state of another browser", "ticket", |visit| visit.take("state")),
        by_browser("the whole answer of another browser", "ticket", |visit| visit.fields = visit.others.clone()),
        by_browser("names in capitals", "ticket", |visit| {
            visit.fields.iter_mut().for_each(|(name, _)| name.make_ascii_uppercase());
        }),
        by_browser("another connector", "ticket", |visit| visit.path = "/oidc/other/callback".to_owned()),
        by_browser("no cookie", "browser", |visit| visit.browser.cookies.clear()),
        by_browser("an invented cookie", "ticket", |visit| {
            visit.browser.cookies.values_mut().for_each(|value| *value = "x".repeat(43));
        }),
    ]
}

/// The answer says something else than it should.
fn contents() -> Cases {
    vec![
        by_browser("no code", "shape", |visit| visit.remove("code")),
        by_browser("an empty code", "shape", |visit| visit.set("code", "")),
        by_browser("a huge code", "shape", |visit| visit.set("code", &"x".repeat(5000))),
        by_browser("the code twice", "shape", |visit| visit.double("code")),
        by_browser("two codes", "shape", |visit| visit.fields.push(("code".to_owned(), "another".to_owned()))),
        by_browser("an invented code", "declined", |visit| visit.set("code", "made-up")),
        by_browser("a code of control characters", "declined", |visit| visit.set("code", "\0\r\n&code=x\u{202e}")),
        by_browser("the code of another browser", "declined", |visit| visit.take("code")),
        by_browser("a token in the code's place", "shape", |visit| {
            visit.remove("code");
            visit.set("id_token", "e30.e30.e30");
            visit.set("access_token", "x");
        }),
        by_browser("a response that is a token", "shape", |visit| {
            visit.remove("code");
            visit.set("response", "e30.e30.e30");
        }),
        by_browser("no issuer", "response_issuer", |visit| visit.remove("iss")),
        by_browser("an empty issuer", "response_issuer", |visit| visit.set("iss", "")),
        by_browser("an issuer of an attacker", "response_issuer", |visit| visit.set("iss", "https://evil.example")),
        by_browser("an issuer that is another connector's", "response_issuer", |visit| {
            let neighbour = visit.neighbour.clone();
            visit.set("iss", &neighbour);
        }),
        by_browser("an issuer with a slash", "response_issuer", |visit| {
            let own = visit.fields.iter().find(|(name, _)| name == "iss").unwrap().1.clone();
            visit.set("iss", &format!("{own}/"));
        }),
        by_browser("the issuer twice", "shape", |visit| visit.double("iss")),
        by_browser("an error of another issuer", "response_issuer", |visit| {
            visit.remove("code");
            visit.set("error", "access_denied");
            visit.set("iss", "https://evil.example");
        }),
        by_browser("an error and a code", "shape", |visit| visit.set("error", "access_denied")),
        by_browser("an empty error and a code", "shape", |visit| visit.set("error", "")),
        by_browser("an error", "declined", |visit| {
            visit.remove("code");
            visit.set("error", "access_denied");
        }),
        by_browser("an error of markup", "declined", |visit| {
            visit.remove("code");
            visit.set("error", "<script>alert(1)</script>");
            visit.set("error_description", &"\u{202e}\r\n\u{1b}[31m".repeat(1000));
        }),
        by_browser("the error twice", "shape", |visit| {
            visit.remove("code");
            visit.double("error");
        }),
    ]
}

/// Answers that were good once, or for one.
pub(super) fn walks() -> Cases {
    vec![
        walk("an answer that was taken", "ticket", |stage| taken(stage).boxed()),
        walk("an answer that was refused", "ticket", |stage| refused_before(stage).boxed()),
        walk("an answer in a browser with a sign-in of its own", "ticket", |stage| stolen(stage).boxed()),
        walk("an answer before somebody who is signed in", "ticket", |stage| pushed(stage).boxed()),
        walk("an answer after ten minutes", "ticket", |stage| late(stage).boxed()),
        walk("an answer eight times at once", "ticket", |stage| race(stage).boxed()),
        walk("a code that was exchanged before", "declined", |stage| spent(stage).boxed()),
        walk("a token of an earlier sign-in", "nonce", |stage| token_again(stage).boxed()),
        walk("the nonce of an earlier sign-in", "nonce", |stage| nonce_again(stage).boxed()),
    ]
}

async fn taken(stage: &Stage) -> Reply {
    let mut visit = stage.visit().await;
    let (fields, path) = (visit.fields.clone(), visit.path.clone());
    let (good, browser) = visit.send().await;
    assert_eq!(good.status, StatusCode::SEE_OTHER);
    visit = stage.visit().await;
    (visit.browser, visit.fields, visit.path) = (browser, fields, path);
    let (reply, mut browser) = visit.send().await;
    assert!(is_in(&mut browser).await, "the session that it opened goes on");
    reply
}

/// What was used up by a refusal is used up.
async fn refused_before(stage: &Stage) -> Reply {
    let mut visit = stage.visit().await;
    let (fields, path) = (visit.fields.clone(), visit.path.clone());
    visit.set("iss", "https://evil.example");
    let (_, browser) = visit.send().await;
    visit = stage.visit().await;
    (visit.browser, visit.fields, visit.path) = (browser, fields, path);
    let (reply, mut browser) = visit.send().await;
    assert!(!is_in(&mut browser).await);
    reply
}

async fn stolen(stage: &Stage) -> Reply {
    let (victim, mut thief) = (stage.visit().await, stage.visit().await);
    thief.fields.clone_from(&victim.fields);
    let (reply, mut browser) = thief.send().await;
    assert!(!is_in(&mut browser).await);
    // Nor has it used up the sign-in of whom it belongs to.
    assert_eq!(victim.send().await.0.status, StatusCode::SEE_OTHER);
    reply
}

async fn pushed(stage: &Stage) -> Reply {
    let mut ada = stage.sign_in_well("a walk").await;
    let before = ada.get("/api/v1/me").await.json();
    let mut visit = stage.visit().await;
    visit.browser = ada;
    let (reply, mut ada) = visit.send().await;
    assert_eq!(ada.get("/api/v1/me").await.json()["session"], before["session"]);
    reply
}

async fn late(stage: &Stage) -> Reply {
    let visit = stage.visit().await;
    stage.gateway.advance(std::time::Duration::from_secs(601));
    visit.send().await.0
}

async fn race(stage: &Stage) -> Reply {
    let visit = stage.visit().await;
    let one = |_| Visit {
        browser: visit.browser.clone(),
        path: visit.path.clone(),
        fields: visit.fields.clone(),
        others: Vec::new(),
        neighbour: String::new(),
    };
    let replies = futures_util::future::join_all((0..8).map(one).map(Visit::send)).await;
    let (good, mut refused): (Vec<_>, Vec<_>) =
        replies.into_iter().map(|(reply, _)| reply).partition(|reply| reply.status == StatusCode::SEE_OTHER);
    assert_eq!((good.len(), refused.len()), (1, 7));
    refused.remove(0)
}

/// The code was redeemed by whoever saw it, in a sign-in of their own.
async fn spent(stage: &Stage) -> Reply {
    let (victim, mut thief) = (stage.visit().await, stage.visit().await);
    let code = victim.fields.iter().find(|(name, _)| name == "code").unwrap().1.clone();
    thief.set("code", &code);
    assert_eq!(thief.send().await.0.status, StatusCode::FORBIDDEN);
    victim.send().await.0
}

async fn token_again(stage: &Stage) -> Reply {
    let seen = Mutex::new(None::<String>);
    let again = move |token: String| seen.lock().unwrap().get_or_insert(token).clone();
    stage.switch.set(Arc::new(Spoil::token(again)));
    stage.sign_in_well("a walk").await;
    stage.sign_in().await.0
}

async fn nonce_again(stage: &Stage) -> Reply {
    let seen = Mutex::new(None::<Value>);
    let again = move |claims: &mut Map<String, Value>| {
        let nonce = seen.lock().unwrap().get_or_insert_with(|| claims["nonce"].clone()).clone();
        claims.insert("nonce".to_owned(), nonce);
    };
    stage.switch.set(Arc::new(Spoil::claims(again)));
    stage.sign_in_well("a walk").await;
    stage.sign_in().await.0
}
