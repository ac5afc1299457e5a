-- The initial schema. Until 0.1.0 is tagged this file is edited; a database made by an earlier edit is
-- refused (D010). Times are epoch milliseconds (UTC), columns end in _at; money is tiyn; states are words
-- with a CHECK. NULL means unknown or not applicable, and a CHECK says when. No names, phones, addresses
-- or tokens of people are stored.

-- A shop as a whole.
CREATE TABLE shops (
  name           TEXT PRIMARY KEY,
  -- paused by a person
  paused_at      INTEGER,
  paused_why     TEXT,
  -- Kaspi denies access (401, 403)
  denied_at      INTEGER,
  denied_why     TEXT,
  -- Kaspi's clock minus ours, seconds
  clock_skew_s   INTEGER,
  -- Finished orders placed before this were deleted after their retention period: a list that shows
  -- one of them shows nothing new.
  orders_deleted_before  INTEGER,
  -- when the lines of an order first added up to its total: from then on those that do not are not believed
  sums_agree_at  INTEGER,
  -- the merchant account whose orders it reads: configured, or learned from their pickup points
  account        TEXT CHECK (account <> ''),
  -- a keyed digest of its token, by which a shop is recognised under another name
  token_digest   TEXT,
  -- when it was first configured, and when it was no longer; NULL: it still is
  added_at       INTEGER,
  removed_at     INTEGER,
  -- shops that name the same stock sell from one; since when the others go on without this one, as a person said
  stock          TEXT NOT NULL DEFAULT 'main' CHECK (stock <> ''),
  waived_at      INTEGER,
  -- a person has ended what a removed shop had promised
  forgotten_at   INTEGER,
  -- what it reads is not its own: nothing is sent for it, nor for the other shop that is named
  mismatch_at    INTEGER,
  mismatch_why   TEXT,
  mismatch_with  TEXT,
  mismatch_by    TEXT CHECK (mismatch_by IN ('token', 'reading')),
  CHECK ((mismatch_at IS NULL) = (mismatch_why IS NULL)),
  CHECK ((mismatch_at IS NULL) = (mismatch_by IS NULL)),
  CHECK (mismatch_with IS NULL OR mismatch_at IS NOT NULL),
  CHECK (forgotten_at IS NULL OR removed_at IS NOT NULL),
  CHECK ((paused_at IS NULL) = (paused_why IS NULL)),
  CHECK ((denied_at IS NULL) = (denied_why IS NULL))
) STRICT;

-- One reading of a list. Only a complete one is decided from.
CREATE TABLE scans (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  shop          TEXT NOT NULL REFERENCES shops (name),
  kind          TEXT NOT NULL CHECK (kind IN ('new', 'sweep')),
  started_at    INTEGER NOT NULL,
  -- started_at by Kaspi's clock: the age of a reading must not depend on ours, which may be set
  kaspi_at      INTEGER NOT NULL,
  finished_at   INTEGER NOT NULL,
  -- creation dates of the orders listed
  window_from   INTEGER NOT NULL,
  window_to     INTEGER NOT NULL,
  complete      INTEGER NOT NULL CHECK (complete IN (0, 1)),
  orders        INTEGER NOT NULL CHECK (orders >= 0),
  problem       TEXT,
  -- a sweep that read archived orders too, and all their lines: an accept of the last units needs one
  archive_read  INTEGER NOT NULL CHECK (archive_read IN (0, 1)),
  CHECK (complete = 1 OR problem IS NOT NULL),
  CHECK (kind = 'sweep' OR archive_read = 0)
) STRICT;
CREATE INDEX scans_latest ON scans (shop, kind, complete, id);

