//! Rows under column names: a table on a terminal, plain lines elsewhere.

use anstream::{AutoStream, ColorChoice};
use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, Table as Grid, presets};
use serde_json::Value;

use super::text::tame;

/// Rows under column names.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Column names.
    pub header: Vec<&'static str>,
    /// Cells.
    pub rows: Vec<Vec<String>>,
    /// Columns that go first where a terminal is too narrow, the first to go first.
    pub spare: &'static [&'static str],
}

/// Columns whose values are copied, or are one word: they are shown whole or not at all.
const WHOLE: &[&str] =
    &["job_id", "status", "operation", "age", "credits", "requests", "day", "group", "input", "result"];
/// A column whose cells may be broken at words is no narrower than this.
const BROKEN_WIDTH_MIN: usize = 16;
/// Between two columns.
const GAP: usize = 2;

impl Table {
    /// One line a row, cells separated by two spaces. What could end a line or move a cursor is replaced.
    pub fn lines(&self) -> Vec<String> {
        self.rows.iter().map(|row| tame(&row.join("  ").replace('\n', " "))).collect()
    }

    /// One line a row, its cells below one another.
    pub fn aligned(&self) -> Vec<String> {
        let width =
            |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..self.header.len()).map(|column| width(column).unwrap_or_default()).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }
}

/// A field of a JSON row in words; `-` where it is absent.
pub fn cell(row: &Value, name: &str) -> String {
    match row.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The table as a terminal shows it. What one copies is never broken; a column that has no room is left out.
pub fn grid(table: &Table) -> String {
    let mut grid = Grid::new();
    grid.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    let width = grid.width().map_or(usize::MAX, usize::from);
    let (shown, fits) = columns_that_fit(table, width);
    let pick = |row: &[String]| shown.iter().filter_map(|index| row.get(*index).cloned()).collect::<Vec<String>>();
    let header: Vec<&str> = shown.iter().filter_map(|index| table.header.get(*index).copied()).collect();
    if !fits {
        // The terminal breaks these lines where it likes, and what is copied from it is still whole.
        let lines = table.rows.iter().map(|row| tame(&pick(row).join("  ").replace('\n', " ")));
        return lines.collect::<Vec<_>>().join("\n");
    }
    let is_colored = AutoStream::choice(&std::io::stdout()) != ColorChoice::Never;
    for row in &table.rows {
        grid.add_row(pick(row).iter().map(|text| {
            let cell = Cell::new(tame(text));
            match color(text).filter(|_| is_colored) {
                Some(color) => cell.fg(color),
                None => cell,
            }
        }));
    }
    if table.header.iter().any(|name| !name.is_empty()) {
        grid.set_header(header.clone());
    }
    for (column, name) in grid.column_iter_mut().zip(&header) {
        column.set_padding((0, GAP as u16));
        if WHOLE.contains(name) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    grid.trim_fmt()
}

/// Colors say nothing that the word does not.
fn color(word: &str) -> Option<Color> {
    match word {
        "success" | "skipped" => Some(Color::Green),
        "failed" | "aborted" | "error" | "unknown" => Some(Color::Red),
        "working" | "queued" => Some(Color::Cyan),
        _ => None,
    }
}

/// Which columns have room side by side, and whether those that must be shown have.
fn columns_that_fit(table: &Table, width: usize) -> (Vec<usize>, bool) {
    let needed = |index: usize| {
        let name = table.header.get(index).copied().unwrap_or_default();
        let cells = table.rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
        let natural = cells.max().unwrap_or_default().max(name.len());
        let least = if WHOLE.contains(&name) { natural } else { natural.min(BROKEN_WIDTH_MIN) };
        least.saturating_add(GAP)
    };
    let fits = |shown: &[usize]| {
        shown.iter().map(|index| needed(*index)).fold(0, usize::saturating_add) <= width.saturating_add(GAP)
    };
    let mut shown: Vec<usize> = (0..table.header.len()).collect();
    for name in table.spare {
        if fits(&shown) {
            break;
        }
        shown.retain(|index| table.header.get(*index) != Some(name));
    }
    let has_room = fits(&shown);
    (shown, has_room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_leaves_columns_out_before_it_breaks_what_one_copies() {
        let row = |id: &str| [id, "success", "pdf_to_text", "5s", "23"].map(str::to_owned).to_vec();
        let table = Table {
            header: vec!["job_id", "status", "operation", "age", "credits"],
            rows: vec![row(&"J".repeat(41))],
            spare: &["credits", "age"],
        };
        for (width, columns, fits) in [(200, 5, true), (77, 5, true), (76, 4, true), (67, 3, true), (20, 3, false)] {
            let (shown, has_room) = columns_that_fit(&table, width);
            assert_eq!((shown.len(), has_room), (columns, fits), "{width}");
        }
    }
}
