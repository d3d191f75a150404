//! Which pods a target's selector matches, and whether another autoscaler's does too (`hpa-semantics` §7.1).
//!
//! Label selectors as the scale subresource gives them, in text: `app=api,tier in (web,edge),!canary`.

use thiserror::Error;

/// The labels of one pod.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// What can be said of a target's selector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum SelectorState {
    /// Its pods are this target's alone, as far as other autoscalers go; or the target has no such thing.
    #[default]
    Usable,
    /// The target has no selector.
    Missing,
    /// The selector cannot be read.
    Invalid,
    /// Another autoscaler's selector matches one of its pods.
    Ambiguous,
}

impl SelectorState {
    /// Whether the pods can be told from others'.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        *self == Self::Usable
    }
}

/// Looks at a target's `selector`, its `pods`, and the selectors of the namespace's other autoscalers.
///
/// Selectors of others that cannot be read match nothing: their own rounds fail on them.
pub fn check_selector<'a>(
    selector: &str,
    pods: impl IntoIterator<Item = Labels<'a>>,
    others: impl IntoIterator<Item = &'a str>,
) -> SelectorState {
    if selector.is_empty() {
        return SelectorState::Missing;
    }
    let Ok(own) = Selector::parse(selector) else {
        return SelectorState::Invalid;
    };
    let others: Vec<_> = others
        .into_iter()
        .filter_map(|other| Selector::parse(other).ok())
        .collect();
    let is_shared = |pod| own.matches(pod) && others.iter().any(|other| other.matches(pod));
    if pods.into_iter().any(is_shared) {
        SelectorState::Ambiguous
    } else {
        SelectorState::Usable
    }
}

/// A label selector. One without requirements matches every pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

/// What one label has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// What is asked of it.
    pub wants: Wants,
}

/// What is asked of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wants {
    /// It is there.
    Present,
    /// It is not there.
    Absent,
    /// It is one of these (`=`, `==`, `in`).
    OneOf(Vec<String>),
    /// It is none of these, or not there (`!=`, `notin`).
    NoneOf(Vec<String>),
    /// It is a whole number above this.
    Above(i64),
    /// It is a whole number below this.
    Below(i64),
}

/// Why a text is no label selector.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what} at character {at}")]
pub struct SelectorError {
    /// What is wrong.
    pub what: &'static str,
    /// Where, counted in characters from 1.
    pub at: usize,
}

impl Selector {
    /// Reads a selector as Kubernetes writes it.
    ///
    /// # Errors
    /// When the text is no selector.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut reader = Reader::new(text);
        let mut requirements = Vec::new();
        if reader.peek() != &Token::End {
            requirements.push(reader.requirement()?);
            while reader.take_if(&Token::Comma) {
                requirements.push(reader.requirement()?);
            }
        }
        reader.expect(&Token::End, "a comma was expected")?;
        Ok(Self { requirements })
    }

    /// Its requirements; all of them have to be met.
    #[must_use]
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether a pod with these labels is matched.
    #[must_use]
    pub fn matches(&self, labels: Labels<'_>) -> bool {
        self.requirements
            .iter()
            .all(|requirement| requirement.is_met(labels))
    }
}

