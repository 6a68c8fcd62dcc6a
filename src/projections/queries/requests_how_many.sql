-- About how many requests of everybody ended in a span, by the hours that are kept. Always one row.
--
-- since, until
select coalesce(sum(count), 0)::bigint as count from request_rollup
where grain = 1 and span = 1 and at > %(since)s::timestamptz - interval '1 hour' and at < %(until)s
