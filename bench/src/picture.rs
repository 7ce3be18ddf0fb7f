//! Pictures of a report, in SVG.

use anyhow::{Error, Result};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::group::Kind;
use crate::report::{Figures, Measured, Report};
use crate::scale::Unit;
use crate::statistics::Spread;

const WIDTH: u32 = 860;
const GREY: RGBColor = RGBColor(110, 110, 110);
const TEXT: RGBColor = RGBColor(40, 40, 40);

fn colour(kind: Kind) -> RGBColor {
    match kind {
        Kind::Palisade => RGBColor(31, 111, 181),
        Kind::ProxyWasmCrate => RGBColor(124, 175, 219),
        Kind::Lua => RGBColor(222, 143, 5),
        Kind::Envoy => RGBColor(120, 120, 120),
        Kind::None => GREY,
    }
}

fn whose(kind: Kind) -> &'static str {
    match kind {
        Kind::Palisade => "Palisade",
        Kind::ProxyWasmCrate => "proxy-wasm crate alone",
        Kind::Lua => "Lua in Envoy",
        Kind::Envoy => "Envoy's own filter",
        Kind::None => "no filter",
    }
}

fn font(size: u32, color: RGBColor, horizontal: HPos) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&color).pos(Pos::new(horizontal, VPos::Center))
}

const BAR: i32 = 20;
const TITLE: i32 = 26;
const LEFT: i32 = 270;

/// What chains add to a request in instructions, a bar each.
pub fn cost(report: &Report) -> Result<String> {
    let workloads: Vec<_> = report.workloads.iter().filter_map(bars).collect();
    let all = || workloads.iter().flat_map(|(_, bars)| bars);
    let height = workloads.iter().map(|(_, bars)| TITLE + BAR * bars.len() as i32).sum::<i32>() + 70;
    let room = WIDTH as i32 - LEFT - 70;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height as u32)).into_drawing_area();
        area.fill(&WHITE).map_err(drawing)?;
        let text = |line: String, at: (i32, i32), style: TextStyle<'static>| {
            area.draw(&Text::new(line, at, style)).map_err(drawing)
        };
        text(
            "Added to a request, in thousands of instructions of Envoy's worker thread".to_owned(),
            (12, 20),
            font(16, TEXT, HPos::Left),
        )?;
        let mut left = 12;
        for kind in [Kind::Palisade, Kind::ProxyWasmCrate, Kind::Lua, Kind::Envoy] {
            if all().any(|(figures, _)| figures.kind == kind) {
                area.draw(&Rectangle::new([(left, 37), (left + 12, 49)], colour(kind).filled())).map_err(drawing)?;
                text(whose(kind).to_owned(), (left + 18, 43), font(13, TEXT, HPos::Left))?;
                left += 190;
            }
        }
        let mut top = 60;
        for (name, bars) in &workloads {
            text(name.clone(), (12, top + TITLE / 2), font(14, TEXT, HPos::Left))?;
            top += TITLE;
            // Each workload has a scale of its own: what Lua does with bodies would leave nothing to see of the others.
            let most = bars.iter().map(|(_, added)| *added).fold(1.0, f64::max);
            for (figures, added) in bars {
                let length = (added.max(0.0) / most * f64::from(room)) as i32;
                let bar = [(LEFT, top + 2), (LEFT + length.max(1), top + BAR - 2)];
                area.draw(&Rectangle::new(bar, colour(figures.kind).filled())).map_err(drawing)?;
                text(figures.chain.clone(), (LEFT - 8, top + BAR / 2), font(13, GREY, HPos::Right))?;
                let label = format!("{:.1}", added / 1e3);
                text(label, (LEFT + length + 6, top + BAR / 2), font(13, TEXT, HPos::Left))?;
                top += BAR;
            }
        }
        area.present().map_err(drawing)?;
    }
    Ok(svg)
}

/// A workload in which filters of ours stand beside others.
fn bars(measured: &Measured) -> Option<(String, Vec<(&Figures, f64)>)> {
    let chains = measured.chains.iter().filter(|figures| figures.kind != Kind::None);
    let bars: Vec<_> = chains.filter_map(|figures| Some((figures, figures.instructions?.added.median))).collect();
    let is_compared = bars.iter().any(|(figures, _)| figures.kind != Kind::Palisade);
    (measured.point.is_none() && is_compared).then(|| (measured.name(), bars))
}

const PANEL: (u32, u32) = (WIDTH / 2, 270);

/// What chains add to a request when there is more of something, a panel for each workload.
pub fn scaling(report: &Report) -> Result<String> {
    let panels = panels(report);
    let rows = panels.len().div_ceil(2).max(1);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, PANEL.1 * rows as u32)).into_drawing_area();
        area.fill(&WHITE).map_err(drawing)?;
        for (area, panel) in area.split_evenly((rows, 2)).iter().zip(&panels) {
            panel.draw(area)?;
        }
        area.present().map_err(drawing)?;
    }
    Ok(svg)
}

/// A workload with points.
struct Panel<'r> {
    title: String,
    /// Whether both axes are logarithmic.
    is_logarithmic: bool,
    lines: Vec<Line<'r>>,
}

