//! `[brake]`: when too much of the fleet would fall at once.

use super::{
    problem::{Finding, ProblemKind},
    raw::RawBrake,
    reader::Reader,
};
use crate::BrakeSettings;

/// Reads the brake; `None` after reporting what is wrong with it.
pub(super) fn brake(raw: &RawBrake, reader: &mut Reader<'_>) -> Option<BrakeSettings> {
    let text = raw.max_fall.as_ref()?;
    let share = reader.fraction(text);
    let max_fall = share.filter(|share| *share > 0.0 && *share <= 1.0);
    if share.is_some() && max_fall.is_none() {
        let message = "`max_fall` must be above 0% and at most 100%";
        let finding = Finding::new(ProblemKind::BadValue, message).at(text.place);
        reader.report(finding.help("write max_fall = \"50%\"; \"100%\" switches the brake off"));
    }
    let number = raw.least.as_ref()?;
    let least = u32::try_from(number.value).ok().filter(|least| *least > 0);
    if least.is_none() {
        let message = format!("`least` must be from 1 up, not {}", number.value);
        let finding = Finding::new(ProblemKind::BadValue, message).at(number.place);
        reader.report(finding.help("write least = 5"));
    }
    let hold = reader.span("brake.hold", raw.hold.as_ref());
    Some(BrakeSettings {
        max_fall: max_fall?,
        least: least?,
        hold: hold?,
    })
}
