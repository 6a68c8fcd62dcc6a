-- How many requests of each user there were, as requests_stats_long.sql would say, and by which number packed requests know
-- the user, null for one that is not in them.
with part as (
    select kept.user_id, kept.count * piece.sign as count
    from unnest(%(spans)s::smallint[], %(lows)s::timestamptz[], %(highs)s::timestamptz[], %(signs)s::integer[])
        as piece(span, low, high, sign)
    cross join lateral (
        select user_id, count from request_rollup
        where grain = %(grain)s and span = piece.span and at >= piece.low and at < piece.high
          and (%(user)s::text is null or user_id = %(user)s)
          and (%(method)s::text is null or method = %(method)s)
        offset 0
    ) as kept
    union all
    select coalesce(user_id, ''), sign
    from (
        select found.*, finer.sign
        from unnest(%(froms)s::timestamptz[], %(uptos)s::timestamptz[], %(pluses)s::integer[]) as finer(low, high, sign)
        cross join lateral (
            select * from traffic
            where kind = 4 and at >= finer.low and at < finer.high and position <= %(reached)s
            offset 0
        ) as found
        union all
        select *, 1 from traffic
        where kind = 4 and at >= %(since)s and at < %(until)s
          and position > %(reached)s
    ) as rest
    where (%(user)s::text is null or user_id = %(user)s)
      and (%(server)s::text is null or server = %(server)s)
      and (%(tool)s::text is null or tool = %(tool)s)
      and (%(method)s::text is null or method = %(method)s)
)
select user_id as "user", number, count
from (select user_id, sum(count)::bigint as count from part group by 1) as counted
left join request_user using (user_id)
