//! Secrets that channels need: read when they are used, and never shown.

use std::{fmt, sync::Arc};

/// A text that shows itself to nobody who prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// Hides `text`.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one place that sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Reads a secret where it stands, each time it is used: a file may have changed since.
#[derive(Clone)]
pub struct SecretReader(Arc<dyn Fn() -> Result<Hidden, String> + Send + Sync>);

impl SecretReader {
    /// Reads by `read`, which says why it cannot without showing anything of the secret.
    pub fn new(read: impl Fn() -> Result<Hidden, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Always `text`.
    #[must_use]
    pub fn fixed(text: &str) -> Self {
        let hidden = Hidden::new(text.to_owned());
        Self::new(move || Ok(hidden.clone()))
    }

    /// The secret as it stands now.
    ///
    /// # Errors
    /// When it cannot be read, in words for people, without the secret.
    pub fn read(&self) -> Result<Hidden, String> {
        (self.0)()
    }
}

impl fmt::Debug for SecretReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretReader(hidden)")
    }
}
