//! Every hostile response of the corpus, and every use of a good one at the wrong time or place, through the whole gateway: one
//! page for all of them, the true cause in the ledger, and a good sign-in after each.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::*;
use crate::saml::corpus::{Case, Cast};

type Page = (StatusCode, String, String);

/// A stage with our keys, at which nothing is counted, and a neighbour: the same provider once more.
async fn stage() -> Stage {
    let other = "[[saml]]\nid = \"other\"\nname = \"Other\"\nmetadata = { file = \"corp.xml\" }\n";
    Stage::new(&format!("{OWN}{other}[limits]\nsign_in = \"100000/1m\"")).await
}

fn page_of(reply: &Reply) -> Page {
    (reply.status, reply.text.clone(), format!("{:?}", reply.headers))
}

impl Stage {
    /// What the newest refusal says, and that it is one more than there were.
    async fn told(&self, before: usize, name: &str) -> String {
        let refusals = self.events(EventKind::AssertionRefused).await;
        assert!(refusals.len() > before, "{name}: the ledger has nothing");
        let newest = refusals.last().unwrap();
        let detail =
            |name: &str| newest.details.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert!(!detail("reason").unwrap_or_default().is_empty(), "{name}: {newest:?}");
        detail("rule").unwrap_or_default().to_owned()
    }

    /// A good sign-in of a new browser, as of now.
    async fn signs_in_after(&self, name: &str) {
        let (mut browser, idp) = (self.gateway.visitor(), self.idp.clone().at(self.gateway.clock.clock()));
        let [response, handle] = self.answer(&mut browser, &idp, ADA).await;
        let good = post(&mut browser, &response, &handle).await;
        assert_eq!(good.location(), "/", "after {name}: {}", good.text);
        assert!(is_in(&mut browser).await, "after {name}");
    }
}

#[tokio::test]
async fn every_hostile_response_ends_on_one_page_and_a_good_one_works_after_it() {
    let stage = stage().await;
    let key = IdpKey::generate(KeyKind::EcdsaP256, "attacker").unwrap();
    let clock = cleargate::clock::ManualClock::new(START);
    let attacker = Idp::new(BASE, Vec::new(), key, clock.clock(), IdSource::seeded(8));
    let attacker_rsa = IdpKey::generate(KeyKind::Rsa2048, "attacker").unwrap();
    let cases = |family: usize, request: &Request| {
        let (idp, own, stranger, person) = (&stage.idp, &stage.own, &attacker_rsa, person(ADA));
        Cast { idp, attacker: &attacker, own, stranger, request, person: &person }.family(family)
    };
    let (request, _) = stage.begin(&mut stage.gateway.visitor()).await;
    let all: Vec<(usize, usize)> = (0..Cast::FAMILIES.len())
        .flat_map(|family| (0..cases(family, &request).len()).map(move |number| (family, number)))
        .collect();
    assert!(all.len() >= 150, "{} cases", all.len());
    let (mut seen, mut otherwise) = (None, Vec::new());
    for (refused, (family, number)) in all.into_iter().enumerate() {
        let mut browser = stage.gateway.visitor();
        let (request, handle) = stage.begin(&mut browser).await;
        let Case { name, rule, text } = cases(family, &request).swap_remove(number);
        let reply = post(&mut browser, &text, &handle).await;
        let page = page_of(&reply);
        assert_eq!(page.0, StatusCode::FORBIDDEN, "{name}");
        assert_eq!(*seen.get_or_insert_with(|| page.clone()), page, "{name}");
        assert!(!is_in(&mut browser).await, "{name}");
        let told = stage.told(refused, &name).await;
        if told != rule {
            otherwise.push(format!("{name}: {told}, not {rule}"));
        }
        stage.signs_in_after(&name).await;
    }
    assert!(otherwise.is_empty(), "{otherwise:#?}");
}

/// What is wrong with how an answer comes, not with what it says.
type Walk = for<'a> fn(&'a Stage) -> BoxFuture<'a, Reply>;

/// An answer that would be taken, and the browser that waits for it.
async fn good(stage: &Stage) -> (Visitor, [String; 2]) {
    let (mut browser, idp) = (stage.gateway.visitor(), stage.idp.clone().at(stage.gateway.clock.clock()));
    let answer = stage.answer(&mut browser, &idp, ADA).await;
    (browser, answer)
}

