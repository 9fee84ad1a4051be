//! SQLite: a copy of the file as it was at one moment, while others go on writing.

mod contents;
mod copy;

pub(crate) use contents::{METHOD, contents, sound};

use crate::{
    BackupError, Contents,
    halt::on_a_thread,
    scratch::Scratch,
    seal::{Way, seal},
    take::Taken,
};
use std::{collections::BTreeMap, fs::File, io, path::Path};

/// A copy into the scratch folder, hashed there, then sent. The snapshot is the copy.
pub(crate) async fn take(source: &Path, scratch: &Scratch, way: Way<'_>) -> Result<Taken, BackupError> {
    let (source, copy) = (source.to_owned(), scratch.path().join("copy.sqlite"));
    let (to, tell) = (copy.clone(), way.tell.clone());
    let bytes = on_a_thread(move |halt| copy::copy(&source, &to, halt, &tell)).await?;
    let (at, tell) = (copy.clone(), way.tell.clone());
    let tables = on_a_thread(move |halt| {
        tell.tell("compare", 0, Some(bytes));
        contents(&at, halt)
    })
    .await?;
    let read = move |out: &mut dyn io::Write, halt: &crate::halt::Halt| {
        let failed = |error| BackupError::local("the copy cannot be read", &error);
        let mut file = File::open(&copy).map_err(failed)?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            halt.look()?;
            match io::Read::read(&mut file, &mut buffer).map_err(failed)? {
                0 => return Ok(()),
                read => out.write_all(&buffer[..read]).map_err(failed)?,
            }
        }
    };
    let ((), sums) = seal(Way { of: Some(bytes), ..way }, read).await?;
    let version = rusqlite::version().to_owned();
    Ok(Taken {
        tools: BTreeMap::from([("sqlite".to_owned(), version.clone())]),
        engine_version: version,
        contents: Contents { method: METHOD.into(), tables, digest: None, unknown: None, encoding: None },
        sums,
    })
}

#[cfg(test)]
mod tests;