CREATE TABLE orders (
  shop            TEXT NOT NULL REFERENCES shops (name),
  -- without padding: Kaspi's own spelling is in the body
  id              TEXT NOT NULL CHECK (id NOT LIKE '%='),
  code            TEXT NOT NULL,
  state           TEXT NOT NULL,
  status          TEXT NOT NULL,
  created_at      INTEGER NOT NULL,
  cancellation_reason TEXT,
  body            TEXT NOT NULL CHECK (json_valid(body)),
  first_seen_at   INTEGER NOT NULL,
  -- when the newest request that showed it was sent
  seen_at         INTEGER NOT NULL,
  -- its state or status is not known to this program (domain::unaccounted)
  unknown_status  INTEGER NOT NULL DEFAULT 0 CHECK (unknown_status IN (0, 1)),
  -- fields of it came in a form that cannot be read: they are named in its body
  unread_fields   INTEGER NOT NULL DEFAULT 0 CHECK (unread_fields IN (0, 1)),
  -- it counts against the cancel budget (domain::counters)
  counts_as_cancel  INTEGER NOT NULL DEFAULT 0 CHECK (counts_as_cancel IN (0, 1)),
  -- when a reading first showed it in its status; NULL: since it was first seen
  status_since    INTEGER,
  -- when the request that last listed it as NEW was sent, and the complete scan that did
  listed_at       INTEGER,
  listed_scan     INTEGER,
  -- resolved: they could not be read, and a person said what the order holds;
  -- not_needed: its goods left before the shelf was counted, so its lines are never read
  lines_state     TEXT NOT NULL DEFAULT 'unread'
                    CHECK (lines_state IN ('unread', 'known', 'unreadable', 'resolved', 'not_needed')),
  lines_problem   TEXT,
  -- the SKUs of unreadable lines, where they could be read: it may hold units of these alone
  lines_skus      TEXT CHECK (lines_skus IS NULL OR json_valid(lines_skus)),
  -- the lines in one text, to be compared with what lists show
  lines_digest    TEXT,
  -- lines that contradict the order's total, and when they were first seen: another reading that agrees may be believed
  doubted_lines   TEXT,
  doubted_at      INTEGER,
  -- when its lines are to be read, or read again; NULL: at once where they are unread, never where they are
  -- known. Not the present moment: a clock set back would delay them.
  lines_due_at    INTEGER,
  -- failed requests for its lines; postponed ones do not count
  lines_failures  INTEGER NOT NULL DEFAULT 0 CHECK (lines_failures >= 0),
  -- since when its units are missing, in how many complete scans, and the last of these
  shortage_since  INTEGER,
  shortage_scans  INTEGER NOT NULL DEFAULT 0 CHECK (shortage_scans >= 0),
  shortage_scan   INTEGER,
  -- when a person said that its goods left the shelf
  handed_over_at  INTEGER,
  -- held by a person, or by Qabyl after an action that had no effect: not decided again until released.
  -- The causes are those of domain::hold
  held_by         TEXT,
  held_why        TEXT,
  held_cause      TEXT CHECK (held_cause IN
                    ('person', 'refused', 'not_found', 'without_effect', 'withdrawn', 'contradiction',
                     'restored_unsent', 'changed', 'account')),
  PRIMARY KEY (shop, id),
  CHECK ((held_by IS NULL) = (held_why IS NULL)),
  CHECK ((held_by IS NULL) = (held_cause IS NULL)),
  CHECK ((lines_state IN ('unreadable', 'not_needed')) = (lines_problem IS NOT NULL)),
  CHECK (lines_state <> 'unreadable' OR lines_due_at IS NOT NULL),
  CHECK (lines_state NOT IN ('resolved', 'not_needed') OR lines_due_at IS NULL),
  CHECK ((doubted_lines IS NULL) = (doubted_at IS NULL)),
  CHECK (lines_skus IS NULL OR lines_state = 'unreadable'),
  CHECK ((shortage_since IS NULL) = (shortage_scans = 0)),
  CHECK ((shortage_since IS NULL) = (shortage_scan IS NULL))
) STRICT;
-- The last good pace of a shop's requests: the next start begins with half of it.
CREATE TABLE paces (
  shop        TEXT PRIMARY KEY,
  per_second  REAL NOT NULL CHECK (per_second > 0)
) STRICT;
-- Orders that Kaspi answers 404 for since they were last seen, asked about ever more rarely.
CREATE TABLE orders_not_found (
  shop      TEXT NOT NULL,
  order_id  TEXT NOT NULL,
  -- the first and the last such answer, and their number
  since     INTEGER NOT NULL,
  last_at   INTEGER NOT NULL,
  times     INTEGER NOT NULL CHECK (times > 0),
  -- when it is asked about again
  ask_at    INTEGER NOT NULL,
  PRIMARY KEY (shop, order_id),
  FOREIGN KEY (shop, order_id) REFERENCES orders (shop, id) ON DELETE CASCADE ON UPDATE CASCADE
) STRICT;
-- Statuses that readings show after a later one of the same order, until complete lists settle which is right
-- (domain::reverted).
CREATE TABLE reverted_statuses (
  shop           TEXT NOT NULL,
  order_id       TEXT NOT NULL,
  -- the order as those readings show it
  body           TEXT NOT NULL CHECK (json_valid(body)),
  since          INTEGER NOT NULL,
  -- when the newest request that showed it was sent
  shown_at       INTEGER NOT NULL,
  -- complete lists in a row that showed it alone, or the stored status alone, and when the last one began
  lists          INTEGER NOT NULL CHECK (lists >= 0),
  lists_against  INTEGER NOT NULL CHECK (lists_against >= 0),
  counted_at     INTEGER,
  PRIMARY KEY (shop, order_id),
  FOREIGN KEY (shop, order_id) REFERENCES orders (shop, id) ON DELETE CASCADE ON UPDATE CASCADE,
  CHECK (lists = 0 OR lists_against = 0),
  CHECK (lists + lists_against = 0 OR counted_at IS NOT NULL)
) STRICT;
CREATE INDEX orders_code ON orders (code);
CREATE INDEX orders_open ON orders (shop, state, status, created_at);
CREATE INDEX orders_seen ON orders (shop, first_seen_at);
-- Lines to be read.
CREATE INDEX orders_lines_wanted ON orders (shop, status, lines_due_at)
  WHERE lines_state IN ('unread', 'unreadable');
-- Lines with goods that have no offer of ours: read again, as a person may link them.
CREATE INDEX orders_unlinked ON orders (shop, status, lines_due_at)
  WHERE lines_state = 'known' AND lines_due_at IS NOT NULL;
-- Accepted orders on their way: how far back a sweep must reach.
CREATE INDEX orders_on_their_way ON orders (shop, created_at)
  WHERE status IN ('ACCEPTED_BY_MERCHANT', 'CANCELLING');
-- The cancel budget: orders that wait, and those that count against the shop.
CREATE INDEX orders_waiting ON orders (shop, first_seen_at) WHERE status = 'APPROVED_BY_BANK';
CREATE INDEX orders_cancelled ON orders (shop, first_seen_at) WHERE counts_as_cancel = 1;
-- How far back one page of the archive's list reaches.
CREATE INDEX orders_archived ON orders (shop, created_at) WHERE state = 'ARCHIVE';
-- Orders that could not be read in full: named to people while they are open.
CREATE INDEX orders_unread_fields ON orders (shop, created_at) WHERE unread_fields = 1;
-- Orders with an unknown state or status are read singly until they are understood. There are few, and
-- finding them must not walk through all finished ones.
CREATE INDEX orders_unknown_status ON orders (shop, seen_at) WHERE unknown_status = 1;

CREATE TABLE lines (
  shop      TEXT NOT NULL,
  order_id  TEXT NOT NULL,
  entry     TEXT NOT NULL,
  number    INTEGER NOT NULL,
  sku       TEXT,
  quantity  INTEGER NOT NULL CHECK (quantity > 0),
  body      TEXT NOT NULL CHECK (json_valid(body)),
  PRIMARY KEY (shop, order_id, entry),
  FOREIGN KEY (shop, order_id) REFERENCES orders (shop, id) ON UPDATE CASCADE
) STRICT;

-- One reading of a source, or a count by hand.
CREATE TABLE stock_imports (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  -- the stock that it lists, empty: the goods of every shop
  stock_name TEXT NOT NULL DEFAULT '',
  source     TEXT NOT NULL,
  at         INTEGER NOT NULL,
  -- the newest moment its rows speak of
  as_of      INTEGER NOT NULL,
  rows       INTEGER NOT NULL,
  -- levels that had units before, and those of them that fell to zero
  had        INTEGER NOT NULL,
  fell       INTEGER NOT NULL,
  -- what its numbers mean, as it was read
  semantics  TEXT NOT NULL CHECK (semantics IN ('physical', 'available'))
) STRICT;
CREATE INDEX stock_imports_of ON stock_imports (source, stock_name, id);

