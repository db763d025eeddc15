-- An episode whose remediation had no effect is decided again: what that remediation came to, and when it is looked at again.
ALTER TABLE candidates ADD COLUMN closed_at TEXT CHECK (closed_at GLOB '????-??-??T??:??:??.??????Z');
ALTER TABLE candidates ADD COLUMN again_at TEXT CHECK (again_at GLOB '????-??-??T??:??:??.??????Z');
ALTER TABLE candidates ADD COLUMN conclusion TEXT CHECK (json_valid(conclusion));

CREATE INDEX candidates_again ON candidates (again_at) WHERE again_at IS NOT NULL;

-- What the sender wrote beside the labels: the text for people, and where the alert comes from.
ALTER TABLE alerts ADD COLUMN generator_url TEXT;
ALTER TABLE alerts ADD COLUMN external_url TEXT;
ALTER TABLE alerts ADD COLUMN annotations TEXT CHECK (json_valid(annotations));
