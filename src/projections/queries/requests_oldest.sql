-- The first day of which there are rows, when days before it are gone and only figures of them are kept; else null.
-- Always one row.
select case when exists (select from request_rollup where grain = 1 and span = 2 and at < first) then first end as day
from (
    select coalesce(min(to_date(right(relname, 8), 'YYYYMMDD'))::timestamp at time zone 'UTC', now()) as first
    from pg_inherits join pg_class on pg_class.oid = inhrelid
    where inhparent = 'public.traffic'::regclass
) as days
