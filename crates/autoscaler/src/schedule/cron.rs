//! Cron expressions: the five fields of crontab, in the dialect of the crate `croner`.
//!
//! The crate's own treatment of time zones is not used: what the clocks leave out is lost there for all but the plainest
//! expressions. It is asked about times on the wall alone.

use std::{fmt, ops::Range, str::FromStr, sync::Arc};

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::civil::DateTime;
use thiserror::Error;

/// Times on the wall: minute, hour, day of the month, month and day of the week, as in crontab.
///
/// There is always a time that it names. Where both days are restricted, either may fit, as in crontab; `+` before the
/// day of the week asks for both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronExpression(Arc<Cron>);

/// One of the five fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CronField {
    /// 0 to 59.
    Minute,
    /// 0 to 23.
    Hour,
    /// 1 to 31, `L` for the last day, `15W` for the working day nearest to the 15th.
    DayOfMonth,
    /// 1 to 12, or `JAN` to `DEC`.
    Month,
    /// 0 to 7 from Sunday to Sunday, or `SUN` to `SAT`; `5#2` for the second Friday, `5L` for the last one.
    DayOfWeek,
}

/// Why a text is no cron expression.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CronSyntaxError {
    /// It has not five fields.
    #[error("a cron expression has five fields, not {found}")]
    Fields {
        /// How many it has.
        found: usize,
    },
    /// One field is wrong.
    #[error("`{text}` is no {field} of a cron expression")]
    Field {
        /// Which field.
        field: CronField,
        /// What stands there.
        text: String,
        /// Where it stands, in bytes.
        at: Range<usize>,
    },
    /// It begins with `@` and is no name that is known.
    #[error("`{text}` is no name of a cron expression")]
    Name {
        /// The text.
        text: String,
    },
    /// No day is what it asks for.
    #[error("`{text}` never comes: no month has such a day")]
    Never {
        /// The text.
        text: String,
    },
}

impl CronSyntaxError {
    /// How it is written.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Fields { .. } => {
                "write minute, hour, day of the month, month and day of the week: \"0 8 * * 1-5\" is 08:00 from Monday \
                 to Friday"
            }
            Self::Field { field, .. } => field.help(),
            Self::Name { .. } => {
                "the names are @hourly, @daily, @weekly, @monthly and @yearly; or write five fields: \"0 8 * * 1-5\""
            }
            Self::Never { .. } => "write L for the last day of a month, whichever that is",
        }
    }
}

impl CronField {
    /// The fields in their order.
    const ALL: [Self; 5] = [
        Self::Minute,
        Self::Hour,
        Self::DayOfMonth,
        Self::Month,
        Self::DayOfWeek,
    ];

    const fn help(self) -> &'static str {
        match self {
            Self::Minute => "a minute is 0 to 59: \"30\", \"0,30\", \"0-15\", \"*/15\" or \"*\"",
            Self::Hour => "an hour is 0 to 23: \"8\", \"8,20\", \"8-18\", \"*/2\" or \"*\"",
            Self::DayOfMonth => {
                "a day of the month is 1 to 31: \"1\", \"1,15\", \"1-7\", \"*\", \"L\" (the last) or \"15W\" (the working \
                 day nearest to it)"
            }
            Self::Month => "a month is 1 to 12 or JAN to DEC: \"12\", \"NOV,DEC\", \"6-8\" or \"*\"",
            Self::DayOfWeek => {
                "a day of the week is 0 (Sunday) to 7 (Sunday) or SUN to SAT: \"1-5\", \"SAT,SUN\", \"5#2\" (the second \
                 Friday), \"5L\" (the last) or \"*\""
            }
        }
    }

    /// The words that may stand in it, besides numbers. `croner` would take any of them in any field.
    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Minute | Self::Hour => &[],
            Self::DayOfMonth => &["L", "W", "LW"],
            Self::Month => &[
                "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
            ],
            Self::DayOfWeek => &[
                "SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "L", "SUNL", "MONL", "TUEL", "WEDL", "THUL",
                "FRIL", "SATL",
            ],
        }
    }

    /// Whether what `croner` would let pass is all right: words that belong here, and no empty place in a list.
    fn is_well_worded(self, text: &str) -> bool {
        let upper = text.to_ascii_uppercase();
        let mut words = upper
            .split(|symbol: char| !symbol.is_alphabetic())
            .filter(|word| !word.is_empty());
        words.all(|word| self.words().contains(&word)) && !text.split(',').any(str::is_empty)
    }

    /// Whether `croner` takes `text` here.
    fn takes(self, text: &str) -> bool {
        let alone = Self::ALL.map(|field| if field == self { text } else { "*" });
        parse(&alone.join(" ")).is_some()
    }
}