/// A chain at the points of its workload.
struct Line<'r> {
    chain: &'r str,
    kind: Kind,
    points: Vec<(f64, Spread)>,
}

fn panels(report: &Report) -> Vec<Panel<'_>> {
    let mut panels: Vec<(&str, Panel<'_>)> = Vec::new();
    for measured in &report.workloads {
        let Some(point) = measured.point else { continue };
        if panels.last().is_none_or(|(workload, _)| *workload != measured.workload) {
            let unit = match measured.chains.iter().any(|figures| figures.instructions.is_some()) {
                true => "thousands of instructions added",
                false => "microseconds of CPU time added",
            };
            let title = format!("{}: {unit}", measured.workload);
            let panel = Panel { title, is_logarithmic: point.of == Unit::Bytes, lines: Vec::new() };
            panels.push((&measured.workload, panel));
        }
        let Some((_, panel)) = panels.last_mut() else { continue };
        for figures in measured.chains.iter().filter(|figures| figures.kind != Kind::None) {
            let Some(added) = figures.added() else { continue };
            let at = (point.at as f64, added);
            match panel.lines.iter_mut().find(|line| line.chain == figures.chain) {
                Some(line) => line.points.push(at),
                None => panel.lines.push(Line { chain: &figures.chain, kind: figures.kind, points: vec![at] }),
            }
        }
    }
    panels.into_iter().map(|(_, panel)| panel).collect()
}

impl Panel<'_> {
    fn draw(&self, area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>) -> Result<()> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let ends = |figures: &mut dyn Iterator<Item = f64>| {
            figures.fold((f64::MAX, f64::MIN), |(least, most), figure| (least.min(figure), most.max(figure)))
        };
        let (first, last) = ends(&mut points().map(|(at, _)| *at));
        let (_, highest) = ends(&mut points().map(|(_, added)| added.high));
        let (least, _) = ends(&mut points().map(|(_, added)| added.low));
        let mut chart = ChartBuilder::on(area);
        chart.margin(12).x_label_area_size(26).y_label_area_size(52);
        chart.caption(&self.title, font(14, TEXT, HPos::Left));
        // What grows by three orders of magnitude is told from what stays only where both axes do.
        if self.is_logarithmic {
            let chart = chart
                .build_cartesian_2d(
                    (first / 1.3..last * 1.3).log_scale(),
                    (least.max(0.1) / 1.5..highest * 1.5).log_scale(),
                )
                .map_err(drawing)?;
            self.draw_lines(chart)
        } else if last > 100.0 * first {
            let chart = chart
                .build_cartesian_2d((first / 1.3..last * 1.3).log_scale(), 0.0..highest * 1.25)
                .map_err(drawing)?;
            self.draw_lines(chart)
        } else {
            let chart = chart.build_cartesian_2d(0.0..last * 1.1, 0.0..highest * 1.25).map_err(drawing)?;
            self.draw_lines(chart)
        }
    }

    fn draw_lines<'a, 'b: 'a, X, Y>(&self, mut chart: ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>) -> Result<()>
    where
        X: Ranged<ValueType = f64> + plotters::coord::ranged1d::ValueFormatter<f64>,
        Y: Ranged<ValueType = f64> + plotters::coord::ranged1d::ValueFormatter<f64>,
    {
        let count = |at: &f64| format!("{at}");
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GREY.mix(0.25))
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&count)
            .y_label_formatter(&count)
            .label_style(font(12, GREY, HPos::Center))
            .draw()
            .map_err(drawing)?;
        for (place, Line { chain, kind, points }) in self.lines.iter().enumerate() {
            let style = if place == 0 { colour(*kind) } else { OTHERS[(place - 1) % OTHERS.len()] };
            let line = LineSeries::new(points.iter().map(|(at, added)| (*at, added.median)), style.stroke_width(2));
            let legend = move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style.stroke_width(2));
            chart.draw_series(line).map_err(drawing)?.label(*chain).legend(legend);
            let quartiles =
                |(at, added): &(f64, Spread)| PathElement::new([(*at, added.low), (*at, added.high)], style);
            let bars = points.iter().map(quartiles);
            chart.draw_series(bars).map_err(drawing)?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .label_font(font(12, TEXT, HPos::Left))
            .draw()
            .map_err(drawing)
    }
}

const OTHERS: [RGBColor; 2] = [RGBColor(120, 120, 120), RGBColor(222, 143, 5)];

impl Figures {
    /// Thousands of instructions, or microseconds where instructions were not counted.
    fn added(&self) -> Option<Spread> {
        let thousands =
            |added: Spread| Spread { median: added.median / 1e3, low: added.low / 1e3, high: added.high / 1e3 };
        let counted = self.instructions.map(|counted| thousands(counted.added));
        counted.or(self.cpu_time.map(|taken| taken.added))
    }
}

fn drawing<E: std::error::Error + Send + Sync + 'static>(error: DrawingAreaErrorKind<E>) -> Error {
    Error::new(error).context("drawing a picture")
}
