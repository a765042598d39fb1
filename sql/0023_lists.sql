-- 0023 lists: what of long lists is counted, and in which order they stand.
--
-- Lists leave out what is deleted, and so do their indexes; but SQLite counts along an index alone only where the index holds
-- deleted_at as well. It is NULL in all of them: a byte each, and no row is looked at for it.

DROP INDEX leads_created_at_idx;
DROP INDEX leads_stage_idx;
DROP INDEX leads_status_idx;
DROP INDEX leads_priority_idx;
DROP INDEX leads_zone_idx;
DROP INDEX leads_assigned_rep_idx;
DROP INDEX leads_created_by_idx;
CREATE INDEX leads_created_at_idx   ON leads (business_id, created_at DESC, id DESC, deleted_at)             WHERE deleted_at IS NULL;
CREATE INDEX leads_stage_idx        ON leads (business_id, stage, created_at DESC, id DESC, deleted_at)      WHERE deleted_at IS NULL;
CREATE INDEX leads_status_idx       ON leads (business_id, status, created_at DESC, id DESC, deleted_at)     WHERE deleted_at IS NULL;
CREATE INDEX leads_priority_idx     ON leads (business_id, priority, created_at DESC, id DESC, deleted_at)   WHERE deleted_at IS NULL;
CREATE INDEX leads_zone_idx         ON leads (business_id, zone_id, created_at DESC, id DESC, deleted_at)
                                    WHERE deleted_at IS NULL AND zone_id IS NOT NULL;
CREATE INDEX leads_assigned_rep_idx ON leads (business_id, assigned_rep_id, created_at DESC, id DESC, deleted_at)
                                    WHERE deleted_at IS NULL AND assigned_rep_id IS NOT NULL;
CREATE INDEX leads_created_by_idx   ON leads (business_id, created_by, created_at DESC, id DESC, deleted_at) WHERE deleted_at IS NULL;

-- What comes first by name is kept, and follows what is written.
DROP INDEX leads_business_name_idx;

DROP INDEX lead_actions_date_idx;
DROP INDEX visits_date_time_idx;
DROP INDEX visits_status_idx;
DROP INDEX parties_name_idx;
DROP INDEX parties_type_idx;
DROP INDEX invoices_created_at_idx;
DROP INDEX invoices_party_idx;
DROP INDEX requisitions_created_at_idx;
DROP INDEX requisitions_status_idx;
DROP INDEX quotations_created_at_idx;
DROP INDEX customer_profiles_created_at_idx;
CREATE INDEX lead_actions_date_idx            ON lead_actions (business_id, date DESC, id DESC, deleted_at)             WHERE deleted_at IS NULL;
CREATE INDEX visits_date_time_idx             ON visits (business_id, date_time DESC, id DESC, deleted_at)              WHERE deleted_at IS NULL;
CREATE INDEX visits_status_idx                ON visits (business_id, status, date_time DESC, id DESC, deleted_at)      WHERE deleted_at IS NULL;
CREATE INDEX parties_name_idx                 ON parties (business_id, name, id, deleted_at)                            WHERE deleted_at IS NULL;
CREATE INDEX parties_type_idx                 ON parties (business_id, type, name, id, deleted_at)                      WHERE deleted_at IS NULL;
CREATE INDEX invoices_created_at_idx          ON invoices (business_id, created_at DESC, id DESC, deleted_at)           WHERE deleted_at IS NULL;
CREATE INDEX invoices_party_idx               ON invoices (business_id, party_id, created_at DESC, id DESC, deleted_at) WHERE deleted_at IS NULL;
CREATE INDEX requisitions_created_at_idx      ON requisitions (business_id, created_at DESC, id DESC, deleted_at)       WHERE deleted_at IS NULL;
CREATE INDEX requisitions_status_idx          ON requisitions (business_id, status, created_at DESC, id DESC, deleted_at) WHERE deleted_at IS NULL;
CREATE INDEX quotations_created_at_idx        ON quotations (business_id, created_at DESC, id DESC, deleted_at)         WHERE deleted_at IS NULL;
CREATE INDEX customer_profiles_created_at_idx ON customer_profiles (business_id, created_at DESC, id DESC, deleted_at)  WHERE deleted_at IS NULL;

-- Entries of one kind among very many: all that narrows the audit log is told by the index.
DROP INDEX audit_log_business_idx;
CREATE INDEX audit_log_business_idx ON audit_log (business_id, id, actor_id, target_type, substr(action, instr(action, '.') + 1), at);
