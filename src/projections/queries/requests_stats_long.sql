-- As requests_stats.sql, for long spans: whole hours and days from the figures that are kept (rollups_add.sql), the rest
-- from the rows.
--
-- grain                which figures: those that tell apart what is asked for, and no more
-- hour_from, hour_to   the whole hours, or the whole days where there are no figures by hour
-- day_from, day_to     of these the whole days; equal when days are not wanted
-- since, until         the span; what of it is in none of these is read from the rows, and so is what came after the
--                      figures were made
-- reached              up to which position of the traffic they were, in the same snapshot; as a value, not as a
--                      subquery, so that the plan looks for the few rows behind it instead of reading every day
-- everything else      as in requests_stats.sql
with part as (
    select user_id, server, tool, at, count, errors, denied, cancelled, tool_errors, answered, total_ms, bins, numbers
    from request_rollup
    where grain = %(grain)s
      and (span = 2 and at >= %(day_from)s and at < %(day_to)s
           or span = 1 and (at >= %(hour_from)s and at < %(day_from)s or at >= %(day_to)s and at < %(hour_to)s))
      and (%(user)s::text is null or user_id = %(user)s)
      and (%(server)s::text is null or server = %(server)s)
      and (%(tool)s::text is null or tool = %(tool)s)
      and (%(method)s::text is null or method = %(method)s)
    union all
    select coalesce(user_id, ''), coalesce(server, ''), coalesce(tool, ''), at, 1,
           (status in ('Failed', 'TimedOut', 'Interrupted'))::integer, (status = 'Denied')::integer,
           (status = 'Cancelled')::integer, coalesce(reason = 'tool_error', false)::integer,
           (status in ('Completed', 'Failed', 'TimedOut') and duration_ms is not null)::integer,
           case when status in ('Completed', 'Failed', 'TimedOut') then coalesce(duration_ms, 0) else 0 end,
           case when status in ('Completed', 'Failed', 'TimedOut') and duration_ms is not null
                then array[duration_bin(duration_ms)] else '{}' end,
           case when status in ('Completed', 'Failed', 'TimedOut') and duration_ms is not null
                then array[1] else '{}' end
    from (
        select * from traffic where kind = 4 and at >= %(since)s and at < least(%(hour_from)s, %(until)s)
        union all
        select * from traffic where kind = 4 and at >= greatest(%(hour_to)s, %(since)s) and at < %(until)s
        union all
        select * from traffic
        where kind = 4 and at >= %(hour_from)s and at < %(hour_to)s
          and position > %(reached)s
    ) as rest
    where (%(user)s::text is null or user_id = %(user)s)
      and (%(server)s::text is null or server = %(server)s)
      and (%(tool)s::text is null or tool = %(tool)s)
      and (%(method)s::text is null or method = %(method)s)
), grouped as (
    select case when %(by)s = 'user' then user_id else '' end as "user",
           case when %(by)s in ('server', 'tool') then server else '' end as server,
           case when %(by)s = 'tool' then tool else '' end as tool,
           case when %(by)s = 'time'
                then date_bin(%(bucket)s::interval, at, timestamptz '2001-01-01 00:00:00+00')
                else timestamptz 'epoch' end as at,
           count, errors, denied, cancelled, tool_errors, answered, total_ms, bins, numbers
    from part
), figures as (
    select "user", server, tool, at, sum(count) as count, sum(errors) as errors, sum(denied) as denied,
           sum(cancelled) as cancelled, sum(tool_errors) as tool_errors, sum(answered) as answered,
           sum(total_ms) as total_ms
    from grouped
    group by 1, 2, 3, 4
), classes as (
    select "user", server, tool, at, bin, sum(number) as number
    from grouped, unnest(bins, numbers) as classed(bin, number)
    group by 1, 2, 3, 4, 5
), counted as (
    select *, sum(number) over (partition by "user", server, tool, at order by bin) as upto,
           sum(number) over (partition by "user", server, tool, at) as whole
    from classes
), percentiles as (
    select "user", server, tool, at, min(bin) filter (where upto >= 0.5 * whole) as p50,
           min(bin) filter (where upto >= 0.95 * whole) as p95, min(bin) filter (where upto >= 0.99 * whole) as p99
    from counted
    group by 1, 2, 3, 4
)
select nullif("user", '') as "user", nullif(server, '') as server, nullif(tool, '') as tool,
       case when %(by)s = 'time' then at end as at,
       count::bigint, errors::bigint, denied::bigint, cancelled::bigint,
       (errors / count)::float8 as error_rate, tool_errors::bigint,
       total_ms / nullif(answered, 0)::float8 as mean_ms,
       0.1 * 1.1::float8 ^ (p50 + 0.5) as p50_ms,
       0.1 * 1.1::float8 ^ (p95 + 0.5) as p95_ms,
       0.1 * 1.1::float8 ^ (p99 + 0.5) as p99_ms
from figures left join percentiles using ("user", server, tool, at)
order by 4, 5 desc, 1, 2, 3
limit %(size)s
