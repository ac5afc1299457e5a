-- What is over may be let go after a while, and a database put back from a copy catches up first.

-- Orders of the shop placed before this were let go once they were over. A list that shows one of
-- them again shows nothing new.
ALTER TABLE shops ADD COLUMN orders_since INTEGER;

-- A row that goes is looked for in what points at it.
CREATE INDEX reservations_of ON reservations (shop, order_id);
CREATE INDEX actions_by_decision ON actions (decision_id);
CREATE INDEX stock_by_import ON stock (import_id);

-- The trail is shortened at its old end alone, up to a mark that only moves forward and never comes
-- within a week (in ms) of its newest row.
CREATE TABLE audit_since (
  one  INTEGER PRIMARY KEY CHECK (one = 1),
  at   INTEGER NOT NULL
) STRICT;
INSERT INTO audit_since (one, at) VALUES (1, 0);
CREATE TRIGGER audit_since_once BEFORE INSERT ON audit_since
BEGIN SELECT RAISE (ABORT, 'there is one mark'); END;
CREATE TRIGGER audit_since_stays BEFORE DELETE ON audit_since
BEGIN SELECT RAISE (ABORT, 'there is one mark'); END;
CREATE TRIGGER audit_since_forward BEFORE UPDATE ON audit_since
WHEN NEW.at < OLD.at OR NEW.at > (SELECT at FROM audit ORDER BY id DESC LIMIT 1) - 604800000
BEGIN SELECT RAISE (ABORT, 'the mark moves forward, and the last week of the trail stays'); END;
DROP TRIGGER audit_append_only_delete;
CREATE TRIGGER audit_append_only_delete BEFORE DELETE ON audit
WHEN OLD.at >= (SELECT at FROM audit_since)
BEGIN SELECT RAISE (ABORT, 'audit is append-only'); END;

-- Shops whose database was put back from a copy, until Kaspi was read again: `known_until` is when
-- the copy had last read it all.
CREATE TABLE restores (
  shop         TEXT PRIMARY KEY REFERENCES shops (name),
  at           INTEGER NOT NULL,
  known_until  INTEGER NOT NULL
) STRICT;

-- When the file was last found whole.
ALTER TABLE lease ADD COLUMN checked_at INTEGER;
