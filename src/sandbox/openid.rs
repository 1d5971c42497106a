//! A small OpenID provider for the demo and for hostile tests: discovery, keys, authorization page, tokens, UserInfo.
//!
//! It signs anybody in who is on its list, without a password, and says so on its page. It keeps codes and tokens in
//! memory, gives a code once, and binds it to client, redirect address and PKCE challenge. It is no provider for anybody
//! else: one client, no refresh, no consent. [`Tamper`] lets a test spoil whatever it sends.

mod answer;
mod key;
mod page;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::clock::{Clock, Timestamp};
use crate::secret::{IdSource, Secret};

pub use answer::router;
pub use key::{SigningKey, SigningKeyError};

/// How long a code may be redeemed.
const CODE_LIFETIME: Duration = Duration::from_secs(60);
/// How long tokens are valid.
const TOKEN_LIFETIME: Duration = Duration::from_secs(300);

/// Somebody who can sign in here.
#[derive(Clone, Debug)]
pub struct Person {
    /// The provider's id for them.
    pub sub: String,
    /// The name to show.
    pub name: String,
    /// The address, which counts as verified.
    pub email: String,
    /// The groups.
    pub groups: Vec<String>,
}

/// The gateway as this provider knows it.
#[derive(Clone, Debug)]
pub struct KnownClient {
    /// Its id.
    pub id: String,
    /// Its secret; `None` for a public client.
    pub secret: Option<Secret>,
    /// Where codes may be sent, compared as text.
    pub redirect_uris: Vec<String>,
}

/// Which of the provider's addresses answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The page, and the redirect back.
    Authorize,
    /// The description.
    Discovery,
    /// The keys.
    Keys,
    /// The exchange of codes.
    Token,
    /// The claims of a person.
    UserInfo,
}

/// Spoils what the provider sends. Each default leaves it as it is.
pub trait Tamper: Send + Sync + 'static {
    /// Changes the header of an ID token before it is signed.
    fn header(&self, _header: &mut Map<String, Value>) {}
    /// Changes the claims of an ID token before it is signed.
    fn claims(&self, _claims: &mut Map<String, Value>) {}
    /// Changes the text of the claims before it is signed.
    fn payload(&self, payload: String) -> String {
        payload
    }
    /// Changes the finished ID token.
    fn token(&self, token: String) -> String {
        token
    }
    /// Changes an answer before it is sent.
    fn answer(&self, _endpoint: Endpoint, answer: Response) -> Response {
        answer
    }
}

/// Leaves everything as it is.
struct Honest;

impl Tamper for Honest {}

/// The provider. Cloning shares it.
#[derive(Clone)]
pub struct Provider(Arc<Shared>);

struct Shared {
    issuer: String,
    client: KnownClient,
    people: Vec<Person>,
    tamper: Box<dyn Tamper>,
    clock: Clock,
    ids: IdSource,
    state: Mutex<State>,
}

struct State {
    /// The last one signs.
    keys: Vec<Arc<SigningKey>>,
    codes: HashMap<String, Grant>,
    /// Subject and end by access token.
    tokens: HashMap<String, (String, Timestamp)>,
}

/// What a code stands for.
struct Grant {
    sub: String,
    redirect_uri: String,
    challenge: String,
    asked: Asked,
    until: Timestamp,
}

/// What the ID token is to say besides who it is.
#[derive(Default)]
struct Asked {
    nonce: Option<String>,
    /// When the person signed in, which is always just now.
    signed_in: Option<Timestamp>,
    /// How, which is always as it was asked for.
    context: Option<String>,
}

impl Provider {
    /// A provider at `issuer`, an address without trailing slash under which [`router`] is served.
    pub fn new(
        issuer: &str,
        key: Arc<SigningKey>,
        client: KnownClient,
        people: Vec<Person>,
        clock: Clock,
        ids: IdSource,
    ) -> Self {
        let state = Mutex::new(State { keys: vec![key], codes: HashMap::new(), tokens: HashMap::new() });
        let issuer = issuer.trim_end_matches('/').to_owned();
        Self(Arc::new(Shared { issuer, client, people, tamper: Box::new(Honest), clock, ids, state }))
    }

    /// The same provider with a hand in what it sends. Codes, tokens and earlier clones are not shared with it.
    #[must_use]
    pub fn tampered(&self, tamper: impl Tamper) -> Self {
        let keys = self.state().keys.clone();
        Self(Arc::new(Shared {
            issuer: self.0.issuer.clone(),
            client: self.0.client.clone(),
            people: self.0.people.clone(),
            tamper: Box::new(tamper),
            clock: self.0.clock.clone(),
            ids: self.0.ids.clone(),
            state: Mutex::new(State { keys, codes: HashMap::new(), tokens: HashMap::new() }),
        }))
    }

