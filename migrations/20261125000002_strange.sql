-- Orders in a state or status that nobody knows yet are read singly until they are understood; there
-- are few, and finding them must not walk through all that are over.
CREATE INDEX orders_strange ON orders (shop, seen_at) WHERE
  (status NOT IN ('APPROVED_BY_BANK', 'ACCEPTED_BY_MERCHANT', 'COMPLETED', 'CANCELLED', 'CANCELLING',
     'KASPI_DELIVERY_RETURN_REQUESTED', 'RETURN_ACCEPTED_BY_MERCHANT', 'RETURNED') AND state <> 'ARCHIVE')
  OR (state NOT IN ('NEW', 'SIGN_REQUIRED', 'PICKUP', 'DELIVERY', 'KASPI_DELIVERY', 'ARCHIVE')
     AND status = 'APPROVED_BY_BANK');
