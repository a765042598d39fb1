-- 0024 lanes: what is to be sent is looked up by the way that it goes, so that a provider that rests holds up nobody else's messages.

CREATE INDEX outbox_lane_idx ON outbox (channel, business_id, template, due_at, id) WHERE status = 'pending';
-- Nothing looks at all of them by their time alone any more.
DROP INDEX outbox_due_at_idx;
