//! The test vectors of Web Authentication Level 3 section 16, in `tests/fixtures/webauthn.json`, and the reader's rules.

use minicbor::Encoder;
use serde_json::{Value, json};

use super::authenticator_data::{AuthenticatorData, of_attestation_object};
use super::ceremony::{Known, authenticate, register};
use super::client_data::Ceremony;
use super::key::Key;
use super::*;

fn party() -> Party {
    Party::of(&"https://example.org".parse().unwrap()).unwrap()
}

fn vectors() -> Vec<Value> {
    let text = include_str!("../../../tests/fixtures/webauthn.json");
    let Value::Object(mut file) = serde_json::from_str(text).unwrap() else { panic!("the fixture is an object") };
    let Some(Value::Array(vectors)) = file.remove("vectors") else { panic!("the fixture has vectors") };
    assert_eq!(vectors.len(), 15);
    vectors
}

fn bytes(hex: &Value) -> Vec<u8> {
    let text = hex.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A credential's JSON form from a vector's ceremony.
fn answer(vector: &Value, ceremony: &str) -> Answer {
    let encoded = |hex: &Value| BASE64_URL_SAFE_NO_PAD.encode(bytes(hex));
    let members = vector[ceremony].as_object().unwrap().iter().filter(|(name, _)| *name != "challenge");
    let response: serde_json::Map<String, Value> =
        members.map(|(name, hex)| (name.clone(), encoded(hex).into())).collect();
    let id = encoded(&vector["credential_id"]);
    let credential = json!({ "id": id, "rawId": id, "type": "public-key", "response": response });
    Answer::read(&credential.to_string()).unwrap()
}

fn rule<T: std::fmt::Debug>(outcome: Result<T, Error>) -> &'static str {
    match outcome {
        Err(Error::Refused { rule, .. }) => rule,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_vectors_of_the_standard_are_taken_where_their_kind_of_key_is_and_refused_where_the_page_was_framed() {
    let party = party();
    let (mut taken, mut refused) = (0, Vec::new());
    for vector in vectors() {
        let name = vector["name"].as_str().unwrap();
        let (first, second) = (answer(&vector, "registration"), answer(&vector, "authentication"));
        let challenges = [(&first, Ceremony::Registration), (&second, Ceremony::Authentication)]
            .map(|(answer, ceremony)| answer.challenge(ceremony, &party));
        if name.ends_with("Origin") {
            for challenge in challenges {
                assert_eq!(rule(challenge), "cross-origin", "{name}");
            }
            refused.push(name.to_owned());
            continue;
        }
        assert_eq!(challenges[0], Ok(bytes(&vector["registration"]["challenge"])), "{name}");
        assert_eq!(challenges[1], Ok(bytes(&vector["authentication"]["challenge"])), "{name}");
        let registered = match register(&party, &first) {
            Ok(registered) => registered,
            Err(error) => {
                assert_eq!(rule::<()>(Err(error)), "algorithm", "{name}");
                refused.push(name.to_owned());
                continue;
            }
        };
        assert_eq!(registered.id, bytes(&vector["credential_id"]), "{name}");
        let known = Known {
            is_verified: true,
            key: &registered.key,
            sign_count: registered.sign_count,
            is_backup_eligible: registered.is_backup_eligible,
            user: b"somebody",
        };
        authenticate(&party, &known, &second, false).unwrap_or_else(|error| panic!("{name}: {error}"));
        taken += 1;
    }
    let unknown = ["packed-es384", "packed-es512", "packed-ed448"];
    refused.sort();
    assert_eq!(
        refused,
        ["none-es256-crossOrigin", "none-es256-topOrigin", unknown[2], unknown[0], unknown[1]],
        "{taken} were taken"
    );
    assert_eq!(taken, 10);
}

#[test]
fn a_vector_with_any_one_byte_changed_is_refused() {
    let party = party();
    for name in ["none-es256", "packed-eddsa", "packed-rs256"] {
        let vector = vectors().into_iter().find(|vector| vector["name"] == name).unwrap();
        let registered = register(&party, &answer(&vector, "registration")).unwrap();
        let known = Known {
            is_verified: true,
            key: &registered.key,
            sign_count: registered.sign_count,
            is_backup_eligible: registered.is_backup_eligible,
            user: b"somebody",
        };
        for member in ["authenticatorData", "clientDataJSON", "signature"] {
            let good = bytes(&vector["authentication"][member]);
            for place in 0..good.len() {
                let mut bad = good.clone();
                bad[place] ^= 1;
                let mut changed = vector.clone();
                changed["authentication"][member] =
                    bad.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
                let changed = answer(&changed, "authentication");
                assert!(authenticate(&party, &known, &changed, false).is_err(), "{name} {member} {place}");
            }
        }
    }
}

/// A key as CBOR: pairs of a label and a number or bytes.
enum Part<'a> {
    Number(i64),
    Bytes(&'a [u8]),
}

fn key(parts: &[(i64, Part<'_>)]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    encoder.map(u64::try_from(parts.len()).unwrap()).unwrap();
    for (label, part) in parts {
        encoder.i64(*label).unwrap();
        match part {
            Part::Number(number) => encoder.i64(*number).unwrap(),
            Part::Bytes(bytes) => encoder.bytes(bytes).unwrap(),
        };
    }
    encoder.into_writer()
}

/// A point of P-256: its generator (SEC 2 section 2.4.2).
const X: [u8; 32] = [
    0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d,
    0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
];
const Y: [u8; 32] = [
    0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33,
    0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];

fn read(bytes: &[u8]) -> Result<Key, Error> {
    Key::read(&mut minicbor::Decoder::new(bytes))
}

#[test]
fn a_key_is_of_one_of_three_kinds_with_exactly_its_parts() {
    use Part::{Bytes, Number};
    let ec = |x, y| key(&[(1, Number(2)), (3, Number(-7)), (-1, Number(1)), (-2, Bytes(x)), (-3, Bytes(y))]);
    assert!(matches!(read(&ec(&X, &Y)), Ok(Key::Es256(_))));
    let mut modulus = vec![0xc5; 256];
    modulus[255] = 1;
    let rsa = |n, e| key(&[(1, Number(3)), (3, Number(-257)), (-1, Bytes(n)), (-2, Bytes(e))]);
    assert!(matches!(read(&rsa(&modulus, &[1, 0, 1])), Ok(Key::Rs256(_))));
    let (mut even, mut short, long) = (modulus.clone(), modulus.clone(), [&modulus[..], &modulus, &[1]].concat());
    even[255] = 2;
    short[0] = 0x7f;
    let padded = [&[0][..], &modulus].concat();
    for (what, bytes, expected) in [
        ("a point beside the curve", ec(&X, &X), "key"),
        ("the point at infinity", ec(&[0; 32], &[0; 32]), "key"),
        ("a coordinate above the field", ec(&[0xff; 32], &Y), "key"),
        ("a short coordinate", ec(&X[1..], &Y), "key"),
        ("a long coordinate", ec(&X, &[&Y[..], &[0]].concat()), "key"),
        ("no y", key(&[(1, Number(2)), (3, Number(-7)), (-1, Number(1)), (-2, Bytes(&X))]), "key"),
        (
            "ES256 said of another curve",
            key(&[(1, Number(2)), (3, Number(-7)), (-1, Number(2)), (-2, Bytes(&X)), (-3, Bytes(&Y))]),
            "algorithm",
        ),
        (
            "an EC key that says RS256",
            key(&[(1, Number(2)), (3, Number(-257)), (-1, Number(1)), (-2, Bytes(&X)), (-3, Bytes(&Y))]),
            "algorithm",
        ),
        (
            "Ed25519 that says ES256",
            key(&[(1, Number(1)), (3, Number(-7)), (-1, Number(6)), (-2, Bytes(&X))]),
            "algorithm",
        ),
        ("Ed448", key(&[(1, Number(1)), (3, Number(-8)), (-1, Number(7)), (-2, Bytes(&[7; 57]))]), "algorithm"),
        ("a short Ed25519 key", key(&[(1, Number(1)), (3, Number(-8)), (-1, Number(6)), (-2, Bytes(&X[1..]))]), "key"),
        (
            "RSA with SHA-1",
            key(&[(1, Number(3)), (3, Number(-65535)), (-1, Bytes(&modulus)), (-2, Bytes(&[1, 0, 1]))]),
            "algorithm",
        ),
        ("RSA of 2047 bits", rsa(&short, &[1, 0, 1]), "key"),
        ("RSA of 1024 bits", rsa(&modulus[128..], &[1, 0, 1]), "key"),
        ("RSA of 4104 bits", rsa(&long, &[1, 0, 1]), "key"),
        ("an even modulus", rsa(&even, &[1, 0, 1]), "key"),
        ("a modulus with a zero before it", rsa(&padded, &[1, 0, 1]), "key"),
        ("the exponent 3", rsa(&modulus, &[3]), "key"),
        ("the exponent 65537 in four bytes", rsa(&modulus, &[0, 1, 0, 1]), "key"),
        ("a symmetric key", key(&[(1, Number(4)), (3, Number(5)), (-1, Bytes(&X))]), "algorithm"),
        ("no algorithm", key(&[(1, Number(2)), (-1, Number(1)), (-2, Bytes(&X)), (-3, Bytes(&Y))]), "algorithm"),
        ("an empty map", key(&[]), "algorithm"),
        (
            "a member twice",
            key(&[(1, Number(2)), (1, Number(2)), (3, Number(-7)), (-1, Number(1)), (-2, Bytes(&X))]),
            "key",
        ),
        (
            "a private key",
            key(&[(1, Number(1)), (3, Number(-8)), (-1, Number(6)), (-2, Bytes(&X)), (-4, Bytes(&X))]),
            "key",
        ),
        ("no map", vec![0x83, 1, 2, 3], "key"),
        ("a map without end", vec![0xbf, 0xff], "key"),
        ("a map of 2^64 - 1", vec![0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "key"),
        ("bytes of 2^64 - 1", vec![0xa1, 0x21, 0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "key"),
        ("nothing", Vec::new(), "key"),
    ] {
        assert_eq!(rule(read(&bytes)), expected, "{what}");
    }
}

/// Authenticator data with these flags, and what follows the count.
fn data(flags: u8, rest: &[u8]) -> Vec<u8> {
    [&[7; 32][..], &[flags], &[0, 0, 0, 9], rest].concat()
}

#[test]
fn authenticator_data_ends_where_its_flags_say() {
    use Part::{Bytes, Number};
    let key = key(&[(1, Number(1)), (3, Number(-8)), (-1, Number(6)), (-2, Bytes(&X))]);
    let attested = |length: u16, id: &[u8]| [&[0; 16][..], &length.to_be_bytes(), id, &key].concat();
    let (sound, map) = (attested(32, &[5; 32]), [0xa1, 0x61, b'a', 0xf5]);
    let read = |bytes: &[u8]| AuthenticatorData::read(bytes);
    assert_eq!(read(&data(0x01, &[])).unwrap().sign_count, 9);
    assert_eq!(read(&data(0x41, &sound)).unwrap().attested.unwrap().id, [5; 32]);
    assert!(read(&data(0x81, &map)).is_ok());
    assert!(read(&data(0xc1, &[&sound[..], &map].concat())).is_ok());
    assert!(read(&data(0x41, &attested(1023, &[5; 1023]))).is_ok());
    for (what, bytes) in [
        ("cut", data(0x01, &[])[..36].to_vec()),
        ("empty", Vec::new()),
        ("a byte more", data(0x01, &[0])),
        ("a credential without its flag", data(0x01, &sound)),
        ("a flag without its credential", data(0x41, &[])),
        ("a byte after the credential", data(0x41, &[&sound[..], &[0]].concat())),
        ("extensions without their flag", data(0x41, &[&sound[..], &map].concat())),
        ("a flag without its extensions", data(0xc1, &sound)),
        ("extensions that are a list", data(0x81, &[0x80])),
        ("two maps of extensions", data(0x81, &[map, map].concat())),
        ("extensions cut", data(0x81, &map[..3])),
        ("extensions of 2^64 - 1", data(0x81, &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
        ("an id longer than what is there", data(0x41, &attested(65535, &[5; 32]))),
        ("an id of 15 bytes", data(0x41, &attested(15, &[5; 15]))),
        ("an id of 1024 bytes", data(0x41, &attested(1024, &[5; 1024]))),
        ("no id", data(0x41, &attested(0, &[]))),
    ] {
        assert!(read(&bytes).is_err(), "{what}");
    }
    let deep = [vec![0xa1, 0x61, b'a'], vec![0x81; 100_000], vec![0x80]].concat();
    assert!(read(&data(0x81, &deep)).is_ok(), "nesting costs no stack");
}

#[test]
fn an_attestation_object_is_three_members_and_nothing_after_them() {
    let object = |format: &str, statement: &[u8], data: &[u8]| {
        let mut encoder = Encoder::new(Vec::new());
        encoder.map(3).unwrap().str("fmt").unwrap().str(format).unwrap().str("attStmt").unwrap();
        encoder.writer_mut().extend_from_slice(statement);
        encoder.str("authData").unwrap().bytes(data).unwrap();
        encoder.into_writer()
    };
    let good = object("none", &[0xa0], b"data");
    assert_eq!(of_attestation_object(&good).unwrap(), b"data");
    assert!(of_attestation_object(&object("packed", &[0xa1, 0x61, b'x', 1], b"data")).is_ok());
    for (what, bytes) in [
        ("a statement where there is no attestation", object("none", &[0xa1, 0x61, b'x', 1], b"data")),
        ("a statement that is a list", object("packed", &[0x80], b"data")),
        ("a long format", object(&"x".repeat(33), &[0xa0], b"data")),
        ("a byte more", [&good[..], &[0]].concat()),
        ("cut", good[..good.len() - 1].to_vec()),
        ("two members", [&[0xa2][..], &good[1..]].concat()),
        ("four members", [&[0xa4][..], &good[1..]].concat()),
        ("a member twice", {
            let mut twice = good.clone();
            let at = twice.windows(4).position(|window| window == b"\x63fmt").unwrap();
            twice.splice(at..at + 9, *b"\x68authData\x41x");
            twice
        }),
        ("a map without end", [&[0xbf][..], &good[1..], &[0xff]].concat()),
        ("no map", vec![0x40]),
    ] {
        assert!(of_attestation_object(&bytes).is_err(), "{what}");
    }
}

#[test]
fn the_json_of_a_credential_is_read_strictly() {
    let id = BASE64_URL_SAFE_NO_PAD.encode([5; 32]);
    let good = json!({ "id": id, "rawId": id, "type": "public-key", "response": {}, "clientExtensionResults": {} });
    assert!(Answer::read(&good.to_string()).is_ok());
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed.to_string()
    };
    for (what, text) in [
        ("nothing", String::new()),
        ("a list", "[]".to_owned()),
        ("another type", with("type", "password".into())),
        ("another id", with("id", BASE64_URL_SAFE_NO_PAD.encode([6; 32]).into())),
        ("padding", with("rawId", format!("{id}=").into())),
        ("plain base64", with("rawId", "+/+/".into())),
        ("a number", with("rawId", 7.into())),
        ("no response", with("response", Value::Null)),
        ("a name twice", format!("{{\"type\":\"public-key\",{}", &good.to_string()[1..])),
        ("nesting", format!("{}{}", "[".repeat(40), "]".repeat(40))),
        ("too long", with("rawId", "A".repeat(12_000).into())),
    ] {
        assert!(Answer::read(&text).is_err(), "{what}");
    }
}

#[test]
fn passkeys_are_for_names_and_not_for_addresses() {
    let of = |url: &str| Party::of(&url.parse().unwrap());
    let party = of("https://sso.example.com:8443").unwrap();
    assert_eq!((party.id(), party.origin()), ("sso.example.com", "https://sso.example.com:8443"));
    assert_eq!(of("http://localhost:8080").unwrap().id(), "localhost");
    for address in ["https://192.0.2.7", "http://127.0.0.1:8080", "https://[2001:db8::1]"] {
        assert!(of(address).is_none(), "{address}");
    }
}

#[test]
fn a_name_is_one_line_and_never_empty() {
    let long = "x".repeat(MAX_NAME_CHARACTERS + 9);
    for (given, kept) in
        [("", NAMELESS), (" \t\n", NAMELESS), (" my  key\n", "my  key"), (&long, &long[..MAX_NAME_CHARACTERS])]
    {
        assert_eq!(name_of(given), kept);
    }
}
