-- A user's own figures over everything retained; always one row.
--
-- errors and durations as in requests_stats.sql
select count(*) as total_requests,
       count(*) filter (where done.status is null) as pending_requests,
       max(start.at) as last_request_time,
       avg(done.duration_ms) filter (where done.status in ('Completed', 'Failed', 'TimedOut')) as average_response_time,
       percentile_cont(0.5) within group (order by done.duration_ms)
           filter (where done.status in ('Completed', 'Failed', 'TimedOut')) as p50_ms,
       percentile_cont(0.95) within group (order by done.duration_ms)
           filter (where done.status in ('Completed', 'Failed', 'TimedOut')) as p95_ms,
       percentile_cont(0.99) within group (order by done.duration_ms)
           filter (where done.status in ('Completed', 'Failed', 'TimedOut')) as p99_ms,
       coalesce(count(*) filter (where done.status in ('Failed', 'TimedOut', 'Interrupted'))
           / nullif(count(done.status), 0)::float8, 0) as error_rate
from traffic as start
left join traffic as done on done.request_id = start.request_id and done.kind = 4
where start.kind = 3 and start.user_id = %(user)s
