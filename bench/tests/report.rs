//! The report in `bench/report/`: what its figures say.

use std::fs;

use palisade_bench::page;
use palisade_bench::report::Report;
use palisade_testbed::checkout;

#[test]
fn the_page_and_its_pictures_are_made_of_the_figures_beside_them() {
    let folder = checkout::root().unwrap().join("bench/report");
    let mut report = Report::read(&folder.join("figures.json")).unwrap();
    report.complete().unwrap();
    for (name, text) in page::files(&report).unwrap() {
        assert!(fs::read_to_string(folder.join(name)).unwrap() == text, "{name} is another one: scripts/bench report");
    }
}
