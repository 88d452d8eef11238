//! A picture of one failing attempt: what happened to the one block, on one axis of virtual time.

use std::fmt::Write as _;

use crate::emulator::designs::Historical;
use crate::emulator::history::{Moment, What};
use crate::emulator::profile::Profile;
use crate::emulator::random::{MILLI, Nanos};
use crate::emulator::world::{Scene, World};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 30.0;
const LANE: f64 = 46.0;
const TOP: f64 = 64.0;
const LANES: [&str; 5] = ["prefetch fill", "cache_ready", "write_pending", "both at once", "verification"];

struct Picture {
    from: Nanos,
    to: Nanos,
    body: String,
}

/// The SVG of one attempt of the historical design. `None`: it does not fail.
#[must_use]
pub fn svg(profile: &Profile, (seed, attempt): (u64, u64)) -> Option<String> {
    let mut world =
        World::<Historical>::new(profile, Scene { keeps: true, ..Scene::default() }, seed, attempt);
    world.run();
    let moments = world.history.moments.take()?;
    let fault = moments.iter().find(|moment| moment.what == What::Fault)?;
    let block = fault.block;
    let of: Vec<Moment> = moments.iter().filter(|moment| moment.block == block).copied().collect();
    let when = |what: What| of.iter().find(|moment| moment.what == what).map(|moment| moment.at);
    let (submitted, acknowledged) = (when(What::Submitted)?, when(What::Acknowledged)?);
    let ready = of.iter().rfind(|moment| moment.what == What::Ready && moment.at < fault.at)?.at;
    let filled = of.iter().rfind(|moment| moment.what == What::Fill && moment.at < ready)?.at;
    let mut picture = Picture {
        from: filled.min(submitted).saturating_sub(MILLI / 2),
        to: acknowledged.max(fault.at) + MILLI,
        body: String::new(),
    };
    let gone = acknowledged.min(fault.at);
    picture.bar(0, filled, ready, "#7aa6da", "reads the old bytes");
    picture.bar(1, ready, gone, "#8abf6a", "old bytes, ready");
    picture.bar(2, submitted, acknowledged, "#e0b050", "new metadata in place, acknowledgement late");
    picture.bar(3, ready.max(submitted), gone, "#d05050", "");
    for applied in of.iter().filter(|moment| moment.what == What::Applied) {
        picture.mark(
            2,
            applied.at,
            "#5a4a20",
            &format!("drive {} holds it", applied.who),
            applied.who % 2 == 1,
        );
    }
    let mine = |moment: &&Moment| moment.who == fault.who && moment.at <= fault.at;
    for mismatch in of.iter().filter(mine).filter(|moment| moment.what == What::Mismatch) {
        picture.mark(4, mismatch.at, "#d05050", "", false);
    }
    let says = format!("{} mismatches: FPRE004, drive quarantined", profile.retries + 1);
    picture.mark(4, fault.at, "#900000", &says, true);
    let title = format!(
        "FPRE004: seed {seed}, attempt {}, block {block}; acknowledgement {:.2} ms after submission",
        attempt + 1,
        ms(acknowledged - submitted)
    );
    Some(picture.finish(&title))
}

fn ms(span: Nanos) -> f64 {
    span as f64 / MILLI as f64
}

impl Picture {
    fn x(&self, at: Nanos) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (at - self.from) as f64 / (self.to - self.from) as f64
    }

    fn y(lane: usize) -> f64 {
        TOP + LANE * lane as f64
    }

    fn bar(&mut self, lane: usize, from: Nanos, to: Nanos, colour: &str, says: &str) {
        let (x, y) = (self.x(from), Self::y(lane));
        let width = (self.x(to) - x).max(2.0);
        let _ = writeln!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="20" rx="2" fill="{colour}"/>"#
        );
        if says.is_empty() {
            return;
        }
        // Beside a short bar; at the end of a long one, whose begin has marks.
        let (at, anchor) = if width > 260.0 { (x + width - 6.0, "end") } else { (x + width + 6.0, "start") };
        let y = y + 14.5;
        let _ = writeln!(self.body, r#"<text x="{at:.1}" y="{y:.1}" text-anchor="{anchor}">{says}</text>"#);
    }

    fn mark(&mut self, lane: usize, at: Nanos, colour: &str, says: &str, below: bool) {
        let (x, y) = (self.x(at), Self::y(lane));
        let _ = writeln!(self.body, r#"<circle cx="{x:.1}" cy="{:.1}" r="5" fill="{colour}"/>"#, y + 10.0);
        if says.is_empty() {
            return;
        }
        let y = if below { y + 33.0 } else { y - 5.0 };
        let _ = writeln!(self.body, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="middle">{says}</text>"#);
    }

    fn finish(mut self, title: &str) -> String {
        let bottom = Self::y(LANES.len()) + 8.0;
        let mut axis = String::new();
        for tick in self.from.div_ceil(MILLI)..=self.to / MILLI {
            let x = self.x(tick * MILLI);
            let _ =
                writeln!(axis, r##"<line x1="{x:.1}" y1="50" x2="{x:.1}" y2="{bottom}" stroke="#ddd"/>"##);
            let y = bottom + 16.0;
            let _ = writeln!(axis, r#"<text x="{x:.1}" y="{y}" text-anchor="middle">{tick} ms</text>"#);
        }
        for (lane, name) in LANES.iter().enumerate() {
            let y = Self::y(lane) + 14.5;
            let _ = writeln!(self.body, r#"<text x="12" y="{y}" font-weight="bold">{name}</text>"#);
        }
        let height = bottom + 28.0;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"12\" y=\"28\" \
             font-size=\"15\">{title}</text>\n{axis}{}</svg>\n",
            self.body
        )
    }
}
