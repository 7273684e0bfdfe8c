//! One chart, drawn by plotters as SVG that stands inside the page.
//!
//! Title and legend are the page's, as text that wraps and scales with it; the picture has the lines and what is at the axes.

use std::io;

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::prelude::SVGBackend;
use plotters::series::{AreaSeries, LineSeries};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, ShapeStyle, TextStyle};

use super::axis::Axis;
use super::markup::escaped;
use super::style::Ink;
use super::timeline::{Phase, Stretch};
use crate::Failure;

/// Plotters draws at whole pixels: so many of them to each unit of the sizes below, so that curves are smooth.
const FINE: i32 = 4;
const WIDTH: i32 = 480;
const HEIGHT: i32 = 236;
/// For the names of the phases.
const TOP: i32 = 26;
/// For half of the last label.
const RIGHT: i32 = 24;
/// For labels such as `150 k/s`, with the larger letters that a narrow screen gets.
const LEFT: i32 = 60;
const BOTTOM: i32 = 24;
const LETTER: i32 = 11;
/// What a letter takes of the width, on a narrow screen.
const LETTER_WIDTH: f64 = 8.0;
/// Plotters divides the sizes of letters by this before it writes them.
const PLOTTERS_LETTER: f64 = 1.24;
const LINE: f64 = 1.6;
/// Of the area below a line, through which the grid and other lines are seen.
const AREA_OPACITY: f64 = 0.13;
/// Of what reaches above and below a line that was thinned out: a peak in it must be seen, and the line on it.
const BAND_OPACITY: f64 = 0.4;
/// The phase that a test is about, and that no chart tints.
const POSTING: &str = "posting";

/// One line.
pub(super) struct Line {
    pub(super) name: String,
    /// What the legend says beside the name.
    pub(super) remark: String,
    pub(super) ink: Ink,
    /// Whether the area below is tinted, so that it is seen even where another line covers it.
    pub(super) is_area: bool,
    pub(super) stretches: Vec<Stretch>,
}

/// One chart. It has a line at least, and each line a point at least.
pub(super) struct Chart {
    /// The page's name for it.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What the title leaves open.
    pub(super) subtitle: &'static str,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line>,
    /// Empty if the axis is not one of time.
    pub(super) phases: Vec<Phase>,
}

/// What plotters' calls come to.
type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;
type Context<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Axis, Axis>>;

impl Chart {
    /// The picture as an `svg` element.
    ///
    /// # Errors
    /// [`Failure::Output`], should plotters not be able to write into memory.
    pub(super) fn svg(&self) -> Result<String, Failure> {
        let mut text = String::new();
        self.draw(&mut text).map_err(|error| Failure::Output(format!("the chart \"{}\" could not be drawn: {error}", self.title)))?;
        // Plotters' own head has a fixed size and a name space that a page does not need.
        let (_, body) = text.split_once(">\n").unwrap_or_default();
        Ok(format!(
            "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"{id}-title\"><title id=\"{id}-title\">{}</title>\n{body}",
            WIDTH * FINE,
            HEIGHT * FINE,
            escaped(&self.message()),
            id = self.id,
        ))
    }

    /// What the picture says, for those who do not see it.
    fn message(&self) -> String {
        let lines: Vec<String> = self.lines.iter().map(|line| format!("{} {}", line.name, line.remark)).collect();
        format!("{}, {}. {}.", self.title, self.subtitle, lines.join("; "))
    }

    fn draw(&self, text: &mut String) -> Drawn {
        let root = SVGBackend::with_string(text, ((WIDTH * FINE) as u32, (HEIGHT * FINE) as u32)).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin_top(TOP * FINE)
            .margin_right(RIGHT * FINE)
            .x_label_area_size(BOTTOM * FINE)
            .y_label_area_size(LEFT * FINE)
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        self.draw_phases(&root, &chart)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(stroke(Ink::Grid, 1.0))
            .axis_style(stroke(Ink::Axis, 1.0))
            .label_style(letters())
            .set_all_tick_mark_size(3 * FINE)
            .draw()?;
        for line in &self.lines {
            draw_ground(&mut chart, line)?;
        }
        for line in &self.lines {
            draw_line(&mut chart, line)?;
        }
        root.present()
    }

    /// A tint behind all that is not the posting, a line where one phase ends, and their names where there is room for them.
    fn draw_phases(&self, root: &DrawingArea<SVGBackend<'_>, Shift>, chart: &Context<'_>) -> Drawn {
        let (top, bottom) = (TOP * FINE, (HEIGHT - BOTTOM) * FINE);
        let mut free_from = 0;
        for phase in &self.phases {
            let (from, to) = (chart.backend_coord(&(phase.from, 0.0)).0, chart.backend_coord(&(phase.to, 0.0)).0);
            if phase.name != POSTING {
                root.draw(&Rectangle::new([(from, top), (to, bottom)], Ink::Phase.colour().filled()))?;
            }
            if phase.from > 0.0 {
                root.draw(&PathElement::new([(from, top), (from, bottom)], stroke(Ink::Axis, 1.0)))?;
            }
            // Centred above its phase, and left out where it would run into the one before.
            let half = (phase.name.chars().count() as f64 * LETTER_WIDTH / 2.0).ceil() as i32 * FINE;
            let middle = ((from + to) / 2).clamp(half, WIDTH * FINE - half);
            if middle - half >= free_from {
                let place = Pos::new(HPos::Center, VPos::Bottom);
                root.draw(&Text::new(phase.name.as_str(), (middle, top - 7 * FINE), letters().pos(place)))?;
                free_from = middle + half + 2 * FINE;
            }
        }
        Ok(())
    }
}

/// What lies behind a line: the area below it, and what reaches above and below it.
fn draw_ground(chart: &mut Context<'_>, line: &Line) -> Drawn {
    let colour = line.ink.colour();
    for stretch in &line.stretches {
        if line.is_area && stretch.len() > 1 {
            chart.draw_series(AreaSeries::new(stretch.iter().map(|point| (point.x, point.y)), 0.0, colour.mix(AREA_OPACITY)))?;
        }
        if stretch.iter().any(|point| point.least < point.most) {
            let upper = stretch.iter().map(|point| (point.x, point.most));
            let band: Vec<(f64, f64)> = upper.chain(stretch.iter().rev().map(|point| (point.x, point.least))).collect();
            // With an outline, for a peak of one moment is too narrow to be seen as an area.
            let outline = colour.mix(BAND_OPACITY).stroke_width(FINE as u32);
            chart.draw_series([Polygon::new(band.clone(), colour.mix(BAND_OPACITY))])?;
            chart.draw_series(LineSeries::new(band, outline))?;
        }
    }
    Ok(())
}

fn draw_line(chart: &mut Context<'_>, line: &Line) -> Drawn {
    for stretch in &line.stretches {
        if let [point] = stretch[..] {
            // A line of one point would not be seen.
            chart.draw_series([Circle::new((point.x, point.y), 2 * FINE, line.ink.colour().filled())])?;
        } else {
            chart.draw_series(LineSeries::new(stretch.iter().map(|point| (point.x, point.y)), stroke(line.ink, LINE)))?;
        }
    }
    Ok(())
}

fn stroke(ink: Ink, width: f64) -> ShapeStyle {
    ink.colour().stroke_width((width * f64::from(FINE)).round() as u32)
}

fn letters() -> TextStyle<'static> {
    ("sans-serif", f64::from(LETTER * FINE) * PLOTTERS_LETTER).into_font().color(&Ink::Label.colour())
}
