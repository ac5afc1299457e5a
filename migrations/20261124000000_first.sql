-- What Qabyl remembers. Times are epoch milliseconds (UTC), money is tiyn, states are words with a
-- CHECK. Nothing here is personal: no names, phones, addresses or tokens.

-- What a person or Kaspi did to a shop as a whole.
CREATE TABLE shops (
  name          TEXT PRIMARY KEY,
  paused_at     INTEGER,
  paused_why    TEXT,
  denied_at     INTEGER,
  denied_why    TEXT,
  clock_skew_s  INTEGER,
  CHECK ((paused_at IS NULL) = (paused_why IS NULL)),
  CHECK ((denied_at IS NULL) = (denied_why IS NULL))
) STRICT;

-- Every reading of a list. Only a complete one may be decided from.
CREATE TABLE scans (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  shop          TEXT NOT NULL REFERENCES shops (name),
  kind          TEXT NOT NULL CHECK (kind IN ('new', 'sweep')),
  started_at    INTEGER NOT NULL,
  finished_at   INTEGER NOT NULL,
  window_from   INTEGER NOT NULL,
  window_to     INTEGER NOT NULL,
  complete      INTEGER NOT NULL CHECK (complete IN (0, 1)),
  orders        INTEGER NOT NULL,
  problem       TEXT,
  CHECK (complete = 1 OR problem IS NOT NULL)
) STRICT;
CREATE INDEX scans_latest ON scans (shop, kind, complete, id);

CREATE TABLE orders (
  shop            TEXT NOT NULL REFERENCES shops (name),
  id              TEXT NOT NULL,
  code            TEXT NOT NULL,
  state           TEXT NOT NULL,
  status          TEXT NOT NULL,
  created_at      INTEGER NOT NULL,
  cancellation_reason TEXT,
  body            TEXT NOT NULL CHECK (json_valid(body)),
  first_seen_at   INTEGER NOT NULL,
  seen_at         INTEGER NOT NULL,
  -- when the request that last listed it as NEW was sent, and the complete scan that did
  listed_at       INTEGER,
  listed_scan     INTEGER,
  lines_state     TEXT NOT NULL DEFAULT 'unread' CHECK (lines_state IN ('unread', 'known', 'unreadable')),
  lines_problem   TEXT,
  lines_due_at    INTEGER NOT NULL DEFAULT 0,
  shortage_since  INTEGER,
  shortage_scans  INTEGER NOT NULL DEFAULT 0,
  shortage_scan   INTEGER,
  -- a person's hold, or ours after a refusal: the engine does not decide it again until released
  held_by         TEXT,
  held_why        TEXT,
  PRIMARY KEY (shop, id),
  CHECK ((held_by IS NULL) = (held_why IS NULL)),
  CHECK ((lines_state = 'unreadable') = (lines_problem IS NOT NULL))
) STRICT;
CREATE INDEX orders_code ON orders (code);
CREATE INDEX orders_open ON orders (shop, state, status, created_at);
CREATE INDEX orders_seen ON orders (shop, first_seen_at);
CREATE INDEX orders_lines_wanted ON orders (shop, status, lines_due_at) WHERE lines_state <> 'known';

CREATE TABLE lines (
  shop      TEXT NOT NULL,
  order_id  TEXT NOT NULL,
  entry     TEXT NOT NULL,
  number    INTEGER NOT NULL,
  sku       TEXT,
  quantity  INTEGER NOT NULL CHECK (quantity > 0),
  body      TEXT NOT NULL CHECK (json_valid(body)),
  PRIMARY KEY (shop, order_id, entry),
  FOREIGN KEY (shop, order_id) REFERENCES orders (shop, id)
) STRICT;

CREATE TABLE stock_imports (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  source  TEXT NOT NULL,
  at      INTEGER NOT NULL,
  rows    INTEGER NOT NULL,
  had     INTEGER NOT NULL,
  fell    INTEGER NOT NULL
) STRICT;

