-- Aliases that divide their calls among versions, and what each alias pointed to before.
ALTER TABLE model_alias
  ADD COLUMN split      jsonb,                 -- {"3": 90, "4": 10}, `version` being the one with most; NULL: all go to `version`
  ADD COLUMN shadow     integer,               -- a version that answers the same calls, to be compared only
  ADD COLUMN changed_by text,                  -- a key; NULL: a job
  ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();

CREATE TABLE model_alias_change (
  model_id    text NOT NULL REFERENCES model ON DELETE CASCADE,
  alias       text NOT NULL,
  number      bigint GENERATED ALWAYS AS IDENTITY,
  version     integer,                         -- NULL: the alias was removed
  split       jsonb,
  shadow      integer,
  changed_by  text,
  changed_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (model_id, alias, number)
);

INSERT INTO model_alias_change (model_id, alias, version, changed_at)
  SELECT model_id, alias, version, changed_at FROM model_alias;

-- Triggers, for programs of the release before move aliases as well. They know of no split: they mean the version.
CREATE FUNCTION model_alias_settle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.version <> OLD.version AND NEW.split IS NOT DISTINCT FROM OLD.split THEN
    NEW.split := NULL;
  END IF;
  IF (NEW.version, NEW.split, NEW.shadow) IS DISTINCT FROM (OLD.version, OLD.split, OLD.shadow) THEN
    NEW.changed_at := now();
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER model_alias_settle BEFORE UPDATE ON model_alias
  FOR EACH ROW EXECUTE FUNCTION model_alias_settle();

CREATE FUNCTION model_alias_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    INSERT INTO model_alias_change (model_id, alias) VALUES (OLD.model_id, OLD.alias);
  ELSIF TG_OP = 'INSERT'
    OR (NEW.version, NEW.split, NEW.shadow) IS DISTINCT FROM (OLD.version, OLD.split, OLD.shadow) THEN
    INSERT INTO model_alias_change (model_id, alias, version, split, shadow, changed_by)
      VALUES (NEW.model_id, NEW.alias, NEW.version, NEW.split, NEW.shadow, NEW.changed_by);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER model_alias_note AFTER INSERT OR UPDATE OR DELETE ON model_alias
  FOR EACH ROW EXECUTE FUNCTION model_alias_note();
