//! The tables of the state, and their version.

/// Says that a file is ours: `hdrm`.
pub(super) const APPLICATION: i64 = 0x6864_726d;

/// The version of the tables. A file with a higher one was written by a newer headroom.
pub(super) const VERSION: i64 = 8;

/// The first version there was.
pub(super) const FIRST: i64 = 1;

/// What makes each version the next one, from the first on. What is in the columns stays: records and memories carry
/// versions of their own.
pub(super) const UPGRADES: [&str; 7] = [
    KEEP_EXTENDED_ASIDE,
    ADD_BRAKE,
    ADD_TARGET,
    ADD_OUTBOX,
    ADD_IDENTITY,
    ADD_OPENED_AS,
    KEEP_NOTICES_ONCE,
];

/// From 1: what a pass extends stands side by side with the memory, and before it.
const KEEP_EXTENDED_ASIDE: &str = "
ALTER TABLE workload RENAME TO workload_before;
CREATE TABLE workload (
    id            TEXT PRIMARY KEY,
    last_decision INTEGER,
    last_key      BLOB,
    last_at       INTEGER,
    count         INTEGER,
    record        TEXT,
    memory        BLOB NOT NULL
);
INSERT INTO workload
    SELECT workload_before.id, last_decision, last_key, last_at, count, record, memory
    FROM workload_before LEFT JOIN decision ON decision.id = last_decision;
DROP TABLE workload_before;
CREATE VIEW history AS
    SELECT row.id, row.workload, row.first_at,
           coalesce(newest.last_at, row.last_at) AS last_at,
           coalesce(newest.count, row.count) AS count,
           coalesce(newest.record, row.record) AS record
    FROM decision AS row LEFT JOIN workload AS newest ON newest.id = row.workload AND newest.last_decision = row.id;
";

/// From 2: the fleet's brake.
const ADD_BRAKE: &str = "
CREATE TABLE brake (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    at        INTEGER NOT NULL,
    held_at   INTEGER NOT NULL,
    replicas  INTEGER NOT NULL,
    lost      INTEGER NOT NULL,
    workloads INTEGER NOT NULL
);
";

/// From 3: which target a memory is of.
const ADD_TARGET: &str = "ALTER TABLE workload ADD COLUMN target TEXT;";

/// From 4: what people are told, until they are.
const ADD_OUTBOX: &str = "
ALTER TABLE workload ADD COLUMN incidents TEXT;
CREATE TABLE fleet_incidents (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    body TEXT NOT NULL
);
CREATE TABLE outbox (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    channel   TEXT NOT NULL,
    notice    TEXT NOT NULL,
    incident  TEXT NOT NULL,
    workload  TEXT,
    kind      TEXT NOT NULL,
    severity  TEXT NOT NULL,
    phase     TEXT NOT NULL,
    put_at    INTEGER NOT NULL,
    attempts  INTEGER NOT NULL,
    claimed   TEXT,
    retry_at  INTEGER,
    route     TEXT,
    passed_on INTEGER NOT NULL,
    bytes     INTEGER NOT NULL,
    body      TEXT NOT NULL,
    UNIQUE (channel, notice)
);
CREATE INDEX outbox_by_channel ON outbox (channel, id);
CREATE INDEX outbox_by_incident ON outbox (incident, channel);
CREATE TABLE outbox_thread (
    channel  TEXT NOT NULL,
    incident TEXT NOT NULL,
    receipt  TEXT,
    began_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    notices  INTEGER NOT NULL,
    open     TEXT,
    body     TEXT,
    PRIMARY KEY (channel, incident)
);
CREATE INDEX outbox_thread_by_incident ON outbox_thread (incident);
CREATE TABLE outbox_channel (
    channel TEXT PRIMARY KEY,
    body    TEXT NOT NULL
);
INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox', CAST(unixepoch('subsec') * 1000 AS INTEGER));
";

/// From 5: what this state is called among all states.
const ADD_IDENTITY: &str = "
CREATE TABLE identity (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL
);
INSERT INTO identity VALUES (1, lower(hex(randomblob(4))));
";

/// From 6: what kind of event began what is told. What ends under another name says so itself.
const ADD_OPENED_AS: &str = "
ALTER TABLE outbox ADD COLUMN opened_as TEXT;
UPDATE outbox SET opened_as = 'paused' WHERE kind = 'resumed';
UPDATE outbox SET opened_as = json_extract(body, '$.event.recovered.from') WHERE kind = 'recovered' AND json_valid(body);
";