impl Requirement {
    fn is_met(&self, labels: Labels<'_>) -> bool {
        let label = labels
            .iter()
            .find(|(key, _)| *key == self.key)
            .map(|(_, value)| *value);
        let number = || label.and_then(|value| value.parse::<i64>().ok());
        match &self.wants {
            Wants::Present => label.is_some(),
            Wants::Absent => label.is_none(),
            Wants::OneOf(values) => label.is_some_and(|label| values.iter().any(|value| value == label)),
            Wants::NoneOf(values) => label.is_none_or(|label| values.iter().all(|value| value != label)),
            Wants::Above(limit) => number().is_some_and(|number| number > *limit),
            Wants::Below(limit) => number().is_some_and(|number| number < *limit),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Comma,
    Open,
    Close,
    Not,
    Equal,
    NotEqual,
    Above,
    Below,
    End,
}

/// Walks over the tokens of a text, each with its place.
struct Reader {
    tokens: Vec<(Token, usize)>,
    next: usize,
}

const END: (Token, usize) = (Token::End, 0);

impl Reader {
    fn new(text: &str) -> Self {
        Self {
            tokens: tokens(text),
            next: 0,
        }
    }

    fn here(&self) -> &(Token, usize) {
        self.tokens.get(self.next).unwrap_or(&END)
    }

    fn peek(&self) -> &Token {
        &self.here().0
    }

    fn wrong<T>(&self, what: &'static str) -> Result<T, SelectorError> {
        Err(SelectorError {
            what,
            at: self.here().1,
        })
    }

    fn take_if(&mut self, token: &Token) -> bool {
        let is_it = self.peek() == token;
        self.next += usize::from(is_it);
        is_it
    }

    fn expect(&mut self, token: &Token, what: &'static str) -> Result<(), SelectorError> {
        if self.take_if(token) {
            Ok(())
        } else {
            self.wrong(what)
        }
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let is_absent = self.take_if(&Token::Not);
        let key = self.word(is_label_key, "a label's name was expected")?;
        let wants = if is_absent { Wants::Absent } else { self.wants()? };
        Ok(Requirement { key, wants })
    }

    fn wants(&mut self) -> Result<Wants, SelectorError> {
        if self.take_if(&Token::Equal) {
            Ok(Wants::OneOf(vec![self.value()?]))
        } else if self.take_if(&Token::NotEqual) {
            Ok(Wants::NoneOf(vec![self.value()?]))
        } else if self.take_if(&Token::Above) {
            self.number().map(Wants::Above)
        } else if self.take_if(&Token::Below) {
            self.number().map(Wants::Below)
        } else if self.take_if(&Token::Word("in".to_owned())) {
            self.values().map(Wants::OneOf)
        } else if self.take_if(&Token::Word("notin".to_owned())) {
            self.values().map(Wants::NoneOf)
        } else {
            match self.peek() {
                Token::End | Token::Comma => Ok(Wants::Present),
                Token::Word(_)
                | Token::Open
                | Token::Close
                | Token::Not
                | Token::Equal
                | Token::NotEqual
                | Token::Above
                | Token::Below => self.wrong("`=`, `!=`, `in`, `notin`, `<`, `>` or a comma was expected"),
            }
        }
    }

    fn word(&mut self, is_legal: fn(&str) -> bool, what: &'static str) -> Result<String, SelectorError> {
        if let Token::Word(word) = self.peek()
            && is_legal(word)
        {
            let word = word.clone();
            self.next += 1;
            Ok(word)
        } else {
            self.wrong(what)
        }
    }

    /// The value after `=` or `!=`. Nothing at all is the empty value.
    fn value(&mut self) -> Result<String, SelectorError> {
        match self.peek() {
            Token::End | Token::Comma => Ok(String::new()),
            Token::Word(_)
            | Token::Open
            | Token::Close
            | Token::Not
            | Token::Equal
            | Token::NotEqual
            | Token::Above
            | Token::Below => self.word(is_label_value, "a label's value was expected"),
        }
    }

    fn number(&mut self) -> Result<i64, SelectorError> {
        let at = self.next;
        let word = self.word(is_label_value, "a whole number was expected")?;
        word.parse().or_else(|_| {
            self.next = at;
            self.wrong("a whole number was expected")
        })
    }

    fn values(&mut self) -> Result<Vec<String>, SelectorError> {
        self.expect(&Token::Open, "`(` was expected")?;
        let mut values = Vec::new();
        loop {
            values.push(match self.peek() {
                Token::Comma | Token::Close => String::new(),
                Token::Word(_)
                | Token::Open
                | Token::Not
                | Token::Equal
                | Token::NotEqual
                | Token::Above
                | Token::Below
                | Token::End => self.word(is_label_value, "a label's value was expected")?,
            });
            if !self.take_if(&Token::Comma) {
                break;
            }
        }
        self.expect(&Token::Close, "`)` was expected")?;
        Ok(values)
    }
}

fn tokens(text: &str) -> Vec<(Token, usize)> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().enumerate().peekable();
    while let Some((index, char)) = chars.next() {
        let mut followed_by = |wanted: char| chars.next_if(|(_, next)| *next == wanted).is_some();
        let token = match char {
            ' ' | '\t' | '\r' | '\n' => continue,
            ',' => Token::Comma,
            '(' => Token::Open,
            ')' => Token::Close,
            '!' if followed_by('=') => Token::NotEqual,
            '!' => Token::Not,
            '=' => {
                followed_by('=');
                Token::Equal
            }
            '>' => Token::Above,
            '<' => Token::Below,
            first => {
                let mut word = String::from(first);
                while let Some((_, next)) = chars.next_if(|(_, next)| !" \t\r\n,()!=><".contains(*next)) {
                    word.push(next);
                }
                Token::Word(word)
            }
        };
        tokens.push((token, index + 1));
    }
    tokens.push((Token::End, text.chars().count() + 1));
    tokens
}

/// At most 63 letters, digits, dashes, underscores and dots, with a letter or digit at both ends.
fn is_name(text: &str) -> bool {
    let ends = |char: Option<char>| char.is_some_and(|char| char.is_ascii_alphanumeric());
    let inside = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    text.len() <= 63
        && ends(text.chars().next())
        && ends(text.chars().next_back())
        && text.chars().all(inside)
}

fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_name(text)
}

