//! Slack's markup: what has to be escaped in it, and how it is cut without cutting an escape.

use crate::words::utf16_len;

/// `text` escaped, no longer than `max` in UTF-16 code units: where it is, it ends in an ellipsis.
pub(super) fn escaped(text: &str, max: usize) -> String {
    let whole: String = text.chars().map(Piece::of).map(Piece::into_text).collect();
    if utf16_len(&whole) <= max {
        return whole;
    }
    let mut cut = String::new();
    let mut length = 1;
    for char in text.chars() {
        let piece = Piece::of(char).into_text();
        length += utf16_len(&piece);
        if length > max {
            break;
        }
        cut.push_str(&piece);
    }
    if max > 0 {
        cut.push('…');
    }
    cut
}

/// One character as it is written in the markup.
enum Piece {
    Escape(&'static str),
    Plain(char),
}

impl Piece {
    const fn of(char: char) -> Self {
        match char {
            '&' => Self::Escape("&amp;"),
            '<' => Self::Escape("&lt;"),
            '>' => Self::Escape("&gt;"),
            plain => Self::Plain(plain),
        }
    }

    fn into_text(self) -> String {
        match self {
            Self::Escape(escape) => escape.to_owned(),
            Self::Plain(char) => char.to_string(),
        }
    }
}

/// A link; `None` where `url` leads to no page or is longer than `max` as markup.
pub(super) fn link(url: &str, label: &str, max: usize) -> Option<String> {
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        return None;
    }
    let url: String = url
        .chars()
        .map(|char| match char {
            '<' => "%3C".to_owned(),
            '>' => "%3E".to_owned(),
            '|' => "%7C".to_owned(),
            '`' => "%60".to_owned(),
            char if char.is_whitespace() || char.is_control() => "%20".to_owned(),
            '&' => "&amp;".to_owned(),
            char => char.to_string(),
        })
        .collect();
    let label = escaped(&label.replace('|', "/"), 100);
    let link = format!("<{url}|{label}>");
    (utf16_len(&link) <= max).then_some(link)
}

/// Something to type, which cannot end its own marks.
pub(super) fn code(text: &str, max: usize) -> String {
    format!("`{}`", escaped(&text.replace('`', "'"), max.saturating_sub(2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_characters_are_escaped_and_no_other() {
        assert_eq!(
            escaped("a & b <!here> \"x\" *_~`|", 100),
            "a &amp; b &lt;!here&gt; \"x\" *_~`|"
        );
        assert_eq!(escaped("&amp;", 100), "&amp;amp;");
    }

    #[test]
    fn no_escape_is_cut() {
        assert_eq!(escaped("ab&cd", 9), "ab&amp;cd");
        assert_eq!(escaped("ab&cd", 8), "ab&amp;…");
        assert_eq!(escaped("ab&cd", 7), "ab…");
        assert_eq!(escaped("🙂🙂", 3), "🙂…");
        assert_eq!(escaped("🙂🙂", 2), "…");
        assert_eq!(escaped("ab", 1), "…");
        assert_eq!(escaped("ab", 0), "");
    }

    #[test]
    fn a_link_cannot_be_broken_out_of() {
        assert_eq!(
            link("https://x.example/?a=1&b=<2>|3", "Run|book>", 200).as_deref(),
            Some("<https://x.example/?a=1&amp;b=%3C2%3E%7C3|Run/book&gt;>")
        );
        assert_eq!(link("javascript:alert(1)", "x", 200), None);
        assert_eq!(link("!here", "x", 200), None);
        assert_eq!(link("https://x.example/long", "x", 20), None);
    }

    #[test]
    fn code_ends_where_it_should() {
        assert_eq!(code("headroom `x` & y", 100), "`headroom 'x' &amp; y`");
        assert_eq!(code("headroom", 6), "`hea…`");
    }
}
