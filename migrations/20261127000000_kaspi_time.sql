-- When a list was asked for, by Kaspi's clock: how long ago that was must not depend on ours, which may
-- have been set since.
ALTER TABLE scans ADD COLUMN kaspi_at INTEGER;