-- A level: what one source says of one SKU at one warehouse, in the stock of some shops or, where stock_name is
-- empty, in that of all. on_hand is NULL where the source gave no usable
-- number: unknown, never zero. `source` is a configured source, or 'by hand' for counts by people, of which
-- the newest is kept.
CREATE TABLE stock (
  stock_name    TEXT NOT NULL DEFAULT '',
  sku           TEXT NOT NULL CHECK (sku <> ''),
  warehouse     TEXT NOT NULL,
  source        TEXT NOT NULL CHECK (source <> ''),
  on_hand       INTEGER CHECK (on_hand >= 0),
  -- 1: on_hand or more, as sources write ">50"
  at_least      INTEGER NOT NULL DEFAULT 0 CHECK (at_least IN (0, 1) AND (at_least = 0 OR on_hand IS NOT NULL)),
  -- the moment it was counted at; NULL: the clock was wrong then, and the number says nothing
  as_of         INTEGER,
  -- the last import that listed it, and the first of those in a row that gave this number
  import_id     INTEGER NOT NULL REFERENCES stock_imports (id),
  first_import  INTEGER NOT NULL CHECK (first_import <= import_id),
  -- the import in which it fell to zero, until it has units again or a person confirms
  fell_in       INTEGER REFERENCES stock_imports (id),
  -- the SKU without what is often lost or added: SKUs written in two ways have the same look
  look          TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (sku, warehouse, source, stock_name)
) STRICT;
CREATE INDEX stock_look ON stock (look);
CREATE INDEX stock_as_of ON stock (as_of);
CREATE INDEX stock_fell ON stock (fell_in) WHERE fell_in IS NOT NULL;
CREATE INDEX stock_by_import ON stock (import_id);

-- Levels of which more is promised for certain than there is: people are notified once for as long as it stays so.
CREATE TABLE stock_overdrawn (
  stock_name TEXT NOT NULL DEFAULT '',
  sku        TEXT NOT NULL,
  warehouse  TEXT NOT NULL,
  since      INTEGER NOT NULL,
  PRIMARY KEY (sku, warehouse, stock_name)
) STRICT, WITHOUT ROWID;

-- Numbers that levels had before, for two days: whether an SKU fell between two readings of a source shows
-- whether goods left. Written only where a number changes. Where as_of is that of the last import, every
-- import from the first to the last gave the number, each as of its own moment; otherwise it was counted
-- once, at as_of.
CREATE TABLE stock_past (
  stock_name    TEXT NOT NULL DEFAULT '',
  sku           TEXT NOT NULL,
  warehouse     TEXT NOT NULL,
  source        TEXT NOT NULL,
  first_import  INTEGER NOT NULL,
  last_import   INTEGER NOT NULL CHECK (first_import <= last_import),
  on_hand       INTEGER NOT NULL CHECK (on_hand >= 0),
  as_of         INTEGER NOT NULL,
  PRIMARY KEY (sku, warehouse, source, stock_name, first_import)
) STRICT, WITHOUT ROWID;

-- A source: how it is configured, its last complete reading, and what is wrong with it.
CREATE TABLE stock_sources (
  name           TEXT PRIMARY KEY,
  -- the stock that it lists, empty: the goods of every shop
  stock_name     TEXT NOT NULL DEFAULT '',
  -- 0: no longer configured; its levels count as a count by hand
  standing       INTEGER NOT NULL DEFAULT 1 CHECK (standing IN (0, 1)),
  -- where sources list the same SKU, the higher wins
  priority       INTEGER NOT NULL DEFAULT 1,
  -- how late it books goods that left, and takes accepted orders off
  posting_lag    INTEGER NOT NULL DEFAULT 0 CHECK (posting_lag >= 0),
  order_lag_max  INTEGER NOT NULL DEFAULT 0 CHECK (order_lag_max >= 0),
  tried_at       INTEGER,
  -- the last reading without a mistake: when, when its content was made, the newest moment that speaks
  -- of, and its SHA-256
  read_at        INTEGER,
  made_at        INTEGER,
  as_of          INTEGER,
  hash           TEXT,
  -- content whose reading was begun and has not ended, and how often
  begun_hash     TEXT,
  begun          INTEGER NOT NULL DEFAULT 0 CHECK (begun >= 0),
  -- whether that reading ended with a line end; NULL for formats without lines
  ends_lines     INTEGER CHECK (ends_lines IN (0, 1)),
  rows           INTEGER NOT NULL DEFAULT 0,
  -- rows that were older than what was known already
  older          INTEGER NOT NULL DEFAULT 0,
  -- levels it had before and no longer lists
  absent         INTEGER NOT NULL DEFAULT 0,
  failing_since  INTEGER,
  error_code     TEXT,
  problem        TEXT,
  CHECK ((begun_hash IS NULL) = (begun = 0)),
  CHECK ((read_at IS NULL) = (hash IS NULL)),
  CHECK ((read_at IS NULL) = (as_of IS NULL)),
  CHECK ((read_at IS NULL) = (made_at IS NULL)),
  CHECK (read_at IS NULL OR tried_at IS NOT NULL),
  CHECK ((failing_since IS NULL) = (error_code IS NULL)),
  CHECK ((failing_since IS NULL) = (problem IS NULL))
) STRICT;

