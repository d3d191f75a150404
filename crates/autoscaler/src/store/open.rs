//! Opening the state: making it, checking it, and moving one that cannot be used out of the way.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, atomic::AtomicU32},
};

use headroom_policy_engine::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{BUSY, FILE, Opened, Rights, Store, StoreError, make_private, make_private_dir, schema, upgrade};
use crate::{Clock as _, HistorySettings, Notice, SystemClock};

/// What SQLite keeps beside the file. It belongs to the file and moves with it.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];
/// Held while the state is opened to be written.
const LOCK: &str = "state.lock";
/// How many prepared statements are kept: all that there are.
const STATEMENTS: usize = 64;
/// The memory for pages, in KiB: what a pass over thousands of workloads touches, so that it is not read twice. It is
/// taken as it is needed.
const CACHE_KIB: i64 = 32 * 1024;
/// The size of a page of a new file, in bytes: it holds several workloads, each of which a pass rewrites.
const PAGE_BYTES: i64 = 8192;
/// The log may grow to so many pages before it is brought into the file, so that not every pass pays for that.
const LOG_PAGES: i64 = 2000;

/// Why a file that opens is none that can be used.
pub(super) enum Refusal {
    /// It will not get better: it is corrupt, somebody else's, or newer than this headroom.
    Unusable(String),
    /// It may be fine, and something else is wrong.
    Failed(rusqlite::Error),
    /// It cannot be made or looked at.
    Io { path: PathBuf, error: std::io::Error },
}

impl Refusal {
    /// The error, unless the file is to be set aside for the reason given.
    fn unusable(self) -> Result<String, StoreError> {
        match self {
            Self::Unusable(reason) => Ok(reason),
            Self::Failed(source) => Err(source.into()),
            Self::Io { path, error } => Err(io("used", &path, error)),
        }
    }
}

/// Whether the error says that the file will not get better.
pub(super) fn is_corrupt(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        if is_corrupt(&error) {
            Self::Unusable(super::shown(&error))
        } else {
            Self::Failed(error)
        }
    }
}

pub(super) fn writable(dir: &Path, history: HistorySettings, now: Timestamp) -> Result<Opened, StoreError> {
    let path = dir.join(FILE);
    make_private_dir(dir).map_err(|source| io("made", dir, source))?;
    // Two that find the same file unusable must not set each other's new one aside.
    let _alone = alone(dir)?;
    let mut notices = Vec::new();
    let connection = match look(&path).and_then(|_| open_writable(&path)) {
        Ok(connection) => connection,
        Err(refusal) => {
            let (connection, notice) = start_anew(&path, refusal.unusable()?, now)?;
            notices.push(notice);
            connection
        }
    };
    opened(dir, Rights::Write, connection, history, notices)
}

/// Sets the file aside and makes a new one.
fn start_anew(path: &Path, reason: String, now: Timestamp) -> Result<(Connection, Notice), StoreError> {
    let to = set_aside(path, now)?;
    let notice = Notice::StateSetAside {
        from: path.to_owned(),
        to,
        reason,
    };
    match open_writable(path).map_err(Refusal::unusable) {
        Ok(connection) => Ok((connection, notice)),
        Err(Err(error)) => Err(error),
        Err(Ok(reason)) => Err(StoreError::Encode {
            what: "a new state",
            reason,
        }),
    }
}

/// Sets the file of `connection` aside, because it turned out to be corrupt while it was in use, and starts anew.
/// The new one is called `name`, as that was: whoever uses it goes on under that name.
pub(super) fn replace(
    connection: &mut Connection,
    dir: &Path,
    name: &str,
    reason: String,
) -> Result<Notice, StoreError> {
    let _alone = alone(dir)?;
    // Closes the file.
    *connection = Connection::open_in_memory()?;
    let (anew, notice) = start_anew(&dir.join(FILE), reason, SystemClock.now())?;
    anew.execute("UPDATE identity SET name = ?1", [name])?;
    *connection = anew;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(notice)
}

/// Holds the lock under which a state is opened, until it is dropped.
fn alone(dir: &Path) -> Result<fs::File, StoreError> {
    let path = dir.join(LOCK);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options
        .open(&path)
        .map_err(|source| io("opened", &path, source))?;
    file.lock().map_err(|source| io("locked", &path, source))?;
    Ok(file)
}

pub(super) fn read_only(dir: &Path, history: HistorySettings) -> Result<Opened, StoreError> {
    let path = dir.join(FILE);
    match look(&path).and_then(|found| found.map(in_this_version).transpose()) {
        Ok(Some(connection)) => opened(dir, Rights::Read, connection, history, Vec::new()),
        Ok(None) => opened(dir, Rights::Read, empty()?, history, Vec::new()),
        Err(refusal) => {
            let notice = Notice::StateUnusable {
                reason: refusal.unusable()?,
                path,
            };
            opened(dir, Rights::Read, empty()?, history, vec![notice])
        }
    }
}

/// The state that `connection` looks at, or a copy of it where it is of an earlier version.
fn in_this_version(connection: Connection) -> Result<Connection, Refusal> {
    match version(&connection)? {
        None | Some(schema::VERSION) => Ok(connection),
        Some(_) => upgrade::upgraded_copy(&connection),
    }
}

