//! Bytes are damaged under an open log, which has read all of it and knows where everything is. A record that is asked for
//! by its number comes back as it was, or is refused by name; and those that are whole come back.

use std::path::Path;
use std::sync::Arc;

use truelog_env::OpenMode;
use truelog_spec::contract::{Record, Violation};
use truelog_spec::step::{RecordSpec, Write};
use truelog_spec::{ClientStep, Invariant};

use super::{SECTOR, appends, kept};
use crate::driver::{Driver, files};
use crate::fabric::{Image, LOG_DIR, Profile, SimFs};
use crate::oracle::{Batch, FRAME_HEADER, Reading};
use crate::report::Report;
use crate::subject::{Archived, Place, Setup};

/// Damages each byte of each record's frame, one at a time, and asks for every record.
///
/// # Errors
/// The first invariant that breaks, and where.
pub fn beneath<S: Archived>(report: &mut Report) -> Result<(), (Violation, String)> {
    let image = match story::<S>() {
        Ok(image) => image,
        Err(why) => {
            report.incomplete(why);
            return Ok(());
        }
    };
    let (reading, truth) = (Reading::of(&files(&image)), kept(&image));
    let batches = reading.segments.values().flat_map(|segment| &segment.batches);
    for batch in batches {
        for (at, record) in frames(batch) {
            report.count("bytes damaged beneath", 1);
            ask::<S>(&image, &truth, (batch.segment, at), record)
                .map_err(|violation| (violation, format!("byte {at} of segment {}", batch.segment)))?;
        }
    }
    Ok(())
}

/// Batches of records that are as long, and of records that are not; and records alone.
fn story<S: Archived>() -> Result<Image, String> {
    let mut driver = Driver::<S>::new(SimFs::new(Profile::W.sector(SECTOR).no_garbage()), Setup::TINY);
    let batch = |lens: [u32; 3]| {
        let records = lens.map(|len| RecordSpec { stream: 0, len }).to_vec();
        ClientStep::Batch(Write { records, ..Write::one(0, 8) })
    };
    // Closed: else the last one is written again, elsewhere, before anything is damaged.
    let steps = [
        appends(2),
        vec![batch([8, 8, 8]), batch([9, 8, 9])],
        appends(1).split_off(1),
        vec![ClientStep::Close],
    ];
    for step in steps.concat() {
        if let truelog_spec::Outcome::Failed(failure) = driver.client(&step) {
            return Err(format!("{step} failed: {failure}"));
        }
    }
    super::durable(driver.disk())
}

/// The offset of each byte of each record's frame, and the record.
fn frames(batch: &Batch) -> impl Iterator<Item = (u64, u64)> {
    batch.records.iter().zip(&batch.places).flat_map(|(record, place)| {
        let len = (FRAME_HEADER + record.payload.len()) as u64;
        (*place..place + len).map(|at| (at, record.lsn))
    })
}

/// Opens the log, reads all, damages one byte of the record `damaged`, and asks for each record.
fn ask<S: Archived>(
    image: &Image,
    truth: &[Record],
    (segment, at): (u64, u64),
    damaged: u64,
) -> Result<(), Violation> {
    let disk = SimFs::from_image(image);
    let place = Place { env: disk.env(), dir: LOG_DIR.into(), setup: Setup::TINY };
    let wrong = |says: String| Err(Violation::new(Invariant::DamageIsLoud, says));
    let log = match S::open(&place, Arc::new(|_| {})) {
        Ok((log, _)) => log,
        Err(refusal) => return wrong(format!("the log does not open: {}", refusal.says)),
    };
    if log.read(1).iter().flatten().count() != truth.len() {
        return wrong("not every record is read before the damage".to_owned());
    }
    let path = Path::new(LOG_DIR).join(format!("segment-{segment:010}"));
    let flipped = (|| {
        let file = place.env.fs.open(&path, OpenMode::WRITE)?;
        let mut byte = [0];
        file.read_at(&mut byte, at)?;
        file.write_at(&[byte[0] ^ 0x10], at)
    })();
    if flipped != Ok(1) {
        return wrong(format!("the byte could not be damaged: {flipped:?}"));
    }
    for record in truth {
        match log.get(record.lsn) {
            Ok(_) if record.lsn == damaged => return wrong(format!("LSN {damaged} comes back, damaged")),
            Ok(found) if found != *record => {
                return wrong(format!("LSN {} comes back as it never was", record.lsn));
            }
            Ok(_) => {}
            Err(refusal)
                if refusal.lsns.is_some_and(|(first, last)| (first..=last).contains(&record.lsn)) => {}
            Err(refusal) => {
                return wrong(format!("LSN {} is refused without its name: {}", record.lsn, refusal.says));
            }
        }
    }
    Ok(())
}
