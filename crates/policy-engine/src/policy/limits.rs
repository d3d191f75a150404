//! How the count may move in one direction: the stabilization window and the change limits.

use std::time::Duration;

use super::PolicyError;

/// How the count may move in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalingRules {
    /// How far back recommendations count.
    pub stabilization: StabilizationWindow,
    /// How much may change per period.
    pub limits: ChangeLimits,
}

impl ScalingRules {
    /// Whether how far the count may fall depends on the changes that were written before.
    ///
    /// All of a count is held back only after a rise, and within the window after one nothing falls anyway.
    pub(crate) fn depends_on_changes(&self) -> bool {
        let holds_nothing = |limit: &ChangeLimit| {
            let is_whole = match limit.amount {
                ChangeAmount::Percent(percent) => percent >= 100,
                ChangeAmount::Replicas(_) => false,
            };
            is_whole && limit.period <= self.stabilization.get()
        };
        let limits = &self.limits.limits;
        match self.limits.select {
            LimitSelection::Disabled => false,
            LimitSelection::Max => !limits.is_empty() && !limits.iter().any(holds_nothing),
            LimitSelection::Min => !limits.iter().all(holds_nothing),
        }
    }
}

impl ScalingRules {
    /// A window, and no limit of how much may change.
    #[must_use]
    pub const fn unlimited(stabilization: StabilizationWindow) -> Self {
        Self {
            stabilization,
            limits: ChangeLimits {
                select: LimitSelection::Max,
                limits: Vec::new(),
            },
        }
    }
}

/// How far back recommendations count before the count moves: 0 to 1 hour (HPA `stabilizationWindowSeconds`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct StabilizationWindow(Duration);

impl StabilizationWindow {
    /// The longest window, 1 hour.
    pub const LONGEST: Duration = Duration::from_secs(3600);

    /// A window of `span`.
    ///
    /// # Errors
    /// When it is longer than an hour.
    pub fn new(span: Duration) -> Result<Self, PolicyError> {
        if span <= Self::LONGEST {
            Ok(Self(span))
        } else {
            Err(PolicyError::Window { span })
        }
    }

    /// The window that the HPA's controller is set to: no object's, so it may be longer.
    pub(crate) const fn of_controller(span: Duration) -> Self {
        Self(span)
    }

    /// The bare span.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

/// How much may change per period in one direction (HPA `policies` and `selectPolicy`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeLimits {
    /// Which of several limits counts.
    pub select: LimitSelection,
    /// The limits; empty means no limit.
    pub limits: Vec<ChangeLimit>,
}

/// Which of several change limits counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum LimitSelection {
    /// The one that allows the most change.
    #[default]
    Max,
    /// The one that allows the least change.
    Min,
    /// The direction is switched off.
    Disabled,
}

/// How much may change within one sliding period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ChangeLimit {
    amount: ChangeAmount,
    period: Duration,
}

/// An amount of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum ChangeAmount {
    /// So many replicas (HPA `Pods`).
    Replicas(u32),
    /// So many percent of the count at the start of the period (HPA `Percent`).
    Percent(u32),
}

impl ChangeLimit {
    /// The longest period, 30 minutes (HPA's).
    pub const LONGEST_PERIOD: Duration = Duration::from_secs(1800);

    /// At most `amount` within any `period`.
    ///
    /// # Errors
    /// When the amount is zero, or the period is not between 1 second and 30 minutes.
    pub fn new(amount: ChangeAmount, period: Duration) -> Result<Self, PolicyError> {
        let (ChangeAmount::Replicas(number) | ChangeAmount::Percent(number)) = amount;
        if number == 0 {
            return Err(PolicyError::EmptyLimit);
        }
        if period < Duration::from_secs(1) || period > Self::LONGEST_PERIOD {
            return Err(PolicyError::LimitPeriod { period });
        }
        Ok(Self { amount, period })
    }

    /// How much.
    #[must_use]
    pub const fn amount(self) -> ChangeAmount {
        self.amount
    }

    /// Within which period.
    #[must_use]
    pub const fn period(self) -> Duration {
        self.period
    }
}
