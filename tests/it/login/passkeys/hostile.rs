//! Ceremonies with one thing wrong: all are refused with the same answer, the ledger tells what it was, and a good one
//! works after each.

use serde_json::{Map, Value};

use super::*;
use crate::support::security_key::{ATTESTED, BACKED_UP, BACKUP_ELIGIBLE, EXTENSIONS, PRESENT, Said, decode, encode};

/// What is wrong, and the rule that it breaks.
type Twist = (&'static str, &'static str, fn(&mut Said));

fn text(said: &mut Said, member: &str, value: &str) {
    said.client[member] = value.into();
}

fn member(credential: &mut Value, name: &str, twist: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = decode(&credential["response"][name]);
    twist(&mut bytes);
    credential["response"][name] = encode(&bytes).into();
}

/// Twists of what is said in either ceremony.
const BOTH: &[Twist] = &[
    ("no type", "type", |said| said.client["type"] = Value::Null),
    ("another origin", "origin", |said| text(said, "origin", "http://evil.example")),
    ("another port", "origin", |said| text(said, "origin", "http://localhost:8081")),
    ("another scheme", "origin", |said| text(said, "origin", "https://localhost:8080")),
    ("a path after the origin", "origin", |said| text(said, "origin", "http://localhost:8080/")),
    ("the origin in capitals", "origin", |said| text(said, "origin", "HTTP://LOCALHOST:8080")),
    ("a name that begins with ours", "origin", |said| text(said, "origin", "http://localhost:8080.evil.example")),
    ("no origin", "origin", |said| said.client["origin"] = Value::Null),
    ("a frame of another site", "cross-origin", |said| said.client["crossOrigin"] = true.into()),
    ("a frame, in words", "cross-origin", |said| text(said, "crossOrigin", "false")),
    ("a page around the frame", "cross-origin", |said| text(said, "topOrigin", "http://evil.example")),
    ("our own page around the frame", "cross-origin", |said| text(said, "topOrigin", "http://localhost:8080")),
    ("no challenge", "form", |said| said.client["challenge"] = Value::Null),
    ("a challenge of one's own", "challenge", |said| said.client["challenge"] = encode(&[7; 64]).into()),
    ("an empty challenge", "challenge", |said| text(said, "challenge", "")),
    ("a challenge that is cut", "challenge", |said| {
        let challenge = decode(&said.client["challenge"]);
        said.client["challenge"] = encode(&challenge[..challenge.len() - 1]).into();
    }),
    ("a challenge with a byte more", "challenge", |said| {
        let mut challenge = decode(&said.client["challenge"]);
        challenge.push(0);
        said.client["challenge"] = encode(&challenge).into();
    }),
    ("a challenge that lasts longer", "challenge", |said| {
        let mut challenge = decode(&said.client["challenge"]);
        challenge[4] ^= 1;
        said.client["challenge"] = encode(&challenge).into();
    }),
    ("client data that is no JSON", "form", |said| said.client_text = Some("type=webauthn.get".to_owned())),
    ("client data that is a list", "form", |said| said.client_text = Some("[]".to_owned())),
    ("a member of the client data twice", "form", |said| {
        said.client_text = Some(format!("{{\"type\":\"webauthn.get\",{}", &said.client.to_string()[1..]));
    }),
    ("client data after the client data", "form", |said| said.client_text = Some(format!("{} {{}}", said.client))),
    ("client data of 5 kB", "form", |said| text(said, "more", &"x".repeat(5_000))),
    ("another site", "party", |said| said.party = "evil.example".to_owned()),
    ("a site above ours", "party", |said| said.party = String::new()),
    ("nobody there", "presence", |said| said.flags &= !PRESENT),
    ("a copy of what cannot be copied", "backup", |said| said.flags |= BACKED_UP),
    ("a byte after the data", "form", |said| said.tail = vec![0]),
    ("extensions that are not there", "form", |said| said.flags |= EXTENSIONS),
    ("extensions that are no map", "form", |said| {
        said.flags |= EXTENSIONS;
        said.tail = vec![0x80];
    }),
    ("extensions of 2^64 members", "form", |said| {
        said.flags |= EXTENSIONS;
        said.tail = vec![0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    }),
    ("no JSON at all", "form", |said| said.sent = |credential| *credential = "hello".into()),
    ("no JSON of an object", "form", |said| said.sent = |credential| *credential = "[[[[]]]]".into()),
    ("deep JSON", "form", |said| said.sent = |credential| *credential = "[".repeat(4_000).into()),
    ("another type of credential", "form", |said| said.sent = |credential| credential["type"] = "password".into()),
    ("two ids", "form", |said| said.sent = |credential| credential["id"] = encode(&[7; 32]).into()),
    ("a padded id", "form", |said| {
        said.sent = |credential| {
            let padded = format!("{}=", credential["rawId"].as_str().unwrap());
            (credential["id"], credential["rawId"]) = (padded.clone().into(), padded.into());
        };
    }),
    ("no response", "form", |said| said.sent = |credential| credential["response"] = Value::Null),
    ("an empty response", "form", |said| said.sent = |credential| credential["response"] = Map::new().into()),
    ("client data as a number", "form", |said| {
        said.sent = |credential| credential["response"]["clientDataJSON"] = 7.into()
    }),
];

/// Twists of an authentication.
const SHOWN: &[Twist] = &[
    ("a registration's type", "type", |said| text(said, "type", "webauthn.create")),
    ("nobody verified", "verification", |said| said.flags &= !VERIFIED),
    ("it can be copied now", "backup", |said| said.flags |= BACKUP_ELIGIBLE),
    ("a new credential in it", "form", |said| {
        said.flags |= ATTESTED;
        said.attested = Some((vec![5; 32], SecurityKey::ed25519(ADDRESS).cose()));
    }),
    ("data that is cut", "form", |said| said.sent = |sent| member(sent, "authenticatorData", |data| data.truncate(36))),
    ("data that is changed", "signature", |said| {
        said.sent = |sent| member(sent, "authenticatorData", |data| data[36] ^= 64)
    }),
    ("client data that is changed", "signature", |said| {
        said.sent = |sent| {
            member(sent, "clientDataJSON", |data| {
                data.pop();
                data.extend(b",\"x\":1}");
            });
        };
    }),
    ("no signature", "signature", |said| said.sent = |sent| sent["response"]["signature"] = "".into()),
    ("a signature that is none", "form", |said| said.sent = |sent| sent["response"]["signature"] = Value::Null),
    ("a signature that is cut", "signature", |said| {
        said.sent = |sent| {
            member(sent, "signature", |data| {
                data.pop();
            })
        }
    }),
    ("a signature with a byte more", "signature", |said| {
        said.sent = |sent| member(sent, "signature", |data| data.push(0))
    }),
    ("a signature of zeros", "signature", |said| {
        said.sent = |sent| member(sent, "signature", |data| *data = vec![0x30, 6, 2, 1, 0, 2, 1, 0]);
    }),
    ("a signature of 64 bytes", "signature", |said| {
        said.sent = |sent| member(sent, "signature", |data| *data = vec![1; 64])
    }),
    ("a huge signature", "form", |said| {
        said.sent = |sent| sent["response"]["signature"] = "A".repeat(11_000).into();
    }),
    ("the same count", "sign-count", |said| said.count -= 1),
    ("no count any more", "sign-count", |said| said.count = 0),
    ("another person", "user-handle", |said| said.user = Some(vec![7; 16])),
    ("a person with a byte more", "user-handle", |said| said.user.as_mut().unwrap().push(0)),
    ("nobody", "user-handle", |said| said.user = None),
    ("an empty person", "user-handle", |said| said.user = Some(Vec::new())),
    ("a credential of nobody", "credential", |said| {
        said.sent = |sent| {
            let id = encode(&[9; 32]);
            (sent["id"], sent["rawId"]) = (id.clone().into(), id.into());
        };
    }),
    ("no credential id", "credential", |said| {
        said.sent = |sent| (sent["id"], sent["rawId"]) = ("".into(), "".into());
    }),
];

#[tokio::test]
async fn a_sign_in_with_one_thing_wrong_is_refused_like_every_other_and_the_ledger_tells_what() {
    let (gateway, key) = with_passkey("").await;
    let mut browser = visitor(&gateway);
    browser.get("/login?return_to=/").await;
    let (mut answer, mut taken): (Option<String>, Vec<&str>) = (None, Vec::new());
    for (what, rule, twist) in BOTH.iter().chain(SHOWN) {
        gateway.advance(Duration::from_secs(60));
        let (options, csrf) = asked_to_sign_in(&mut browser).await;
        let credential = key.get_with(&options, twist);
        let reply = send(&mut browser, &csrf, &credential).await;
        if reply.status != StatusCode::UNAUTHORIZED || browser.cookies.remove("cleargate").is_some() {
            taken.push(*what);
            continue;
        }
        assert_eq!(answer.get_or_insert(reply.text.clone()), &reply.text, "{what} looks different");
        let kind = if *rule == "sign-count" { EventKind::PasskeyCopied } else { EventKind::SignInFailed };
        let failed = events(&gateway, kind).await;
        let last = failed.last().unwrap_or_else(|| panic!("{what} left no event"));
        assert!(says(last, "rule", rule) && says(last, "connector", "passkey"), "{what}: {last:?}");
        let mut good = visitor(&gateway);
        assert_eq!(sign_in_by(&mut good, &key).await.location(), "/", "after {what}");
    }
    assert!(taken.is_empty(), "taken were {taken:#?}");
    assert!(BOTH.len() + SHOWN.len() >= 60);
}

/// Twists of a registration.
const MADE: &[Twist] = &[
    ("an authentication's type", "type", |said| text(said, "type", "webauthn.get")),
    ("no credential", "form", |said| {
        said.flags &= !ATTESTED;
        said.attested = None;
    }),
    ("a flag without its credential", "form", |said| said.attested = None),
    ("a credential without its flag", "form", |said| said.flags &= !ATTESTED),
    ("a credential of another id", "credential", |said| said.attested.as_mut().unwrap().0[0] ^= 1),
    ("a short id", "credential", |said| {
        said.attested.as_mut().unwrap().0.truncate(15);
        said.sent = |sent| {
            let id = encode(&decode(&sent["rawId"])[..15]);
            (sent["id"], sent["rawId"]) = (id.clone().into(), id.into());
        };
    }),
    ("a point beside the curve", "key", |said| *said.attested.as_mut().unwrap().1.last_mut().unwrap() ^= 1),
    ("a key that is cut", "form", |said| {
        said.attested.as_mut().unwrap().1.pop();
        said.sent = |sent| {
            member(sent, "attestationObject", |object| {
                object.pop();
            })
        };
    }),
    ("a key of RSA with 1024 bits", "key", |said| {
        let whole = SecurityKey::rs256(ADDRESS, KeySize::Rsa2048).cose();
        let at = whole.windows(3).position(|window| window == [0x59, 1, 0]).unwrap();
        let short = [&whole[..at], &[0x58, 128], &whole[at + 3..at + 3 + 128], &whole[at + 3 + 256..]].concat();
        said.attested.as_mut().unwrap().1 = short;
    }),
    ("a key that says another algorithm", "algorithm", |said| {
        let key = &mut said.attested.as_mut().unwrap().1;
        let at = key.windows(2).position(|window| window == [3, 0x26]).unwrap();
        key[at + 1] = 0x27;
    }),
    ("a statement that does not belong to `none`", "form", |said| said.statement = vec![0xa1, 0x61, b'x', 1]),
    ("a statement that is no map", "form", |said| said.statement = vec![0x01]),
    ("bytes after the object", "form", |said| {
        said.sent = |sent| member(sent, "attestationObject", |object| object.push(0))
    }),
    ("no object", "form", |said| said.sent = |sent| sent["response"]["attestationObject"] = Value::Null),
];

#[tokio::test]
async fn a_passkey_with_one_thing_wrong_is_not_kept_and_the_ledger_tells_what() {
    let (gateway, key) = with_passkey("").await;
    let (mut answer, mut taken): (Option<String>, Vec<&str>) = (None, Vec::new());
    for (what, rule, twist) in BOTH.iter().chain(MADE) {
        gateway.advance(Duration::from_secs(60));
        let mut browser = visitor(&gateway);
        assert_eq!(sign_in_by(&mut browser, &key).await.location(), "/", "{what}");
        let (options, csrf) = asked_to_add(&mut browser).await;
        let credential = SecurityKey::es256(ADDRESS).create_with(&options, twist);
        let fields = [("csrf", csrf.as_str()), ("name", ""), ("credential", &credential)];
        let reply = browser.post("/account/passkeys/add", &fields).await;
        if reply.status != StatusCode::UNAUTHORIZED {
            taken.push(*what);
            continue;
        }
        // What differs from try to try, and not by what was wrong: times, and the value against forgery.
        let (problem, _) = reply.text.split_once("<section").unwrap();
        assert_eq!(answer.get_or_insert(problem.to_owned()), problem, "{what} looks different");
        let failed = events(&gateway, EventKind::FactorFailed).await;
        assert!(failed.last().is_some_and(|last| says(last, "rule", rule)), "{what}: {:?}", failed.last());
    }
    assert!(taken.is_empty(), "taken were {taken:#?}");
    let ada = gateway.gateway.directory().find_user_by_name(ADA).await.unwrap().unwrap();
    assert_eq!(gateway.gateway.factors().passkeys(ada.id).await.unwrap().len(), 1);
}

/// The rule by which the last sign-in failed.
async fn last_rule(gateway: &TestGateway, kind: EventKind) -> String {
    let failed = events(gateway, kind).await;
    let (_, rule) = failed.last().unwrap().details.iter().find(|(name, _)| name == "rule").unwrap().clone();
    rule
}

#[tokio::test]
async fn an_answer_is_taken_once_in_the_browser_that_was_asked_and_for_ten_minutes() {
    let (gateway, key) = with_passkey("").await;
    let (mut browser, mut other) = (visitor(&gateway), visitor(&gateway));
    let (options, csrf) = asked_to_sign_in(&mut browser).await;
    let (_, other_csrf) = asked_to_sign_in(&mut other).await;
    let credential = key.get(&options);
    assert_eq!(send(&mut other, &other_csrf, &credential).await.status, StatusCode::UNAUTHORIZED, "another browser");
    assert_eq!(last_rule(&gateway, EventKind::SignInFailed).await, "challenge");
    assert_eq!(send(&mut browser.clone(), &csrf, &credential).await.location(), "/");
    assert_eq!(send(&mut browser, &csrf, &credential).await.status, StatusCode::UNAUTHORIZED, "a second time");
    assert_eq!(last_rule(&gateway, EventKind::PasskeyCopied).await, "sign-count", "the count tells it first");
    let again = key.get(&options);
    assert_eq!(send(&mut browser, &csrf, &again).await.status, StatusCode::UNAUTHORIZED, "the challenge was used");
    assert_eq!(last_rule(&gateway, EventKind::SignInFailed).await, "replay");
    let (options, csrf) = asked_to_sign_in(&mut browser).await;
    gateway.advance(Duration::from_secs(10 * 60));
    assert_eq!(send(&mut browser, &csrf, &key.get(&options)).await.status, StatusCode::UNAUTHORIZED, "too old");
    assert_eq!(last_rule(&gateway, EventKind::SignInFailed).await, "challenge");
    assert_eq!(sign_in_by(&mut browser, &key).await.location(), "/");
}

#[tokio::test]
async fn of_two_that_send_one_answer_one_gets_in() {
    let gateway = gateway("").await;
    let (mut first, key) = (signed_in(&gateway, ADA).await, SecurityKey::synced(ADDRESS));
    add(&mut first, &key, "").await;
    for _ in 0..4 {
        let mut browser = visitor(&gateway);
        let (options, csrf) = asked_to_sign_in(&mut browser).await;
        let (credential, mut other) = (key.get(&options), browser.clone());
        let (one, two) = tokio::join!(send(&mut browser, &csrf, &credential), send(&mut other, &csrf, &credential));
        let mut seen = [one.status.as_u16(), two.status.as_u16()];
        seen.sort_unstable();
        assert_eq!(seen, [303, 401], "{} {}", one.text, two.text);
    }
}

#[tokio::test]
async fn the_passkey_of_another_person_or_of_another_step_is_worth_nothing() {
    let (gateway, key) = with_passkey("").await;
    gateway.user(GRACE, Some(GOOD)).await;
    let (mut grace, theirs) = (signed_in(&gateway, GRACE).await, SecurityKey::es256(ADDRESS));
    assert_eq!(add(&mut grace, &theirs, "").await.status, StatusCode::OK);
    let (mut browser, options, csrf) = asked_for_factor(&gateway, ADA).await;
    let reply = show(&mut browser, &csrf, &theirs.get(&options)).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "Grace's passkey after Ada's password");
    assert_eq!(last_rule(&gateway, EventKind::FactorFailed).await, "credential");
    let (mut second, _, second_csrf) = asked_for_factor(&gateway, ADA).await;
    let reply = show(&mut second, &second_csrf, &key.get(&options)).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "an answer that another sign-in asked for");
    assert_eq!(last_rule(&gateway, EventKind::FactorFailed).await, "challenge");
    let (mut alone, _) = (browser.clone(), ());
    let (any, any_csrf) = asked_to_sign_in(&mut alone).await;
    let reply = show(&mut browser, &csrf, &key.get(&any)).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "an answer that the sign-in page asked for");
    let reply = send(&mut alone, &any_csrf, &key.get(&options)).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "an answer that the step asked for, without the step");
    let options = asked(&mut browser, "/login/passkey/options", &json!({ "for": "factor", "csrf": csrf })).await;
    let credential = key.get(&options);
    gateway.advance(Duration::from_secs(10 * 60));
    let reply = show(&mut browser, &csrf, &credential).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "the sign-in under way is over: {}", reply.text);
    let (mut fresh, options, csrf) = asked_for_factor(&gateway, ADA).await;
    assert_eq!(show(&mut fresh, &csrf, &key.get(&options)).await.location(), "/");
    assert_eq!(show(&mut fresh, &csrf, &key.get(&options)).await.status, StatusCode::FORBIDDEN, "the step is done");
}

#[tokio::test]
async fn five_wrong_passkeys_end_the_sign_in() {
    let (gateway, key) = with_passkey("").await;
    let (mut browser, options, csrf) = asked_for_factor(&gateway, ADA).await;
    for round in 1..=5 {
        let wrong = key.get_with(&options, |said| said.flags &= !PRESENT);
        let status = show(&mut browser, &csrf, &wrong).await.status;
        assert_eq!(status, if round < 5 { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN });
    }
    assert_eq!(show(&mut browser, &csrf, &key.get(&options)).await.status, StatusCode::FORBIDDEN);
    assert_eq!(events(&gateway, EventKind::FactorFailed).await.len(), 5);
}
