-- The access log: who came in, who did not, what was refused, what was exported. A third log of typed columns, written in
-- batches like the traffic, kept as long, dropped by the day. Never names, tokens or addresses in clear.
--
-- action   sign_in   sign_out   command (a refused one)   export   gap (`lost` refusals of a flood, counted)
-- outcome  `done`, or the code of the refusal
-- way      local   github   oidc   link   script   cli
--
-- A row belongs to the day in which it was recorded, not to the one in which it happened: so no row can come into a day
-- that is over, and a day can be sealed while rows of it still wait in the spool of a hub that is down.

create sequence access_position;

create table access_log (
    position        bigint      not null default nextval('access_position'),  -- position order = commit order; has gaps
    recorded_at     timestamptz not null default clock_timestamp(),
    id              uuid        not null,  -- the same when a spool is replayed
    at              timestamptz not null,
    action          text        not null,
    outcome         text        not null,
    way             text        not null,
    actor           text        not null,  -- user id, system:cli, or '' for nobody known
    subject         text        not null,  -- the user it is about, or ''
    name_digest     text        not null,  -- of the name that was tried, as in the tags of the ledger
    ip              text        not null,  -- both sealed with the personal key of the actor, else of the subject
    agent           text        not null,
    address         text        not null,  -- keyed digest of the address, when there is neither
    method          text        not null,
    route           text        not null,  -- the template: no value and no query is in it
    request_id      text        not null,
    ledger_position bigint      not null,  -- where the ledger stood; what the timeline is ordered by
    lost            integer     not null,
    node            text        not null
) partition by range (recorded_at);

create index access_log_days on access_log using brin (recorded_at, position);
create index access_log_id on access_log (id);
create index access_log_timeline on access_log (ledger_position desc, position desc);
create index access_log_actor on access_log (actor, ledger_position desc, position desc);
create index access_log_subject on access_log (subject, ledger_position desc, position desc);

-- access_log_partition: makes the partition of a day (UTC); making it twice is fine.
create function access_log_partition(day date) returns void
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    partition text := 'access_log_' || to_char(day, 'YYYYMMDD');
begin
    if to_regclass(partition) is not null then
        return;
    end if;
    perform pg_advisory_xact_lock(7206004);  -- two nodes at midnight
    execute format(
        'create table if not exists %I partition of access_log for values from (%L) to (%L)',
        partition, day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
end
$$;

-- day_drop: lets a day of a log go that left retention. Returns whether there was one.
--
-- A day less than a day over stays, and one with rows whose seal is not in the ledger, whoever asks: the runtime role must
-- not be able to make anything vanish of which no digest is left. Gives up after three seconds behind a long query; the next
-- round asks again.
--
-- log      as facts name it: access or traffic
-- of_log   the log's table
create function day_drop(log text, of_log text, day date) returns boolean
language plpgsql set search_path = public, pg_temp set lock_timeout = '3s'
as $$
declare
    partition text := of_log || '_' || to_char(day, 'YYYYMMDD');
    holds_rows boolean;
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
    execute format('drop table %I', partition);
    return true;
end
$$;

create function access_log_drop(day date) returns boolean
language sql security definer set search_path = public, pg_temp
as $$ select day_drop('access', 'access_log', day) $$;

drop function traffic_drop(date);
create function traffic_drop(day date) returns boolean
language sql security definer set search_path = public, pg_temp
as $$ select day_drop('traffic', 'traffic', day) $$;

revoke all on access_log from public;
revoke execute on function access_log_partition, day_drop, access_log_drop, traffic_drop from public;
grant execute on function access_log_partition, access_log_drop, traffic_drop to mcphub_app;
grant select, insert on access_log to mcphub_app;
grant usage on sequence access_position to mcphub_app;
