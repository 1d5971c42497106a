//! Metadata from an address: a change of keys fails no sign-in, a bad document changes nothing, another entity is never
//! followed, and a provider that is down at the start is no matter where it was up before.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::routing::get;
use cleargate::audit::EventKind;
use cleargate::http::outbound::{Outbound, OutboundSettings};
use cleargate::upstream::RedirectConnector;
use cleargate::upstream::saml::{FetchedSaml, FetchedSettings, IdpMetadata, MetadataPlace, OwnKeys, Reading};
use futures_util::FutureExt as _;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::oidc::stage::accept;
use crate::support::ledger::{Ground, START as BEGIN};

/// What the address serves now, and how often it was asked.
#[derive(Clone)]
struct Served {
    document: Arc<Mutex<Option<String>>>,
    asked: Arc<AtomicUsize>,
}

impl Served {
    fn serve(&self, document: Option<&str>) {
        *self.document.lock().expect("it") = document.map(str::to_owned);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// An address, a provider with two keys to choose from, and what a connector is made of.
struct Place {
    ground: Ground,
    served: Served,
    address: url::Url,
    old: Idp,
    new: Idp,
    _server: JoinSet<()>,
}

impl Place {
    async fn new() -> Self {
        let ground = Ground::new();
        let made = |kind| {
            let key = IdpKey::generate(kind, "sandbox").expect("a key");
            Idp::new(BASE, vec![ada()], key, ground.clock.clock(), IdSource::system())
        };
        let (old, new) = (made(KeyKind::EcdsaP256), made(KeyKind::EcdsaP384));
        let served = Served { document: Arc::default(), asked: Arc::default() };
        served.serve(Some(&old.metadata()));
        let shown = served.clone();
        let answer = move || {
            let served = shown.clone();
            async move {
                served.asked.fetch_add(1, Ordering::SeqCst);
                let document = served.document.lock().expect("it").clone();
                document.map_or((StatusCode::SERVICE_UNAVAILABLE, String::new()), |text| (StatusCode::OK, text))
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}/metadata", listener.local_addr().expect("an address"));
        let mut server = JoinSet::new();
        server.spawn(accept(listener, axum::Router::new().route("/metadata", get(answer))));
        Self { ground, served, address: address.parse().expect("an address"), old, new, _server: server }
    }

    fn connector(&self) -> FetchedSaml {
        self.connector_with(Reading::default())
    }

    fn connector_with(&self, reading: Reading) -> FetchedSaml {
        let (ledger, clock) = (self.ground.ledger.clone(), self.ground.clock.clock());
        FetchedSaml::new(self.settings(reading), ledger, clock, IdSource::system())
    }

    fn settings(&self, reading: Reading) -> FetchedSettings {
        let outbound = Outbound::new(OutboundSettings::default()).expect("a client");
        FetchedSettings {
            id: "corp".parse().expect("an id"),
            public_url: "https://sso.example.org".to_owned(),
            place: MetadataPlace::Address(self.address.clone(), outbound),
            clock_skew: DEFAULT_CLOCK_SKEW,
            attributes: AttributeNames::default(),
            domains: Vec::new(),
            options: Options { keys: Arc::new(OwnKeys::default()), ..Options::default() },
            reading,
        }
    }

    /// Signs somebody in at `idp`.
    async fn sign_in(&self, connector: &FetchedSaml, idp: &Idp) -> Result<AssertedIdentity, Error> {
        let start = connector.start().await?;
        let location = url::Url::parse(&start.location).expect("an address");
        let (_, parameter) = location.query_pairs().find(|(name, _)| name == "SAMLRequest").expect("a request");
        let response = idp.respond(&Request::parse(&parameter).expect("a request"), &ada()).expect("a response");
        let answer = Answer { fields: vec![("SAMLResponse".to_owned(), BASE64_STANDARD.encode(response))] };
        connector.finish(&start.pending, &answer).await
    }

    fn pass(&self, minutes_passed: u64) {
        self.ground.clock.advance(minutes(minutes_passed));
    }

    async fn count(&self, kind: EventKind) -> usize {
        self.ground.events_of(kind).await.len()
    }
}

#[tokio::test]
async fn a_change_of_keys_fails_no_sign_in() {
    let place = Place::new().await;
    let connector = place.connector();
    assert!(place.sign_in(&connector, &place.old).await.is_ok());
    assert_eq!(place.served.asked(), 1);
    // The provider signs by the new key before anything is read again.
    place.served.serve(Some(&place.new.metadata()));
    assert!(place.sign_in(&connector, &place.new).await.is_ok());
    assert_eq!(place.served.asked(), 2);
    assert_eq!(rule(place.sign_in(&connector, &place.old).await), "signature", "the old key is no key any more");
    let changed = place.ground.events_of(EventKind::MetadataChanged).await;
    let details: Vec<&str> = changed[0].details.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((changed.len(), &details[..]), (1, &["address", "entity", "keys_added", "keys_removed"][..]));
}

#[tokio::test]
async fn forged_answers_do_not_make_us_ask_again_and_again() {
    let place = Place::new().await;
    let connector = place.connector();
    assert!(place.sign_in(&connector, &place.old).await.is_ok());
    for _ in 0..20 {
        assert_eq!(rule(place.sign_in(&connector, &place.new).await), "signature");
    }
    assert_eq!(place.served.asked(), 4, "three times, and then a minute has not passed");
    place.pass(1);
    for _ in 0..20 {
        assert_eq!(rule(place.sign_in(&connector, &place.new).await), "signature");
    }
    assert_eq!(place.served.asked(), 5, "once a minute");
    assert!(place.sign_in(&connector, &place.old).await.is_ok());
    place.pass(60);
    for _ in 0..20 {
        assert_eq!(rule(place.sign_in(&connector, &place.new).await), "signature");
    }
    assert_eq!(place.served.asked(), 8, "peace does not save up more");
}

#[tokio::test]
async fn a_change_of_keys_fails_no_sign_in_after_somebody_has_forged_an_answer() {
    let place = Place::new().await;
    let connector = place.connector();
    assert!(place.sign_in(&connector, &place.old).await.is_ok());
    assert_eq!(rule(place.sign_in(&connector, &place.new).await), "signature", "forged");
    place.served.serve(Some(&place.new.metadata()));
    assert!(place.sign_in(&connector, &place.new).await.is_ok(), "in the same minute");
}

#[tokio::test]
async fn what_the_sender_of_a_forged_answer_cuts_off_is_made_up_for() {
    let place = Place::new().await;
    let connector = place.connector();
    assert!(place.sign_in(&connector, &place.old).await.is_ok());
    place.served.serve(Some(&place.new.metadata()));
    for _ in 0..3 {
        let mut forged = Box::pin(place.sign_in(&connector, &place.new));
        assert!((&mut forged).now_or_never().is_none(), "it looks for another key");
    }
    connector.upkeep().await;
    let asked = place.served.asked();
    assert!(place.sign_in(&connector, &place.new).await.is_ok(), "though nobody may look for a key at this moment");
    connector.upkeep().await;
    assert_eq!(place.served.asked(), asked, "it was known by then, and nothing is owed any more");
}

#[tokio::test]
async fn a_file_is_read_again_when_it_changes_and_a_bad_one_changes_nothing() {
    let place = Place::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("corp.xml");
    let settings = FetchedSettings { place: MetadataPlace::File(path.clone()), ..place.settings(Reading::default()) };
    let (ledger, clock) = (place.ground.ledger.clone(), place.ground.clock.clock());
    let connector = FetchedSaml::new(settings, ledger, clock, IdSource::system());
    connector.begin_with(|| IdpMetadata::parse(place.old.metadata().as_bytes())).expect("metadata");
    assert!(place.sign_in(&connector, &place.old).await.is_ok(), "read at the start, wherever it is now");
    let another = place.new.metadata().replace("entityID=\"", "entityID=\"https://else.example/");
    for bad in ["", "<junk", another.as_str()] {
        std::fs::write(&path, bad).expect("written");
        let before = place.count(EventKind::MetadataRefused).await;
        for _ in 0..2 {
            connector.upkeep().await;
        }
        assert_eq!(place.count(EventKind::MetadataRefused).await, before + 1, "{bad}");
        assert!(connector.health().expect("known").problem.is_some());
        assert!(place.sign_in(&connector, &place.old).await.is_ok(), "{bad}");
    }
    // The next look finds it, and so does an answer by a key that is not known yet.
    for is_looked_for in [true, false] {
        let (from, to) = if is_looked_for { (&place.old, &place.new) } else { (&place.new, &place.old) };
        std::fs::write(&path, to.metadata()).expect("written");
        if is_looked_for {
            connector.upkeep().await;
        }
        assert!(place.sign_in(&connector, to).await.is_ok(), "{is_looked_for}");
        assert_eq!(rule(place.sign_in(&connector, from).await), "signature", "the old key is no key any more");
        let health = connector.health().expect("known");
        assert!(health.problem.is_none());
        place.pass(5);
        connector.upkeep().await;
        assert_eq!(connector.health().expect("known").read, health.read, "what is the same file is not read again");
    }
    let changed = place.ground.events_of(EventKind::MetadataChanged).await;
    let details: Vec<&str> = changed[0].details.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((changed.len(), &details[..]), (2, &["file", "entity", "keys_added", "keys_removed"][..]));
    std::fs::remove_file(&path).expect("removed");
    connector.upkeep().await;
    assert!(place.sign_in(&connector, &place.old).await.is_ok(), "the last good one stays in force");
    assert_eq!(place.served.asked(), 0);
}

#[tokio::test]
async fn a_document_that_cannot_be_used_leaves_the_last_good_one_in_force() {
    let place = Place::new().await;
    let connector = place.connector();
    assert!(place.sign_in(&connector, &place.old).await.is_ok());
    let other_entity = swap(&place.new.metadata(), "https://idp.example.org/metadata", "https://evil.example/metadata");
    let without_key = swap(&place.old.metadata(), "use=\"signing\"", "use=\"encryption\"");
    for (document, refused) in [
        (Some("junk"), 1),
        (Some("junk"), 1),
        (Some(""), 2),
        (Some(other_entity.as_str()), 3),
        (Some(without_key.as_str()), 4),
        (Some(" ".repeat(1024 * 1024 + 1).as_str()), 4),
        (None, 4),
    ] {
        place.served.serve(document);
        place.pass(60);
        connector.upkeep().await;
        assert!(connector.health().expect("it").problem.is_some(), "{refused}");
        assert_eq!(place.count(EventKind::MetadataRefused).await, refused, "each reason once, and no word of silence");
        assert!(place.sign_in(&connector, &place.old).await.is_ok());
        assert_eq!(rule(place.sign_in(&connector, &place.new).await), "signature");
    }
    place.served.serve(Some(&place.new.metadata()));
    place.pass(5);
    connector.upkeep().await;
    assert_eq!(connector.health().expect("it").problem, None);
    assert!(place.sign_in(&connector, &place.new).await.is_ok());
}

#[tokio::test]
async fn another_entity_is_followed_when_the_administrator_names_it() {
    let place = Place::new().await;
    assert!(place.sign_in(&place.connector(), &place.old).await.is_ok());
    let moved = swap(&place.old.metadata(), "https://idp.example.org/metadata", "https://new.example/metadata");
    place.served.serve(Some(&moved));
    let fresh = place.connector();
    assert!(place.sign_in(&fresh, &place.old).await.is_ok(), "what was good before is kept, also by another start");
    assert!(fresh.health().expect("it").problem.expect("one").contains("metadata.entity_id"));
    let entity = Some("https://new.example/metadata".to_owned());
    let named = place.connector_with(Reading { entity, ..Reading::default() });
    assert_eq!(rule(place.sign_in(&named, &place.old).await), "issuer");
}

#[tokio::test]
async fn a_provider_that_is_down_at_the_start_is_no_matter_where_it_was_up_before() {
    let place = Place::new().await;
    place.served.serve(None);
    let first = place.connector();
    assert!(matches!(first.start().await, Err(Error::Unavailable { .. })), "nothing was ever read");
    place.served.serve(Some(&place.old.metadata()));
    place.pass(1);
    assert!(place.sign_in(&first, &place.old).await.is_ok());
    place.served.serve(None);
    let second = place.connector();
    // The start has asked in vain already.
    second.upkeep().await;
    assert!(place.sign_in(&second, &place.old).await.is_ok());
    // What ends, ends also when it is kept.
    let end = BEGIN.plus(minutes(600));
    let ending = swap(&place.old.metadata(), "entityID=", &format!("validUntil=\"{end}\" entityID="));
    place.served.serve(Some(&ending));
    second.refresh().await.expect("read");
    place.served.serve(None);
    place.pass(700);
    assert!(matches!(place.connector().start().await, Err(Error::Unavailable { .. })));
}

#[tokio::test]
async fn a_document_is_read_as_often_as_it_asks_for() {
    let place = Place::new().await;
    let connector = place.connector();
    connector.upkeep().await;
    assert_eq!(place.served.asked(), 1, "at once");
    for (cached, early, late) in [
        ("", 59, 1),
        (" cacheDuration=\"PT2H\"", 119, 1),
        (" cacheDuration=\"PT1S\"", 4, 1),
        (" cacheDuration=\"P9D\"", 1439, 1),
    ] {
        let document = swap(&place.old.metadata(), "entityID=", &format!("{} entityID=", cached.trim_start()));
        place.served.serve(Some(&document));
        connector.refresh().await.expect("read");
        let before = place.served.asked();
        place.pass(early);
        connector.upkeep().await;
        assert_eq!(place.served.asked(), before, "{cached}");
        place.pass(late);
        connector.upkeep().await;
        assert_eq!(place.served.asked(), before + 1, "{cached}");
    }
}

#[tokio::test]
async fn a_document_that_has_ended_replaces_no_good_one_and_one_that_ends_soon_is_read_before() {
    let place = Place::new().await;
    let connector = place.connector();
    let until = |document: &str, minutes_from_begin: u64| {
        let end = BEGIN.plus(minutes(minutes_from_begin));
        swap(document, "entityID=", &format!("validUntil=\"{end}\" entityID="))
    };
    assert!(place.sign_in(&connector, &place.old).await.is_ok());
    place.pass(10);
    place.served.serve(Some(&until(&place.new.metadata(), 5)));
    assert!(connector.refresh().await.is_err());
    assert!(place.sign_in(&connector, &place.old).await.is_ok(), "the last good one stays in force");
    assert_eq!(place.count(EventKind::MetadataRefused).await, 1);
    // Valid for 40 minutes from now on: it is read again after 20.
    place.served.serve(Some(&until(&place.new.metadata(), 50)));
    connector.refresh().await.expect("read");
    let before = place.served.asked();
    place.pass(19);
    connector.upkeep().await;
    assert_eq!(place.served.asked(), before);
    place.pass(1);
    place.served.serve(Some(&until(&place.new.metadata(), 600)));
    connector.upkeep().await;
    assert_eq!(place.served.asked(), before + 1);
    place.pass(100);
    assert!(place.sign_in(&connector, &place.new).await.is_ok(), "there was no gap");
}

#[tokio::test]
async fn one_provider_is_taken_out_of_an_aggregate_that_is_allowed_to_be_large() {
    let place = Place::new().await;
    let one = place.old.metadata();
    let entity = &one[one.find("<md:EntityDescriptor").expect("it")..];
    let others: String =
        (0..2_000).map(|n| swap(entity, "entityID=\"https://idp", &format!("entityID=\"https://idp{n}"))).collect();
    let aggregate = format!(
        "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">{others}{entity}</md:EntitiesDescriptor>"
    );
    assert!(aggregate.len() > 1024 * 1024);
    let wanted = || Reading {
        entity: Some("https://idp.example.org/metadata".to_owned()),
        max_bytes: 16 << 20,
        ..Reading::default()
    };
    let small = Reading { max_bytes: 1 << 20, ..wanted() };
    assert!(IdpMetadata::parse_as(aggregate.as_bytes(), &small).expect_err("refused").to_string().contains("size"));
    let idp = IdpMetadata::parse_as(aggregate.as_bytes(), &wanted()).expect("read");
    assert_eq!((idp.entity_id(), idp.key_count()), ("https://idp.example.org/metadata", 1));
    let any = Reading { entity: None, ..wanted() };
    assert!(
        IdpMetadata::parse_as(aggregate.as_bytes(), &any).expect_err("refused").to_string().contains("more than one")
    );
    let absent = Reading { entity: Some("urn:x".to_owned()), ..wanted() };
    assert!(IdpMetadata::parse_as(aggregate.as_bytes(), &absent).is_err());
    let twice = swap(&aggregate, "</md:EntitiesDescriptor>", &format!("{entity}</md:EntitiesDescriptor>"));
    assert!(IdpMetadata::parse_as(twice.as_bytes(), &wanted()).is_err());
}
