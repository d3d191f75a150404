//! How a mail looks: as text that any reader shows, and as HTML. Both are made of the same words by templates, which
//! escape.

use std::borrow::Cow;

use askama::Template;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::{
    Language, Text,
    words::{Fact, Label, Mark},
};

/// The widest line of the text, in columns. Only what is to be copied as a whole may be wider.
const WIDTH: usize = 76;
/// Before what continues a line.
const INDENT: &str = "  ";
/// Before what stands as it is.
const VERBATIM: &str = "    ";

#[derive(Template)]
#[template(path = "mail.txt", escape = "none")]
struct PlainText<'a> {
    text: &'a Text,
    language: Language,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Html<'a> {
    text: &'a Text,
    language: Language,
    lang: &'static str,
    accent: &'static str,
    rows: Vec<Row<'a>>,
}

impl PlainText<'_> {
    fn word(&self, label: Label) -> &'static str {
        label.word(self.language)
    }
}

impl Html<'_> {
    fn word(&self, label: Label) -> &'static str {
        label.word(self.language)
    }
}

/// A value with its name.
struct Row<'a> {
    label: &'static str,
    value: Cow<'a, str>,
}

/// The mail as text, in lines that a reader need not break.
pub(super) fn plain(text: &Text, language: Language) -> Result<String, askama::Error> {
    let whole = PlainText { text, language }.render()?;
    let mut lines = String::with_capacity(whole.len() + 100);
    for line in whole.lines() {
        let is_second_gap = line.is_empty() && lines.ends_with("\n\n");
        if is_second_gap {
            continue;
        }
        if line.starts_with(VERBATIM) {
            lines.push_str(line);
            lines.push('\n');
        } else {
            wrap(line, &mut lines);
        }
    }
    Ok(lines)
}

/// The mail as HTML that loads nothing from anywhere.
pub(super) fn html(text: &Text, language: Language) -> Result<String, askama::Error> {
    let lang = match language {
        Language::En => "en",
        Language::Ko => "ko",
    };
    let accent = match text.mark {
        Mark::Info => "#3b6ea5",
        Mark::Warning => "#9a6700",
        Mark::Critical => "#c62828",
        Mark::Resolved => "#1a7f4b",
    };
    let rows = rows(text, language);
    Html {
        text,
        language,
        lang,
        accent,
        rows,
    }
    .render()
}

fn rows(text: &Text, language: Language) -> Vec<Row<'_>> {
    let facts = text.facts.iter().map(|Fact { label, value }| (*label, value));
    let whom = [
        (Label::Cluster, text.cluster.as_ref()),
        (Label::Workload, text.workload.as_ref()),
        (Label::At, Some(&text.at)),
    ];
    let whom = whom
        .into_iter()
        .filter_map(|(label, value)| Some((label.word(language), value?)));
    facts
        .chain(whom)
        .map(|(label, value)| Row {
            label,
            value: Cow::Borrowed(value),
        })
        .collect()
}

/// Appends `line` in as many lines as it needs.
fn wrap(line: &str, lines: &mut String) {
    let mut column = 0;
    for word in line.split_whitespace() {
        let width = word.width();
        if column > 0 && column + 1 + width > WIDTH {
            lines.push('\n');
            lines.push_str(INDENT);
            column = INDENT.len();
        } else if column > 0 {
            lines.push(' ');
            column += 1;
        }
        column = push_broken(word, column, lines);
    }
    lines.push('\n');
}

/// Appends `word`, in pieces where it is wider than a line, and returns the column behind it.
fn push_broken(word: &str, mut column: usize, lines: &mut String) -> usize {
    for symbol in word.chars() {
        let width = symbol.width().unwrap_or(0);
        if column + width > WIDTH {
            lines.push('\n');
            lines.push_str(INDENT);
            column = INDENT.len();
        }
        lines.push(symbol);
        column += width;
    }
    column
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::{Style, any, testing};

    fn style(language: Language) -> Style {
        let timezone = TimeZone::get("Asia/Seoul").unwrap();
        Style { language, timezone }
    }

    #[test]
    fn text_is_readable_in_a_terminal() {
        let show = |notice, language| plain(&Text::of(&notice, &style(language)), language).unwrap();
        insta::assert_snapshot!("scaled-en", show(testing::scaled(), Language::En));
        insta::assert_snapshot!("scaled-ko", show(testing::scaled(), Language::Ko));
        insta::assert_snapshot!("digest-en", show(testing::digest(), Language::En));
    }

    #[test]
    fn html_is_as_it_was_looked_at() {
        let language = Language::Ko;
        let text = Text::of(&testing::scaled(), &style(language));
        insta::assert_snapshot!("html-ko", html(&text, language).unwrap());
    }

    #[test]
    fn a_word_wider_than_a_line_is_broken() {
        let mut lines = String::new();
        wrap(&format!("Why: {}", "가".repeat(80)), &mut lines);
        let widths: Vec<usize> = lines.lines().map(|line| line.width()).collect();
        assert_eq!(widths, [4, 76, 76, 14]);
    }

    #[test]
    fn only_what_leads_to_a_page_is_a_link() {
        let mut notice = testing::scaled();
        notice.links.runbook = Some("javascript:alert(1)".into());
        let html = html(&Text::of(&notice, &style(Language::En)), Language::En).unwrap();
        assert!(!html.contains("javascript"), "{html}");
        assert!(html.contains("href=\"https://grafana.example.com/"), "{html}");
    }

    proptest! {
        #[test]
        fn no_notice_breaks_out_of_its_form(notice in any::notice()) {
            let text = Text::of(&notice, &style(Language::Ko));
            let plain = plain(&text, Language::Ko).unwrap();
            for line in plain.lines().filter(|line| !line.starts_with(VERBATIM)) {
                prop_assert!(line.width() <= 78, "{line}");
            }
            let html = html(&text, Language::Ko).unwrap();
            let tags = |html: &str| html.matches('<').count();
            let mut tame = text.clone();
            for part in [&mut tame.title, &mut tame.command, &mut tame.at] {
                *part = "x".to_owned();
            }
            for part in [&mut tame.reason, &mut tame.next, &mut tame.left_out, &mut tame.cluster, &mut tame.workload]
                .into_iter()
                .flatten()
            {
                *part = "x".to_owned();
            }
            for fact in &mut tame.facts {
                fact.value = "x".to_owned();
            }
            for line in &mut tame.list {
                *line = "x".to_owned();
            }
            prop_assert_eq!(tags(&html), tags(&super::html(&tame, Language::Ko).unwrap()));
            prop_assert!(!html.contains("src=") || text.title.contains("src="), "{}", html);
        }
    }
}
