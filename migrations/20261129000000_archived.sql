-- How far back one page of the archive's list goes is asked with each sweep that something rests on.
CREATE INDEX orders_archived ON orders (shop, created_at) WHERE state = 'ARCHIVE';

-- Whether a sweep read what is over too, and all lines of it: the last units wait for that, nothing else does.
-- Sweeps so far did, after a pause, or were complete without.
ALTER TABLE scans ADD COLUMN over_read INTEGER NOT NULL DEFAULT 1 CHECK (over_read IN (0, 1));

-- A merchant's rules are not given up because their file is lost: whose rules were in force is asked at a start.
CREATE INDEX audit_rules ON audit (id) WHERE event = 'rules.in_force';
