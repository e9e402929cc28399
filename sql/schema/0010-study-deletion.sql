-- A deleted study is gone at once; its log and trials, which may be many, go piece by piece.
ALTER TABLE study ADD deleted_at timestamptz;
CREATE INDEX study_deleted ON study (id) WHERE deleted_at IS NOT NULL;
