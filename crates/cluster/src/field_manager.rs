//! The name under which a headroom's writes stand in managed fields: each state has one of its own, so that each knows
//! its own writes.

use std::fmt;

/// What the field manager of every headroom begins with.
pub(crate) const PREFIX: &str = "headroom";

/// The field manager of the headroom that keeps one state, such as `headroom-1a2b3c4d`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldManager(Box<str>);

impl FieldManager {
    /// The field manager of the headroom whose state is called `id`; `None` where no state is called that: it is eight
    /// digits of base 16.
    #[must_use]
    pub fn of_state(id: &str) -> Option<Self> {
        is_id(id).then(|| Self(format!("{PREFIX}-{id}").into()))
    }

    /// Whether `manager` is this one.
    #[must_use]
    pub fn is_own(&self, manager: &str) -> bool {
        manager == &*self.0
    }

    /// Whether `manager` is a headroom: this one, another one, or one from before states had names, which wrote as
    /// `headroom`.
    #[must_use]
    pub fn is_headroom(manager: &str) -> bool {
        manager == PREFIX || names_a_state(manager)
    }

    /// Whether `manager` is a headroom that keeps another state than this one. One from before states had names may have
    /// been this one.
    #[must_use]
    pub fn is_other(&self, manager: &str) -> bool {
        names_a_state(manager) && !self.is_own(manager)
    }
}

impl fmt::Display for FieldManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn names_a_state(manager: &str) -> bool {
    let rest = manager.strip_prefix(PREFIX);
    rest.and_then(|rest| rest.strip_prefix('-')).is_some_and(is_id)
}

/// Other programs are called `headroom-` something too.
fn is_id(id: &str) -> bool {
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    id.len() == 8 && id.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_a_field_manager_of_its_own_that_is_known_for_a_headroom() {
        let own = FieldManager::of_state("1a2b3c4d").unwrap();
        for (manager, is_headroom, is_other) in [
            ("headroom-1a2b3c4d", true, false),
            ("headroom-0a0b0c0d", true, true),
            ("headroom", true, false),
            ("headroom-operator", false, false),
            ("headroom-1a2b3c4d5", false, false),
            ("headroom-", false, false),
            ("headrooms", false, false),
            ("kubectl-headroom", false, false),
            ("", false, false),
        ] {
            let seen = (FieldManager::is_headroom(manager), own.is_other(manager));
            assert_eq!(seen, (is_headroom, is_other), "{manager}");
        }
        for id in ["", "1a2b3c4", "1A2B3C4D", "1a2b 3c4"] {
            assert_eq!(FieldManager::of_state(id), None, "{id}");
        }
    }
}
