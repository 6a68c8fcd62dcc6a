-- Traffic: sessions and requests, a second log of typed columns. Written in batches, kept for a while, then dropped by the
-- day. Never arguments, results or tokens.
--
-- kind   1 session opened   2 session closed   3 request started   4 request ended   5 gap (`lost` rows, counted)
-- A request has exactly one start and one end. The writer sees to it under the batch lock, for a unique index across
-- partitions would have to contain the partition key.

create sequence traffic_position;

create table traffic (
    position           bigint      not null default nextval('traffic_position'),  -- position order = commit order; has gaps
    at                 timestamptz not null,  -- of a start: when the request came in, the time in its id
    kind               smallint    not null,
    boot               integer     not null,  -- one run of one hub; see traffic_boot
    request_id         uuid,
    session_id         uuid,
    user_id            text,
    key_id             text,
    server             text,
    tool               text,
    method             text,
    status             text,
    duration_ms        real,
    wait_ms            real,                  -- of it, until an upstream was free
    upstream_ms        real,                  -- of it, until the upstream had answered
    bytes_in           integer,
    bytes_out          integer,
    error_code         text,
    reason             text,
    era                text,                  -- protocol revision
    mode               text,                  -- exposure mode
    view               text,
    client_name        text,
    client_version     text,
    credential_version text,                  -- a digest
    ledger_position    bigint,                -- the access decision was taken at
    shown              integer,
    filtered           integer,               -- items hidden by access; which ones follows from ledger_position
    lost               integer,
    node               text        not null
) partition by range (at);

-- Every index costs every call, so: two tiny ones, one entry a row to find a request, and partial ones for the rest.
-- Request ids are time-ordered, so the same indexes serve pages by time.
create index traffic_order on traffic using brin (at, position);
create index traffic_request on traffic (request_id);
create index traffic_user on traffic (user_id, request_id) where kind = 3;
create index traffic_failure on traffic (request_id) where kind = 4 and status <> 'Completed';
create index traffic_session on traffic (session_id) where kind <= 2;

-- One row for each run of a hub: whose open requests to end once its advisory lock is gone.
create table traffic_boot (
    boot    integer     primary key,
    node    text        not null,
    seen_at timestamptz not null default clock_timestamp(),
    swept   boolean     not null default false
);

-- Where rows wait that may be in `traffic` already: a replayed spool, a batch whose commit was never answered.
create unlogged table traffic_arriving (like traffic);
alter table traffic_arriving drop column position;

-- traffic_partition: makes the partition of a day (UTC), so that rows of that day have a place; making it twice is fine.
create function traffic_partition(day date) returns void
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    partition text := 'traffic_' || to_char(day, 'YYYYMMDD');
begin
    -- Looked up first: creating locks the whole table for a moment.
    if to_regclass(partition) is not null then
        return;
    end if;
    perform pg_advisory_xact_lock(7206004);  -- two nodes at midnight
    execute format(
        'create table if not exists %I partition of traffic for values from (%L) to (%L)',
        partition, day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
end
$$;

-- traffic_drop: lets a day go that left retention. Returns whether there was one.
--
-- A day less than a day over stays, whoever asks: the runtime role must not be able to make the present vanish. Gives up after
-- three seconds behind a long query; the next round asks again.
create function traffic_drop(day date) returns boolean
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '3s'
as $$
declare
    partition text := 'traffic_' || to_char(day, 'YYYYMMDD');
begin
    if day >= (now() at time zone 'UTC')::date - 1 then
        raise exception 'traffic of % is too recent to be dropped', day;
    end if;
    if to_regclass(partition) is null then
        return false;
    end if;
    execute format('drop table %I', partition);
    return true;
end
$$;

revoke all on traffic, traffic_boot, traffic_arriving from public;
revoke execute on function traffic_partition, traffic_drop from public;
grant execute on function traffic_partition, traffic_drop to mcphub_app;
grant select, insert on traffic to mcphub_app;
grant select, insert, update, delete on traffic_boot to mcphub_app;
grant select, insert, delete on traffic_arriving to mcphub_app;
grant usage on sequence traffic_position to mcphub_app;
