//! Each value's own rules.

use std::time::Duration;

use cleargate::config::{
    CharacterClass, LdapPreset, LockoutPreset, OidcPrompt, Pack, Passwords, Percent, Quota, SamlMetadata, SamlRequests,
};

use super::{messages, print, read, read_with};

/// Checks that `text`, below the least configuration, has one problem, and that it is this one.
#[track_caller]
fn check(text: &str, problem: &str) {
    assert_eq!(messages(text), [problem], "{text}");
}

#[test]
fn the_public_address_is_an_origin_over_tls_or_loopback() {
    for (url, reason) in [
        ("https://sso.example.com", None),
        ("https://sso.example.com/", None),
        ("https://sso.example.com:8443", None),
        ("http://127.0.0.1:8080", None),
        ("http://localhost:8080", None),
        ("http://[::1]:8080", None),
        ("http://sso.example.com", Some("must start with https://; plain http:// is for loopback only")),
        ("http://127.0.0.1.example.com", Some("must start with https://; plain http:// is for loopback only")),
        ("https://sso.example.com/sso", Some("must be an origin: nothing after host and port")),
        ("https://sso.example.com?x=1", Some("must be an origin: nothing after host and port")),
        ("https://sso.example.com/#x", Some("must not have a fragment")),
        ("https://ada:pw@sso.example.com", Some("must not have a user or password in the address")),
        ("ftp://sso.example.com", Some("must be an address such as \"https://sso.example.com\"")),
        ("sso.example.com", Some("must be an address such as \"https://sso.example.com\"")),
        ("https://", Some("must be an address such as \"https://sso.example.com\"")),
    ] {
        let found = read(&format!("public_url = \"{url}\"\n")).err().map(|problems| problems[0].message.clone());
        assert_eq!(found, reason.map(|reason| format!("`public_url` {reason}")), "{url}");
    }
}

#[test]
fn without_tls_the_public_listener_is_on_loopback() {
    for address in ["0.0.0.0:443", "[::]:443", "192.0.2.1:80"] {
        check(
            &format!("listen.address = \"{address}\"\n"),
            "2:18 `listen.address` must be loopback without `listen.tls`",
        );
    }
    assert!(read_with("listen.address = \"[::1]:8080\"\n").is_ok());
    check(
        "listen.address = \"localhost:443\"\n",
        "2:18 `listen.address` must be ADDRESS:PORT, such as \"0.0.0.0:443\" or \"[::1]:8080\"",
    );
    check(
        "listen.operations = \"127.0.0.1:8080\"\n",
        "2:21 `listen.operations` must not be the address of the public listener",
    );
}

#[test]
fn tls_needs_both_files_and_they_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("tls.pem"), folder.path().join("tls.key"));
    std::fs::write(&certificate, "x").unwrap();
    let tls = |rest: &str| {
        format!("listen.tls = {{ certificate = {certificate:?}{rest} }}\nlisten.address = \"0.0.0.0:443\"\n")
    };
    assert!(messages(&tls(""))[0].contains("`listen.tls.key` is missing"));
    assert!(messages(&tls(&format!(", key = {{ file = {key:?} }}")))[0].contains("`listen.tls.key` cannot be read"));
    assert!(
        messages(&tls(&format!(", key = {key:?}")))[0]
            .contains("`listen.tls.key` is a secret and cannot be written here")
    );
    std::fs::write(&key, "x").unwrap();
    let config = read_with(&tls(&format!(", key = {{ file = {key:?} }}"))).unwrap();
    assert_eq!(config.listen.tls.unwrap().key, key);
    let folder_as_file = format!("listen.tls = {{ certificate = {:?}, key = {{ file = {key:?} }} }}\n", folder.path());
    assert!(messages(&folder_as_file)[0].contains("`listen.tls.certificate` names a folder, not a file"));
}

#[test]
fn an_ip_address_as_public_url_is_warned_of_since_it_has_no_passkeys() {
    for (url, warned) in [
        ("https://192.0.2.7", true),
        ("https://[2001:db8::1]:8443", true),
        ("http://127.0.0.1:8080", true),
        ("http://localhost:8080", false),
        ("https://sso.example.com", false),
    ] {
        let config = read(&format!("public_url = \"{url}\"\n")).unwrap();
        let told = print(&config.warnings);
        assert_eq!(
            told.contains("`public_url` is an IP address, for which browsers make no passkeys"),
            warned,
            "{told}"
        );
    }
}

