//! Names of parts of a policy.

use std::{fmt, sync::Arc};

/// Defines a name, shared so that a step can carry it without copying.
macro_rules! names {
    ($($(#[$about:meta])* $name:ident, $made:literal;)*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub struct $name(Arc<str>);

        impl $name {
            #[doc = $made]
            #[must_use]
            pub fn new(name: &str) -> Self {
                Self(name.into())
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// The name of a metric in its policy, shared so that a step can carry it without copying.
    MetricName, "The metric called `name`.";
    /// The name of a group of metrics that must agree before the count falls.
    GroupName, "The group called `name`.";
}
