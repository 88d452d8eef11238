//! `truelog create`: an empty log.

use std::io::Write;

use serde::Serialize;
use truelog::{Log, Options, SyncMethod};

use crate::args::{Create, DurabilityArg, Fill, Stored, Sync};
use crate::failure::Failure;
use crate::output;

/// What was made.
#[derive(Serialize)]
struct Created {
    dir: String,
    log: String,
}

/// Runs it.
///
/// # Errors
/// Whatever the log reports; standard output fails.
pub(crate) fn run(args: &Create, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let failed = Failure::log(&args.dir);
    let log = Log::create(&args.dir, &options(&args.stored)).map_err(&failed)?;
    let created = Created { dir: args.dir.display().to_string(), log: log.id().to_string() };
    log.close().map_err(&failed)?;
    if json {
        output::json(out, &created)?;
    } else {
        output::line(out, &format!("created log {} in {}", created.log, created.dir))?;
    }
    output::flush(out)
}

/// The defaults, with what the command line says instead.
pub(crate) fn options(args: &Stored) -> Options {
    options_over(args, Options::default())
}

/// `default`, with what the command line says instead.
pub(crate) fn options_over(args: &Stored, default: Options) -> Options {
    Options {
        block_size: args.block_size.unwrap_or(default.block_size),
        segment_size: args.segment_size.unwrap_or(default.segment_size),
        max_batch_bytes: args.max_batch_bytes.unwrap_or(default.max_batch_bytes),
        max_streams: args.max_streams.unwrap_or(default.max_streams),
        manifest_blocks: args.manifest_blocks.unwrap_or(default.manifest_blocks),
        sync: match args.sync {
            Some(Sync::DataSync) => SyncMethod::DataSync,
            Some(Sync::WriteThrough) => SyncMethod::WriteThrough,
            Some(Sync::Auto) => SyncMethod::Auto,
            None => default.sync,
        },
        fill: match args.fill {
            Some(Fill::Zeros) => truelog::Fill::Zeros,
            Some(Fill::Allocate) => truelog::Fill::Allocate,
            None => default.fill,
        },
        copies: args.copies.unwrap_or(default.copies),
        durability: args.durability.map_or(default.durability, DurabilityArg::durability),
        ..default
    }
}
