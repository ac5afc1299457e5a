-- A feed that has accepted orders taken off is compared with the span in which an order may have been
-- accepted: from when it was placed until it was seen as accepted, and until it was given back.
DROP INDEX reservations_made;
CREATE INDEX reservations_seen ON reservations (sku, warehouse, confirmed_at) WHERE state = 'consumed';
CREATE INDEX reservations_back ON reservations (sku, warehouse, closed_at) WHERE state = 'released';