/// A name, with a DNS name and a slash before it if there is a slash.
fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => {
            is_name(name) && prefix.len() <= 253 && prefix.split('.').all(crate::is_dns_label)
        }
        None => is_name(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(selector: &str, labels: Labels<'_>, expected: bool) {
        assert_eq!(
            Selector::parse(selector).unwrap().matches(labels),
            expected,
            "{selector} on {labels:?}"
        );
    }

    #[test]
    fn all_requirements_have_to_be_met() {
        let pod = &[("app", "api"), ("tier", "web"), ("generation", "7")];
        check("app=api", pod, true);
        check("app==api, tier in (web, edge)", pod, true);
        check("app=api,tier=edge", pod, false);
        check("app,!canary", pod, true);
        check("!app", pod, false);
        check("tier notin (web)", pod, false);
        check("zone!=a", pod, true);
        check("generation>6,generation<8", pod, true);
        check("generation>7", pod, false);
        check("app.kubernetes.io/name=api", pod, false);
        check("", pod, true);
    }

    #[test]
    fn what_is_no_selector_says_where() {
        for (text, what, at) in [
            (
                "cheddar cheese",
                "`=`, `!=`, `in`, `notin`, `<`, `>` or a comma was expected",
                9,
            ),
            ("app=api,", "a label's name was expected", 9),
            ("app in web", "`(` was expected", 8),
            ("app in (web", "`)` was expected", 12),
            ("app=-api", "a label's value was expected", 5),
            ("generation>many", "a whole number was expected", 12),
            (
                "a b/c=d",
                "`=`, `!=`, `in`, `notin`, `<`, `>` or a comma was expected",
                3,
            ),
        ] {
            assert_eq!(Selector::parse(text), Err(SelectorError { what, at }), "{text}");
        }
    }

    #[test]
    fn a_pod_that_another_autoscaler_selects_makes_a_selector_ambiguous() {
        let pods: [Labels<'_>; 2] = [&[("app", "api")], &[("app", "api"), ("tier", "web")]];
        let state =
            |selector: &str, others: &[&'static str]| check_selector(selector, pods, others.iter().copied());
        assert_eq!(state("app=api", &["app=other"]), SelectorState::Usable);
        assert_eq!(state("app=api", &["tier=web"]), SelectorState::Ambiguous);
        assert_eq!(state("app=api", &["not a selector"]), SelectorState::Usable);
        assert_eq!(state("", &[]), SelectorState::Missing);
        assert_eq!(state("app in", &[]), SelectorState::Invalid);
    }
}
