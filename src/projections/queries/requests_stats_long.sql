-- As requests_stats.sql, for long spans: whole units of time from the figures that are kept (rollups_add.sql), the rest from
-- the rows. Instead of percentiles it answers with sketches (0018_sketches.sql), to be added up and looked into.
--
-- grain                which figures: those that tell apart what is asked for, and no more
-- spans, lows, highs   the pieces that kept figures answer, one behind the other: which unit, from, to
-- first, last          where the first begins and the last ends; equal when there are none
-- since, until         the span; what of it is in no piece is read from the rows, and so is what came after the figures
--                      were made
-- reached              up to which position of the traffic they were, in the same snapshot; as a value, not as a
--                      subquery, so that the plan looks for the few rows behind it instead of reading every day
-- everything else      as in requests_stats.sql
with part as (
    select kept.*
    from unnest(%(spans)s::smallint[], %(lows)s::timestamptz[], %(highs)s::timestamptz[]) as piece(span, low, high)
    cross join lateral (
        select user_id, server, tool, at, count, errors, denied, cancelled, tool_errors, answered, total_ms, sketch
        from request_rollup
        where grain = %(grain)s and span = piece.span and at >= piece.low and at < piece.high
          and (%(user)s::text is null or user_id = %(user)s)
          and (%(server)s::text is null or server = %(server)s)
          and (%(tool)s::text is null or tool = %(tool)s)
          and (%(method)s::text is null or method = %(method)s)
        offset 0  -- each piece by an index: as a join all figures of the grain would be read
    ) as kept
    union all
    select coalesce(user_id, ''), coalesce(server, ''), coalesce(tool, ''), at, 1,
           (status in ('Failed', 'TimedOut', 'Interrupted'))::integer, (status = 'Denied')::integer,
           (status = 'Cancelled')::integer, coalesce(reason = 'tool_error', false)::integer,
           (status in ('Completed', 'Failed', 'TimedOut') and duration_ms is not null)::integer,
           case when status in ('Completed', 'Failed', 'TimedOut') then coalesce(duration_ms, 0) else 0 end,
           case when status in ('Completed', 'Failed', 'TimedOut') and duration_ms is not null
                then int2send(duration_bin(duration_ms)) || int4send(1) else '' end
    from (
        select * from traffic where kind = 4 and at >= %(since)s and at < least(%(first)s, %(until)s)
        union all
        select * from traffic where kind = 4 and at >= greatest(%(last)s, %(since)s) and at < %(until)s
        union all
        select * from traffic
        where kind = 4 and at >= %(first)s and at < %(last)s
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
           count, errors, denied, cancelled, tool_errors, answered, total_ms, sketch
    from part
)
select nullif("user", '') as "user", nullif(server, '') as server, nullif(tool, '') as tool,
       case when %(by)s = 'time' then at end as at,
       sum(count)::bigint as count, sum(errors)::bigint as errors, sum(denied)::bigint as denied,
       sum(cancelled)::bigint as cancelled, (sum(errors) / sum(count))::float8 as error_rate,
       sum(tool_errors)::bigint as tool_errors, sum(total_ms) / nullif(sum(answered), 0)::float8 as mean_ms,
       string_agg(sketch, ''::bytea) as sketch
from grouped
group by grouped."user", grouped.server, grouped.tool, grouped.at
order by 4, 5 desc, 1, 2, 3
limit %(size)s
