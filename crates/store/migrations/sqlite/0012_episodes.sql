-- An episode whose remediation had no effect is decided again: what that remediation came to, and when it is looked at again.
ALTER TABLE candidates ADD COLUMN closed_at TEXT CHECK (closed_at GLOB '????-??-??T??:??:??.??????Z');
ALTER TABLE candidates ADD COLUMN again_at TEXT CHECK (again_at GLOB '????-??-??T??:??:??.??????Z');
ALTER TABLE candidates ADD COLUMN conclusion TEXT CHECK (json_valid(conclusion));

CREATE INDEX candidates_again ON candidates (again_at) WHERE again_at IS NOT NULL;
