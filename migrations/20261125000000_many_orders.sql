-- What a shop with years behind it is asked every second is found without walking through those
-- years. Nothing here changes what a row means.

-- Orders on their way, the oldest first: how far back a sweep reaches, and what it still looks for.
CREATE INDEX orders_on_their_way ON orders (shop, created_at)
  WHERE status IN ('ACCEPTED_BY_MERCHANT', 'CANCELLING');

-- The cancel budget: orders that still wait, orders that count against the shop, and our own cancels.
CREATE INDEX orders_waiting ON orders (shop, first_seen_at) WHERE status = 'APPROVED_BY_BANK';
CREATE INDEX orders_out_of_stock ON orders (shop, first_seen_at)
  WHERE cancellation_reason = 'MERCHANT_OUT_OF_STOCK';
CREATE INDEX actions_cancels ON actions (shop, made_at) WHERE kind = 'cancel';

-- What is promised of a level: open promises (closed_at IS NULL) and those closed since its count, or
-- made since a feed that already left them out.
CREATE INDEX reservations_shelf ON reservations (sku, warehouse, closed_at) WHERE state <> 'released';
CREATE INDEX reservations_made ON reservations (sku, warehouse, made_at) WHERE state = 'consumed';
DROP INDEX reservations_sku;
