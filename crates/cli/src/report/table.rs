//! Tables without lines, whose columns are as wide as what is in them.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// Which way a column is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// A table with a line of titles.
pub(crate) fn table(columns: &[(&str, Align)], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|(title, _)| title.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    for (column, (_, align)) in table.column_iter_mut().zip(columns) {
        column.set_padding((0, 2));
        column.set_cell_alignment(match align {
            Align::Left => CellAlignment::Left,
            Align::Right => CellAlignment::Right,
        });
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_numbers_to_the_right_and_trims_line_ends() {
        let rows = [
            vec!["shop/api".into(), "4".into(), "why".into()],
            vec!["a".into(), "12".into(), String::new()],
        ];
        let text = table(
            &[
                ("workload", Align::Left),
                ("now", Align::Right),
                ("reason", Align::Left),
            ],
            rows,
        );
        assert_eq!(text, "WORKLOAD  NOW  REASON\nshop/api    4  why\na          12");
    }
}
