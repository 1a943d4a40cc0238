//! Curves, as SVG that stands in a page by itself.

use std::fmt::Write as _;

const WIDTH: f64 = 720.;
const HEIGHT: f64 = 200.;
const MARGIN: f64 = 40.;

/// One curve over time, from its points (hours, value) in the order of time. Both axes begin at 0.
pub fn curve(title: &str, unit: &str, points: &[(f64, f64)]) -> String {
    let top = |values: &mut dyn Iterator<Item = f64>| values.fold(0_f64, f64::max).max(f64::EPSILON);
    let (right, high) = (top(&mut points.iter().map(|point| point.0)), top(&mut points.iter().map(|point| point.1)));
    let x = |hours: f64| MARGIN + hours / right * (WIDTH - 2. * MARGIN);
    let y = |value: f64| HEIGHT - MARGIN - value / high * (HEIGHT - 2. * MARGIN);
    let mut line = String::new();
    for (hours, value) in points {
        let _ = write!(line, "{:.1},{:.1} ", x(*hours), y(*value));
    }
    let (left, bottom, end) = (MARGIN, HEIGHT - MARGIN, WIDTH - MARGIN);
    format!(
        "<figure><figcaption>{title}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">\
         <path d=\"M{left} {MARGIN}V{bottom}H{end}\" fill=\"none\" stroke=\"#888\"/>\
         <polyline points=\"{line}\" fill=\"none\" stroke=\"#06c\" stroke-width=\"1.5\"/>\
         <text x=\"{left}\" y=\"{}\">{high:.1} {unit}</text><text x=\"{end}\" y=\"{}\" text-anchor=\"end\">{right:.2} h</text>\
         </svg></figure>\n",
        MARGIN - 8.,
        HEIGHT - MARGIN + 18.,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_reaches_the_corners_of_its_axes() {
        let svg = curve("t", "s", &[(0., 0.), (2., 4.)]);
        assert!(
            svg.contains("points=\"40.0,160.0 680.0,40.0 \"") && svg.contains("4.0 s") && svg.contains("2.00 h"),
            "{svg}"
        );
        assert!(!curve("t", "s", &[]).contains("NaN") && !curve("t", "s", &[(0., 0.)]).contains("NaN"));
    }
}