/// From 7: what people are told is kept once for all channels.
const KEEP_NOTICES_ONCE: &str = "
ALTER TABLE outbox RENAME TO outbox_before;
DROP INDEX outbox_by_channel;
DROP INDEX outbox_by_incident;
CREATE TABLE outbox (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    channel   TEXT NOT NULL,
    notice    INTEGER NOT NULL,
    put_at    INTEGER NOT NULL,
    attempts  INTEGER NOT NULL,
    passed_on INTEGER NOT NULL,
    claimed   TEXT,
    retry_at  INTEGER,
    route     TEXT,
    UNIQUE (notice, channel)
);
CREATE TABLE outbox_notice (
    id        INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    name      TEXT NOT NULL,
    variant   INTEGER NOT NULL,
    incident  TEXT NOT NULL,
    workload  TEXT,
    kind      TEXT NOT NULL,
    opened_as TEXT,
    severity  TEXT NOT NULL,
    phase     TEXT NOT NULL,
    route     TEXT,
    bytes     INTEGER NOT NULL,
    body      TEXT NOT NULL,
    UNIQUE (at, name, variant)
);
CREATE INDEX outbox_notice_by_incident ON outbox_notice (incident) WHERE phase = 'opened';
CREATE TRIGGER outbox_notice_waits AFTER DELETE ON outbox BEGIN
    DELETE FROM outbox_notice
    WHERE id = old.notice AND NOT EXISTS (SELECT 1 FROM outbox WHERE notice = old.notice);
END;
INSERT INTO outbox_notice (id, at, name, variant, incident, workload, kind, opened_as, severity, phase, bytes, body)
    SELECT min(id), coalesce(iif(json_valid(body), json_extract(body, '$.at'), NULL), min(put_at)), notice,
           row_number() OVER (PARTITION BY notice ORDER BY min(id)) - 1, incident, workload, kind, opened_as, severity, phase,
           bytes, body
    FROM outbox_before GROUP BY notice, body;
INSERT INTO outbox (id, channel, notice, put_at, attempts, passed_on, claimed, retry_at, route)
    SELECT before.id, channel, kept.id, put_at, attempts, passed_on, claimed, retry_at, before.route
    FROM outbox_before AS before JOIN outbox_notice AS kept ON kept.name = before.notice AND kept.body = before.body
    ORDER BY before.id;
DELETE FROM sqlite_sequence WHERE name = 'outbox';
UPDATE sqlite_sequence SET name = 'outbox' WHERE name = 'outbox_before';
DROP TABLE outbox_before;
";

/// The tables of this version. Large columns come last, so that looking at the others does not read them.
pub(super) const TABLES: &str = "
CREATE TABLE workload (
    id            TEXT PRIMARY KEY,
    last_decision INTEGER,        -- its newest row in `decision`
    last_key      BLOB,           -- what a decision must have in common with that row to extend it
    last_at       INTEGER,        -- when that decision was made last, and how often, and with which inputs: NULL until
    count         INTEGER,        -- it is made again, and in force before what the row says. All that a pass extends is
    record        TEXT,           -- here, side by side, and the row learns of it when another decision follows
    memory        BLOB NOT NULL,  -- the engine's memory; carries its own version
    target        TEXT,           -- what identifies the target that it is of, where something does; read with it
    incidents     TEXT            -- what goes on with it that people are told of
);
CREATE TABLE intent (
    workload TEXT PRIMARY KEY,
    at       INTEGER NOT NULL,    -- all times are milliseconds since the Unix epoch
    row      INTEGER NOT NULL,    -- its row in `decision`
    decision TEXT NOT NULL        -- JSON
);
CREATE TABLE decision (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    workload TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    record   TEXT NOT NULL        -- JSON, with the newest inputs
);
CREATE INDEX decision_by_workload ON decision (workload, id);
CREATE VIEW history AS            -- the decisions as they are now
    SELECT row.id, row.workload, row.first_at,
           coalesce(newest.last_at, row.last_at) AS last_at,
           coalesce(newest.count, row.count) AS count,
           coalesce(newest.record, row.record) AS record
    FROM decision AS row LEFT JOIN workload AS newest ON newest.id = row.workload AND newest.last_decision = row.id;