-- on_hand is NULL when the source gave no usable number: unknown, never zero.
CREATE TABLE stock (
  sku        TEXT NOT NULL CHECK (sku <> ''),
  warehouse  TEXT NOT NULL,
  on_hand    INTEGER CHECK (on_hand >= 0),
  as_of      INTEGER NOT NULL,
  import_id  INTEGER NOT NULL REFERENCES stock_imports (id),
  -- the import in which it fell from some to none, until it has some again or a person confirms
  fell_in    INTEGER REFERENCES stock_imports (id),
  PRIMARY KEY (sku, warehouse)
) STRICT;
CREATE INDEX stock_fell ON stock (fell_in) WHERE fell_in IS NOT NULL;

CREATE TABLE decisions (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  shop           TEXT NOT NULL,
  order_id       TEXT NOT NULL,
  at             INTEGER NOT NULL,
  verdict        TEXT NOT NULL CHECK (verdict IN ('accept', 'cancel', 'hold', 'wait')),
  wait_until     INTEGER,
  rule           TEXT NOT NULL,
  actor          TEXT NOT NULL,
  policy_digest  TEXT NOT NULL,
  body           TEXT NOT NULL CHECK (json_valid(body)),
  facts          TEXT NOT NULL CHECK (json_valid(facts)),
  FOREIGN KEY (shop, order_id) REFERENCES orders (shop, id),
  CHECK ((verdict = 'wait') = (wait_until IS NOT NULL))
) STRICT;
CREATE INDEX decisions_of ON decisions (shop, order_id, id);
CREATE TRIGGER decisions_fixed BEFORE UPDATE ON decisions
BEGIN SELECT RAISE (ABORT, 'a decision is never changed: write a new one'); END;

-- confirmed_at: when Kaspi was seen to hold the order as accepted. Consumed units left the shelf
-- between left_after and closed_at.
CREATE TABLE reservations (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  shop          TEXT NOT NULL,
  order_id      TEXT NOT NULL,
  sku           TEXT NOT NULL,
  warehouse     TEXT NOT NULL,
  quantity      INTEGER NOT NULL CHECK (quantity > 0),
  state         TEXT NOT NULL CHECK (state IN ('active', 'consumed', 'released')),
  origin        TEXT NOT NULL CHECK (origin IN ('decision', 'observed')),
  made_at       INTEGER NOT NULL,
  confirmed_at  INTEGER,
  closed_at     INTEGER,
  left_after    INTEGER,
  why           TEXT,
  FOREIGN KEY (shop, order_id) REFERENCES orders (shop, id),
  CHECK ((state = 'active') = (closed_at IS NULL)),
  CHECK ((state = 'consumed') = (left_after IS NOT NULL)),
  CHECK ((state = 'active') = (why IS NULL))
) STRICT;
CREATE UNIQUE INDEX reservations_once ON reservations (shop, order_id, sku, warehouse)
  WHERE state <> 'released';
CREATE INDEX reservations_active ON reservations (shop, order_id) WHERE state = 'active';
CREATE INDEX reservations_sku ON reservations (sku, state);
CREATE TRIGGER reservations_closed_once BEFORE UPDATE OF state ON reservations
WHEN OLD.state <> 'active'
BEGIN SELECT RAISE (ABORT, 'a reservation is closed once'); END;

