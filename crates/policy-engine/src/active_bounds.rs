//! The bounds in force beside the policy's own: what schedules and overrides ask for at one moment.
//!
//! When a schedule is active belongs to others; the engine gets what is active, and the names of what set it.

use std::{fmt, sync::Arc};

use crate::{BoundsError, ReplicaBounds, Replicas};

/// What schedules and overrides ask for at this moment. None in force: the policy's own bounds hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ActiveBounds {
    /// The highest floor among those active. Holds in place of the policy's minimum, above or below it.
    pub floor: Option<ActiveBound>,
    /// The lowest ceiling among those active. Holds in place of the policy's maximum, above or below it.
    pub ceiling: Option<ActiveBound>,
}

/// The bounds of a policy alone, as a record keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OwnBounds {
    /// The fewest and the most.
    pub bounds: ReplicaBounds,
    /// Whether the count may rest at zero, below them.
    pub zero: bool,
}

/// The bounds that hold at one moment: a policy's own, and what is in force beside them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoundsInForce<'a> {
    /// The policy's own.
    pub own: OwnBounds,
    /// What is in force beside them.
    pub active: &'a ActiveBounds,
}

/// One bound in force: from 1 to [`Replicas::LIMIT`] replicas, and what set it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "saved::ActiveBound")
)]
pub struct ActiveBound {
    replicas: Replicas,
    by: BoundSource,
}

/// What set a bound.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum BoundSource {
    /// A schedule of the policy.
    Schedule(ScheduleName),
    /// A person, for a time.
    Override(Operator),
}

/// The name of a schedule in its policy, shared so that a step can carry it without copying.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ScheduleName(Arc<str>);

/// A person who acts beside the policy, as far as they told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Operator {
    /// Who.
    pub by: Option<Arc<str>>,
    /// Why, in their words.
    pub reason: Option<Arc<str>>,
}

impl BoundsInForce<'_> {
    /// The bounds that hold.
    #[must_use]
    pub fn bounds(&self) -> ReplicaBounds {
        self.active.over(self.own.bounds)
    }

    /// Whether a decision may come to `count`.
    #[must_use]
    pub fn allow(&self, count: Replicas) -> bool {
        let rests = count == Replicas::ZERO && self.own.zero && self.active.floor.is_none();
        rests || self.bounds().contains(count)
    }
}

impl ActiveBounds {
    /// Takes more that is active.
    pub fn add(&mut self, more: &Self) {
        if let Some(floor) = &more.floor {
            self.add_floor(floor.clone());
        }
        if let Some(ceiling) = &more.ceiling {
            self.add_ceiling(ceiling.clone());
        }
    }

    /// Takes one more floor that is active. The highest counts; of equal ones the first.
    pub fn add_floor(&mut self, floor: ActiveBound) {
        let counts = |before: &ActiveBound| floor.replicas > before.replicas;
        if self.floor.as_ref().is_none_or(counts) {
            self.floor = Some(floor);
        }
    }

    /// Takes one more ceiling that is active. The lowest counts; of equal ones the first.
    pub fn add_ceiling(&mut self, ceiling: ActiveBound) {
        let counts = |before: &ActiveBound| ceiling.replicas < before.replicas;
        if self.ceiling.as_ref().is_none_or(counts) {
            self.ceiling = Some(ceiling);
        }
    }

    /// The bounds that hold for a policy whose own are `own`.
    ///
    /// Where the minimum comes to lie above the maximum, the minimum wins and is the maximum too: too many replicas
    /// cost money, too few cost requests.
    #[must_use]
    pub fn over(&self, own: ReplicaBounds) -> ReplicaBounds {
        let of = |bound: &Option<ActiveBound>| bound.as_ref().map(|bound| bound.replicas);
        let min = of(&self.floor).unwrap_or(own.min());
        let max = of(&self.ceiling).unwrap_or(own.max());
        ReplicaBounds::spanning(min, max.max(min))
    }

    /// What set the minimum of the bounds that hold; `None`: the policy itself.
    #[must_use]
    pub fn minimum_by(&self) -> Option<&BoundSource> {
        self.floor.as_ref().map(|floor| &floor.by)
    }

    /// What set the maximum of the bounds that hold for a policy whose own are `own`; `None`: the policy itself.
    #[must_use]
    pub fn maximum_by(&self, own: ReplicaBounds) -> Option<&BoundSource> {
        let max = self
            .ceiling
            .as_ref()
            .map_or(own.max(), |ceiling| ceiling.replicas);
        if max < self.over(own).max() {
            self.minimum_by()
        } else {
            self.ceiling.as_ref().map(|ceiling| &ceiling.by)
        }
    }
}

