//! The reference page of files of tests, made from the types.

use super::{super::reference, KEYS};

/// The whole page in Markdown.
#[must_use]
pub fn suite_reference() -> String {
    reference::page(PREFACE, &KEYS, &TABLES)
}

const TABLES: [reference::TableOfPage; 4] = [
    ("The file", &[], &[]),
    ("`[case.\"NAME\"]`", &["case", "*"], &[]),
    ("`expect` of a case", &["case", "*", "expect", "*"], &[]),
    ("`events` of a case", &["case", "*", "events", "*"], &[]),
];

const PREFACE: &str = "\
# Files of tests

<!-- Made by `cargo xtask reference` from the types. Edits here are overwritten. -->

What `headroom test` reads: TOML, in files whose names end in `.test.toml`. A directory that is given with `-c` is read
without them. [Testing a policy](../testing.md) shows how they are written.

**Times** are durations from the start of a case (`\"2m30s\"`), and both ends of a span are included.

**Series** are values at even steps of time, from the start on, separated by blanks:

| written | means |
| --- | --- |
| `70` `0.7` `70%` `400ms` `2s` | a value; `70%` is 0.7 and `400ms` 0.4, as in a policy |
| `nan` `inf` `-inf` | a value that is no load: NaN, as a quantile over no requests is, or infinite |
| `_` | nothing: no series matched |
| `error` | the source does not answer |
| `stale` | the value before, measured too long ago to act on |
| `5x3` | 5, and three further ones: `5 5 5 5` |
| `0+10x3`, `90-20x2` | further ones that rise or fall: `0 10 20 30`, `90 70 50` |
| `_x3`, `errorx3` | three times: `_ _ _` |
| `5x10m`, `_x10m`, `0+10x5m` | for a span of time, a multiple of the distance of values; the next item begins when it is over, and the last one holds at its end too |
| `...` | at the end: the last value goes on |

A number without quotes, and a text with a single value, hold throughout. A series that ends before its case does is refused:
what is not said is not known. All this is promtool's notation, but for units, spans of time and `...`.
";
