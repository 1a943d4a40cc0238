//! A line as SVG.

use plotters::prelude::{BLUE, ChartBuilder, IntoDrawingArea as _, LineSeries, SVGBackend, WHITE};

/// Width and height in pixels.
const SIZE: (u32, u32) = (800, 240);

/// Draws points as a line, from zero to a little above the highest.
///
/// # Errors
///
/// When it cannot be drawn, which is a bug.
pub fn svg(points: &[(f64, f64)]) -> anyhow::Result<String> {
    let end = points.iter().map(|point| point.0).fold(1.0, f64::max);
    let top = points.iter().map(|point| point.1).fold(1.0, f64::max) * 1.1;
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .x_label_area_size(24)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..end, 0.0..top)?;
        chart.configure_mesh().light_line_style(WHITE).draw()?;
        chart.draw_series(LineSeries::new(points.iter().copied(), &BLUE))?;
        area.present()?;
    }
    Ok(text)
}
