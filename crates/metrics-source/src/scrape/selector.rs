//! Which samples of a text are meant: a PromQL instant selector.

use promql_parser::{label::Matcher, parser};
use thiserror::Error;

use crate::exposition::Sample;

/// A PromQL instant selector: a metric's name, label matchers (`=`, `!=`, `=~`, `!~`), or both.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    matchers: Vec<Matcher>,
}

/// Why a text is no instant selector.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SelectorError {
    /// PromQL's parser refuses it.
    #[error("{reason}")]
    Unparsable {
        /// The parser's words.
        reason: String,
    },
    /// It is an expression, and there is nothing here to evaluate it.
    #[error("only a series can be read from a text, such as name{{label=\"value\"}}, not an expression")]
    Expression,
    /// It asks for another time than now.
    #[error("a text has only the present: `offset` and `@` mean nothing here")]
    OtherTime,
    /// It has alternatives, which PromQL does not know.
    #[error("`or` between matchers is not PromQL")]
    Alternatives,
}

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// When `text` is anything but an instant selector.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let expression = parser::parse(text).map_err(|reason| SelectorError::Unparsable { reason })?;
        let parser::Expr::VectorSelector(selector) = expression else {
            return Err(SelectorError::Expression);
        };
        if selector.offset.is_some() || selector.at.is_some() {
            return Err(SelectorError::OtherTime);
        }
        if !selector.matchers.or_matchers.is_empty() {
            return Err(SelectorError::Alternatives);
        }
        let named = selector.name.map(Matcher::new_metric_name_matcher).transpose();
        let named = named.map_err(|reason| SelectorError::Unparsable { reason })?;
        // The name first: it rules out most samples.
        let matchers = named.into_iter().chain(selector.matchers.matchers).collect();
        Ok(Self { matchers })
    }

    /// Whether `sample` is one of those meant. A label that is not there matches as an empty one.
    #[must_use]
    pub fn matches(&self, sample: &Sample<'_, '_>) -> bool {
        self.matchers
            .iter()
            .all(|matcher| matcher.is_match(sample.label(&matcher.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::{Entry, Exposition, Format};

    #[track_caller]
    fn check(selector: &str, line: &str, expected: bool) {
        let selector = Selector::parse(selector).unwrap();
        let mut exposition = Exposition::new(line.as_bytes(), Format::Prometheus);
        let Some(Entry::Sample(sample)) = exposition.next_entry().unwrap() else {
            panic!("{line} is no sample");
        };
        assert_eq!(selector.matches(&sample), expected, "{selector:?} {line}");
    }

    #[test]
    fn matches_by_name_and_labels() {
        check("a", "a 1", true);
        check("a", "a{b=\"c\"} 1", true);
        check("a", "ab 1", false);
        check("devtrip:users", "devtrip:users 1", true);
        check("a{b=\"c\"}", "a{b=\"c\",d=\"e\"} 1", true);
        check("a{b=\"c\"}", "a{b=\"d\"} 1", false);
        check("a{b!=\"c\"}", "a{b=\"c\"} 1", false);
        check("{__name__=~\"a|b\"}", "b 1", true);
        check("{\"a.b\"}", "{\"a.b\"} 1", true);
    }

    #[test]
    fn a_missing_label_is_an_empty_one() {
        check("a{b=\"\"}", "a 1", true);
        check("a{b!=\"\"}", "a 1", false);
        check("a{b!=\"c\"}", "a 1", true);
        check("a{b=~\"c?\"}", "a 1", true);
    }

    #[test]
    fn patterns_match_the_whole_value() {
        check("a{b=~\"5..\"}", "a{b=\"503\"} 1", true);
        check("a{b=~\"5.\"}", "a{b=\"503\"} 1", false);
        check("a{b!~\"5..\"}", "a{b=\"503\"} 1", false);
        check("a{b=~\"x|503\"}", "a{b=\"503\"} 1", true);
    }

    #[test]
    fn anything_but_an_instant_selector_is_refused() {
        let refusal = |text: &str| Selector::parse(text).unwrap_err();
        assert_eq!(refusal("rate(a[1m])"), SelectorError::Expression);
        assert_eq!(refusal("a[1m]"), SelectorError::Expression);
        assert_eq!(refusal("sum(a)"), SelectorError::Expression);
        assert_eq!(refusal("a offset 5m"), SelectorError::OtherTime);
        assert_eq!(refusal("a{b=\"c\" or b=\"d\"}"), SelectorError::Alternatives);
        assert!(matches!(refusal("a{"), SelectorError::Unparsable { .. }));
        assert!(matches!(refusal("a{b=~\"(\"}"), SelectorError::Unparsable { .. }));
        assert!(matches!(refusal("{}"), SelectorError::Unparsable { .. }));
    }
}
