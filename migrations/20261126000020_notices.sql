-- What a person should be told, and how the telling goes. A notice is written in the transaction of
-- what it tells of; channels are told afterwards, each at its own pace. Nothing here is personal.

-- `key` names the happening: the same one is told once.
CREATE TABLE notices (
  id     INTEGER PRIMARY KEY AUTOINCREMENT,
  at     INTEGER NOT NULL,
  kind   TEXT NOT NULL,
  key    TEXT NOT NULL UNIQUE CHECK (key <> ''),
  shop   TEXT,
  facts  TEXT NOT NULL CHECK (json_valid(facts))
) STRICT;
CREATE TRIGGER notices_fixed BEFORE UPDATE ON notices
BEGIN SELECT RAISE (ABORT, 'a notice is never changed'); END;

-- Who is told. Notices up to `packed_to` are in its messages, or were not for it.
CREATE TABLE channels (
  name          TEXT PRIMARY KEY,
  packed_to     INTEGER NOT NULL,
  -- failures in a row; nothing is tried before `next_at`
  failures      INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
  failing_since INTEGER,
  next_at       INTEGER NOT NULL DEFAULT 0,
  last_error    TEXT,
  CHECK ((failures = 0) = (failing_since IS NULL)),
  CHECK ((failures = 0) = (last_error IS NULL))
) STRICT;

-- One message to one channel. Its `token` goes with every try, so that whoever got it twice can tell.
CREATE TABLE deliveries (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  channel       TEXT NOT NULL REFERENCES channels (name),
  token         TEXT NOT NULL UNIQUE,
  made_at       INTEGER NOT NULL,
  attempts      INTEGER NOT NULL DEFAULT 0,
  state         TEXT NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'delivered', 'dropped')),
  closed_at     INTEGER,
  why           TEXT,
  -- only its number is told: it waited for too long, or too many did
  is_summary    INTEGER NOT NULL DEFAULT 0 CHECK (is_summary IN (0, 1)),
  CHECK ((state = 'due') = (closed_at IS NULL)),
  CHECK ((state = 'dropped') = (why IS NOT NULL))
) STRICT;
CREATE INDEX deliveries_due ON deliveries (channel, id) WHERE state = 'due';
CREATE INDEX deliveries_closed ON deliveries (closed_at) WHERE state <> 'due';
CREATE TRIGGER deliveries_closed_once BEFORE UPDATE OF state ON deliveries
WHEN OLD.state <> 'due'
BEGIN SELECT RAISE (ABORT, 'a message is closed once'); END;

-- Which notices a message tells of: each notice is in one message of a channel.
CREATE TABLE told (
  channel   TEXT NOT NULL,
  notice    INTEGER NOT NULL REFERENCES notices (id),
  delivery  INTEGER NOT NULL REFERENCES deliveries (id),
  PRIMARY KEY (channel, notice)
) STRICT, WITHOUT ROWID;
CREATE INDEX told_by ON told (delivery);
CREATE INDEX told_of ON told (notice);
