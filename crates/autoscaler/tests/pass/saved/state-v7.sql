-- The tables as version 7 made them.
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
CREATE TABLE outbox (             -- what people are told, until a channel took it
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    channel   TEXT NOT NULL,
    notice    TEXT NOT NULL,      -- the notice's own name, and what about it decides when it is told
    incident  TEXT NOT NULL,
    workload  TEXT,
    kind      TEXT NOT NULL,
    severity  TEXT NOT NULL,
    phase     TEXT NOT NULL,
    put_at    INTEGER NOT NULL,
    attempts  INTEGER NOT NULL,
    claimed   TEXT,               -- the key of the message that it may have arrived with
    retry_at  INTEGER,
    route     TEXT,               -- JSON: which other channels it was given to, and who is told where they do not take it
    passed_on INTEGER NOT NULL,
    bytes     INTEGER NOT NULL,   -- the length of `body`, so that it need not be read
    body      TEXT NOT NULL,      -- JSON
    opened_as TEXT,               -- the kind of event that began it, where that is another than `kind`; else it costs
                                  -- nothing behind `body`
    UNIQUE (channel, notice)
);
CREATE INDEX outbox_by_channel ON outbox (channel, id);
CREATE INDEX outbox_by_incident ON outbox (incident, channel);
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
PRAGMA application_id = 1751413357;
PRAGMA user_version = 7;
