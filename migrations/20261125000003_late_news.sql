-- When a reading first showed the order in its status: how fresh the news is that it holds stock. An
-- order known before has none; it counts from when it was first seen.
ALTER TABLE orders ADD COLUMN status_since INTEGER;

-- Orders with goods that have no offer of ours: asked about again, as a person may link them.
CREATE INDEX orders_unlinked ON orders (shop, status, lines_due_at)
  WHERE lines_state = 'known' AND lines_due_at > 0;
