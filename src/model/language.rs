//! The languages in which people are spoken to, and texts in all of them.

/// Longest header that is looked at, in bytes; what is longer says nothing.
const MAX_HEADER_BYTES: usize = 1024;

/// A language of pages and mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English, where nobody says otherwise.
    #[default]
    English,
    /// German.
    German,
}

impl Language {
    /// All of them, in the order in which pages offer them.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// The tag (RFC 5646).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The name in the language itself.
    pub const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
        }
    }

    /// The language of a tag, its regions and scripts included: `de-AT` is German (RFC 4647 section 3.4).
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split('-').next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// The first language that a list prefers, in the form of `Accept-Language` (RFC 9110 section 12.5.4), which
    /// `preferredLanguage` has as well (RFC 7643 section 4.1.1). Of equal weights the earlier wins; `*` is English.
    pub fn preferred(list: &str) -> Option<Self> {
        if list.len() > MAX_HEADER_BYTES {
            return None;
        }
        let mut best: Option<(f32, Self)> = None;
        for part in list.split(',') {
            let (tag, weight) = part.split_once(';').map_or((part, Some(1.0)), |(tag, rest)| (tag, weight(rest)));
            let language = if tag.trim() == "*" { Some(Self::English) } else { Self::of_tag(tag) };
            let (Some(language), Some(weight)) = (language, weight) else { continue };
            if weight > best.map_or(0.0, |(weight, _)| weight) {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }
}

/// The weight `q=0.5`; nothing where it is none (RFC 9110 section 12.4.2).
fn weight(parameter: &str) -> Option<f32> {
    let (name, value) = parameter.trim().split_once('=')?;
    let weight: f32 = value.trim().parse().ok()?;
    (name.trim().eq_ignore_ascii_case("q") && (0.0..=1.0).contains(&weight)).then_some(weight)
}

/// One text in every language: what lacks a translation does not compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    english: &'static str,
    german: &'static str,
}

/// A text, in English and in German.
pub const fn say(english: &'static str, german: &'static str) -> Words {
    Words { english, german }
}

impl Words {
    /// The text in one language.
    pub const fn to(self, language: Language) -> &'static str {
        match language {
            Language::English => self.english,
            Language::German => self.german,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_one_that_is_wanted_most_of_those_that_there_are() {
        for (list, language) in [
            ("de", Some(Language::German)),
            ("de-AT,en;q=0.8", Some(Language::German)),
            ("fr, en;q=0.5, DE;q=0.7", Some(Language::German)),
            ("en, de", Some(Language::English)),
            ("de;q=0, en;q=0.1", Some(Language::English)),
            ("*", Some(Language::English)),
            ("fr-CH, fr;q=0.9", None),
            ("", None),
            ("den, debug", None),
            ("de;q=2, de;x=1, de;q=nan, de;q", None),
            ("de;q=0.001", Some(Language::German)),
        ] {
            assert_eq!(Language::preferred(list), language, "{list}");
        }
        assert_eq!(Language::preferred(&format!("{}de", "fr,".repeat(400))), None);
    }
}
