//! The demo's chart: load and replicas over time, as an SVG file.

use std::{error::Error, path::Path, time::Duration};

use plotters::prelude::*;

/// One moment of the demo, sampled once a pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Moment {
    /// Since the demo's start.
    pub(crate) elapsed: Duration,
    /// Offered load, in requests per second.
    pub(crate) load: f64,
    /// Replicas that were wanted.
    pub(crate) wanted: u32,
    /// Replicas that could serve.
    pub(crate) ready: u32,
    /// The 95th percentile of latency since the moment before; `None` when nothing came back.
    pub(crate) p95: Option<Duration>,
}

const LOAD: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
const WANTED: RGBColor = RGBColor(0xd9, 0x5f, 0x02);
const READY: RGBColor = RGBColor(0x1b, 0x9e, 0x77);

/// Writes the chart of `moments` to `path`. `per_replica` is the load one replica is meant to carry: the two scales
/// are laid over each other by it, so that replicas below the load are too few.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(
    path: &Path,
    moments: &[Moment],
    per_replica: f64,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let text = draw(moments, per_replica).map_err(|error| error.to_string())?;
    std::fs::write(path, text)?;
    Ok(())
}

fn draw(moments: &[Moment], per_replica: f64) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, (960, 420)).into_drawing_area();
        root.fill(&WHITE)?;
        let seconds = moments
            .last()
            .map_or(1.0, |last| last.elapsed.as_secs_f64())
            .max(1.0);
        let most = moments
            .iter()
            .map(|moment| moment.wanted.max(moment.ready))
            .max()
            .unwrap_or(1)
            .max(1);
        let top = moments
            .iter()
            .map(|moment| moment.load / per_replica)
            .fold(f64::from(most), f64::max)
            * 1.1;
        let mut chart = ChartBuilder::on(&root)
            .caption("headroom demo: load and replicas", ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(56)
            .right_y_label_area_size(56)
            .build_cartesian_2d(0.0..seconds, 0.0..top * per_replica)?
            .set_secondary_coord(0.0..seconds, 0.0..top);
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc("seconds")
            .y_desc("requests per second")
            .y_label_formatter(&|value| format!("{value:.0}"))
            .x_label_formatter(&|value| format!("{value:.0}"))
            .draw()?;
        chart
            .configure_secondary_axes()
            .y_desc("replicas")
            .y_label_formatter(&|value| format!("{value:.0}"))
            .draw()?;
        let load = moments
            .iter()
            .map(|moment| (moment.elapsed.as_secs_f64(), moment.load));
        chart
            .draw_series(AreaSeries::new(load, 0.0, LOAD.mix(0.2)).border_style(LOAD.stroke_width(2)))?
            .label("load")
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], LOAD.stroke_width(3)));
        chart
            .draw_secondary_series(LineSeries::new(
                stairs(moments, |m| m.wanted),
                WANTED.stroke_width(2),
            ))?
            .label("replicas wanted")
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], WANTED.stroke_width(3)));
        chart
            .draw_secondary_series(LineSeries::new(
                stairs(moments, |m| m.ready),
                READY.stroke_width(2),
            ))?
            .label("replicas ready")
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], READY.stroke_width(3)));
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.2))
            .draw()?;
        root.present()?;
    }
    Ok(text)
}

/// A count that holds until the next moment.
fn stairs(moments: &[Moment], count: impl Fn(&Moment) -> u32) -> Vec<(f64, f64)> {
    let mut points = Vec::with_capacity(moments.len() * 2);
    let mut before = None;
    for moment in moments {
        let (x, y) = (moment.elapsed.as_secs_f64(), f64::from(count(moment)));
        points.extend(before.map(|held| (x, held)));
        points.push((x, y));
        before = Some(y);
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(second: u64, load: f64, wanted: u32, ready: u32) -> Moment {
        Moment {
            elapsed: Duration::from_secs(second),
            load,
            wanted,
            ready,
            p95: None,
        }
    }

    #[test]
    fn a_count_holds_until_it_changes() {
        let moments = [moment(0, 0.0, 1, 1), moment(2, 0.0, 3, 1)];
        assert_eq!(
            stairs(&moments, |m| m.wanted),
            [(0.0, 1.0), (2.0, 1.0), (2.0, 3.0)]
        );
    }

    #[test]
    fn the_chart_names_its_series_and_axes() {
        let svg = draw(&[moment(0, 50.0, 1, 1), moment(1, 150.0, 2, 1)], 100.0).unwrap();
        for text in [
            "<svg",
            "replicas wanted",
            "replicas ready",
            "requests per second",
            "seconds",
        ] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn a_demo_that_was_stopped_at_once_has_a_chart_too() {
        assert!(draw(&[], 100.0).is_ok());
    }
}