#[test]
fn ids_are_unique_among_sources_and_connectors_and_some_are_reserved() {
    check(
        "[[scim]]\nid = \"a\"\n[[scim]]\nid = \"a\"\n",
        "5:6 `scim[1].id` is `a`, which is taken at cleargate.toml:3",
    );
    check("[[scim]]\nid = \"password\"\n", "3:6 `scim[0].id` `password` is reserved for sign-in by password");
    check("[[scim]]\nid = \"link\"\n", "3:6 `scim[0].id` `link` is reserved for sign-in by a one-time link");
    check("[[scim]]\nid = \"Okta\"\n", "3:6 `scim[0].id` must consist of a-z, 0-9, - and _, starting with a letter");
    check("[[scim]]\nid = \"../x\"\n", "3:6 `scim[0].id` must consist of a-z, 0-9, - and _, starting with a letter");
    check("[[scim]]\n", "2:1 `scim[0].id` is missing; it must be an id in a-z, 0-9, - and _, starting with a letter");
}

#[test]
fn directory_servers_are_encrypted_unless_loopback() {
    let ldap = |rest: &str| format!("[[ldap]]\nid = \"corp\"\nbase = \"dc=a\"\n{rest}\n");
    for good in [
        "servers = [\"ldaps://dc1.corp.example\", \"ldaps://[2001:db8::1]:3636\"]",
        "servers = [\"ldap://127.0.0.1:3890\"]",
        "servers = [\"ldap://localhost\"]",
        "servers = [\"ldap://dc1.corp.example\"]\nstart_tls = true",
    ] {
        assert_eq!(messages(&ldap(good)), [""; 0], "{good}");
    }
    check(
        &ldap("servers = [\"ldap://dc1.corp.example\"]"),
        "5:11 `ldap[0].servers` must start with ldaps://; plain ldap:// is for loopback only",
    );
    check(
        &ldap("servers = [\"ldaps://dc1.corp.example\"]\nstart_tls = true"),
        "6:13 `ldap[0].start_tls` does not go with ldaps://, which is TLS from the start",
    );
    check(
        &ldap("servers = [\"ldaps://dc1.corp.example/dc=a\"]"),
        "5:11 `ldap[0].servers` must have nothing after host and port",
    );
    check(&ldap("servers = []"), "5:11 `ldap[0].servers` must name at least one server");
    check(&ldap("servers = \"ldaps://a\""), "5:11 `ldap[0].servers` must be a list, not text");
    check(&ldap(""), "2:1 `ldap[0].servers` is missing; it must be a list such as [\"ldaps://dc1.corp.example\"]");
}

#[test]
fn a_directory_has_the_settings_that_are_written() {
    let config = read_with(
        "[[ldap]]\nid = \"corp\"\nservers = [\"ldaps://a\"]\nbase = \"dc=corp,dc=example\"\npreset = \"active-directory\"\n\
         every = \"90s\"\nguard = { removals = \"0.5%\", at_least = 3 }\nlogin = true\npeople.filter = \"(objectClass=person)\"\n",
    )
    .unwrap();
    let ldap = &config.ldap[0];
    assert_eq!((ldap.preset, ldap.every, ldap.login), (LdapPreset::ActiveDirectory, Duration::from_secs(90), true));
    assert_eq!((ldap.guard.removals.of(1000), ldap.guard.at_least), (5, 3));
    assert_eq!(ldap.people.filter.as_deref(), Some("(objectClass=person)"));
    assert!(ldap.bind.is_none() && ldap.groups.base.is_none());
    assert_eq!(ldap.name, "corp");
}

