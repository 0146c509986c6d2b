//! What was spent, by day and operation: bars for the eye, the same numbers as a table for everyone else.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::words::grouped;
use crate::app::Spending;

/// Days that are shown.
const DAYS_MAX: usize = 14;
/// Operations with a color of their own; the others share one.
const OPERATIONS_MAX: usize = 5;
/// What the others are called.
const OTHERS: &str = "others";

/// Size of the drawing, in its own units.
const WIDTH: i64 = 700;
/// Its height.
const HEIGHT: i64 = 150;
/// Room for the days below the bars.
const FOOT: i64 = 18;

struct Bar<'a> {
    day: &'a str,
    /// Credits in the order of the operations.
    credits: Vec<i64>,
}

/// The chart, or nothing where nothing was spent.
pub fn spending(rows: &[Spending]) -> Markup {
    let rows: Vec<&Spending> = rows.iter().filter(|row| row.credits > 0).collect();
    let mut days: Vec<&str> = rows.iter().map(|row| row.day.as_str()).collect();
    days.sort_unstable();
    days.dedup();
    let days = days.split_off(days.len().saturating_sub(DAYS_MAX));
    let mut totals: BTreeMap<&str, i64> = BTreeMap::new();
    for row in rows.iter().filter(|row| days.contains(&row.day.as_str())) {
        *totals.entry(&row.operation).or_default() += row.credits;
    }
    let mut operations: Vec<(&str, i64)> = totals.into_iter().collect();
    operations.sort_by_key(|(name, credits)| (-credits, *name));
    let others: i64 = operations.iter().skip(OPERATIONS_MAX).map(|(_, credits)| credits).sum();
    operations.truncate(OPERATIONS_MAX);
    if others > 0 {
        operations.push((OTHERS, others));
    }
    if operations.is_empty() {
        return html! {};
    }
    let bars: Vec<Bar<'_>> = days.iter().map(|day| bar(day, &operations, &rows)).collect();
    html! {
        section #spending aria-label="Credits by day and operation" {
            h2 { "Credits by day" }
            (drawing(&bars, &operations))
            ul.legend {
                @for (index, (name, credits)) in operations.iter().enumerate() {
                    li { svg.swatch viewBox="0 0 1 1" aria-hidden="true" { rect class={ "c" (index) } width="1" height="1" {} } (name) " " b { (grouped(*credits)) } }
                }
            }
            details {
                summary { "As numbers" }
                (numbers(&bars, &operations))
            }
        }
    }
}

fn bar<'a>(day: &'a str, operations: &[(&str, i64)], rows: &[&Spending]) -> Bar<'a> {
    let of_day = || rows.iter().filter(|row| row.day == day);
    let is_named = |row: &&&Spending| operations.iter().any(|(name, _)| *name == row.operation);
    let credits = operations
        .iter()
        .map(|(name, _)| match *name {
            OTHERS => of_day().filter(|row| !is_named(row)).map(|row| row.credits).sum(),
            name => of_day().filter(|row| row.operation == name).map(|row| row.credits).sum(),
        })
        .collect();
    Bar { day, credits }
}

fn drawing(bars: &[Bar<'_>], operations: &[(&str, i64)]) -> Markup {
    let highest = bars.iter().map(|bar| bar.credits.iter().sum::<i64>()).max().unwrap_or(1).max(1);
    let step = WIDTH / i64::try_from(bars.len().max(4)).unwrap_or(1);
    let wide = (step * 7 / 10).min(56);
    let room = HEIGHT - FOOT;
    let words = format!("Credits by day, at most {highest} on one day");
    html! {
        svg.bars viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(words) {
            line.axis x1="0" x2=(WIDTH) y1=(room) y2=(room) {}
            @for (place, bar) in bars.iter().enumerate() {
                @let left = i64::try_from(place).unwrap_or(0) * step + (step - wide) / 2;
                @for (index, part) in stacked(&bar.credits, highest, room - 14).iter().enumerate().filter(|(_, part)| part.height > 0) {
                    rect class={ "c" (index) } x=(left) y=(room - part.top) width=(wide) height=(part.height) {
                        title { (bar.day) ", " (operations.get(index).map_or("", |(name, _)| name)) ": " (grouped(bar.credits.get(index).copied().unwrap_or(0))) " credits" }
                    }
                }
                @let sum: i64 = bar.credits.iter().sum();
                @let top = stacked(&bar.credits, highest, room - 14).iter().map(|part| part.top).max().unwrap_or(0);
                text.sum x=(left + wide / 2) y=(room - top - 4) text-anchor="middle" { (grouped(sum)) }
                text.day x=(left + wide / 2) y=(HEIGHT - 4) text-anchor="middle" { (short(bar.day)) }
            }
        }
    }
}

/// Month and day of a day.
fn short(day: &str) -> &str {
    day.get(5..).filter(|_| day.len() == 10).unwrap_or(day)
}

/// One part of a bar: where it ends above the axis, and how high it is.
struct Part {
    top: i64,
    height: i64,
}

fn stacked(credits: &[i64], highest: i64, room: i64) -> Vec<Part> {
    let at = |sum: i64| sum.saturating_mul(room) / highest;
    let mut sum = 0_i64;
    credits
        .iter()
        .map(|credits| {
            let below = at(sum);
            sum = sum.saturating_add(*credits);
            Part { top: at(sum), height: at(sum) - below }
        })
        .collect()
}

fn numbers(bars: &[Bar<'_>], operations: &[(&str, i64)]) -> Markup {
    html! {
        table.numbers {
            thead { tr { th scope="col" { "Day" } @for (name, _) in operations { th.number scope="col" { (name) } } th.number scope="col" { "Sum" } } }
            tbody {
                @for bar in bars.iter().rev() {
                    tr {
                        th scope="row" { (bar.day) }
                        @for credits in &bar.credits { td.number { (grouped(*credits)) } }
                        td.number { (grouped(bar.credits.iter().sum())) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(day: &str, operation: &str, credits: i64) -> Spending {
        Spending { day: day.into(), operation: operation.into(), requests: 1, credits }
    }

    #[test]
    fn days_are_stacked_by_operation_and_the_rest_is_others() {
        assert!(spending(&[]).into_string().is_empty());
        assert!(spending(&[row("2026-11-01", "a", -5)]).into_string().is_empty(), "a refund is no bar");
        let mut rows: Vec<Spending> =
            (1..=20).map(|day| row(&format!("2026-11-{day:02}"), "pdf_to_text", day)).collect();
        rows.extend(["b", "c", "d", "e", "f", "<g>"].iter().map(|name| row("2026-11-20", name, 3)));
        let shown = spending(&rows).into_string();
        assert!(!shown.contains("2026-11-06") && shown.contains("2026-11-07"), "the newest {DAYS_MAX} days");
        assert!(
            shown.contains("2026-11-20, pdf_to_text: 20 credits") && shown.contains("2026-11-20, others: 6 credits")
        );
        assert!(!shown.contains("<g>") && !shown.contains("style="), "{shown}");
        let parts = stacked(&[1, 0, 3], 4, 100);
        assert_eq!(
            parts.iter().map(|part| (part.top, part.height)).collect::<Vec<_>>(),
            [(25, 25), (25, 0), (100, 75)]
        );
    }
}