impl fmt::Display for CronField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day of the month",
            Self::Month => "month",
            Self::DayOfWeek => "day of the week",
        })
    }
}

fn parse(text: &str) -> Option<Cron> {
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed);
    parser.build().parse(text).ok()
}

impl FromStr for CronExpression {
    type Err = CronSyntaxError;

    fn from_str(text: &str) -> Result<Self, CronSyntaxError> {
        let parsed = if text.trim_start().starts_with('@') {
            parse(text).ok_or_else(|| CronSyntaxError::Name {
                text: text.to_owned(),
            })
        } else {
            parse_fields(text)
        };
        let expression = Self(Arc::new(parsed?));
        // The calendar repeats itself after 400 years, weekdays included.
        match expression.latest(DateTime::constant(2400, 1, 1, 0, 0, 0, 0)) {
            Some(_) => Ok(expression),
            None => Err(CronSyntaxError::Never {
                text: text.to_owned(),
            }),
        }
    }
}

fn parse_fields(text: &str) -> Result<Cron, CronSyntaxError> {
    let fields: Vec<(usize, &str)> = fields(text).collect();
    if fields.len() != CronField::ALL.len() {
        return Err(CronSyntaxError::Fields { found: fields.len() });
    }
    if let Some(wrong) = first_wrong(&fields, CronField::is_well_worded) {
        return Err(wrong);
    }
    // Only a wrong expression is looked at field by field: that takes six times as long.
    parse(text).ok_or_else(|| {
        let never = CronSyntaxError::Never {
            text: text.to_owned(),
        };
        first_wrong(&fields, CronField::takes).unwrap_or(never)
    })
}

/// The first of the fields that is not right.
fn first_wrong(
    fields: &[(usize, &str)],
    is_right: impl Fn(CronField, &str) -> bool,
) -> Option<CronSyntaxError> {
    let mut each = CronField::ALL.into_iter().zip(fields);
    let (field, (start, part)) = each.find(|(field, (_, part))| !is_right(*field, part))?;
    Some(CronSyntaxError::Field {
        field,
        text: (*part).to_owned(),
        at: *start..start + part.len(),
    })
}

/// The parts between blanks, each with where it begins.
fn fields(text: &str) -> impl Iterator<Item = (usize, &str)> {
    // Each part is a piece of the text, so the distance is where it stands.
    let start = |part: &str| part.as_ptr().addr() - text.as_ptr().addr();
    text.split_whitespace().map(move |part| (start(part), part))
}

impl CronExpression {
    /// The latest time it names that is not after `time`; `None` where the calendar ends before.
    #[must_use]
    pub fn latest(&self, time: DateTime) -> Option<DateTime> {
        self.0.find_previous_occurrence(&time, true).ok()
    }
}

