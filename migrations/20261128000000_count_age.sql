-- An order first seen as over is compared with the oldest count in force: a long archive has thousands.
CREATE INDEX stock_as_of ON stock (as_of);