-- SKUs that stand for others in the warehouse: one part is an alias, several are a kit.
CREATE TABLE stock_parts (
  -- the stock whose map it is, empty: that of every shop whose stock does not map the SKU itself
  stock_name TEXT NOT NULL DEFAULT '',
  sku       TEXT NOT NULL CHECK (sku <> ''),
  part      TEXT NOT NULL CHECK (part <> ''),
  quantity  INTEGER NOT NULL CHECK (quantity > 0),
  PRIMARY KEY (sku, part, stock_name)
) STRICT;

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
  FOREIGN KEY (shop, order_id) REFERENCES orders (shop, id) ON UPDATE CASCADE,
  CHECK ((verdict = 'wait') = (wait_until IS NOT NULL))
) STRICT;
CREATE INDEX decisions_of ON decisions (shop, order_id, id);
-- Its order may move to the shop that it belongs to (ledger/identity.rs); nothing else changes.
CREATE TRIGGER decisions_fixed BEFORE UPDATE ON decisions
WHEN (NEW.id, NEW.order_id, NEW.at, NEW.verdict, NEW.rule, NEW.actor, NEW.policy_digest, NEW.body, NEW.facts)
  <> (OLD.id, OLD.order_id, OLD.at, OLD.verdict, OLD.rule, OLD.actor, OLD.policy_digest, OLD.body, OLD.facts)
  OR NEW.wait_until IS NOT OLD.wait_until
BEGIN SELECT RAISE (ABORT, 'a decision is never changed: write a new one'); END;

-- Why an order is held or waits, as of the last pass: a decision is stored once for as long as it says the same, and
-- the numbers in its reasons move on.
CREATE TABLE present_reasons (
  shop      TEXT NOT NULL,
  order_id  TEXT NOT NULL,
  why       TEXT NOT NULL,
  at        INTEGER NOT NULL,
  PRIMARY KEY (shop, order_id),
  FOREIGN KEY (shop, order_id) REFERENCES orders (shop, id) ON UPDATE CASCADE ON DELETE CASCADE
) STRICT;

-- Units promised to an order. The states and their columns are those of domain::reservation.
CREATE TABLE reservations (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  shop          TEXT NOT NULL,
  order_id      TEXT NOT NULL,
  -- the stock that the shop sold from when they were promised; one that it sells from now counts them too
  stock_name    TEXT NOT NULL DEFAULT 'main' CHECK (stock_name <> ''),
  sku           TEXT NOT NULL,
  warehouse     TEXT NOT NULL,
  quantity      INTEGER NOT NULL CHECK (quantity > 0),
  state         TEXT NOT NULL CHECK (state IN ('active', 'consumed', 'released')),
  origin        TEXT NOT NULL CHECK (origin IN ('decision', 'observed')),
  made_at       INTEGER NOT NULL,
  -- when Kaspi was first seen to show the order as accepted, and as one of this level
  confirmed_at  INTEGER,
  -- when the units were released, or by when they had left the shelf
  closed_at     INTEGER,
  -- when consumed units left the shelf: between left_after and closed_at, or unknown
  departure     TEXT CHECK (departure IN ('interval', 'unknown')),
  left_after    INTEGER,
  why           TEXT,
  -- units of quantity that may be another level's: what changed about the order since they were promised
  -- (domain::availability), and when the reading or command that changed it was made
  doubted       INTEGER NOT NULL DEFAULT 0 CHECK (doubted BETWEEN 0 AND quantity),
  changed       TEXT CHECK (changed IN ('point', 'map')),
  changed_at    INTEGER,
  FOREIGN KEY (shop, order_id) REFERENCES orders (shop, id) ON UPDATE CASCADE,
  CHECK ((doubted = 0) = (changed IS NULL)),
  CHECK ((changed IS NULL) = (changed_at IS NULL)),
  CHECK ((state = 'active') = (closed_at IS NULL)),
  CHECK ((state = 'active') = (why IS NULL)),
  CHECK ((state = 'consumed') = (departure IS NOT NULL)),
  CHECK ((departure IS 'interval') = (left_after IS NOT NULL)),
  CHECK (left_after IS NULL OR left_after <= closed_at),
  CHECK (state <> 'consumed' OR confirmed_at IS NOT NULL)
) STRICT;
CREATE UNIQUE INDEX reservations_once ON reservations (shop, order_id, sku, warehouse)
  WHERE state <> 'released';
CREATE INDEX reservations_of ON reservations (shop, order_id);
-- How much of an SKU is ordered at once.
CREATE INDEX reservations_made ON reservations (sku, made_at, quantity);
CREATE INDEX reservations_active ON reservations (shop, order_id) WHERE state = 'active';
-- What is reserved of a level: open, or closed since its count.
CREATE INDEX reservations_of_level ON reservations (sku, warehouse, closed_at) WHERE state <> 'released';
-- A feed without accepted orders is compared with the interval in which an order may have been accepted:
-- from when it was placed until it was seen as accepted, and until its units were released.
CREATE INDEX reservations_confirmed ON reservations (sku, warehouse, confirmed_at) WHERE state = 'consumed';
CREATE INDEX reservations_released ON reservations (sku, warehouse, closed_at) WHERE state = 'released';
-- Closed once, unless its order went back to an earlier status: goods that had left are there after all.
CREATE TRIGGER reservations_closed_once BEFORE UPDATE OF state ON reservations
WHEN OLD.state = 'released' OR (OLD.state = 'consumed' AND NEW.state <> 'active')
BEGIN SELECT RAISE (ABORT, 'a reservation is closed once'); END;

-- An accept or cancel to be carried out. The states, their columns and the steps between them are those
-- of domain::action.
CREATE TABLE actions (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  shop          TEXT NOT NULL,
  order_id      TEXT NOT NULL,
  decision_id   INTEGER NOT NULL REFERENCES decisions (id),
  kind          TEXT NOT NULL CHECK (kind IN ('accept', 'cancel')),
  reason        TEXT CHECK (reason IN
                  ('MERCHANT_OUT_OF_STOCK', 'BUYER_CANCELLATION_BY_MERCHANT', 'BUYER_NOT_REACHABLE')),
  comment       TEXT,
  origin        TEXT NOT NULL CHECK (origin IN ('engine', 'person')),
  state         TEXT NOT NULL CHECK (state IN
                  ('pending', 'sent', 'unknown', 'confirmed', 'refused', 'superseded')),
  -- POSTs that left, or may have left, this machine
  attempts      INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  made_at       INTEGER NOT NULL,
  -- when a live action is looked at next, unless only a person can end it
  due_at        INTEGER,
  needs_person  INTEGER NOT NULL DEFAULT 0 CHECK (needs_person IN (0, 1)),
  closed_at     INTEGER,
  why           TEXT,
  FOREIGN KEY (shop, order_id) REFERENCES orders (shop, id) ON UPDATE CASCADE,
  CHECK ((kind = 'cancel') = (reason IS NOT NULL)),
  CHECK ((kind = 'cancel') = (comment IS NOT NULL)),
  CHECK ((state IN ('pending', 'sent', 'unknown')) = (closed_at IS NULL)),
  CHECK ((closed_at IS NULL) = (why IS NULL)),
  CHECK ((due_at IS NOT NULL) = (closed_at IS NULL AND needs_person = 0)),
  CHECK (needs_person = 0 OR closed_at IS NULL),
  CHECK (state NOT IN ('sent', 'unknown', 'confirmed') OR attempts > 0),
  CHECK (state <> 'superseded' OR attempts = 0)
) STRICT;
-- At most one live action an order: nothing can be accepted and cancelled at once.
CREATE UNIQUE INDEX actions_one_live ON actions (shop, order_id)
  WHERE state IN ('pending', 'sent', 'unknown');
