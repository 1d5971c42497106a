//! Cleargate: an identity gateway.
//!
//! One daemon between those who know people and those who need to know who somebody is. People and groups come in by
//! SCIM ([`scim`]) and LDAP ([`sync`]); they prove who they are by SAML, OpenID Connect, a directory's password or one
//! of ours ([`upstream`], [`credential`]); rules and grants say what they may ([`access`]); everything that changes is
//! one commit with the event that tells of it ([`audit`]). What operators see is in `docs/`; this is the map for
//! engineers.
//!
//! # Modules in reading order
//!
//! | module | what it is |
//! |---|---|
//! | [`model`] | the vocabulary: ids, names, users, groups, permissions, scopes, roles, grants, actors; no I/O |
//! | [`filter`] | the one expression language (RFC 7644 section 3.4.2.2): searches, mapping rules, PATCH |
//! | [`store`] | an ordered key-value engine behind a trait (memory, redb), typed tables, group commit |
//! | [`audit`] | `Change`, the only way to write; the events; the Merkle log, its seal and its verification |
//! | [`access`] | the decision (pure), packs of roles, grants, permits, explanations |
//! | [`directory`] | users, groups, membership as rows, ownership (`reconcile`, pure), mapping rules |
//! | [`session`], [`tokens`] | secrets kept as keyed hashes only: signed-in browsers, provisioning, automation |
//! | [`credential`], [`lockout`], [`limit`] | passwords on threads of their own; attempts, durable; rates, in memory |
//! | [`notify`] | mails: posted in the change that they tell of, sealed until the server has taken them |
//! | [`ldap`], [`sync`] | a careful client; snapshot, plan (pure), guard, apply |
//! | [`report`] | who has what and why, who has gone quiet, what leavers left: pages of rows, JSON or CSV |
//! | [`upstream`] | connectors: an answer of a protocol becomes an `AssertedIdentity`, or a refusal with its rule |
//! | [`login`] | tickets, pages, and `finish`, the one end of every sign-in |
//! | [`scim`], [`api`], [`authzen`] | surfaces: parse, authorize, act, render; each with its table of routes and its errors |
//! | [`http`] | listener, TLS, limits, routes as data, the outbound client; knows nothing of the product |
//! | [`config`], [`cli`] | the file with all its problems at once; the commands |
//! | [`gateway`] | builds each service once, collects routes and tasks; sees everything, decides nothing |
//! | [`sandbox`] | the directory and the providers that `cleargate demo` and tests play against; no part of `serve` |
//! | [`clock`], [`secret`], [`error`], [`tasks`] | time, randomness and secrets, printing of causes, background work |
//!
//! # Direction
//!
//! A module imports modules with a smaller number, and its own parts; `tests/it/architecture.rs` holds this table and
//! enforces it. Changing it is a design decision.
//!
//! ```text
//! 0  clock error secret
//! 1  filter model
//! 2  config http ldap store tasks
//! 3  audit limit
//! 4  access
//! 5  credential directory lockout notify session tokens
//! 6  report sync transfer upstream
//! 7  login
//! 8  api authzen scim
//! 9  bench cli gateway main sandbox
//! ```
//!
//! Sideways only: `model` and `filter` know each other, `credential`, `lockout` and `tokens` take permits of `access`
//! (which is below them), `http` starts `tasks`. One place imports each protocol library: `ldap3` in `ldap/client`,
//! `openidconnect` in `upstream/oidc`, `redb` in `store/engine/embedded`, `samael` in `upstream/saml/second_opinion`,
//! `governor` in `limit`, `argon2` in `credential`, `lettre` in `notify`.
//!
//! # What there is not
//!
//! - No write without an event or a named reason for having none: only [`audit::Change`] reaches the engine's writer.
//! - No service that writes without a proof: writes take an [`access::Permit`], which only `access` makes; sign-in
//!   takes an [`upstream::AssertedIdentity`], which only connectors make.
//! - No session but by `login::finish`, and none of somebody who is not active.
//! - No text of a SAML response that was not hashed reaches an identity.
//! - No link of accounts by e-mail address beyond the domains that the administrator gave.
//! - No word of a provider about people, pushed or polled, beyond what its own connector vouched for.
//! - No way from a sign-in to an address of somebody else; no request of ours to a host that a provider's document
//!   chose, unless the administrator allowed it.
//! - No session, token or password that a copy of the store gives away; no secret in a log, an event or on a command
//!   line.
//! - No clock, randomness, environment or task but by [`clock`], [`secret`], `cli::environment` and [`tasks`].
//! - No list that grows inside a record: members, grants and sessions are rows.
//! - No unbounded work for a request: bodies, filters, walks, queues and times have limits.
//! - No `unsafe`, and no panic on input.
//!
//! # Four requests
//!
//! **`PATCH /scim/v2/Groups/{id}` adds a member.** `http::edge` gives the request an id, checks host and size;
//! `scim::admit` turns the bearer token into `Actor::Connection` and counts its rate. `scim::routes` finds the kind;
//! `scim::patch` (pure) makes steps of the body, `patch::member` takes those about members out. `access` gives the
//! connection's permit; `directory::change_group` reads the group inside a `Change`, refuses it if another source owns
//! it, stages a membership row, and lets `rules` stage the grants that follow for the person concerned. One commit with
//! `group.update` or `membership.update`; a lost race runs it again. The answer is the group, or 204 when it is large.
//!
//! **A SAML sign-in.** `GET /login/entra`: the connector makes a request and a random handle, `login::ticket` keeps
//! what must be remembered under the handle's keyed hash, bound to the browser's cookie. The provider's page posts to
//! `/saml/entra/acs`: the ticket is redeemed, once; `upstream::saml` runs byte gate, strict parser, table of structure,
//! signature, and reads the assertion from the hashed bytes; `identity` maps attributes. `login::finish`, in one
//! change: claims the assertion's id, finds or makes the account or refuses to link, checks status, stages rule grants;
//! in a second one: checks status and roles as they are now, opens the session, commits with `session.create`. Any
//! failure is one text for the browser and one event for the ledger.
//!
//! **A run of an LDAP sync.** `tasks` starts `sync::Sync::run`, one at a time for each source. `ldap::client` connects
//! over TLS behind `ldap::guard`, checks that the bases are visible, and reads everything in pages. `snapshot` resolves
//! members by stable ids; `plan` (pure) compares with what the source brought before; `sync::guard` counts who would
//! lose what and stops; `apply` writes in batches, each with its events, those who lose something first. `sync.apply`
//! tells the sums; a run without differences writes nothing.
//!
//! **`GET /api/v1/me`.** `api::admit` finds the caller: the admin socket's peer, a management token, or the cookie, by
//! one read of a keyed hash and one of the user, who must be active. `access::effective` asks the decision for every
//! permission of the catalogue, so that what is shown is what is enforced. `api::render` answers; nothing was written
//! but, once a minute, when the session was last used.
//!
//! # Checks
//!
//! `./run test` runs every test with its peers; `.ci/run` adds formatting, lints, documentation and the supply chain.
//! `./run fuzz` makes up inputs for the targets in `fuzz/`.

pub mod access;
pub mod api;
pub mod audit;
pub mod authzen;
pub mod cli;
pub mod clock;
pub mod config;
pub mod credential;
pub mod directory;
pub mod error;
pub mod filter;
pub mod gateway;
pub mod http;
pub mod ldap;
pub mod limit;
pub mod lockout;
pub mod login;
pub mod model;
pub mod notify;
pub mod report;
pub mod sandbox;
pub mod scim;
pub mod secret;
pub mod session;
pub mod store;
pub mod sync;
pub mod tasks;
pub mod tokens;
pub mod transfer;
pub mod upstream;
