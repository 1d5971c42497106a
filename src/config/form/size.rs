//! Sizes with binary units: `64KiB`.

/// Units from the largest.
const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads a whole number with one of the units `B`, `KiB`, `MiB`, `GiB`, in bytes.
pub(in crate::config) fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*size)
}

/// The size in the largest unit that divides it.
pub(in crate::config) fn render_size(bytes: u64) -> String {
    let (name, size) =
        UNITS.into_iter().find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size)).unwrap_or(("B", 1));
    format!("{}{name}", bytes / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_binary_unit() {
        for (text, bytes) in [
            ("64KiB", Some(65_536)),
            ("64MiB", Some(67_108_864)),
            ("0B", Some(0)),
            ("64", None),
            ("64KB", None),
            ("64 KiB", None),
            ("KiB", None),
            ("1.5MiB", None),
            ("99999999999GiB", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
        assert_eq!(render_size(65_536), "64KiB");
        assert_eq!(render_size(65_537), "65537B");
        assert_eq!(render_size(0), "0B");
    }
}