CREATE INDEX actions_due ON actions (shop, due_at) WHERE state IN ('pending', 'sent', 'unknown');
CREATE INDEX actions_of ON actions (shop, order_id, id);
CREATE INDEX actions_made ON actions (shop, made_at);
CREATE INDEX actions_confirmed ON actions (shop, closed_at, kind) WHERE state = 'confirmed';
CREATE INDEX actions_by_decision ON actions (decision_id);
-- What was decided is not changed on its way out; a closed action stays closed.
CREATE TRIGGER actions_fixed BEFORE UPDATE ON actions
WHEN NEW.kind <> OLD.kind OR NEW.reason IS NOT OLD.reason OR NEW.comment IS NOT OLD.comment
  OR NEW.decision_id <> OLD.decision_id OR NEW.order_id <> OLD.order_id
BEGIN SELECT RAISE (ABORT, 'an action is never turned into another'); END;
CREATE TRIGGER actions_closed_once BEFORE UPDATE OF state ON actions
WHEN OLD.state IN ('confirmed', 'refused', 'superseded')
BEGIN SELECT RAISE (ABORT, 'a closed action stays closed'); END;
-- Steps that do not exist: every other one between live states does, and every live state may be closed.
CREATE TRIGGER actions_steps BEFORE UPDATE OF state ON actions
WHEN (OLD.state = 'pending' AND NEW.state = 'unknown') OR (OLD.state = 'unknown' AND NEW.state = 'pending')
  OR (OLD.state <> 'pending' AND NEW.state = 'superseded')
BEGIN SELECT RAISE (ABORT, 'an action does not go from the one state to the other'); END;
-- Once an accept or a cancel was sent, only a person may ask for the other.
CREATE TRIGGER actions_never_reversed BEFORE INSERT ON actions
WHEN NEW.origin = 'engine' AND EXISTS (
  SELECT 1 FROM actions WHERE shop = NEW.shop AND order_id = NEW.order_id
    AND kind <> NEW.kind AND attempts > 0)
BEGIN SELECT RAISE (ABORT, 'the other action was already sent for this order'); END;

