//! Characters that do not show, or that move what is beside them.

/// Whether a text that a stranger had a hand in could hide something by this character, or make what is shown look like
/// something else: control and format characters, separators of lines and paragraphs, those for private use, and those that
/// are drawn as nothing (Unicode 16: general categories Cc, Cf, Co, Zl and Zp, what is ignored by default, and fillers).
///
/// Some scripts need a few of them, so this is for what is quoted, never for what is kept.
pub const fn is_unseen(c: char) -> bool {
    match c {
        ' '..='~' => false,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        // Of scripts written from right to left, Mongolian, Khmer, Egyptian, shorthand and music.
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' => true,
        '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' => true,
        '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' => true,
        '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' => true,
        // Without width, of direction, joiners, separators of lines, what is to come there.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => true,
        '\u{fff0}'..='\u{fffb}' => true,
        // Fillers: drawn as nothing, or as a blank.
        '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}' => true,
        // They choose between forms of the character before.
        '\u{fe00}'..='\u{fe0f}' => true,
        // Tags and more of those, and what is to come there.
        '\u{e0000}'..='\u{e0fff}' => true,
        // For private use.
        '\u{e000}'..='\u{f8ff}' | '\u{f0000}'.. => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_show_is_known_and_what_does_is_left_alone() {
        let hidden = [
            '\0',
            '\n',
            '\t',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{9f}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{202e}',
            '\u{2028}',
            '\u{2029}',
            '\u{2060}',
            '\u{2066}',
            '\u{206a}',
            '\u{206f}',
            '\u{feff}',
            '\u{fff9}',
            '\u{115f}',
            '\u{2800}',
            '\u{3164}',
            '\u{ffa0}',
            '\u{fe0f}',
            '\u{e000}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{e007f}',
            '\u{e01ef}',
            '\u{1d173}',
            '\u{f0000}',
            '\u{10ffff}',
        ];
        for c in hidden {
            assert!(is_unseen(c), "{c:?}");
        }
        assert!(('\0'..=char::MAX).filter(|c| c.is_control()).all(is_unseen));
        for text in [
            "Ada Lovelace <ada@example.org> ~",
            "Жук",
            "Ünïcödé ß",
            "山田太郎",
            "أحمد",
            "שלום",
            "नमस्ते",
            "한글",
            "🙂",
            "…\u{a0}—€",
            "\u{fffd}",
        ] {
            assert!(!text.chars().any(is_unseen), "{text:?}");
        }
    }
}
