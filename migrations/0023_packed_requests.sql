-- Figures of each user's tools without a row for each: of ten million requests these were nearly as many rows again.
-- Instead the ended requests of each hour are packed, 18 bytes each, once by server and once by user; those of each user
-- by the hour go as well, and those by day and week tell methods apart.

-- Numbers for what is named in each packed request.
create table request_user (
    number  integer generated always as identity primary key,
    user_id text    not null unique  -- '' for nobody
);
create table request_tool (
    number integer generated always as identity primary key,
    server text    not null,
    tool   text    not null,
    method text    not null,  -- '' each for none
    unique (server, tool, method)
);

-- by       1 server   2 user
-- part     of the 256 in which servers are, see server_part; of the 64 in which users are: the last bits of their number
-- at       the hour
-- entries  one behind the other: number of the user (4 bytes), number of the tool (4), class (2), how many requests (4),
--          their milliseconds (4, float). A class is 1024 times what it was (1 error, 2 denied, 4 cancelled, 8 a tool's own
--          error, 16 only said of requests that other entries count) and the class of its duration (0014), 1023 for none.
create table request_hour (
    by      smallint    not null,
    part    smallint    not null,
    at      timestamptz not null,
    entries bytea       not null,
    primary key (by, part, at)
);
alter table request_hour alter column entries set storage external;  -- added to every minute; nothing to be compressed first

create function server_part(server text) returns smallint
language sql immutable strict parallel safe
as $$ select get_byte(sha256(convert_to(server, 'UTF8')), 0)::smallint $$;

-- packed_request: one entry.
create function packed_request(who integer, what integer, outcome integer, bin integer, number bigint, ms float8) returns bytea
language sql immutable parallel safe
as $$
    select int4send(who) || int4send(what) || int2send(((outcome << 10) + coalesce(bin, 1023))::smallint)
           || int4send(number::integer) || float4send(ms::real)
$$;

insert into request_user (user_id)
select coalesce(user_id, '') from traffic where kind = 4
union select user_id from request_rollup where grain = 4;
insert into request_tool (server, tool, method)
select coalesce(server, ''), coalesce(tool, ''), coalesce(method, '') from traffic where kind = 4
union select server, tool, method from request_rollup where grain = 4;

-- Of days whose rows are there, from these; of those before, from their figures, at the first hour of each day.
with first as (
    select coalesce(min(to_date(right(relname, 8), 'YYYYMMDD'))::timestamp at time zone 'UTC', 'infinity') as day
    from pg_inherits join pg_class on pg_class.oid = inhrelid
    where inhparent = 'traffic'::regclass
), ended as (
    select date_trunc('hour', at, 'UTC') as at, coalesce(user_id, '') as user_id, coalesce(server, '') as server,
           coalesce(tool, '') as tool, coalesce(method, '') as method,
           case when status in ('Failed', 'TimedOut', 'Interrupted') then 1 when status = 'Denied' then 2
                when status = 'Cancelled' then 4 else 0 end
           + case when reason = 'tool_error' then 8 else 0 end as outcome,
           duration_bin(case when status in ('Completed', 'Failed', 'TimedOut') then duration_ms end) as bin,
           count(*) as number,
           coalesce(sum(case when status in ('Completed', 'Failed', 'TimedOut') then duration_ms end::float8), 0) as ms
    from traffic
    where kind = 4 and position <= (select position from request_rollup_reached)
    group by 1, 2, 3, 4, 5, 6, 7
    union all
    select at, user_id, server, tool, method, said.outcome, null, said.number, 0
    from request_rollup, first,
         lateral (values (0, count - answered), (17, errors), (18, denied), (20, cancelled), (24, tool_errors))
             as said(outcome, number)
    where grain = 4 and span = 2 and at < first.day and said.number > 0
    union all
    select at, user_id, server, tool, method, 0, classed.bin, classed.number,
           case when classed.place = 0 then total_ms else 0 end
    from request_rollup, first, lateral (
        select place, (get_byte(sketch, place) << 8) + get_byte(sketch, place + 1) as bin,
               (get_byte(sketch, place + 2)::bigint << 24) + (get_byte(sketch, place + 3) << 16)
               + (get_byte(sketch, place + 4) << 8) + get_byte(sketch, place + 5) as number
        from generate_series(0, length(sketch) - 6, 6) as place
    ) as classed
    where grain = 4 and span = 2 and at < first.day
), numbered as (
    select at, request_user.number as who, server,
           packed_request(request_user.number, request_tool.number, outcome, bin, ended.number, ms) as entry
    from ended join request_user using (user_id) join request_tool using (server, tool, method)
)
insert into request_hour (by, part, at, entries)
select 1, server_part(server), at, string_agg(entry, ''::bytea) from numbered group by 2, 3
union all
select 2, who & 63, at, string_agg(entry, ''::bytea) from numbered group by 2, 3;

delete from request_rollup where grain = 3;
insert into request_rollup (grain, span, at, user_id, server, tool, method, count, errors, denied, cancelled, tool_errors,
                            answered, total_ms, sketch)
select 3, coarser.span, date_trunc(unit, at, 'UTC'), user_id, '', '', method, sum(count), sum(errors), sum(denied), sum(cancelled),
       sum(tool_errors), sum(answered), sum(total_ms), sketch_merged(string_agg(sketch, ''::bytea))
from request_rollup, (values (2, 'day'), (3, 'week')) as coarser(span, unit)
where grain = 4
group by 2, 3, 4, 7;
delete from request_rollup where grain = 4;

-- rollup_forget: what nobody looks at that closely any more; the coarser figures of the same requests stay.
create or replace function rollup_forget() returns void
language sql security definer set search_path = public, pg_temp
as $$
    delete from request_rollup where grain = 1 and span = 0 and at < now() - interval '3 days';
$$;

revoke all on request_user, request_tool, request_hour from public;
grant select, insert on request_user, request_tool to mcphub_app;
grant select, insert, update on request_hour to mcphub_app;
