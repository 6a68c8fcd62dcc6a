-- What a list did not show, by why: {"items": {reason: count}, "servers": {…}, "stale": {…}}; null for all other rows.
-- Not in the digests of days: they hash the columns of before, so that days sealed earlier stay as they are.
alter table traffic add column left_out jsonb;
alter table traffic_arriving add column left_out jsonb;
