-- 0027 due: follow-ups that are due, among those that are open, are counted along their index.

DROP INDEX leads_follow_up_date_idx;

-- what is ordered by comes first, what is counted by after it: the rows themselves are not read for it
CREATE INDEX leads_follow_up_date_idx ON leads (business_id, follow_up_date, id, stage, deleted_at) WHERE deleted_at IS NULL AND follow_up_date IS NOT NULL;
