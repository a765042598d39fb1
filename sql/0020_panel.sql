-- Pages of the panel over many leads: their trash, their order by name, and how many of a zone are open.

-- The others leave out what is deleted, so that the trash would be looked for in all there are.
CREATE INDEX leads_deleted_idx       ON leads (business_id, created_at DESC, id DESC) WHERE deleted_at IS NOT NULL;
CREATE INDEX leads_business_name_idx ON leads (business_id, business_name, id)        WHERE deleted_at IS NULL;
CREATE INDEX leads_zone_stage_idx    ON leads (business_id, zone_id, stage)           WHERE deleted_at IS NULL AND zone_id IS NOT NULL;
