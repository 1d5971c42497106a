//! Keys and signatures of another library, in `tests/fixtures/jws.json`.

use serde_json::json;

use super::*;

fn fixture() -> Value {
    serde_json::from_str(include_str!("../../../../tests/fixtures/jws.json")).expect("the fixture is JSON")
}

fn key(case: &Value) -> VerifyingKey {
    VerifyingKey::deserialize(&case["jwk"]).expect("a usable key")
}

fn signature(case: &Value) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(case["signature"].as_str().expect("text")).expect("base64url")
}

fn verifies(case: &Value, algorithm: &Algorithm, message: &str, signature: &[u8]) -> bool {
    key(case).verify_signature(algorithm, message.as_bytes(), signature).is_ok()
}

#[test]
fn each_allowed_algorithm_verifies_its_signature_and_no_other_does() {
    let fixture = fixture();
    let (message, good) = (fixture["message"].as_str().expect("text"), fixture["good"].as_array().expect("cases"));
    assert_eq!(good.len(), ALLOWED.len());
    for case in good {
        let name = case["alg"].as_str().expect("text");
        let own = allowed(name).expect("an allowed algorithm");
        for algorithm in &ALLOWED {
            assert_eq!(verifies(case, algorithm, message, &signature(case)), *algorithm == own, "{name} {algorithm:?}");
        }
        assert!(!verifies(case, &own, "another message", &signature(case)), "{name}");
        for position in [0, signature(case).len() / 2, signature(case).len() - 1] {
            let mut altered = signature(case);
            altered[position] ^= 1;
            assert!(!verifies(case, &own, message, &altered), "{name} with byte {position} altered");
        }
        assert!(!verifies(case, &own, message, &[]), "{name} without a signature");
    }
}

#[test]
fn an_rsa_key_of_1024_bits_verifies_nothing() {
    let fixture = fixture();
    let (message, case) = (fixture["message"].as_str().expect("text"), &fixture["weak"][0]);
    assert!(!verifies(case, &Algorithm::RsaSsaPkcs1V15Sha256, message, &signature(case)));
}

#[test]
fn a_shared_secret_verifies_nothing() {
    let shared = VerifyingKey::new_symmetric(b"secret".to_vec());
    for algorithm in [Algorithm::HmacSha256, Algorithm::None, Algorithm::RsaSsaPkcs1V15Sha256] {
        assert!(shared.verify_signature(&algorithm, b"message", b"").is_err(), "{algorithm:?}");
    }
}

#[test]
fn the_example_of_rfc_8037_appendix_a_verifies() {
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let message = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let case = json!({ "jwk": jwk, "signature": signature });
    assert!(verifies(&case, &Algorithm::EdDsa, message, &super::tests::signature(&case)));
}

#[test]
fn a_key_that_is_not_for_verification_is_not_usable() {
    let usable = fixture()["good"][0]["jwk"].clone();
    let with = |name: &str, value: Value| {
        let mut jwk = usable.clone();
        jwk[name] = value;
        VerifyingKey::deserialize(&jwk).is_ok()
    };
    assert!(with("use", json!("sig")) && with("key_ops", json!(["verify"])) && with("alg", json!("PS384")));
    assert!(!with("use", json!("enc")) && !with("key_ops", json!(["encrypt"])) && !with("alg", json!("RSA-OAEP")));
    assert!(!with("kty", json!("oct")) && !with("kty", json!("EC")) && !with("n", json!("not base64!")));
    assert!(!with("n", Value::Null) && !with("alg", json!("HS256")) && !with("alg", json!("none")));
}

#[test]
fn a_coordinate_of_the_wrong_length_is_not_usable() {
    let mut jwk = fixture()["good"][6]["jwk"].clone();
    assert!(VerifyingKey::deserialize(&jwk).is_ok());
    jwk["x"] = json!("AA");
    assert!(VerifyingKey::deserialize(&jwk).is_err());
    jwk["crv"] = json!("P-384");
    assert!(VerifyingKey::deserialize(&jwk).is_err());
}

#[test]
fn a_set_without_a_usable_key_is_broken() {
    let parse = |value: Value| parse_set(value.as_object().expect("an object")).map(|keys| keys.len());
    let usable = fixture()["good"][0]["jwk"].clone();
    assert_eq!(parse(json!({ "keys": [{ "kty": "later" }, usable, 7] })), Ok(1));
    for broken in [json!({}), json!({ "keys": [] }), json!({ "keys": {} }), json!({ "keys": [{ "kty": "RSA" }] })] {
        assert!(parse(broken.clone()).is_err(), "{broken}");
    }
    assert!(parse(json!({ "keys": vec![usable; 101] })).is_err());
}

#[test]
fn candidates_are_the_keys_of_the_id_and_the_kind() {
    let fixture = fixture();
    let named = |index: usize, kid: &str| {
        let mut jwk = fixture["good"][index]["jwk"].clone();
        jwk["kid"] = json!(kid);
        VerifyingKey::deserialize(&jwk).expect("a usable key")
    };
    let keys = [named(0, "a"), named(1, "b"), named(6, "a"), key(&fixture["good"][0])];
    let count = |kid, name: &str| candidates(&keys, kid, &allowed(name).expect("allowed"), "https://a.example").count();
    assert_eq!((count(Some("a"), "RS256"), count(Some("a"), "ES256"), count(Some("b"), "ES256")), (1, 1, 0));
    assert_eq!((count(None, "RS256"), count(None, "ES256"), count(Some("c"), "RS256")), (3, 1, 0));
}

#[test]
fn a_key_that_names_an_issuer_is_for_that_one_only() {
    let fixture = fixture();
    let mut jwk = fixture["good"][0]["jwk"].clone();
    for (named, issuer, expected) in [
        (json!(null), "https://a.example/1", 1),
        (json!("https://a.example/1"), "https://a.example/1", 1),
        (json!("https://a.example/1"), "https://a.example/2", 0),
        (json!("https://a.example/{tenantid}"), "https://a.example/2", 1),
        (json!("https://a.example/{tenantid}"), "https://b.example/2", 0),
    ] {
        jwk["issuer"] = named;
        let keys = [VerifyingKey::deserialize(&jwk).expect("a usable key")];
        let found = candidates(&keys, None, &allowed("RS256").expect("allowed"), issuer).count();
        assert_eq!(found, expected, "{jwk} {issuer}");
    }
}