-- Orders and actions of each hour (UTC), so that what is asked all the time need not walk through them: orders first
-- seen and those of them that count as cancelled, accepts and cancels by when they were confirmed. Triggers keep it in
-- the transaction of each change.
CREATE TABLE counts_by_hour (
  shop  TEXT NOT NULL,
  what  TEXT NOT NULL CHECK (what IN ('seen', 'counts_as_cancel', 'accept', 'cancel')),
  hour  INTEGER NOT NULL,
  n     INTEGER NOT NULL CHECK (n >= 0),
  PRIMARY KEY (shop, what, hour)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER orders_counted AFTER INSERT ON orders
BEGIN
  INSERT INTO counts_by_hour VALUES (NEW.shop, 'seen', NEW.first_seen_at / 3600000, 1)
    ON CONFLICT (shop, what, hour) DO UPDATE SET n = n + 1;
  INSERT INTO counts_by_hour SELECT NEW.shop, 'counts_as_cancel', NEW.first_seen_at / 3600000, 1
    WHERE NEW.counts_as_cancel = 1 ON CONFLICT (shop, what, hour) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER orders_recounted AFTER UPDATE OF shop, first_seen_at, counts_as_cancel ON orders
WHEN NEW.shop <> OLD.shop OR NEW.first_seen_at <> OLD.first_seen_at OR NEW.counts_as_cancel <> OLD.counts_as_cancel
BEGIN
  UPDATE counts_by_hour SET n = MAX(n - 1, 0)
    WHERE shop = OLD.shop AND what = 'seen' AND hour = OLD.first_seen_at / 3600000;
  UPDATE counts_by_hour SET n = MAX(n - 1, 0)
    WHERE OLD.counts_as_cancel = 1 AND shop = OLD.shop AND what = 'counts_as_cancel'
      AND hour = OLD.first_seen_at / 3600000;
  INSERT INTO counts_by_hour VALUES (NEW.shop, 'seen', NEW.first_seen_at / 3600000, 1)
    ON CONFLICT (shop, what, hour) DO UPDATE SET n = n + 1;
  INSERT INTO counts_by_hour SELECT NEW.shop, 'counts_as_cancel', NEW.first_seen_at / 3600000, 1
    WHERE NEW.counts_as_cancel = 1 ON CONFLICT (shop, what, hour) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER orders_uncounted AFTER DELETE ON orders
BEGIN
  UPDATE counts_by_hour SET n = MAX(n - 1, 0)
    WHERE shop = OLD.shop AND what = 'seen' AND hour = OLD.first_seen_at / 3600000;
  UPDATE counts_by_hour SET n = MAX(n - 1, 0)
    WHERE OLD.counts_as_cancel = 1 AND shop = OLD.shop AND what = 'counts_as_cancel'
      AND hour = OLD.first_seen_at / 3600000;
END;
CREATE TRIGGER actions_recounted AFTER UPDATE OF shop, state, closed_at ON actions
WHEN (NEW.state = 'confirmed' OR OLD.state = 'confirmed')
  AND (NEW.shop <> OLD.shop OR NEW.state <> OLD.state OR NEW.closed_at IS NOT OLD.closed_at)
BEGIN
  UPDATE counts_by_hour SET n = MAX(n - 1, 0)
    WHERE OLD.state = 'confirmed' AND shop = OLD.shop AND what = OLD.kind AND hour = OLD.closed_at / 3600000;
  INSERT INTO counts_by_hour SELECT NEW.shop, NEW.kind, NEW.closed_at / 3600000, 1
    WHERE NEW.state = 'confirmed' ON CONFLICT (shop, what, hour) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER actions_uncounted AFTER DELETE ON actions WHEN OLD.state = 'confirmed'
BEGIN
  UPDATE counts_by_hour SET n = MAX(n - 1, 0)
    WHERE shop = OLD.shop AND what = OLD.kind AND hour = OLD.closed_at / 3600000;
END;

-- Requests of people that carried a key, for two days: the same one sent again gets the same answer.
CREATE TABLE manual_keys (
  -- whose key it is: the user of the operating system, or a token's name
  person   TEXT NOT NULL CHECK (person <> ''),
  key      TEXT NOT NULL CHECK (key <> ''),
  at       INTEGER NOT NULL,
  -- all of it in one text
  request  TEXT NOT NULL,
  answer   TEXT NOT NULL,
  PRIMARY KEY (person, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX manual_keys_at ON manual_keys (at);
-- Cancels by people within the last hour.
CREATE TABLE manual_cancels (
  person  TEXT NOT NULL CHECK (person <> ''),
  at      INTEGER NOT NULL
) STRICT;
CREATE INDEX manual_cancels_of ON manual_cancels (person, at);
CREATE INDEX manual_cancels_at ON manual_cancels (at);

-- People. A disabled one stays, as the audit log names them.
CREATE TABLE users (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  name         TEXT NOT NULL UNIQUE CHECK (name <> ''),
  -- their number at Telegram
  telegram     INTEGER UNIQUE CHECK (telegram > 0),
  added_at     INTEGER NOT NULL,
  disabled_at  INTEGER
) STRICT;
-- What programs show to use the HTTP API: qab_<id>_<secret>, stored as a digest.
CREATE TABLE tokens (
  id            TEXT PRIMARY KEY CHECK (length(id) = 8),
  -- the program: two tokens of one name may be live while one replaces the other
  name          TEXT NOT NULL CHECK (name <> ''),
  -- SHA-256 of the whole token, in hex
  digest        TEXT NOT NULL UNIQUE CHECK (length(digest) = 64),
  made_at       INTEGER NOT NULL,
  expires_at    INTEGER,
  last_used_at  INTEGER,
  revoked_at    INTEGER
) STRICT;
CREATE INDEX tokens_named ON tokens (name);
-- What a user or a token may do in a shop; shop NULL: in every shop that no other role of theirs names. The roles are
-- those of domain::people.
CREATE TABLE roles (
  user_id   INTEGER REFERENCES users (id),
  token_id  TEXT REFERENCES tokens (id),
  shop      TEXT CHECK (shop <> ''),
  role      TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin', 'stock')),
  CHECK ((user_id IS NULL) <> (token_id IS NULL))
) STRICT;
CREATE UNIQUE INDEX roles_once ON roles (COALESCE(user_id, 0), COALESCE(token_id, ''), COALESCE(shop, ''));
CREATE INDEX roles_of_user ON roles (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX roles_of_token ON roles (token_id) WHERE token_id IS NOT NULL;
-- A token that was revoked stays so.
CREATE TRIGGER tokens_revoked_once BEFORE UPDATE OF revoked_at ON tokens
WHEN OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NULL
BEGIN SELECT RAISE (ABORT, 'a token is revoked once'); END;

-- Codes by which users link their Telegram account: each is good once, for some minutes, and stored as a digest.
CREATE TABLE enrolment_codes (
  user_id  INTEGER PRIMARY KEY REFERENCES users (id),
  digest   TEXT NOT NULL UNIQUE CHECK (length(digest) = 64),
  ends_at  INTEGER NOT NULL
) STRICT;
-- Wrong codes of the last minutes, by the account that sent them.
CREATE TABLE enrolment_tries (
  telegram  INTEGER NOT NULL,
  at        INTEGER NOT NULL
) STRICT;
CREATE INDEX enrolment_tries_of ON enrolment_tries (telegram);
CREATE INDEX enrolment_tries_at ON enrolment_tries (at);
-- How far the updates of each Telegram bot are handled: written in the transaction of what an update did.
CREATE TABLE telegram_bots (
  -- the number before the colon of its token
  bot          INTEGER PRIMARY KEY CHECK (bot > 0),
  next_update  INTEGER NOT NULL CHECK (next_update >= 0),
  -- when the newest update was handled
  updated_at   INTEGER NOT NULL,
  -- every update that was sent before this was handled
  polled_at    INTEGER
) STRICT;
-- What lets a user in at the web app once, within a quarter of an hour.
CREATE TABLE sign_in_links (
  -- SHA-256 of the secret in the link, in hex
  digest      TEXT PRIMARY KEY CHECK (length(digest) = 64),
  user_id     INTEGER NOT NULL REFERENCES users (id),
  made_at     INTEGER NOT NULL,
  expires_at  INTEGER NOT NULL CHECK (expires_at > made_at),
  used_at     INTEGER
) STRICT;
CREATE INDEX sign_in_links_by_end ON sign_in_links (expires_at);
CREATE TRIGGER sign_in_links_used_once BEFORE UPDATE OF used_at ON sign_in_links WHEN OLD.used_at IS NOT NULL
BEGIN SELECT RAISE (ABORT, 'a link is used once'); END;
-- A browser in which a user signed in. The languages are those of domain::session, as are the ends.
CREATE TABLE sessions (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  -- SHA-256 of the secret in the cookie, in hex
  digest        TEXT NOT NULL UNIQUE CHECK (length(digest) = 64),
  user_id       INTEGER NOT NULL REFERENCES users (id),
  -- as the user chose; NULL: as their browser asks
  language      TEXT CHECK (language IN ('ru', 'kk', 'en')),
  made_at       INTEGER NOT NULL,
  last_used_at  INTEGER NOT NULL,
  ended_at      INTEGER,
  why_ended     TEXT CHECK (why_ended IN ('signed_out', 'revoked', 'disabled', 'restored')),
  CHECK ((ended_at IS NULL) = (why_ended IS NULL))
) STRICT;
CREATE INDEX sessions_of ON sessions (user_id);
CREATE INDEX sessions_used ON sessions (last_used_at);
CREATE TRIGGER sessions_ended_once BEFORE UPDATE OF ended_at ON sessions
WHEN OLD.ended_at IS NOT NULL AND NEW.ended_at IS NULL
BEGIN SELECT RAISE (ABORT, 'a session ends once'); END;

-- Messages about held orders with buttons, one in each chat: what they say, and what their buttons ask.
CREATE TABLE telegram_messages (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  channel        TEXT NOT NULL,
  -- where it is; NULL: it is unknown whether it arrived
  chat           INTEGER,
  message        INTEGER,
  shop           TEXT NOT NULL,
  order_id       TEXT NOT NULL,
  -- the version of the order that it shows, and what it says of it
  version        TEXT NOT NULL,
  body           TEXT NOT NULL,
  -- the delivery that it was sent for
  delivery       INTEGER,
  made_at        INTEGER NOT NULL,
  -- the deadline: its buttons end then
  ends_at        INTEGER NOT NULL,
  panel          TEXT NOT NULL
    CHECK (panel IN ('decide', 'again', 'reason', 'override', 'kept', 'late', 'decided', 'ended')),
  -- who is asked to press a second time, and until when; what interlocks object to (JSON)
  panel_user     INTEGER REFERENCES users (id),
  panel_ends_at  INTEGER,
  objections     TEXT CHECK (json_valid(objections)),
  -- counts what it was changed to show; the last one that it does show
  revision       INTEGER NOT NULL CHECK (revision > 0),
  shown          INTEGER NOT NULL,
  closed_at      INTEGER,
  CHECK ((chat IS NULL) = (message IS NULL)),
  CHECK ((panel IN ('reason', 'override')) = (panel_user IS NOT NULL)),
  CHECK ((panel_user IS NULL) = (panel_ends_at IS NULL)),
  CHECK ((panel = 'override') = (objections IS NOT NULL)),
  CHECK ((panel = 'ended') = (closed_at IS NOT NULL))
) STRICT;
CREATE INDEX telegram_messages_open ON telegram_messages (channel, id) WHERE closed_at IS NULL;
CREATE INDEX telegram_messages_unshown ON telegram_messages (channel) WHERE shown <> revision;
CREATE INDEX telegram_messages_made ON telegram_messages (made_at);
CREATE INDEX telegram_messages_delivery ON telegram_messages (delivery) WHERE delivery IS NOT NULL;
-- What their buttons hold, as digests: each is good once.
CREATE TABLE telegram_buttons (
  digest       TEXT PRIMARY KEY CHECK (length(digest) = 64),
  message_row  INTEGER NOT NULL REFERENCES telegram_messages (id),
  button       TEXT NOT NULL CHECK (button IN ('accept', 'cancel', 'out_of_stock', 'buyer_asked', 'not_reachable',
    'override', 'keep', 'why', 'back')),
  used_at      INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX telegram_buttons_of ON telegram_buttons (message_row);
CREATE TRIGGER telegram_buttons_used_once BEFORE UPDATE OF used_at ON telegram_buttons
WHEN OLD.used_at IS NOT NULL
BEGIN SELECT RAISE (ABORT, 'a button is used once'); END;

-- One POST of an action, written before it is sent.
CREATE TABLE attempts (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  action_id  INTEGER NOT NULL REFERENCES actions (id),
  n          INTEGER NOT NULL CHECK (n > 0),
  begun_at   INTEGER NOT NULL,
  ended_at   INTEGER,
  outcome    TEXT CHECK (outcome IN ('applied', 'rejected', 'snoozed', 'not_sent', 'denied', 'unknown')),
  detail     TEXT,
  UNIQUE (action_id, n),
  CHECK ((ended_at IS NULL) = (outcome IS NULL))
) STRICT;
CREATE INDEX attempts_open ON attempts (action_id) WHERE ended_at IS NULL;

-- The audit log: who did what, when, in which epoch of the lease (0: a command beside the daemon).
CREATE TABLE audit (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  at        INTEGER NOT NULL,
  actor     TEXT NOT NULL,
  -- how a person came: the number of the user and who used sudo, or the token and its address, with the role; NULL:
  -- Qabyl itself
  operator  TEXT,
  epoch     INTEGER NOT NULL,
  shop      TEXT,
  order_id  TEXT,
  event     TEXT NOT NULL,
  detail    TEXT NOT NULL CHECK (json_valid(detail))
) STRICT;
CREATE INDEX audit_of ON audit (shop, order_id, id);
CREATE INDEX audit_rules ON audit (id) WHERE event = 'rules.in_force';
-- Only the name that a shop goes by may change: `shop.renamed` records both.
CREATE TRIGGER audit_append_only_update BEFORE UPDATE ON audit
WHEN (NEW.id, NEW.at, NEW.actor, NEW.epoch, NEW.event, NEW.detail)
  <> (OLD.id, OLD.at, OLD.actor, OLD.epoch, OLD.event, OLD.detail)
  OR NEW.operator IS NOT OLD.operator OR NEW.order_id IS NOT OLD.order_id OR NEW.shop IS NULL OR OLD.shop IS NULL
BEGIN SELECT RAISE (ABORT, 'audit is append-only'); END;

-- Rows of the audit log may be deleted before this moment only; NULL: none yet. It moves forward only,
-- and never to within a week (in ms) of the newest row.
CREATE TABLE audit_retention (
  one             INTEGER PRIMARY KEY CHECK (one = 1),
  deleted_before  INTEGER
) STRICT;
INSERT INTO audit_retention (one) VALUES (1);
CREATE TRIGGER audit_retention_once BEFORE INSERT ON audit_retention
BEGIN SELECT RAISE (ABORT, 'there is one mark'); END;
CREATE TRIGGER audit_retention_stays BEFORE DELETE ON audit_retention
BEGIN SELECT RAISE (ABORT, 'there is one mark'); END;
CREATE TRIGGER audit_retention_forward BEFORE UPDATE ON audit_retention
WHEN NEW.deleted_before IS NULL OR NEW.deleted_before < OLD.deleted_before
  OR NEW.deleted_before > (SELECT at FROM audit ORDER BY id DESC LIMIT 1) - 604800000
BEGIN SELECT RAISE (ABORT, 'the mark moves forward, and the last week of the audit log stays'); END;
CREATE TRIGGER audit_append_only_delete BEFORE DELETE ON audit
WHEN COALESCE(OLD.at >= (SELECT deleted_before FROM audit_retention), 1)
BEGIN SELECT RAISE (ABORT, 'audit is append-only'); END;

-- Shops of a restored database, until Kaspi was read again.
CREATE TABLE restores (
  shop         TEXT PRIMARY KEY REFERENCES shops (name),
  at           INTEGER NOT NULL,
  -- when the copy had last read both lists; NULL: it never had
  known_until  INTEGER
) STRICT;

-- What a person is to be notified of, written in the transaction of its cause; channels deliver it
-- afterwards, each at its own pace. `key` names the cause: one cause is notified once.
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

-- Where notifications go.
CREATE TABLE channels (
  name           TEXT PRIMARY KEY,
  -- 0: no longer configured; one that comes back starts with the next notice
  configured     INTEGER NOT NULL DEFAULT 1 CHECK (configured IN (0, 1)),
  -- notices up to this one are in its messages, or were not for it
  packed_to      INTEGER NOT NULL CHECK (packed_to >= 0),
  -- failures in a row; no try before retry_at
  failures       INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
  failing_since  INTEGER,
  retry_at       INTEGER,
  last_error     TEXT,
  -- its last error refuses every message: only a person can fix that
  refused        INTEGER NOT NULL DEFAULT 0 CHECK (refused IN (0, 1)),
  CHECK (refused = 0 OR failures > 0),
  CHECK ((failures = 0) = (failing_since IS NULL)),
  CHECK ((failures = 0) = (last_error IS NULL))
) STRICT;

-- One message to one channel. Its token goes with every try, so that a receiver can tell a repeat.
CREATE TABLE deliveries (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  channel     TEXT NOT NULL REFERENCES channels (name),
  token       TEXT NOT NULL UNIQUE,
  made_at     INTEGER NOT NULL,
  attempts    INTEGER NOT NULL DEFAULT 0,
  -- how often its channel rejected it as it is; from the first time on a short text is sent
  rejections  INTEGER NOT NULL DEFAULT 0 CHECK (rejections >= 0),
  -- outdated: what it reports was no longer so when it was about to leave
  state       TEXT NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'delivered', 'dropped', 'outdated')),
  closed_at   INTEGER,
  why         TEXT,
  -- only numbers are sent: its notices waited for too long, or there were too many
  is_summary  INTEGER NOT NULL DEFAULT 0 CHECK (is_summary IN (0, 1)),
  CHECK ((state = 'due') = (closed_at IS NULL)),
  CHECK ((state IN ('dropped', 'outdated')) = (why IS NOT NULL))
) STRICT;
CREATE INDEX deliveries_due ON deliveries (channel, id) WHERE state = 'due';
CREATE INDEX deliveries_closed ON deliveries (closed_at) WHERE state <> 'due';
CREATE TRIGGER deliveries_closed_once BEFORE UPDATE OF state ON deliveries
WHEN OLD.state <> 'due'
BEGIN SELECT RAISE (ABORT, 'a message is closed once'); END;

-- Which notices a message contains: each is in one message of a channel.
CREATE TABLE delivery_notices (
  channel   TEXT NOT NULL,
  notice    INTEGER NOT NULL REFERENCES notices (id),
  delivery  INTEGER NOT NULL REFERENCES deliveries (id),
  PRIMARY KEY (channel, notice)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_notices_by_delivery ON delivery_notices (delivery);
CREATE INDEX delivery_notices_by_notice ON delivery_notices (notice);

-- Files of products that were sent to Kaspi's catalogue, by a digest of the products. A row is written before the
-- file is sent: Kaspi cannot tell a repeated import from a new one.
CREATE TABLE product_imports (
  shop      TEXT NOT NULL,
  digest    TEXT NOT NULL,
  -- unknown: sent, without a clear answer; taken: Kaspi has it under this code, and no other products since
  state     TEXT NOT NULL CHECK (state IN ('sending', 'unknown', 'taken')),
  begun_at  INTEGER NOT NULL,
  code      TEXT,
  PRIMARY KEY (shop, digest),
  CHECK ((state = 'taken') = (code IS NOT NULL))
) STRICT;

-- Which daemon works on this database: its epoch is checked in every write. Epoch 0: none has yet.
CREATE TABLE lease (
  one         INTEGER PRIMARY KEY CHECK (one = 1),
  epoch       INTEGER NOT NULL CHECK (epoch >= 0),
  pid         INTEGER,
  started_at  INTEGER,
  -- when the file was last found undamaged
  checked_at  INTEGER,
  -- who last worked on it: the daemon notes it every half minute, `qabyl once` at its end
  worked_at   INTEGER,
  worker      TEXT CHECK (worker IN ('daemon', 'once')),
  -- why no backup can be made, and since when
  backup_failing_since  INTEGER,
  backup_problem        TEXT,
  -- why the last reload was refused, and when: what was in force before it still is
  reload_refused_at     INTEGER,
  reload_problem        TEXT,
  CHECK ((reload_refused_at IS NULL) = (reload_problem IS NULL)),
  CHECK ((worked_at IS NULL) = (worker IS NULL)),
  CHECK ((backup_failing_since IS NULL) = (backup_problem IS NULL)),
  CHECK ((pid IS NULL) = (started_at IS NULL))
) STRICT;
INSERT INTO lease (one, epoch) VALUES (1, 0);

-- Keys the digests of tokens, so that they mean nothing outside this file.
CREATE TABLE token_key (
  one  INTEGER PRIMARY KEY CHECK (one = 1),
  key  TEXT NOT NULL
) STRICT;
INSERT INTO token_key (one, key) VALUES (1, lower(hex(randomblob(32))));
