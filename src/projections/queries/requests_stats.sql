-- Figures of ended requests, by user, server, tool, or time; the busiest first, time in order.
--
-- by            user | server | tool | time | '' for one row over all
-- bucket        length of a time bucket, counted from midnight UTC
-- filters       as in requests_page.sql; the span is of the time it ended
--
-- An error is what the hub or an upstream did: denied and cancelled requests are none, and what a tool answers with an
-- error of its own is counted beside them. Durations count only where
-- somebody waited for an answer and got one.
select case when %(by)s = 'user' then user_id end as "user",
       case when %(by)s in ('server', 'tool') then server end as server,
       case when %(by)s = 'tool' then tool end as tool,
       case when %(by)s = 'time' then date_bin(%(bucket)s::interval, at, timestamptz '2001-01-01 00:00:00+00') end as at,
       count(*) as count,
       count(*) filter (where status in ('Failed', 'TimedOut', 'Interrupted')) as errors,
       count(*) filter (where status = 'Denied') as denied,
       count(*) filter (where status = 'Cancelled') as cancelled,
       count(*) filter (where status in ('Failed', 'TimedOut', 'Interrupted')) / count(*)::float8 as error_rate,
       count(*) filter (where reason = 'tool_error') as tool_errors,
       avg(duration_ms) filter (where status in ('Completed', 'Failed', 'TimedOut')) as mean_ms,
       percentile_cont(0.5) within group (order by duration_ms)
           filter (where status in ('Completed', 'Failed', 'TimedOut')) as p50_ms,
       percentile_cont(0.95) within group (order by duration_ms)
           filter (where status in ('Completed', 'Failed', 'TimedOut')) as p95_ms,
       percentile_cont(0.99) within group (order by duration_ms)
           filter (where status in ('Completed', 'Failed', 'TimedOut')) as p99_ms
from traffic
where kind = 4
  and at >= %(since)s and at < %(until)s
  and (%(user)s::text is null or user_id = %(user)s)
  and (%(session)s::uuid is null or session_id = %(session)s)
  and (%(server)s::text is null or server = %(server)s)
  and (%(tool)s::text is null or tool = %(tool)s)
  and (%(method)s::text is null or method = %(method)s)
  and (%(status)s::text is null or status = %(status)s)
  and (%(latency)s::real is null or duration_ms >= %(latency)s)
  and (%(is)s::text is null or reason = 'tool_error'
       or (%(is)s = 'error' and status in ('Failed', 'TimedOut', 'Interrupted')))
group by 1, 2, 3, 4
order by 4, 5 desc, 1, 2, 3
limit %(size)s