#[test]
fn words_of_a_directory_are_checked() {
    let ldap = |rest: &str| format!("[[ldap]]\nid = \"corp\"\nservers = [\"ldaps://a\"]\nbase = \"dc=a\"\n{rest}\n");
    let problems = read_with(&ldap("preset = \"activedirectory\"")).unwrap_err();
    assert_eq!(problems[0].message, "`ldap[0].preset` must be one of `389ds`, `active-directory` and `openldap`");
    assert_eq!(problems[0].help.as_deref(), Some("did you mean `active-directory`?"));
    check(&ldap("every = \"1s\""), "6:9 `ldap[0].every` must be from \"10s\" to \"7d\"");
    check(&ldap("login = \"yes\""), "6:9 `ldap[0].login` must be true or false, not text");
    check(&ldap("guard.at_least = -1"), "6:18 `ldap[0].guard.at_least` must be a whole number from 0 to 4294967295");
    check(
        &ldap("guard.removals = \"101%\""),
        "6:18 `ldap[0].guard.removals` must be a percentage from 0% to 100% with at most two decimals",
    );
    check(
        &ldap("people.filter = \"objectClass=person\""),
        "6:17 `ldap[0].people.filter` must be an LDAP filter in parentheses, such as \"(objectClass=person)\"",
    );
    check(
        &ldap("groups.base = \"groups\""),
        "6:15 `ldap[0].groups.base` must be a distinguished name such as \"ou=people,dc=corp,dc=example\"",
    );
}

