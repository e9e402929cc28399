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
