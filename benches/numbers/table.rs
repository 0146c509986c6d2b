//! The one table: what was measured, beside its floor or limit, and whether it holds.

/// What the ratio of product and floor has to be.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// Smaller is better.
    AtMost(f64),
    /// Larger is better.
    AtLeast(f64),
    /// For comparison; nothing is promised.
    Shown,
}

/// One line.
#[derive(Debug)]
pub struct Row {
    what: String,
    product: String,
    floor: String,
    ratio: f64,
    rule: Rule,
}

/// The lines so far; each is printed when it comes, and all of them once more at the end.
#[derive(Default)]
pub struct Table(Vec<Row>);

impl Table {
    /// Adds a measurement in some unit.
    pub fn add(&mut self, what: impl Into<String>, product: f64, floor: f64, unit: &str, rule: Rule) {
        let shown = |number: f64| if unit.is_empty() { round(number) } else { format!("{} {unit}", round(number)) };
        // Nothing beside nothing is as it should be.
        let ratio = if product == floor { 1.0 } else { product / floor };
        let row = Row { what: what.into(), product: shown(product), floor: shown(floor), ratio, rule };
        eprintln!("  {}: {} beside {}", row.what, row.product, row.floor);
        self.0.push(row);
    }

    /// Prints everything.
    pub fn print(&self) {
        println!("\n| what | product | floor or limit | ratio | hold | |");
        println!("|---|---|---|---|---|---|");
        for row in &self.0 {
            let (rule, holds) = match row.rule {
                Rule::AtMost(limit) => (format!("≤ {limit}"), Some(row.ratio <= limit)),
                Rule::AtLeast(limit) => (format!("≥ {limit}"), Some(row.ratio >= limit)),
                Rule::Shown => ("–".to_owned(), None),
            };
            let holds = holds.map_or("", |holds| if holds { "holds" } else { "does not hold" });
            println!("| {} | {} | {} | {:.2} | {rule} | {holds} |", row.what, row.product, row.floor, row.ratio);
        }
        let missed = self.0.iter().filter(|row| match row.rule {
            Rule::AtMost(limit) => row.ratio > limit,
            Rule::AtLeast(limit) => row.ratio < limit,
            Rule::Shown => false,
        });
        let bound = self.0.iter().filter(|row| !matches!(row.rule, Rule::Shown));
        println!("\n{} of {} rows with a bound do not hold.", missed.count(), bound.count());
    }
}

/// Three digits that matter.
fn round(number: f64) -> String {
    match number.abs() {
        large if large >= 100.0 => format!("{number:.0}"),
        middle if middle >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// The middle one.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    assert!(!numbers.is_empty(), "nothing was measured");
    numbers[numbers.len() / 2]
}
