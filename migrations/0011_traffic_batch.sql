-- A batch of rows takes its turn and announces itself without being asked to: one statement, one round trip.
-- The lock is held until the commit, so position order is commit order (postgres/days.py: TRAFFIC).
create function traffic_batch() returns trigger
language plpgsql set search_path = pg_catalog
as $$
begin
    perform pg_advisory_xact_lock(7206003), pg_notify('traffic', '');
    return null;
end
$$;

create trigger traffic_batch before insert on traffic for each statement execute function traffic_batch();