impl fmt::Display for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn latest(text: &str, before: &str) -> String {
        let expression: CronExpression = text.parse().unwrap();
        expression.latest(before.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn names_times_as_crontab_does() {
        // 2026-10-09 is a Friday.
        for (text, expected) in [
            ("0 8 * * 1-5", "2026-10-09T08:00:00"),
            ("0 8 * * MON", "2026-10-05T08:00:00"),
            ("0 8 * * sun", "2026-10-04T08:00:00"),
            ("0 8 * * 7", "2026-10-04T08:00:00"),
            ("*/15 * * * *", "2026-10-09T12:15:00"),
            ("30 22 1 * *", "2026-10-01T22:30:00"),
            ("0 0 L * *", "2026-09-30T00:00:00"),
            ("0 0 29 2 *", "2024-02-29T00:00:00"),
            ("0 0 * NOV 4#4", "2025-11-27T00:00:00"),
            ("0 0 * * 5L", "2026-09-25T00:00:00"),
            ("0 0 1 * 3", "2026-10-07T00:00:00"),
            ("0 0 1 * +3", "2026-07-01T00:00:00"),
            ("@daily", "2026-10-09T00:00:00"),
        ] {
            assert_eq!(latest(text, "2026-10-09T12:20:30"), expected, "{text}");
        }
        assert_eq!(latest("0 8 * * *", "2026-10-09T08:00"), "2026-10-09T08:00:00");
        assert_eq!(
            latest("0 8 * * *", "2026-10-09T07:59:59.9"),
            "2026-10-08T08:00:00"
        );
    }

    #[test]
    fn says_which_field_is_wrong_and_where_it_stands() {
        for (text, wrong, part) in [
            ("60 8 * * *", CronField::Minute, "60"),
            ("0  24 * * *", CronField::Hour, "24"),
            ("0 8 0 * *", CronField::DayOfMonth, "0"),
            ("0 8 * 13 *", CronField::Month, "13"),
            ("0 8 * * 8", CronField::DayOfWeek, "8"),
            ("MON 8 * * *", CronField::Minute, "MON"),
            ("0 8 * MON *", CronField::Month, "MON"),
            ("0 8 * * MONDAY", CronField::DayOfWeek, "MONDAY"),
            ("1,,2 8 * * *", CronField::Minute, "1,,2"),
            ("0 18-8 * * *", CronField::Hour, "18-8"),
            ("*/0 8 * * *", CronField::Minute, "*/0"),
            ("5/10 8 * * *", CronField::Minute, "5/10"),
            ("0 8 * * *é", CronField::DayOfWeek, "*é"),
        ] {
            let Err(CronSyntaxError::Field {
                field,
                text: said,
                at,
            }) = text.parse::<CronExpression>()
            else {
                panic!("{text}")
            };
            assert_eq!((field, said.as_str(), &text[at]), (wrong, part, part), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_expression() {
        let error = |text: &str| text.parse::<CronExpression>().unwrap_err();
        assert_eq!(error(""), CronSyntaxError::Fields { found: 0 });
        assert_eq!(error("0 8 * *"), CronSyntaxError::Fields { found: 4 });
        assert_eq!(error("0 0 8 * * 1-5"), CronSyntaxError::Fields { found: 6 });
        assert!(matches!(error("@noon"), CronSyntaxError::Name { .. }));
        assert!(matches!(error("@daily 5"), CronSyntaxError::Name { .. }));
        for text in ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31 2 +1"] {
            assert!(matches!(error(text), CronSyntaxError::Never { .. }), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_expression_or_an_error_with_a_way_out(text in "\\PC*") {
            if let Err(error) = text.parse::<CronExpression>() {
                prop_assert!(!error.to_string().is_empty() && !error.help().is_empty());
            }
        }

        #[test]
        fn near_misses_are_no_panic(text in "[0-9*/,#LW?@+-]{0,6}( [0-9*/,#LWJANMO?+é-]{0,8}){3,6}") {
            if let Err(CronSyntaxError::Field { at, text: part, .. }) = text.parse::<CronExpression>() {
                prop_assert_eq!(&text[at], part);
            }
        }
    }
}