#[test]
fn saml_metadata_is_at_an_address_or_in_a_file() {
    let saml = |rest: &str| format!("[[saml]]\nid = \"entra\"\n{rest}\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("idp.xml");
    std::fs::write(&file, "<x/>").unwrap();
    let config = read_with(&saml(&format!("metadata = {{ file = {file:?} }}\ndomains = [\"Example.com\"]"))).unwrap();
    assert_eq!(config.saml[0].metadata, SamlMetadata::File(file));
    assert!(config.saml[0].domains[0].holds("ada@example.com") && config.saml[0].link_existing);
    assert!(read_with(&saml("metadata = { url = \"http://127.0.0.1:1/m\" }")).is_ok());
    check(
        &saml("metadata = { url = \"http://idp.example/m\" }"),
        "4:20 `saml[0].metadata.url` must start with https://; plain http:// is for loopback only",
    );
    check(
        &saml("metadata = { url = \"https://idp.example/m\", file = \"/dev/null\" }"),
        "4:20 `saml[0].metadata.url` and `file` exclude each other",
    );
    check(
        &saml(""),
        "2:1 `saml[0].metadata` is missing; it must be `{ url = \"https://…\" }`, `{ file = \"…\" }` or `{ document = '''…''' }`",
    );
    check(
        &saml("metadata = { file = \"/dev/null\" }\ndomains = [\"@example.com\"]"),
        "5:12 `saml[0].domains[0]` must be a DNS name such as example.com",
    );
}

#[test]
fn what_is_chosen_for_a_saml_provider_has_safe_defaults_and_bounds() {
    let saml = |rest: &str| format!("[[saml]]\nid = \"entra\"\nmetadata = {{ file = \"/dev/null\" }}\n{rest}\n");
    let config = read_with(&saml("")).unwrap();
    let entra = &config.saml[0];
    assert!(!entra.allow_cbc && !entra.force_authn && !entra.idp_initiated && entra.signing.is_empty());
    assert_eq!((entra.requests, entra.metadata_bytes), (SamlRequests::Either, 1 << 20));
    assert!(entra.decryption.is_empty() && entra.authn_contexts.is_empty());
    let pair = "{ certificate = \"/dev/null\", key = { file = \"/dev/null\" } }";
    let config =
        read_with(&saml(&format!("signing = [{pair}, {pair}]\nrequests = \"post\"\nclock_skew = \"5m\""))).unwrap();
    assert_eq!((config.saml[0].signing.len(), config.saml[0].requests), (2, SamlRequests::Post));
    check(
        &saml(&format!("signing = [{pair}, {pair}, {pair}, {pair}, {pair}]")),
        "5:11 `saml[0].signing` may be written at most 4 times",
    );
    check(&saml("clock_skew = \"6m\""), "5:14 `saml[0].clock_skew` must be from \"0s\" to \"5m\"");
    check(&saml("requests = \"soap\""), "5:12 `saml[0].requests` must be one of `either`, `post` and `redirect`");
    check(
        &saml("decryption = [{ certificate = \"/dev/null\" }]"),
        "5:15 `saml[0].decryption[0].key` is missing; it must be `{ file = \"…\" }` or `{ credential = \"…\" }`",
    );
}

#[test]
fn an_issuer_is_kept_as_written() {
    let oidc = |issuer: &str| format!("[[oidc]]\nid = \"google\"\nclient_id = \"x\"\nissuer = \"{issuer}\"\n");
    for issuer in ["https://login.example/tenant/", "https://login.example", "http://127.0.0.1:4444/"] {
        assert_eq!(read_with(&oidc(issuer)).unwrap().oidc[0].issuer, issuer);
    }
    check(&oidc("https://a.example/?x"), "5:10 `oidc[0].issuer` must not have a query");
    check(
        &oidc("https://a.example/.well-known/openid-configuration"),
        "5:10 `oidc[0].issuer` must be the issuer, not its discovery document",
    );
    check(
        &oidc("http://a.example"),
        "5:10 `oidc[0].issuer` must start with https://; plain http:// is for loopback only",
    );
}

#[test]
fn tenants_are_ids_and_a_client_has_a_secret_or_a_key() {
    let oidc = |lines: &str| {
        format!("[[oidc]]\nid = \"x\"\nclient_id = \"x\"\nissuer = \"https://a.example/common\"\n{lines}\n")
    };
    let tenants =
        read_with(&oidc("tenants = [\"AAAAAAAA-0000-0000-0000-00000000000f\"]")).unwrap().oidc[0].tenants.clone();
    assert_eq!(tenants, ["aaaaaaaa-0000-0000-0000-00000000000f"]);
    for wrong in ["common", "aaaaaaaa-0000-0000-0000-00000000000g", "aaaaaaaa-0000-0000-0000-00000000000f/x"] {
        check(
            &oidc(&format!("tenants = [\"{wrong}\"]")),
            "6:11 `oidc[0].tenants` must hold ids of tenants, such as `00000000-0000-0000-0000-000000000000`",
        );
    }
    let both = messages(&oidc("client_secret = { file = \"s\" }\nclient_key = { key = { file = \"k\" } }"));
    assert!(
        both.iter().any(|text| text.contains("`oidc[0].client_key` and `client_secret` exclude each other")),
        "{both:?}"
    );
    let none = messages(&oidc("client_key = { id = \"k\" }"));
    assert!(none.iter().any(|text| text.contains("oidc[0].client_key.key")), "{none:?}");
}

#[test]
fn what_an_openid_provider_is_to_make_sure_of_is_bounded() {
    let oidc =
        |lines: &str| format!("[[oidc]]\nid = \"x\"\nclient_id = \"x\"\nissuer = \"https://a.example\"\n{lines}\n");
    let plain = read_with(&oidc("")).unwrap().oidc[0].clone();
    assert!(!plain.force_authn && plain.max_age.is_none() && plain.authn_contexts.is_empty() && plain.prompt.is_none());
    let written = "max_age = \"8h\"\nauthn_contexts = [\"phr\", \"urn:mfa\"]\nprompt = \"select_account\"";
    let written = read_with(&oidc(written)).unwrap().oidc[0].clone();
    assert_eq!(written.max_age, Some(Duration::from_secs(8 * 3600)));
    assert_eq!(written.authn_contexts, ["phr", "urn:mfa"]);
    assert_eq!(written.prompt, Some(OidcPrompt::SelectAccount));
    for wrong in ["0s", "59s", "31d"] {
        let told = "6:11 `oidc[0].max_age` must be from \"1m\" to \"30d\"";
        check(&oidc(&format!("max_age = \"{wrong}\"")), told);
    }
    for (wrong, told) in [
        ("max_age = \"8h\"\nforce_authn = true", "`oidc[0].max_age` and `force_authn` exclude each other"),
        ("authn_contexts = [\"phr urn:mfa\"]", "`oidc[0].authn_contexts` must hold names without spaces"),
        ("authn_contexts = [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]", "may have at most 8 entries"),
        ("prompt = \"none\"", "`oidc[0].prompt` must be one of"),
    ] {
        let told_us = messages(&oidc(wrong));
        assert!(told_us.iter().any(|text| text.contains(told)), "{wrong}: {told_us:?}");
    }
}

#[test]
fn the_scope_openid_is_always_asked_for() {
    let oidc = "[[oidc]]\nid = \"google\"\nclient_id = \"x\"\nissuer = \"https://a.example\"\n";
    let scopes = |text: &str| read_with(&format!("{oidc}{text}")).unwrap().oidc[0].scopes.clone();
    assert_eq!(scopes(""), None);
    assert_eq!(scopes("scopes = [\"groups\"]\n").unwrap(), ["openid", "groups"]);
    assert_eq!(scopes("scopes = []\n").unwrap(), ["openid"]);
    check(
        &format!("{oidc}scopes = [\"openid email\"]\n"),
        "6:10 `oidc[0].scopes` must hold scope names without spaces",
    );
}

#[test]
fn a_mapping_names_a_source_and_a_condition_that_parses() {
    let mapping = |from: &str, when: &str, grant: &str| {
        format!("[[scim]]\nid = \"okta\"\n[[mapping]]\nfrom = \"{from}\"\nwhen = '{when}'\ngrant = {grant}\n")
    };
    let grant = "{ role = \"viewer\" }";
    assert!(read_with(&mapping("okta", "groups eq \"x\"", grant)).is_ok());
    check(&mapping("otka", "groups pr", grant), "5:8 `mapping[0].from` names no source; there is `okta`");
    check(
        &mapping("okta", "groups eq", grant),
        "6:18 `mapping[0].when` is no expression: expected a string in double quotes, a number, true, false or null at position 10, found the end",
    );
    check(
        &mapping("okta", "groups pr", "{ role = \"Data Analyst\" }"),
        "7:18 `mapping[0].grant.role` must consist of a-z, 0-9, - and _, starting with a letter",
    );
    check(
        &mapping("okta", "groups pr", "{ role = \"viewer\", scope = \"finance\" }"),
        "7:36 `mapping[0].grant.scope` must be KIND:SLUG in lower-case letters, digits, - and _, such as department:finance",
    );
    check(
        &mapping("okta", "groups pr", "{}"),
        "7:9 `mapping[0].grant.role` is missing; it must be the id of a role, such as \"data_analyst\"",
    );
    check(
        "[[mapping]]\nfrom = \"okta\"\nwhen = 'groups pr'\ngrant = { role = \"viewer\" }\n",
        "3:8 `mapping[0].from` names `okta`, but no source is configured",
    );
}

#[test]
fn the_lockout_presets_are_exact_and_numbers_beside_them_are_told() {
    let lockout = |text: &str| read_with(&format!("[lockout]\n{text}")).unwrap();
    let config = lockout("preset = \"clearvantage\"\n");
    let found = config.lockout;
    assert_eq!((found.attempts, found.lasts, found.extend_on_attempt), (3, Duration::from_secs(1800), true));
    assert!(config.warnings.is_empty(), "{}", print(&config.warnings));
    let config = lockout("preset = \"clearvantage\"\nattempts = 5\n");
    assert_eq!((config.lockout.preset, config.lockout.attempts), (LockoutPreset::Clearvantage, 5));
    assert!(print(&config.warnings).contains("is not the manual's any more"));
    let config = lockout("attempts = 3\nfor = \"30m\"\nextend_on_attempt = true\n");
    assert_eq!(config.lockout.lasts, Duration::from_secs(1800));
    assert!(print(&config.warnings).contains("keep a person locked out"));
    check("lockout.attempts = 0\n", "2:20 `lockout.attempts` must be from 1 to 100");
    check("lockout.attempts = 99999999999999999999\n", "2:20 an integer has at most 64 bits");
    check(
        "lockout.for = 30\n",
        "2:15 `lockout.for` must be a duration with its unit, such as \"15m\", \"1h30m\" or \"30d\", not an integer",
    );
}

#[test]
fn the_password_presets_have_their_rules() {
    use CharacterClass::{Digit, Letter, Lower, Special, Upper};
    for (preset, length, classes, expires) in [
        ("nist-63b-4", 15, vec![], None),
        ("asvs5-l2", 8, vec![], None),
        ("clearvantage", 12, vec![Upper, Lower, Digit, Special], None),
        ("pci", 12, vec![Letter, Digit], Some(Duration::from_secs(90 * 86_400))),
    ] {
        let config = read_with(&format!("password.preset = \"{preset}\"\n")).unwrap();
        let found = config.password;
        assert_eq!((found.min_length, found.requires, found.expires), (length, classes, expires), "{preset}");
        assert!(config.warnings.is_empty());
    }
    let config =
        read_with("password = { preset = \"clearvantage\", min_length = 8, requires = [], expires = \"never\" }\n")
            .unwrap();
    assert_eq!(config.warnings.len(), 2, "{}", print(&config.warnings));
    check("password.min_length = 7\n", "2:23 `password.min_length` must be from 8 to 256");
    check("password.max_length = 63\n", "2:23 `password.max_length` must be from 64 to 1024");
    check(
        "password.requires = [\"uper\"]\n",
        "2:21 `password.requires` must be one of `digit`, `letter`, `lower`, `special` and `upper`",
    );
    check("password.hashing.memory = \"8MiB\"\n", "2:27 `password.hashing.memory` must be from \"19MiB\" to \"1GiB\"");
}

#[test]
fn other_values_are_checked() {
    check(
        "session = { idle = \"2h\", absolute = \"1h\" }\n",
        "2:37 `session.absolute` must not be shorter than `session.idle`",
    );
    check(
        "limits.sign_in = \"0/1m\"\n",
        "2:18 `limits.sign_in` must be COUNT/TIME with a time from 1s to 1d, such as 300/1m",
    );
    check(
        "store.cache = 64\n",
        "2:15 `store.cache` must be a size with its unit, such as \"64KiB\" or \"1GiB\", not an integer",
    );
    check(
        "listen.trusted_proxies = [\"10.0.0.1/8\"]\n",
        "2:27 `listen.trusted_proxies[0]` must be an IP address or ADDRESS/PREFIX without bits beyond the prefix, such as 10.0.0.0/8",
    );
    check(
        "outbound.allow = [\"https://a.example\"]\n",
        "2:19 `outbound.allow[0]` must be HOST or HOST:PORT, such as keys.example.com or [2001:db8::5]:8443",
    );
    check(
        "audit.retention = \"1h\"\n",
        "2:19 `audit.retention` must be \"forever\" or a duration of at least \"1d\", such as \"400d\"",
    );
    check(
        "log.filter = \"cleargate=loud=x\"\n",
        "2:14 `log.filter` must be log directives such as \"info,cleargate::sync=debug\": error parsing level filter: expected one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or a number 0-5",
    );
    check("log.filter = 2026-11-22\n", "2:14 `log.filter` must be text that is not empty, not a date");
    check(
        "policy.pack = \"clearpoint\"\n",
        "2:15 `policy.pack` must be one of `clearpoint-strategy`, `clearpoint-systems` and `clearvantage`",
    );
    check("store.path = \"\"\n", "2:14 `store.path` must be a path");
}

#[test]
fn a_policy_pack_is_a_name_or_a_file() {
    assert_eq!(read_with("policy.pack = \"clearvantage\"\n").unwrap().policy.pack, Pack::Clearvantage);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pack.toml");
    let text = format!("policy.pack = {path:?}\n");
    assert!(messages(&text)[0].contains("`policy.pack` cannot be read"));
    std::fs::write(&path, "").unwrap();
    assert_eq!(read_with(&text).unwrap().policy.pack, Pack::File(path));
}

#[test]
fn what_has_no_effect_yet_is_said() {
    let config =
        read_with("audit.retention = \"400d\"\n[[notify]]\nid = \"ops\"\nurl = \"https://chat.example/x\"\n").unwrap();
    assert_eq!(config.warnings.len(), 2, "{}", print(&config.warnings));
    assert!(config.warnings.iter().all(|problem| problem.message.contains("has no effect in this release")));
}

#[test]
fn a_connection_has_its_own_rate_reach_and_brake() {
    let config = read_with(
        "limits.scim = \"600/1m\"\n[[scim]]\nid = \"okta\"\nrate = \"90/1m\"\ntakes_over = [\"corp\", \"by-hand\", \"hr\"]\n\
         brake = { removals = \"2.5%\", at_least = 3 }\npasswords = \"set\"\nlog = false\n[[scim]]\nid = \"hr\"\n\
         [[ldap]]\nid = \"corp\"\nservers = [\"ldaps://dc\"]\nbase = \"dc=corp\"\n",
    )
    .unwrap();
    let [okta, hr] = &config.scim[..] else { panic!("{:?}", config.scim) };
    assert_eq!(okta.rate, Quota::per_minute(90));
    assert_eq!(okta.takes_over.sources.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["corp", "hr"]);
    assert!(okta.takes_over.by_hand);
    assert_eq!((okta.brake.removals, okta.brake.at_least), ("2.5%".parse::<Percent>().unwrap(), 3));
    assert_eq!((okta.passwords, okta.log), (Passwords::Set, false));
    assert_eq!(hr.rate, Quota::per_minute(600));
    assert_eq!((hr.takes_over.sources.len(), hr.takes_over.by_hand), (0, false));
    assert_eq!((hr.brake.removals, hr.brake.at_least), (Percent::whole(5), 10));
    assert_eq!((hr.passwords, hr.log), (Passwords::Ignore, true));
}

#[test]
fn a_connection_takes_over_only_from_who_owns_something() {
    let least = "[[scim]]\nid = \"okta\"\ntakes_over = ";
    let ldap = "[[ldap]]\nid = \"corp\"\nservers = [\"ldaps://dc\"]\nbase = \"dc=corp\"\n";
    check(
        &format!("{least}[\"okta\"]\n"),
        "4:14 `scim[0].takes_over` names the connection itself, which changes its own anyway",
    );
    check(
        &format!("{least}[\"crop\"]\n{ldap}"),
        "4:14 `scim[0].takes_over` names `crop`, which owns nothing; there is `by-hand` and `corp`",
    );
    check(
        "[[scim]]\nid = \"by-hand\"\n",
        "3:6 `scim[0].id` `by-hand` is reserved for what administrators keep by hand",
    );
    check(
        "[[scim]]\nid = \"okta\"\npasswords = \"take\"\n",
        "4:13 `scim[0].passwords` must be one of `ignore` and `set`",
    );
}

#[test]
fn a_rule_that_holds_where_nothing_is_said_gives_a_warning() {
    for (when, named) in [
        ("groups eq \"ops\"", None),
        ("groups eq \"ops\" and emails[type eq \"work\"] and title sw \"Dr\"", None),
        ("not (userType ne \"Employee\")", None),
        ("title pr and userType ne null", None),
        ("groups eq \"ops\" and userType ne \"Contractor\"", Some("userType")),
        ("not (groups eq \"outside\")", Some("groups")),
        ("not (title pr)", Some("title")),
        ("title eq null", Some("title")),
        ("groups eq \"ops\" or not (emails[type eq \"home\"])", Some("emails")),
        ("emails[type ne \"home\"]", Some("type")),
    ] {
        let mapping = format!("[[mapping]]\nfrom = \"okta\"\nwhen = '{when}'\ngrant = {{ role = \"viewer\" }}\n");
        let config = read_with(&format!("[[scim]]\nid = \"okta\"\n{mapping}")).unwrap();
        let warnings = print(&config.warnings);
        match named {
            None => assert!(config.warnings.is_empty(), "{when}: {warnings}"),
            Some(named) => {
                let expected = format!("of whom the source does not say `{named}`");
                assert!(config.warnings.len() == 1 && warnings.contains(&expected), "{when}: {warnings}");
            }
        }
    }
}

#[test]
fn one_pass_of_argon2_needs_the_memory_of_two() {
    for (text, is_good) in [
        ("passes = 1", false),
        ("passes = 1\nmemory = \"37MiB\"", false),
        ("passes = 1\nmemory = \"38MiB\"", true),
        ("passes = 2\nmemory = \"19MiB\"", true),
        ("passes = 3", true),
    ] {
        let found = read_with(&format!("[password.hashing]\n{text}\n"));
        assert_eq!(found.is_ok(), is_good, "{text}");
        if let Err(problems) = found {
            assert!(problems.len() == 1 && problems[0].message.contains("must be 38 MiB or more"), "{problems:?}");
        }
    }
}

#[test]
fn presets_say_who_is_known_and_what_a_second_factor_makes_easier() {
    let read = |text: &str| read_with(text).unwrap();
    let known = |preset: &str| read(&format!("[lockout]\npreset = \"{preset}\"\n")).lockout.knows_devices;
    assert!(known("balanced") && known("pci") && !known("clearvantage"));
    let pci = read("[lockout]\npreset = \"pci\"\n").lockout;
    assert_eq!((pci.attempts, pci.lasts, pci.extend_on_attempt), (10, Duration::from_secs(1800), false));
    let least = |text: &str| {
        let password = read(text).password;
        (password.min_length, password.min_length_with_factor, password.expires_with_factor)
    };
    assert_eq!(least(""), (15, 8, true));
    assert_eq!(least("password.preset = \"pci\"\n"), (12, 12, false));
    assert_eq!(least("password.min_length_with_factor = 10\n"), (15, 10, true));
    assert!(read_with("password.min_length_with_factor = 16\n").is_err(), "more than without");
}