    /// Publishes `key` besides the present ones and signs with it from now on.
    pub fn rotate(&self, key: Arc<SigningKey>) {
        self.state().keys.push(key);
    }

    /// Publishes `key` in the place of all others and signs with it from now on.
    pub fn replace(&self, key: Arc<SigningKey>) {
        self.state().keys = vec![key];
    }

    /// The people who can sign in.
    pub fn people(&self) -> &[Person] {
        &self.0.people
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn person(&self, hint: &str) -> Option<&Person> {
        self.0.people.iter().find(|person| person.sub == hint || person.email == hint)
    }

    /// OpenID Connect Discovery section 3.
    fn description(&self) -> Value {
        let issuer = &self.0.issuer;
        let ways = if self.0.client.secret.is_some() { "client_secret_basic" } else { "none" };
        json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": [ways, "client_secret_post"],
            "scopes_supported": ["openid", "profile", "email", "groups"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
        })
    }

    /// RFC 7517 section 5.
    fn key_set(&self) -> Value {
        let keys: Vec<Value> = self.state().keys.iter().map(|key| key.public_jwk()).collect();
        json!({ "keys": keys })
    }

    /// A code for `person`, to be redeemed once.
    fn grant(&self, person: &Person, redirect_uri: String, challenge: String, asked: Asked) -> String {
        let (code, now) = (self.0.ids.token().expose().to_owned(), self.0.clock.now());
        let until = now.plus(CODE_LIFETIME);
        let grant = Grant { sub: person.sub.clone(), redirect_uri, challenge, asked, until };
        let mut state = self.state();
        state.codes.retain(|_, grant| grant.until > now);
        state.codes.insert(code.clone(), grant);
        code
    }

    /// The grant of a code, which is gone after this.
    fn redeem(&self, code: &str) -> Option<Grant> {
        let now = self.0.clock.now();
        self.state().codes.remove(code).filter(|grant| grant.until > now)
    }

    fn access_token(&self, sub: &str) -> String {
        let (token, now) = (self.0.ids.token().expose().to_owned(), self.0.clock.now());
        let mut state = self.state();
        state.tokens.retain(|_, (_, until)| *until > now);
        state.tokens.insert(token.clone(), (sub.to_owned(), now.plus(TOKEN_LIFETIME)));
        token
    }

    fn bearer(&self, token: &str) -> Option<&Person> {
        let now = self.0.clock.now();
        let sub = match self.state().tokens.get(token) {
            Some((sub, until)) if *until > now => sub.clone(),
            _ => return None,
        };
        self.person(&sub)
    }

    /// OpenID Connect Core section 2, with the claims of section 5.1.
    fn id_token(&self, person: &Person, asked: &Asked, access_token: &str) -> Result<String, SigningKeyError> {
        let now = self.0.clock.now();
        let key = self.state().keys.last().map(Arc::clone).ok_or(SigningKeyError)?;
        let mut claims = person_claims(person);
        claims.insert("iss".into(), json!(self.0.issuer));
        claims.insert("aud".into(), json!(self.0.client.id));
        claims.insert("iat".into(), json!(now.as_seconds()));
        claims.insert("exp".into(), json!(now.plus(TOKEN_LIFETIME).as_seconds()));
        claims.insert("at_hash".into(), json!(key.half_hash(access_token)));
        claims.insert("sid".into(), json!(format!("sandbox-{}", person.sub)));
        if let Some(nonce) = &asked.nonce {
            claims.insert("nonce".into(), json!(nonce));
        }
        if let Some(signed_in) = asked.signed_in {
            claims.insert("auth_time".into(), json!(signed_in.as_seconds()));
        }
        if let Some(context) = &asked.context {
            claims.insert("acr".into(), json!(context));
        }
        let mut header = key.header();
        self.0.tamper.header(&mut header);
        self.0.tamper.claims(&mut claims);
        let payload = self.0.tamper.payload(Value::Object(claims).to_string());
        Ok(self.0.tamper.token(key.sign(&Value::Object(header).to_string(), &payload)?))
    }
}

fn person_claims(person: &Person) -> Map<String, Value> {
    let claims = json!({
        "sub": person.sub,
        "name": person.name,
        "preferred_username": person.email,
        "email": person.email,
        "email_verified": true,
        "groups": person.groups,
    });
    match claims {
        Value::Object(claims) => claims,
        _ => Map::new(),
    }
}
