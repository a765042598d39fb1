-- 0018 administration: what those who run a business look at.
--
--   outbox   the messages of one business, newest first

CREATE INDEX outbox_business_idx ON outbox (business_id, id) WHERE business_id IS NOT NULL;
