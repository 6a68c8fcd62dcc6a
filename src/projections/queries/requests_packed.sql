-- Hours of packed requests (0023_packed_requests.sql).
--
-- by, parts           which: 1 of servers, 2 of users; null for all parts
-- lows, highs, signs  of these spans, and 1 or -1 for what is added or taken away
select hour.at, piece.sign, hour.entries
from unnest(%(lows)s::timestamptz[], %(highs)s::timestamptz[], %(signs)s::integer[]) as piece(low, high, sign)
cross join lateral (
    select at, entries from request_hour
    where by = %(by)s and (%(parts)s::smallint[] is null or part = any(%(parts)s)) and at >= piece.low and at < piece.high
    offset 0
) as hour
