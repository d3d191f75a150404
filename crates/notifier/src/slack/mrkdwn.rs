//! Slack's markup: what has to be escaped in it, and how it is cut without cutting an escape.

use crate::words::{Link, utf16_len};

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

/// A link to a page; `None` where it is longer than `max` as markup.
pub(super) fn link(to: &Link, max: usize) -> Option<String> {
    let label = escaped(&to.label.replace('|', "/"), 100);
    let link = format!("<{}|{label}>", to.url.replace('&', "&amp;"));
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
        let to = |url: &str, label| Link {
            label,
            url: crate::words::page(url).unwrap(),
        };
        assert_eq!(
            link(&to("https://x.example/?a=1&b=<2>|3", "Run|book>"), 200).as_deref(),
            Some("<https://x.example/?a=1&amp;b=%3C2%3E%7C3|Run/book&gt;>")
        );
        assert_eq!(link(&to("https://x.example/long", "x"), 20), None);
    }

    #[test]
    fn code_ends_where_it_should() {
        assert_eq!(code("headroom `x` & y", 100), "`headroom 'x' &amp; y`");
        assert_eq!(code("headroom", 6), "`hea…`");
    }
}
