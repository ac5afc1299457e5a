-- How far back one page of the archive's list goes is asked with each sweep that something rests on.
CREATE INDEX orders_archived ON orders (shop, created_at) WHERE state = 'ARCHIVE';