CREATE TABLE actions (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  shop         TEXT NOT NULL,
  order_id     TEXT NOT NULL,
  decision_id  INTEGER NOT NULL REFERENCES decisions (id),
  kind         TEXT NOT NULL CHECK (kind IN ('accept', 'cancel')),
  reason       TEXT CHECK (reason IN
                 ('MERCHANT_OUT_OF_STOCK', 'BUYER_CANCELLATION_BY_MERCHANT', 'BUYER_NOT_REACHABLE')),
  comment      TEXT,
  origin       TEXT NOT NULL CHECK (origin IN ('engine', 'person')),
  state        TEXT NOT NULL CHECK (state IN
                 ('pending', 'sent', 'unknown', 'confirmed', 'refused', 'superseded')),
  attempts     INTEGER NOT NULL DEFAULT 0,
  made_at      INTEGER NOT NULL,
  -- when to look at it next; NULL on a live action: a person must
  due_at       INTEGER,
  closed_at    INTEGER,
  why          TEXT,
  FOREIGN KEY (shop, order_id) REFERENCES orders (shop, id),
  CHECK ((kind = 'cancel') = (reason IS NOT NULL)),
  CHECK ((kind = 'cancel') = (comment IS NOT NULL)),
  CHECK ((state IN ('pending', 'sent', 'unknown')) = (closed_at IS NULL)),
  CHECK (state <> 'sent' OR attempts > 0),
  CHECK (state <> 'superseded' OR attempts = 0)
) STRICT;
-- At most one live action an order: nothing can be accepted and cancelled at once.
CREATE UNIQUE INDEX actions_one_live ON actions (shop, order_id)
  WHERE state IN ('pending', 'sent', 'unknown');
CREATE INDEX actions_due ON actions (shop, due_at) WHERE state IN ('pending', 'sent', 'unknown');
CREATE INDEX actions_of ON actions (shop, order_id, id);
CREATE INDEX actions_made ON actions (shop, made_at);
-- What was decided is not changed on its way out; a closed action stays closed.
CREATE TRIGGER actions_sticky BEFORE UPDATE ON actions
WHEN NEW.kind <> OLD.kind OR NEW.reason IS NOT OLD.reason OR NEW.comment IS NOT OLD.comment
  OR NEW.decision_id <> OLD.decision_id OR NEW.shop <> OLD.shop OR NEW.order_id <> OLD.order_id
BEGIN SELECT RAISE (ABORT, 'an action is never turned into another'); END;
CREATE TRIGGER actions_closed BEFORE UPDATE OF state ON actions
WHEN OLD.state IN ('confirmed', 'refused', 'superseded')
BEGIN SELECT RAISE (ABORT, 'a closed action stays closed'); END;
-- Once an accept or a cancel was sent, only a person may ask for the other.
CREATE TRIGGER actions_never_flip BEFORE INSERT ON actions
WHEN NEW.origin = 'engine' AND EXISTS (
  SELECT 1 FROM actions WHERE shop = NEW.shop AND order_id = NEW.order_id
    AND kind <> NEW.kind AND attempts > 0)
BEGIN SELECT RAISE (ABORT, 'the other action was already sent for this order'); END;

-- One row for each POST, written before it is sent.
CREATE TABLE attempts (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  action_id  INTEGER NOT NULL REFERENCES actions (id),
  n          INTEGER NOT NULL,
  begun_at   INTEGER NOT NULL,
  ended_at   INTEGER,
  outcome    TEXT CHECK (outcome IN ('applied', 'rejected', 'snoozed', 'not_sent', 'denied', 'unknown')),
  detail     TEXT,
  UNIQUE (action_id, n),
  CHECK ((ended_at IS NULL) = (outcome IS NULL))
) STRICT;
CREATE INDEX attempts_open ON attempts (action_id) WHERE ended_at IS NULL;

CREATE TABLE audit (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  at        INTEGER NOT NULL,
  actor     TEXT NOT NULL,
  epoch     INTEGER NOT NULL,
  shop      TEXT,
  order_id  TEXT,
  event     TEXT NOT NULL,
  detail    TEXT NOT NULL CHECK (json_valid(detail))
) STRICT;
CREATE INDEX audit_of ON audit (shop, order_id, id);
CREATE TRIGGER audit_append_only_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE (ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_append_only_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE (ABORT, 'audit is append-only'); END;

-- Who works on this database: its epoch is checked in every write of the act stage.
CREATE TABLE lease (
  one         INTEGER PRIMARY KEY CHECK (one = 1),
  epoch       INTEGER NOT NULL,
  pid         INTEGER NOT NULL,
  started_at  INTEGER NOT NULL
) STRICT;
INSERT INTO lease (one, epoch, pid, started_at) VALUES (1, 0, 0, 0);