fn opened(
    dir: &Path,
    rights: Rights,
    connection: Connection,
    history: HistorySettings,
    notices: Vec<Notice>,
) -> Result<Opened, StoreError> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let is_new = connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM workload)", [], |row| row.get(0))?;
    let name = connection.query_row("SELECT name FROM identity", [], |row| row.get(0))?;
    let store = Store {
        dir: dir.to_owned(),
        rights,
        connection: Mutex::new(connection),
        replaced: AtomicU32::new(0),
        is_new,
        name,
        history,
        reader: Mutex::default(),
        notices: Mutex::default(),
    };
    Ok(Opened { store, notices })
}

fn open_writable(path: &Path) -> Result<Connection, Refusal> {
    // Made before SQLite would, because what SQLite makes beside it gets the rights it has.
    create_private(path).map_err(|error| Refusal::Io {
        path: path.to_owned(),
        error,
    })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    match version(&connection)? {
        None => create(&mut connection)?,
        Some(schema::VERSION) => {}
        Some(_) => upgrade::upgrade(&mut connection)?,
    }
    Ok(connection)
}

/// A second connection to the file of a state that is open, only to read it. Who writes does not wait for it.
pub(super) fn reader(dir: &Path) -> Result<Connection, StoreError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(dir.join(FILE), flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path)?;
    make_private(path)
}

/// Makes the tables, unless another process has done so in the meantime.
fn create(connection: &mut Connection) -> Result<(), Refusal> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    if version(&transaction)?.is_none() {
        transaction.execute_batch(schema::TABLES)?;
        transaction.pragma_update(None, "application_id", schema::APPLICATION)?;
        transaction.pragma_update(None, "user_version", schema::VERSION)?;
    }
    Ok(transaction.commit()?)
}

/// A state with nothing in it, in memory.
fn empty() -> Result<Connection, StoreError> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(schema::TABLES)?;
    Ok(connection)
}

/// Opens the file only to read it and checks it; `None` where there is none, or an empty one.
///
/// Nothing beside the file is made or removed: a file without a log is taken as unchanging, because SQLite would make a
/// log and its index otherwise. If a writer comes while it is looked at, the look is repeated with its log.
fn look(path: &Path) -> Result<Option<Connection>, Refusal> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() > 0 => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Refusal::Io {
                path: path.to_owned(),
                error,
            });
        }
    }
    let has_log = || beside(path, COMPANIONS[0]).exists();
    if has_log() {
        return look_with(path, "");
    }
    let quiet = look_with(path, "?immutable=1");
    if has_log() { look_with(path, "") } else { quiet }
}

fn look_with(path: &Path, parameters: &str) -> Result<Option<Connection>, Refusal> {
    let uri = format!("file:{}{parameters}", escaped(path));
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags)?;
    connection.busy_timeout(BUSY)?;
    let Some(version) = version(&connection)? else {
        return Ok(None);
    };
    check(&connection, version)?;
    Ok(Some(connection))
}

/// The path as it stands in a URI.
fn escaped(path: &Path) -> String {
    use std::{fmt::Write as _, os::unix::ffi::OsStrExt as _};
    let mut text = String::new();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(text, "%{byte:02x}");
        }
    }
    text
}

/// The version of the tables in the file, ours or an earlier one; `None` for a new file, which has none.
pub(super) fn version(connection: &Connection) -> Result<Option<i64>, Refusal> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let (application, version) = (number("application_id")?, number("user_version")?);
    match (tables, application, version) {
        (0, 0, 0) => Ok(None),
        (_, schema::APPLICATION, schema::FIRST..=schema::VERSION) => Ok(Some(version)),
        (_, schema::APPLICATION, newer) if newer > schema::VERSION => Err(Refusal::Unusable(format!(
            "it is of version {newer}, written by a newer headroom; this one knows version {}",
            schema::VERSION
        ))),
        (_, schema::APPLICATION, other) => Err(Refusal::Unusable(format!("it is of version {other}"))),
        _ => Err(Refusal::Unusable("it is not a state of headroom".to_owned())),
    }
}

/// Looks through the tables that a pass cannot do without, in a state of `version`.
fn check(connection: &Connection, version: i64) -> Result<(), Refusal> {
    for table in schema::checked(version) {
        let found: String =
            connection.query_row(&format!("PRAGMA quick_check('{table}')"), [], |row| row.get(0))?;
        if found != "ok" {
            return Err(Refusal::Unusable(found));
        }
    }
    // The newest decisions are where the next ones go.
    connection.query_row("SELECT max(id), max(length(record)) FROM (SELECT id, record FROM decision ORDER BY id DESC LIMIT 100)", [], |_| Ok(()))?;
    Ok(())
}

/// Moves the file, with what belongs to it, to a name that nothing has, and returns that name.
fn set_aside(path: &Path, now: Timestamp) -> Result<PathBuf, StoreError> {
    let time = jiff::Timestamp::from_millisecond(now.unix_millis()).map_or_else(
        |_| now.unix_millis().to_string(),
        |at| at.strftime("%Y%m%dT%H%M%SZ").to_string(),
    );
    let mut to = beside(path, &format!(".set-aside-{time}"));
    let mut number = 1;
    while to.exists() {
        number += 1;
        to = beside(path, &format!(".set-aside-{time}-{number}"));
    }
    // The companions first: a log without its file is harmless, a file that finds another's log is not.
    for companion in COMPANIONS {
        let from = beside(path, companion);
        if from.exists() {
            fs::rename(&from, beside(&to, companion)).map_err(|source| io("set aside", &from, source))?;
        }
    }
    fs::rename(path, &to).map_err(|source| io("set aside", path, source))?;
    Ok(to)
}

/// The file beside `path` whose name is longer by `suffix`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn io(action: &'static str, path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Io {
        path: path.to_owned(),
        action,
        source,
    }
}