impl ActiveBound {
    /// `replicas` at least or at most, because `by` asks for it.
    ///
    /// # Errors
    /// When `replicas` is zero or above [`Replicas::LIMIT`].
    pub fn new(replicas: Replicas, by: BoundSource) -> Result<Self, BoundsError> {
        if replicas == Replicas::ZERO {
            return Err(BoundsError::ActiveZero);
        }
        if replicas > Replicas::LIMIT {
            return Err(BoundsError::TooMany { max: replicas });
        }
        Ok(Self { replicas, by })
    }

    /// At least or at most so many.
    #[must_use]
    pub const fn replicas(&self) -> Replicas {
        self.replicas
    }

    /// What set it.
    #[must_use]
    pub const fn by(&self) -> &BoundSource {
        &self.by
    }
}

impl ScheduleName {
    /// The schedule called `name`.
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

impl fmt::Display for ScheduleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A bound as it is written, before it is known to be one.
#[cfg(feature = "serde")]
mod saved {
    use super::{BoundSource, BoundsError, Replicas};

    #[derive(serde::Deserialize)]
    pub(super) struct ActiveBound {
        replicas: Replicas,
        by: BoundSource,
    }

    impl TryFrom<ActiveBound> for super::ActiveBound {
        type Error = BoundsError;

        fn try_from(saved: ActiveBound) -> Result<Self, BoundsError> {
            Self::new(saved.replicas, saved.by)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(replicas: u32, name: &str) -> ActiveBound {
        let by = BoundSource::Schedule(ScheduleName::new(name));
        ActiveBound::new(Replicas::new(replicas), by).unwrap()
    }

    fn own() -> ReplicaBounds {
        ReplicaBounds::new(Replicas::new(2), Replicas::new(10)).unwrap()
    }

    /// The bounds that hold with these floors and ceilings, and what set them.
    #[track_caller]
    fn check(floors: &[u32], ceilings: &[u32], expected: (u32, u32), by: (Option<&str>, Option<&str>)) {
        let mut active = ActiveBounds::default();
        for floor in floors {
            active.add_floor(bound(*floor, &format!("floor-{floor}")));
        }
        for ceiling in ceilings {
            active.add_ceiling(bound(*ceiling, &format!("ceiling-{ceiling}")));
        }
        let holds = active.over(own());
        assert_eq!((holds.min().get(), holds.max().get()), expected);
        let named = |by: Option<&BoundSource>| by.map(ToString::to_string);
        let expected = |by: Option<&str>| by.map(|name| format!("the schedule `{name}`"));
        assert_eq!(named(active.minimum_by()), expected(by.0), "the minimum");
        assert_eq!(named(active.maximum_by(own())), expected(by.1), "the maximum");
    }

    #[test]
    fn without_any_the_policy_s_own_hold() {
        check(&[], &[], (2, 10), (None, None));
    }

    #[test]
    fn one_holds_in_place_of_the_policy_s_above_or_below_it() {
        check(&[5], &[], (5, 10), (Some("floor-5"), None));
        check(&[1], &[], (1, 10), (Some("floor-1"), None));
        check(&[], &[4], (2, 4), (None, Some("ceiling-4")));
        check(&[], &[40], (2, 40), (None, Some("ceiling-40")));
    }

    #[test]
    fn the_highest_floor_and_the_lowest_ceiling_count() {
        check(
            &[3, 6, 4],
            &[9, 7, 8],
            (6, 7),
            (Some("floor-6"), Some("ceiling-7")),
        );
    }

    #[test]
    fn a_floor_wins_over_a_ceiling_and_over_the_policy_s_maximum() {
        check(&[8], &[4], (8, 8), (Some("floor-8"), Some("floor-8")));
        check(&[20], &[], (20, 20), (Some("floor-20"), Some("floor-20")));
        check(&[20], &[15, 30], (20, 20), (Some("floor-20"), Some("floor-20")));
    }

    #[test]
    fn the_policy_s_minimum_wins_over_a_ceiling() {
        check(&[], &[1], (2, 2), (None, None));
    }

    #[test]
    fn of_equal_ones_the_first_is_named() {
        let mut active = ActiveBounds::default();
        for name in ["first", "second"] {
            active.add_floor(bound(5, name));
            active.add_ceiling(bound(7, name));
        }
        assert_eq!(active.floor, Some(bound(5, "first")));
        assert_eq!(active.ceiling, Some(bound(7, "first")));
    }

    #[test]
    fn none_is_zero_or_beyond_the_limit_also_when_it_is_read_back() {
        let by = || BoundSource::Override(Operator::default());
        assert_eq!(
            ActiveBound::new(Replicas::ZERO, by()),
            Err(BoundsError::ActiveZero)
        );
        let many = Replicas::new(1_000_001);
        assert_eq!(
            ActiveBound::new(many, by()),
            Err(BoundsError::TooMany { max: many })
        );
        let text = serde_json::to_string(&bound(5, "sale")).unwrap();
        assert_eq!(
            serde_json::from_str::<ActiveBound>(&text).unwrap(),
            bound(5, "sale")
        );
        assert!(serde_json::from_str::<ActiveBound>(&text.replace('5', "0")).is_err());
    }
}
