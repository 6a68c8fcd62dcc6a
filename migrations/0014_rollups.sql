-- Figures of requests that outlive the rows they are made from: by hour and day for everybody, for each tool and for each
-- user, by day for each user's tools. Filled from the traffic in order of its positions (projections/rollups.py).
--
-- grain    1 everybody   2 by tool   3 by user   4 by user and tool; what it does not tell apart is ''
-- span     1 an hour   2 a day (UTC)
-- bins     how long requests took, in classes that grow by a tenth (bin n begins at 0.1 ms * 1.1^n); `numbers` beside it
--          says how many. Adding them gives the classes of both, so percentiles of any span are within 5 %.
create table request_rollup (
    grain       smallint         not null,
    span        smallint         not null,
    at          timestamptz      not null,
    user_id     text             not null,
    server      text             not null,
    tool        text             not null,
    method      text             not null,
    count       bigint           not null,
    errors      bigint           not null,
    denied      bigint           not null,
    cancelled   bigint           not null,
    tool_errors bigint           not null,
    answered    bigint           not null,  -- of which there is a duration
    total_ms    double precision not null,  -- of these
    bins        smallint[]       not null,
    numbers     integer[]        not null,
    primary key (grain, span, at, user_id, server, tool, method)
);
-- Those of one user over all time.
create index request_rollup_user on request_rollup (user_id, span, at) where grain >= 3;

-- Up to which position of the traffic requests are in it. Whoever adds holds this row until the commit, so a request is
-- counted once however many hubs there are and whenever one dies.
create table request_rollup_reached (
    one      boolean primary key default true check (one),
    position bigint  not null
);
insert into request_rollup_reached (position) values (0);

-- The class of a duration; null for none.
create function duration_bin(ms real) returns smallint
language sql immutable strict parallel safe
as $$ select floor(ln(greatest(ms, 0.1::real)::float8 * 10) / ln(1.1::float8))::smallint $$;

revoke all on request_rollup, request_rollup_reached from public;
grant select, insert, update on request_rollup to mcphub_app;
grant select, update on request_rollup_reached to mcphub_app;

-- day_drop, as before; but a day of traffic stays until its requests are in the figures, whoever asks.
create or replace function day_drop(log text, of_log text, day date) returns boolean
language plpgsql set search_path = public, pg_temp set lock_timeout = '3s'
as $$
declare
    partition text := of_log || '_' || to_char(day, 'YYYYMMDD');
    holds_rows boolean;
    left_to_count boolean;
begin
    if day >= (now() at time zone 'UTC')::date - 1 then
        raise exception '% of % is too recent to be dropped', log, day;
    end if;
    if to_regclass(partition) is null then
        return false;
    end if;
    execute format('select exists (select from %I)', partition) into holds_rows;
    if holds_rows and not exists (
        select from ledger where type = 'DaySealed' and tags @> array[log || '-seal:' || to_char(day, 'YYYY-MM-DD')]
    ) then
        raise exception '% of % is not sealed, and so not dropped', log, day;
    end if;
    if log = 'traffic' then
        execute format('select exists (select from %I where kind = 4 and position > (select position from request_rollup_reached))',
                       partition) into left_to_count;
        if left_to_count then
            raise exception '% of % is not counted yet, and so not dropped', log, day;
        end if;
    end if;
    execute format('drop table %I', partition);
    return true;
end
$$;
