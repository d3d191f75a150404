-- The tables as version 1 made them.
CREATE TABLE workload (
    id            TEXT PRIMARY KEY,
    last_decision INTEGER,        -- its newest row in `decision`
    last_key      BLOB,           -- what a decision must have in common with that row to extend it
    memory        BLOB NOT NULL   -- the engine's memory; carries its own version
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
CREATE TABLE upkeep (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    pruned_at INTEGER NOT NULL
);
PRAGMA application_id = 1751413357;
PRAGMA user_version = 1;
