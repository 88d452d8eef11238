//! The acts of a scene one by one, and the scene without some of them.

use std::fmt;
use std::str::FromStr;

use super::scene::{Act, Scene};

/// A part of a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What the main thread does before there are others.
    Before,
    /// A client, by its number.
    Client(usize),
    /// What the main thread does behind the others.
    After,
    /// What it does in a second life.
    Again,
}

/// Where an act stands: in which part, and as the how-manieth, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The part.
    pub part: Part,
    /// Its place there.
    pub number: usize,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            Part::Before => f.write_str("before")?,
            Part::Client(number) => write!(f, "{number}")?,
            Part::After => f.write_str("after")?,
            Part::Again => f.write_str("again")?,
        }
        write!(f, ".{}", self.number)
    }
}

/// A text that names no act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no act of a scene, as before.2, 1.1 or after.3 do")]
pub struct NotASpot(String);

impl FromStr for Spot {
    type Err = NotASpot;

    fn from_str(text: &str) -> Result<Self, NotASpot> {
        let parse = || {
            let (part, number) = text.split_once('.')?;
            let part = match part {
                "before" => Part::Before,
                "after" => Part::After,
                "again" => Part::Again,
                client => Part::Client(client.parse().ok()?),
            };
            Some(Self { part, number: number.parse().ok().filter(|number| *number > 0)? })
        };
        parse().ok_or_else(|| NotASpot(text.to_owned()))
    }
}

impl Scene {
    /// Its parts, in order.
    #[must_use]
    pub fn parts(&self) -> Vec<(Part, &'static [Act])> {
        let clients = self.clients.iter().enumerate().map(|(number, acts)| (Part::Client(number), *acts));
        let again = self.again.map(|acts| (Part::Again, acts));
        [(Part::Before, self.before)]
            .into_iter()
            .chain(clients)
            .chain([(Part::After, self.after)])
            .chain(again)
            .collect()
    }

    /// All its acts.
    #[must_use]
    pub fn spots(&self) -> Vec<Spot> {
        let parts = self.parts().into_iter();
        parts.flat_map(|(part, acts)| (1..=acts.len()).map(move |number| Spot { part, number })).collect()
    }

    /// The same scene with these acts only. Its threads stay, even those that have nothing left to do, so that their
    /// numbers do. A scene is a constant everywhere else: this one is kept in memory as long as the process lasts.
    #[must_use]
    pub fn only(&self, kept: &[Spot]) -> &'static Self {
        let left = |part: Part, acts: &[Act]| -> &'static [Act] {
            let spots = (1..).map(|number| Spot { part, number });
            let left = acts.iter().zip(spots).filter(|(_, spot)| kept.contains(spot));
            Box::leak(left.map(|(act, _)| *act).collect())
        };
        let clients = self.clients.iter().enumerate();
        let clients: Vec<_> = clients.map(|(number, acts)| left(Part::Client(number), acts)).collect();
        Box::leak(Box::new(Self {
            before: left(Part::Before, self.before),
            clients: Box::leak(clients.into_boxed_slice()),
            after: left(Part::After, self.after),
            again: self.again.map(|acts| left(Part::Again, acts)),
            ..*self
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_without_some_of_its_acts_keeps_the_others_where_they_were() {
        let scene = Scene::named("second-life").expect("a scene");
        let spots = scene.spots();
        let texts: Vec<String> = spots.iter().map(Spot::to_string).collect();
        assert_eq!(texts, ["0.1", "0.2", "1.1", "again.1", "again.2"]);
        assert!(texts.iter().zip(&spots).all(|(text, spot)| text.parse().as_ref() == Ok(spot)));
        let less = scene.only(&[spots[1], spots[4]]);
        assert_eq!(less.clients, [&[Act::Leave(8)][..], &[]]);
        assert_eq!(less.again, Some(&[Act::Append(8)][..]));
        assert!("3".parse::<Spot>().is_err() && "0.0".parse::<Spot>().is_err());
    }
}
