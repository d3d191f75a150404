-- The tables as version 4 made them.
CREATE TABLE workload (
    id            TEXT PRIMARY KEY,
    last_decision INTEGER,        -- its newest row in `decision`
    last_key      BLOB,           -- what a decision must have in common with that row to extend it
    last_at       INTEGER,        -- when that decision was made last, and how often, and with which inputs: NULL until
    count         INTEGER,        -- it is made again, and in force before what the row says. All that a pass extends is
    record        TEXT,           -- here, side by side, and the row learns of it when another decision follows
    memory        BLOB NOT NULL,  -- the engine's memory; carries its own version
    target        TEXT            -- what identifies the target that it is of, where something does; read with it
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
CREATE TABLE upkeep (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    pruned_at INTEGER NOT NULL
);
PRAGMA application_id = 1751413357;
PRAGMA user_version = 4;
