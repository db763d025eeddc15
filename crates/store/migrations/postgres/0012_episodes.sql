-- An episode whose remediation had no effect is decided again: what that remediation came to, and when it is looked at again.
ALTER TABLE candidates
    ADD COLUMN closed_at  timestamptz,
    ADD COLUMN again_at   timestamptz,
    ADD COLUMN conclusion jsonb;

CREATE INDEX candidates_again ON candidates (again_at) WHERE again_at IS NOT NULL;
