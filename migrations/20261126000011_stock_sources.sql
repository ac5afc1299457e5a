-- What the numbers of an import mean, where its source says so; else as `stock.semantics`.
ALTER TABLE stock_imports ADD COLUMN semantics TEXT CHECK (semantics IN ('physical', 'available'));

-- Configured sources: what was read of each last, and what is wrong with it.
CREATE TABLE stock_sources (
  name       TEXT PRIMARY KEY,
  tried_at   INTEGER NOT NULL,
  -- when it was last read whole and without a mistake, when it was made, the newest moment it speaks of,
  -- and what it was by its hash
  read_at    INTEGER,
  made_at    INTEGER,
  as_of      INTEGER,
  hash       TEXT,
  rows       INTEGER NOT NULL DEFAULT 0,
  had        INTEGER NOT NULL DEFAULT 0,
  fell       INTEGER NOT NULL DEFAULT 0,
  absent     INTEGER NOT NULL DEFAULT 0,
  -- the trouble a person was told of, until it is over
  since      INTEGER,
  code       TEXT,
  problem    TEXT,
  CHECK ((read_at IS NULL) = (hash IS NULL)),
  CHECK ((read_at IS NULL) = (as_of IS NULL)),
  CHECK ((read_at IS NULL) = (made_at IS NULL)),
  CHECK ((since IS NULL) = (code IS NULL)),
  CHECK ((since IS NULL) = (problem IS NULL))
) STRICT;

-- SKUs that are something else in the warehouse: one part is an alias, several are a kit.
CREATE TABLE stock_parts (
  sku       TEXT NOT NULL CHECK (sku <> ''),
  part      TEXT NOT NULL CHECK (part <> ''),
  quantity  INTEGER NOT NULL CHECK (quantity > 0),
  PRIMARY KEY (sku, part)
) STRICT;

-- The trail tells from here on of every level and promise that changes: this is what it begins with.
INSERT INTO audit (at, actor, epoch, event, detail)
SELECT COALESCE((SELECT MAX(at) FROM audit), 0), 'qabyl', 0, 'ledger.baseline', json_object(
  'levels', (SELECT json_group_array(json_array(sku, warehouse, on_hand)) FROM stock),
  'reservations', (SELECT json_group_array(json_array(id, sku, warehouse, quantity, state)) FROM reservations))
WHERE EXISTS (SELECT 1 FROM stock) OR EXISTS (SELECT 1 FROM reservations);
