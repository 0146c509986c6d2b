//! `docs/polling.md` says what today's schedule costs.

use pdfco::jobs::polling::simulation::costs;

/// Half a unit of the last digit that is written, and a little for other systems' logarithms.
const ROUNDING: f64 = 0.06;

/// The numbers of a row of the table, by its name: J and credits of each distribution.
fn written(document: &str, name: &str) -> Vec<f64> {
    let row = document.lines().find_map(|line| line.strip_prefix(&format!("| {name} |")));
    let row = row.unwrap_or_else(|| panic!("docs/polling.md has no row `{name}`"));
    row.split(['|', ',']).filter_map(|number| number.trim().parse().ok()).collect()
}

#[test]
fn the_costs_of_schedules_are_those_of_the_document() {
    let path = format!("{}/docs/polling.md", env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(path).unwrap();
    for (name, costs) in costs(2.0, &[3, 20]) {
        let today: Vec<f64> = costs.iter().flat_map(|cost| [cost.j, cost.credits()]).collect();
        let written = written(&document, &name);
        assert_eq!(written.len(), today.len(), "{name}");
        let is_near = written.iter().zip(&today).all(|(written, today)| (written - today).abs() <= ROUNDING);
        assert!(is_near, "{name}: docs/polling.md {written:?}, today {today:.2?}");
    }
}