CREATE TABLE process_table (
    workload TEXT PRIMARY KEY,
    body     TEXT NOT NULL        -- JSON
);
CREATE TABLE readings (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    body BLOB NOT NULL
);
CREATE TABLE memory_aside (       -- memories that could not be read
    workload TEXT NOT NULL,
    at       INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    memory   BLOB NOT NULL
);
CREATE TABLE brake (              -- that the fleet's brake has tripped
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    at        INTEGER NOT NULL,   -- when
    held_at   INTEGER NOT NULL,   -- when still too much would have fallen without it, for the last time
    replicas  INTEGER NOT NULL,   -- what the workloads had at `at`, what of it would have gone, and of how many
    lost      INTEGER NOT NULL,
    workloads INTEGER NOT NULL
);
CREATE TABLE fleet_incidents (    -- what goes on with headroom itself that people are told of
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    body TEXT NOT NULL
);
CREATE TABLE outbox (             -- which channels people are told by, until each took it
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    channel   TEXT NOT NULL,
    notice    INTEGER NOT NULL,   -- what waits, in `outbox_notice`
    put_at    INTEGER NOT NULL,
    attempts  INTEGER NOT NULL,
    passed_on INTEGER NOT NULL,
    claimed   TEXT,               -- the key of the message that it may have arrived with
    retry_at  INTEGER,
    route     TEXT,               -- JSON: where it is besides, in place of what `outbox_notice` says of that
    UNIQUE (notice, channel)
);
-- What people are told, once for all channels that it waits for. A pass puts many there at a time, so it changes the ends of
-- tables and indices alone: names are digests, and in order only behind the time that is in them; and whoever delivers looks
-- through all rows of `outbox`, which are small, rather than that a pass keeps them in order for each channel.
CREATE TABLE outbox_notice (
    id        INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,   -- the notice's own time and name, and what about it decides when it is told
    name      TEXT NOT NULL,
    variant   INTEGER NOT NULL,   -- 0, unless another channel is told something else under the same name
    incident  TEXT NOT NULL,
    workload  TEXT,
    kind      TEXT NOT NULL,
    opened_as TEXT,               -- the kind of event that began it, where that is another than `kind`
    severity  TEXT NOT NULL,
    phase     TEXT NOT NULL,
    route     TEXT,               -- JSON: which channels it was given to, and who is told where they do not take it
    bytes     INTEGER NOT NULL,   -- the length of `body`, so that it need not be read
    body      TEXT NOT NULL,      -- JSON
    UNIQUE (at, name, variant)
);
CREATE INDEX outbox_notice_by_incident ON outbox_notice (incident) WHERE phase = 'opened';
CREATE TRIGGER outbox_notice_waits AFTER DELETE ON outbox BEGIN
    DELETE FROM outbox_notice
    WHERE id = old.notice AND NOT EXISTS (SELECT 1 FROM outbox WHERE notice = old.notice);
END;
CREATE TABLE outbox_thread (      -- what a channel was told about an incident
    channel  TEXT NOT NULL,
    incident TEXT NOT NULL,
    receipt  TEXT,
    began_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    notices  INTEGER NOT NULL,
    open     TEXT,                -- how severe what goes on is, as it was told
    body     TEXT,                -- JSON: the notices in its newest message, where that can be changed
    PRIMARY KEY (channel, incident)
);
CREATE INDEX outbox_thread_by_incident ON outbox_thread (incident);
CREATE TABLE outbox_channel (     -- how a channel is
    channel TEXT PRIMARY KEY,
    body    TEXT NOT NULL         -- JSON
);
CREATE TABLE identity (           -- what this state is called among all states, for those who write to the same target
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL            -- eight digits of base 16
);
CREATE TABLE upkeep (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    pruned_at INTEGER NOT NULL
);
INSERT INTO identity VALUES (1, lower(hex(randomblob(4))));
-- Numbers of rows begin where no other file's are, so that nobody mistakes one for another's after a file was replaced.
INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox', CAST(unixepoch('subsec') * 1000 AS INTEGER));
";

/// The tables that a pass cannot do without, which are checked when the state is opened, each with the version that has
/// it first. They are small.
const CHECKED: [(&str, i64); 11] = [
    ("workload", FIRST),
    ("intent", FIRST),
    ("process_table", FIRST),
    ("readings", FIRST),
    ("brake", 3),
    ("fleet_incidents", 5),
    ("outbox", 5),
    ("outbox_notice", 8),
    ("outbox_thread", 5),
    ("outbox_channel", 5),
    ("identity", 6),
];

/// Those of the tables that a pass cannot do without which a state of `version` has.
pub(super) fn checked(version: i64) -> impl Iterator<Item = &'static str> {
    let has = move |&(table, since): &(&'static str, i64)| (since <= version).then_some(table);
    CHECKED.iter().filter_map(has)
}
