-- Adds the requests that ended between two positions of the traffic to the figures.
--
-- after, upto  positions; the first is not taken, the second is
--
-- errors and durations as in requests_stats.sql
with ended as (
    select at, coalesce(user_id, '') as user_id, coalesce(server, '') as server, coalesce(tool, '') as tool,
           coalesce(method, '') as method, status, reason = 'tool_error' as tool_error,
           case when status in ('Completed', 'Failed', 'TimedOut') then duration_ms end as ms
    from traffic
    where kind = 4 and position > %(after)s and position <= %(upto)s
), classed as materialized (
    -- First by hour, user, tool and duration: all but the minutes is made from these.
    select date_trunc('hour', at, 'UTC') as hour, user_id, server, tool, method, duration_bin(ms) as bin,
           count(*) as count,
           count(*) filter (where status in ('Failed', 'TimedOut', 'Interrupted')) as errors,
           count(*) filter (where status = 'Denied') as denied,
           count(*) filter (where status = 'Cancelled') as cancelled,
           count(*) filter (where tool_error) as tool_errors,
           count(ms) as answered, coalesce(sum(ms::float8), 0) as total_ms
    from ended
    group by 1, 2, 3, 4, 5, 6
), minutes as (
    select date_trunc('minute', at, 'UTC') as minute, duration_bin(ms) as bin, count(*) as count,
           count(*) filter (where status in ('Failed', 'TimedOut', 'Interrupted')) as errors,
           count(*) filter (where status = 'Denied') as denied,
           count(*) filter (where status = 'Cancelled') as cancelled,
           count(*) filter (where tool_error) as tool_errors,
           count(ms) as answered, coalesce(sum(ms::float8), 0) as total_ms
    from ended
    where at >= now() - interval '3 days'
    group by 1, 2
), finest as materialized (
    select grain, span, date_trunc(unit, hour, 'UTC') as at,
           case when grain >= 3 then user_id else '' end as user_id,
           case when grain in (2, 4) then server else '' end as server,
           case when grain in (2, 4) then tool else '' end as tool,
           case when grain in (2, 4) then method else '' end as method,
           bin, sum(count) as count, sum(errors) as errors, sum(denied) as denied, sum(cancelled) as cancelled,
           sum(tool_errors) as tool_errors, sum(answered) as answered, sum(total_ms) as total_ms
    from classed, (values (1, 1, 'hour'), (2, 1, 'hour'), (3, 1, 'hour'), (4, 2, 'day')) as kinds(grain, span, unit)
    group by 1, 2, 3, 4, 5, 6, 7, 8
), kept as (
    select * from finest
    union all
    -- and the coarser ones from the finest
    select grain, coarser.span, date_trunc(unit, at, 'UTC'), user_id, server, tool, method, bin, sum(count),
           sum(errors), sum(denied), sum(cancelled), sum(tool_errors), sum(answered), sum(total_ms)
    from finest, (values (2, 'day'), (3, 'week')) as coarser(span, unit)
    where grain <= 3
    group by 1, 2, 3, 4, 5, 6, 7, 8
    union all
    select 1, 0, minute, '', '', '', '', bin, count, errors, denied, cancelled, tool_errors, answered, total_ms
    from minutes
)
insert into request_rollup as old (grain, span, at, user_id, server, tool, method, count, errors, denied, cancelled,
                                   tool_errors, answered, total_ms, sketch)
select grain, span, at, user_id, server, tool, method,
       sum(count), sum(errors), sum(denied), sum(cancelled), sum(tool_errors), sum(answered), sum(total_ms),
       coalesce(string_agg(int2send(bin) || int4send(answered::integer), ''::bytea order by bin)
                filter (where bin is not null), '')
from kept
group by 1, 2, 3, 4, 5, 6, 7
order by 1, 2, 3, 4, 5, 6, 7  -- two hubs in the same order
on conflict (grain, span, at, user_id, server, tool, method) do update set
    count = old.count + excluded.count, errors = old.errors + excluded.errors,
    denied = old.denied + excluded.denied, cancelled = old.cancelled + excluded.cancelled,
    tool_errors = old.tool_errors + excluded.tool_errors, answered = old.answered + excluded.answered,
    total_ms = old.total_ms + excluded.total_ms,
    sketch = sketch_merged(old.sketch || excluded.sketch)