/// The same with the cookie of a sign-in of its own.
async fn begun(stage: &Stage) -> (Visitor, String) {
    let mut browser = stage.gateway.visitor();
    let (_, handle) = stage.begin(&mut browser).await;
    (browser, handle)
}

/// What somebody is told who brings these fields to the end of a good sign-in.
async fn with_fields(stage: &Stage, fields: impl FnOnce(String, String) -> Vec<(&'static str, String)>) -> Reply {
    let (mut browser, [response, handle]) = good(stage).await;
    let fields = fields(BASE64_STANDARD.encode(response), handle);
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.post("/saml/corp/acs", &fields).await
}

const WALKS: [(&str, &str, Walk); 20] = [
    ("the answer again", "ticket", |stage| {
        async move {
            let (mut browser, [response, handle]) = good(stage).await;
            assert_eq!(post(&mut browser, &response, &handle).await.location(), "/");
            browser.cookies.remove("cleargate");
            post(&mut browser, &response, &handle).await
        }
        .boxed()
    }),
    ("the answer again with the handle of a new sign-in", "in-response-to", |stage| {
        async move {
            let (mut browser, [response, handle]) = good(stage).await;
            assert_eq!(post(&mut browser, &response, &handle).await.location(), "/");
            browser.cookies.remove("cleargate");
            let (_, fresh) = stage.begin(&mut browser).await;
            post(&mut browser, &response, &fresh).await
        }
        .boxed()
    }),
    ("the assertion again in the answer to a new sign-in", "replay", |stage| {
        async move {
            let (mut browser, [response, handle]) = good(stage).await;
            assert_eq!(post(&mut browser, &response, &handle).await.location(), "/");
            browser.cookies.remove("cleargate");
            let (request, fresh) = stage.begin(&mut browser).await;
            let id = |text: &str| {
                let assertion = text.split("<saml:Assertion ").nth(1).unwrap();
                assertion.split(" ID=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
            };
            let idp = stage.idp.clone().at(stage.gateway.clock.clock());
            let draft = idp.draft(&request, &person(ADA));
            let again = idp.finish(&draft.replace(&id(&draft), &id(&response))).unwrap();
            post(&mut browser, &again, &fresh).await
        }
        .boxed()
    }),
    ("an answer for another sign-in of the browser", "in-response-to", |stage| {
        async move {
            let (mut browser, [response, _]) = good(stage).await;
            let (_, handle) = stage.begin(&mut browser).await;
            post(&mut browser, &response, &handle).await
        }
        .boxed()
    }),
    ("in a browser that began nothing", "browser", |stage| {
        async move {
            let (_, [response, handle]) = good(stage).await;
            post(&mut stage.gateway.visitor(), &response, &handle).await
        }
        .boxed()
    }),
    ("in a browser that began another sign-in", "ticket", |stage| {
        async move {
            let (_, [response, handle]) = good(stage).await;
            post(&mut begun(stage).await.0, &response, &handle).await
        }
        .boxed()
    }),
    ("in a browser that began another sign-in, by its handle", "in-response-to", |stage| {
        async move {
            let (_, [response, _]) = good(stage).await;
            let (mut browser, handle) = begun(stage).await;
            post(&mut browser, &response, &handle).await
        }
        .boxed()
    }),
    ("by a cookie that is cut", "browser", |stage| {
        async move {
            let (mut browser, [response, handle]) = good(stage).await;
            browser.cookies.get_mut("cleargate-login").unwrap().pop();
            post(&mut browser, &response, &handle).await
        }
        .boxed()
    }),
    ("by a cookie that is there twice", "browser", |stage| {
        async move {
            let (mut browser, [response, handle]) = good(stage).await;
            let cookie = format!("cleargate-login={}", browser.cookies["cleargate-login"]);
            browser.headers.insert(http::header::COOKIE, cookie.parse().unwrap());
            let doubled = format!("{cookie}; {cookie}");
            browser.cookies.clear();
            browser.headers.insert(http::header::COOKIE, doubled.parse().unwrap());
            let reply = post(&mut browser, &response, &handle).await;
            browser.headers.clear();
            reply
        }
        .boxed()
    }),
    ("ten minutes late", "ticket", |stage| {
        async move {
            let (mut browser, [response, handle]) = good(stage).await;
            stage.gateway.advance(Duration::from_secs(600));
            post(&mut browser, &response, &handle).await
        }
        .boxed()
    }),
    ("signed ten minutes ago", "time", |stage| {
        async move {
            let mut browser = stage.gateway.visitor();
            let (request, handle) = stage.begin(&mut browser).await;
            let then =
                cleargate::clock::ManualClock::new(stage.gateway.clock.clock().now().minus(Duration::from_secs(600)));
            let response = stage.idp.clone().at(then.clock()).respond(&request, &person(ADA)).unwrap();
            post(&mut browser, &response, &handle).await
        }
        .boxed()
    }),
    ("at another connector of the provider", "ticket", |stage| {
        async move {
            let (mut browser, [response, handle]) = good(stage).await;
            let field = BASE64_STANDARD.encode(response);
            browser.post("/saml/other/acs", &[("SAMLResponse", &field), ("RelayState", &handle)]).await
        }
        .boxed()
    }),
    ("for another connector of the provider", "destination", |stage| {
        async move {
            let (mut browser, idp) = (stage.gateway.visitor(), stage.idp.clone().at(stage.gateway.clock.clock()));
            let start = browser.get("/login/other?return_to=/").await;
            let url = url::Url::parse(start.location()).unwrap();
            let (_, field) = url.query_pairs().find(|(name, _)| name == "SAMLRequest").unwrap();
            let response = idp.respond(&Request::parse(&field).unwrap(), &person(ADA)).unwrap();
            let (_, handle) = stage.begin(&mut browser).await;
            post(&mut browser, &response, &handle).await
        }
        .boxed()
    }),
    ("after a forged one", "ticket", |stage| {
        async move {
            let (mut browser, [response, handle]) = good(stage).await;
            post(&mut browser, &response.replace(ADA, "eve@example.org"), &handle).await;
            post(&mut browser, &response, &handle).await
        }
        .boxed()
    }),
    // Which of the two depends on how far each was when the first had come in.
    ("eight at once", "ticket or replay", |stage| {
        async move {
            let (browser, [response, handle]) = good(stage).await;
            let mut tabs = vec![browser; 8];
            let replies =
                futures_util::future::join_all(tabs.iter_mut().map(|tab| post(tab, &response, &handle))).await;
            let (taken, mut refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.location() == "/");
            assert_eq!((taken.len(), refused.len()), (1, 7));
            assert!(refused.iter().all(|reply| page_of(reply) == page_of(&refused[0])));
            refused.swap_remove(0)
        }
        .boxed()
    }),
    ("without a handle", "ticket", |stage| with_fields(stage, |response, _| vec![("SAMLResponse", response)]).boxed()),
    ("with two handles", "ticket", |stage| {
        let fields = |response, handle: String| {
            vec![("SAMLResponse", response), ("RelayState", handle.clone()), ("RelayState", handle)]
        };
        with_fields(stage, fields).boxed()
    }),
    ("with an address for a handle", "ticket", |stage| {
        let fields = |response, _| vec![("SAMLResponse", response), ("RelayState", "https://evil.example/".to_owned())];
        with_fields(stage, fields).boxed()
    }),
    ("with two answers", "shape", |stage| {
        let fields = |response: String, handle| {
            vec![("SAMLResponse", response.clone()), ("SAMLResponse", response), ("RelayState", handle)]
        };
        with_fields(stage, fields).boxed()
    }),
    ("an artifact", "shape", |stage| {
        with_fields(stage, |_, handle| vec![("SAMLart", "AAQAAA==".to_owned()), ("RelayState", handle)]).boxed()
    }),
];

#[tokio::test]
async fn every_wrong_use_of_a_good_response_ends_on_one_page_and_a_good_one_works_after_it() {
    let stage = stage().await;
    stage.signs_in_after("nothing").await;
    let (mut seen, mut otherwise) = (None, Vec::new());
    for (name, rule, walk) in WALKS {
        let before = stage.events(EventKind::AssertionRefused).await.len();
        let reply = walk(&stage).await;
        let (page, told) = (page_of(&reply), stage.told(before, name).await);
        assert_eq!(page.0, StatusCode::FORBIDDEN, "{name}: {}", page.1);
        if rule.split(" or ").all(|rule| rule != told) || *seen.get_or_insert_with(|| page.clone()) != page {
            otherwise.push(format!("{name}: {told}, not {rule}: {page:?}"));
        }
        stage.signs_in_after(name).await;
    }
    assert!(otherwise.is_empty(), "{otherwise:#?}");
}
