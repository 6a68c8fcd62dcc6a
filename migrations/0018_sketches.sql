-- Figures of requests, read faster: durations as one value that is put together without being looked into, weeks beside
-- days, and minutes of everybody for as long as somebody looks at them that closely.
--
-- span     0 a minute (everybody, of the last days)   1 an hour   2 a day   3 a week from Monday (UTC)
-- sketch   how long requests took: for each class of durations (0014) two bytes that say which and four that say how many,
--          in the order of the classes. One behind the other is a sketch of both, with classes that occur twice.
alter table request_rollup add column sketch bytea not null default '';
update request_rollup set sketch = coalesce(
    (select string_agg(int2send(bin) || int4send(number), ''::bytea order by bin)
     from unnest(bins, numbers) as classed(bin, number)), '');
alter table request_rollup drop column bins;
alter table request_rollup drop column numbers;

-- sketch_merged: the same with each class once.
create function sketch_merged(sketch bytea) returns bytea
language sql immutable strict parallel safe
as $$
    select coalesce(string_agg(int2send(bin::int2) || int4send(number::int4), ''::bytea order by bin), '')
    from (
        select (get_byte(sketch, at) << 8) + get_byte(sketch, at + 1) as bin,
               sum((get_byte(sketch, at + 2)::bigint << 24) + (get_byte(sketch, at + 3) << 16)
                   + (get_byte(sketch, at + 4) << 8) + get_byte(sketch, at + 5)) as number
        from generate_series(0, length(sketch) - 6, 6) as at
        group by 1
    ) as classes
$$;

insert into request_rollup (grain, span, at, user_id, server, tool, method, count, errors, denied, cancelled, tool_errors,
                            answered, total_ms, sketch)
select grain, 3, date_trunc('week', at, 'UTC'), user_id, server, tool, method, sum(count), sum(errors), sum(denied),
       sum(cancelled), sum(tool_errors), sum(answered), sum(total_ms), sketch_merged(string_agg(sketch, ''::bytea))
from request_rollup where span = 2
group by 1, 2, 3, 4, 5, 6, 7;

-- Those of one server or tool over a long time, by whomever.
create index request_rollup_server on request_rollup (server, grain, span, at) where server <> '';

-- rollup_forget_minutes: nobody looks at the minutes of a day long ago, and everything else is kept.
create function rollup_forget_minutes() returns void
language sql security definer set search_path = public, pg_temp
as $$ delete from request_rollup where grain = 1 and span = 0 and at < now() - interval '3 days' $$;
revoke execute on function rollup_forget_minutes from public;
grant execute on function rollup_forget_minutes to mcphub_app;
