use super::*;

/// What is wrong with a password, as words.
fn unmet(preset: &str, password: &str, context: &[&str]) -> String {
    let policy = PasswordPolicy::preset(preset).unwrap();
    let unmet = policy.check(&Secret::new(password.to_owned()), context, false);
    let word = |unmet: &Unmet| match unmet {
        Unmet::Common => "common",
        Unmet::Context => "context",
        Unmet::Digit => "digit",
        Unmet::Letter => "letter",
        Unmet::Lower => "lower",
        Unmet::Special => "special",
        Unmet::TooLong { .. } => "long",
        Unmet::TooShort { .. } => "short",
        Unmet::Unchanged => "unchanged",
        Unmet::Upper => "upper",
    };
    unmet.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn each_preset_asks_for_exactly_what_its_text_asks() {
    for (preset, password, expected) in [
        // The manual: 12 characters, upper, lower, digit, special; each missing part is named.
        ("clearvantage", "Tr4vel&Lantern", ""),
        ("clearvantage", "Tr4vel&Lant!", ""),
        ("clearvantage", "Tr4vel&Lan!", "short"),
        ("clearvantage", "tr4vel&lantern", "upper"),
        ("clearvantage", "TR4VEL&LANTERN", "lower"),
        ("clearvantage", "Travel&Lantern", "digit"),
        ("clearvantage", "Tr4velxLantern", "special"),
        ("clearvantage", "Tr4vel Lantern", "special"),
        ("clearvantage", "", "short upper lower digit special"),
        ("clearvantage", "aardvarkmeadow", "upper digit special"),
        // NIST: 15 characters of any kind.
        ("nist-63b-4", "lantern over meadow", ""),
        ("nist-63b-4", "lanternovermead", ""),
        ("nist-63b-4", "lanternovermea", "short"),
        ("nist-63b-4", "Tr4vel&Lant!", "short"),
        ("nist-63b-4", "фонарь над лугом", ""),
        // ASVS: 8 characters of any kind.
        ("asvs5-l2", "lantern9", ""),
        ("asvs5-l2", "lantmea", "short"),
        // PCI: 12 characters, letters and digits.
        ("pci", "lanternmead7", ""),
        ("pci", "lanternmeado", "digit"),
        ("pci", "482915736084", "letter"),
        ("pci", "lantern7", "short"),
    ] {
        assert_eq!(unmet(preset, password, &[]), expected, "{preset}: {password}");
    }
}

#[test]
fn length_counts_code_points_and_has_an_upper_bound() {
    assert_eq!(unmet("asvs5-l2", "дом-река", &[]), "");
    assert_eq!(unmet("asvs5-l2", "🦆🐎🌵🎷🚲🧲🪁", &[]), "short");
    assert_eq!(unmet("asvs5-l2", "🦆🐎🌵🎷🚲🧲🪁🥝", &[]), "");
    let long = |chars: usize| "lantern over ".chars().cycle().take(chars).collect::<String>();
    assert_eq!(unmet("nist-63b-4", &long(64), &[]), "");
    assert_eq!(unmet("nist-63b-4", &long(256), &[]), "");
    assert_eq!(unmet("nist-63b-4", &long(257), &[]), "long");
    assert_eq!(unmet("nist-63b-4", &"x".repeat(5000), &[]), "long");
    assert_eq!(unmet("clearvantage", &format!("{}A1!", long(125)), &[]), "");
    assert_eq!(unmet("clearvantage", &format!("{}A1!", long(126)), &[]), "long");
}

#[test]
fn what_everybody_tries_is_refused_by_every_preset() {
    for preset in ["asvs5-l2", "clearvantage", "nist-63b-4", "pci"] {
        for password in [
            "Password1234!",
            "PasswordPassword",
            "passwordpasswordpassword",
            "qwertyuiopasdfg",
            "aaaaaaaaaaaaaaaaaaaa",
            "abcabcabcabcabcabc",
            "1234567890123456",
            "abcdefghijklmnopqrst",
            "zyxwvutsrqponmlk",
            "ＰａｓｓｗｏｒｄＰａｓｓｗｏｒｄ",
        ] {
            assert!(unmet(preset, password, &[]).contains("common"), "{preset}: {password}");
        }
    }
    for fine in ["Passw0rds are a nuisance", "1234567890 reasons", "abcabc defdef ghighi"] {
        assert_eq!(unmet("nist-63b-4", fine, &[]), "", "{fine}");
    }
}

#[test]
fn names_of_the_user_and_of_the_service_are_refused() {
    let context = ["grace.hopper@example.org", "Grace", "Hopper", "Ed"];
    for (password, expected) in [
        ("grace.hopper-2026", "context"),
        ("my friend HOPPER!", "context"),
        ("ｇｒａｃｅ under the sea", "context"),
        ("cleargate is our gate", "context"),
        ("Edward went sailing", ""),
        ("example.org lantern", ""),
    ] {
        assert_eq!(unmet("nist-63b-4", password, &context), expected, "{password}");
    }
    assert_eq!(unmet("nist-63b-4", "grace.hopper-2026", &[]), "");
}

#[test]
fn an_unknown_preset_is_told_with_the_known_ones() {
    let error = PasswordPolicy::preset("strong").unwrap_err();
    assert_eq!(error.to_string(), "no password preset `strong`; there are asvs5-l2, clearvantage, nist-63b-4, pci");
}

#[test]
fn the_list_of_common_passwords_is_folded_so_that_it_can_match() {
    for line in include_str!("common.txt").lines() {
        assert_eq!(fold(line).as_str(), line);
    }
}

#[test]
fn rules_of_ones_own_refuse_what_they_list_and_may_let_common_ones_in() {
    let rules = |allows_common: bool| Rules {
        min_chars: 8,
        min_chars_with_factor: 8,
        max_chars: 64,
        parts: vec![Unmet::Digit],
        expires_after: None,
        expires_with_factor: true,
        allows_common,
        blocked: vec!["Rosebud and Rosemary 1".to_owned()],
    };
    let check = |allows_common: bool, password: &str| {
        PasswordPolicy::new(rules(allows_common)).check(&Secret::new(password.to_owned()), &["hopper"], false)
    };
    for allows_common in [false, true] {
        assert_eq!(check(allows_common, "ROSEBUD and rosemary 1"), [Unmet::Common]);
        assert_eq!(check(allows_common, "meadxw"), [Unmet::TooShort { min_chars: 8 }, Unmet::Digit]);
    }
    assert_eq!(check(false, "password1"), [Unmet::Common]);
    assert_eq!(check(false, "grace hopper 9"), [Unmet::Context]);
    assert_eq!(check(true, "password1"), []);
    assert_eq!(check(true, "grace hopper 9"), []);
}

/// What a preset says of a password of somebody who has a second factor.
fn unmet_with_factor(preset: &str, password: &str) -> Vec<Unmet> {
    PasswordPolicy::preset(preset).unwrap().check(&Secret::new(password.to_owned()), &[], true)
}

#[test]
fn nist_asks_for_eight_characters_beside_a_second_factor_and_nobody_else_asks_for_less() {
    assert_eq!(unmet_with_factor("nist-63b-4", "lantern9"), []);
    assert_eq!(unmet_with_factor("nist-63b-4", "lanter9"), [Unmet::TooShort { min_chars: 8 }]);
    assert_eq!(unmet_with_factor("clearvantage", "Tr4vel&Lan!"), [Unmet::TooShort { min_chars: 12 }]);
    assert_eq!(unmet_with_factor("pci", "lantern7"), [Unmet::TooShort { min_chars: 12 }]);
}

#[test]
fn common_passwords_are_found_in_the_forms_that_people_give_them() {
    for (preset, password) in [
        // Letters written as digits and signs.
        ("asvs5-l2", "p@ssw0rd"),
        ("asvs5-l2", "$un$h1ne"),
        ("asvs5-l2", "pr1nc3$$"),
        // Years, numbers and signs around a frequent word.
        ("asvs5-l2", "Sunshine2024!!!"),
        ("asvs5-l2", "2024Dragon"),
        ("asvs5-l2", "!!monkey!!"),
        ("nist-63b-4", "password1234567"),
        ("nist-63b-4", "P@ssw0rd2024!!!"),
        ("nist-63b-4", "Sunshine1234567890"),
        ("nist-63b-4", "dragondragondragon1"),
        ("clearvantage", "Welcome2024!"),
        ("clearvantage", "Football123!"),
        ("pci", "princess2024"),
        // Rows and columns of keyboards.
        ("nist-63b-4", "1qaz2wsx3edc4rfv"),
        ("nist-63b-4", "qwertzuiopasdfghjkl"),
        ("nist-63b-4", "poiuytrewqlkjhgfdsa"),
        ("nist-63b-4", "!qaz@wsx#edc1234567"),
    ] {
        let walks = password.starts_with("!qaz");
        assert_eq!(unmet(preset, password, &[]).contains("common"), !walks, "{preset}: {password}");
    }
}

#[test]
fn passphrases_of_ordinary_words_are_not_taken_for_common_ones() {
    for passphrase in [
        "violet anchor under seven bridges",
        "nine lanterns along a quiet harbour",
        "seven otters in a wooden boat",
        "correct horse battery staple",
        "lantern over meadow",
        "the kettle sings at noon",
        "my aunt keeps eleven geese",
        "orange bicycles never sleep",
        "password of the third kind",
        "dragons prefer cold soup",
        "sunshine behind the mill wheel",
        "a monkey wrote this letter",
        "winter trains run on time",
        "twelve letters from lisbon",
        "blue doors open inward",
        "Kartoffelsalat am Dienstag",
        "фонарь над лугом и рекой",
        "qwerty is a row of keys",
        "football after the storm",
        "hunter and gatherer of pens",
    ] {
        assert_eq!(unmet("nist-63b-4", passphrase, &[]), "", "{passphrase}");
        assert_eq!(unmet("asvs5-l2", passphrase, &[]), "", "{passphrase}");
    }
}
