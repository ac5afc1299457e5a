-- How often an order's lines were asked for in vain. Requests that were put off are not counted: an order
-- that nobody could ask about holds its goods all the same.
ALTER TABLE orders ADD COLUMN lines_failures INTEGER NOT NULL DEFAULT 0 CHECK (lines_failures >= 0);
