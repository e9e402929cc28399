-- Which patches this database has. Applied by db_patch.c, each patch in one transaction.
CREATE TABLE schema_patch (
  number      integer PRIMARY KEY,
  name        text NOT NULL,
  applied_at  timestamptz NOT NULL DEFAULT now()
);

-- Facts about this installation, one row each.
CREATE TABLE setting (
  name        text PRIMARY KEY,
  value       text NOT NULL
);
-- The oldest program that can use this schema, as the number of the newest patch it knows. A patch that
-- takes away what older programs use raises it.
INSERT INTO setting (name, value) VALUES ('schema_serves_from', '0');
