//! Which workload: the same name in files, state, labels, on the command line, in notices and URLs.

use std::{fmt, str::FromStr, sync::Arc};

use thiserror::Error;

/// The identity of a workload: `namespace/name`, or `name` where there is no namespace. Both are DNS labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "String", into = "String")
)]
pub struct WorkloadId(Arc<str>);

impl WorkloadId {
    /// The identity as text, `namespace/name` or `name`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The namespace, if there is one.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.0.split_once('/').map(|(namespace, _)| namespace)
    }

    /// The name without the namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(_, name)| name)
    }
}

impl FromStr for WorkloadId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        match text.split('/').find(|part| !is_dns_label(part)) {
            Some(part) => Err(IdentityError::NotALabel {
                part: part.to_owned(),
            }),
            None if text.matches('/').count() > 1 => Err(IdentityError::TooManyParts),
            None => Ok(Self(text.into())),
        }
    }
}

impl TryFrom<String> for WorkloadId {
    type Error = IdentityError;

    fn try_from(text: String) -> Result<Self, IdentityError> {
        text.parse()
    }
}

impl From<WorkloadId> for String {
    fn from(id: WorkloadId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for WorkloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `text` is a DNS label (RFC 1123): 1 to 63 of `a`–`z`, `0`–`9` and `-`, with a letter or digit at both ends.
#[must_use]
pub fn is_dns_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Why a text is not the identity of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// A part is not a DNS label.
    #[error("`{part}` is not a DNS label: 1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends")]
    NotALabel {
        /// The part that is wrong.
        part: String,
    },
    /// More than one `/`.
    #[error("an identity is `namespace/name` or `name`")]
    TooManyParts,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_into_namespace_and_name() {
        let id: WorkloadId = "shop/api".parse().unwrap();
        assert_eq!((id.namespace(), id.name()), (Some("shop"), "api"));
        let id: WorkloadId = "web".parse().unwrap();
        assert_eq!((id.namespace(), id.name()), (None, "web"));
    }

    #[test]
    fn refuses_what_is_no_label() {
        for text in ["", "/", "a/", "/a", "A", "a_b", "-a", "a-", &"a".repeat(64)] {
            assert!(text.parse::<WorkloadId>().is_err(), "{text:?}");
        }
        assert_eq!("a/b/c".parse::<WorkloadId>(), Err(IdentityError::TooManyParts));
    }
}
