-- 0026 sends: how many recipients a network has asked to be written to is counted by the newest row of each, newest first, and no
-- further than the limit; not by all that were sent in the time.

-- 0: the same network had a message sent to the same recipient since
ALTER TABLE proof_sends ADD COLUMN is_newest INTEGER NOT NULL DEFAULT 1 CHECK (is_newest = 0 OR is_newest = 1);

UPDATE proof_sends SET is_newest = 0
WHERE EXISTS (SELECT 1 FROM proof_sends AS n
              WHERE n.recipient_hash = proof_sends.recipient_hash AND n.channel = proof_sends.channel AND n.network IS proof_sends.network
                AND n.id > proof_sends.id);

DROP INDEX proof_sends_network_idx;
CREATE INDEX proof_sends_network_idx ON proof_sends (network, channel, created_at, recipient_hash) WHERE is_newest = 1;
