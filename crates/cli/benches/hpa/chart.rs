//! Replicas over time, of all pairs on average: what the load was worth, and what each scaler asked for.

use std::{error::Error, time::Duration};

use headroom_test_support::side_by_side::{Outcome, Scaler};
use plotters::prelude::*;

const SIZE: (u32, u32) = (1080, 460);
/// How far apart the points of a line are.
const STEP: Duration = Duration::from_millis(500);
const LOAD: RGBColor = RGBColor(0x9a, 0xa5, 0xb1);

const fn color(scaler: Scaler) -> RGBColor {
    match scaler {
        Scaler::Hpa => RGBColor(0xd9, 0x5f, 0x02),
        Scaler::HeadroomAsHpa => RGBColor(0x1f, 0x6f, 0xb4),
        Scaler::Headroom => RGBColor(0x1b, 0x9e, 0x77),
        Scaler::HeadroomScraping => RGBColor(0x75, 0x70, 0xb3),
    }
}

/// The chart as SVG.
pub(crate) fn draw(outcome: &Outcome) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let seconds = outcome.took.as_secs_f64().max(1.0);
        let lines: Vec<(Scaler, Vec<(f64, f64)>)> = Scaler::ALL
            .into_iter()
            .map(|scaler| (scaler, counts(outcome, scaler)))
            .collect();
        let load = load(outcome);
        let all = lines.iter().map(|(_, line)| line).chain([&load]).flatten();
        let top = all.map(|(_, count)| *count).fold(1.0, f64::max) * 1.15;
        let mut chart = ChartBuilder::on(&root)
            .caption("replicas on average over the pairs", ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(44)
            .build_cartesian_2d(0.0..seconds, 0.0..top)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc("seconds")
            .y_desc("replicas")
            .x_label_formatter(&|value| format!("{value:.0}"))
            .y_label_formatter(&|value| format!("{value:.0}"))
            .draw()?;
        chart
            .draw_series(AreaSeries::new(load, 0.0, LOAD.mix(0.35)))?
            .label("what the load is worth")
            .legend(|(x, y)| Rectangle::new([(x, y - 4), (x + 18, y + 4)], LOAD.mix(0.35).filled()));
        for (scaler, line) in lines {
            let style = color(scaler).stroke_width(2);
            chart
                .draw_series(LineSeries::new(line, style))?
                .label(scaler.name())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
        for phase in &outcome.phases {
            let at = phase.from.as_secs_f64();
            chart.draw_series([PathElement::new([(at, 0.0), (at, top)], BLACK.mix(0.25))])?;
            let name = Text::new(
                phase.phase.name(),
                (at + seconds / 200.0, top * 0.99),
                ("sans-serif", 13),
            );
            chart.draw_series([name])?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .margin(24)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.2))
            .draw()?;
        root.present()?;
    }
    Ok(text)
}

/// The average of `counts` over time. Only the moments at which it changes, and those before.
fn averages<C>(outcome: &Outcome, mut counts: impl FnMut(Duration) -> C) -> Vec<(f64, f64)>
where
    C: IntoIterator<Item = u32>,
{
    let moments = (0..).map(|number: u32| STEP * number);
    let moments = moments.take_while(|at| *at <= outcome.took);
    stairs(moments.map(|at| {
        let counts = counts(at).into_iter().map(f64::from);
        (at.as_secs_f64(), average(counts))
    }))
}

/// The count that a scaler asked for, on average over its pairs.
fn counts(outcome: &Outcome, scaler: Scaler) -> Vec<(f64, f64)> {
    let pairs = scaler.pairs(outcome.pairs);
    averages(outcome, |at| {
        (0..pairs).map(move |pair| outcome.count_at(scaler, pair, at))
    })
}

/// What the load is worth, on average over all pairs.
fn load(outcome: &Outcome) -> Vec<(f64, f64)> {
    let hpa = outcome.begins.iter().find(|(scaler, _)| *scaler == Scaler::Hpa);
    let mut worth: Vec<u32> = hpa.map(|(_, counts)| counts.clone()).unwrap_or_default();
    let mut changes = outcome.changes.iter().peekable();
    averages(outcome, |at| {
        while let Some(change) = changes.next_if(|change| change.at <= at) {
            worth[change.pair] = change.replicas;
        }
        worth.clone()
    })
}

fn average(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0_f64), |(sum, count), value| (sum + value, count + 1.0));
    sum / count.max(1.0)
}

/// The corners of a line that holds until it changes, and its ends.
fn stairs(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut corners: Vec<(f64, f64)> = Vec::new();
    let mut last = None;
    for (x, y) in points {
        match corners.last() {
            Some((_, before)) if (before - y).abs() < f64::EPSILON => {}
            Some((_, before)) => corners.extend([(x, *before), (x, y)]),
            None => corners.push((x, y)),
        }
        last = Some((x, y));
    }
    corners.extend(last);
    corners
}
