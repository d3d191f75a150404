//! How long a text is, and how it is made shorter.

/// The length of `text` in UTF-16 code units: never less than its characters, however the other side counts those.
pub(crate) fn utf16_len(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// `text`, or its beginning with an ellipsis where it is longer than `max`, in UTF-16 code units.
pub(crate) fn cut(text: &str, max: usize) -> String {
    if utf16_len(text) <= max {
        return text.to_owned();
    }
    let mut length = 1;
    let mut shorter: String = text
        .chars()
        .take_while(|char| {
            length += char.len_utf16();
            length <= max
        })
        .collect();
    shorter.truncate(shorter.trim_end().len());
    if max > 0 {
        shorter.push('…');
    }
    shorter
}

/// `text` in one line: without what moves the pen, hides, or turns the direction of writing around.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars().filter(|char| !turns_around(*char)) {
        if !(char.is_control() || char.is_whitespace()) {
            line.push(char);
        } else if !line.is_empty() && !line.ends_with(' ') {
            line.push(' ');
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// Marks of the direction of writing, and the mark at the beginning of files.
const fn turns_around(char: char) -> bool {
    matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("replicas", 8), "replicas");
        assert_eq!(cut("replicas", 7), "replic…");
        assert_eq!(cut("레플리카", 3), "레플…");
        // A face takes two units.
        assert_eq!(cut("🙂🙂🙂", 5), "🙂🙂…");
        assert_eq!(cut("🙂🙂🙂", 4), "🙂…");
        assert_eq!(cut("one two", 5), "one…");
        assert_eq!(cut("one", 1), "…");
        assert_eq!(cut("one", 0), "");
    }

    #[test]
    fn a_line_is_one_line() {
        assert_eq!(one_line(" a\r\n\tb\u{1b}[31m c\u{202e} \0"), "a b [31m c");
        assert_eq!(one_line("\u{feff}레플리카\u{3000}6개"), "레플리카 6개");
    }
}
