-- A model's blob is deleted together with its reference: find the reference without reading every unit.
CREATE INDEX unit_model ON unit (model_blob) WHERE model_blob IS NOT NULL;
