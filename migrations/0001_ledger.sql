-- The ledger: every configuration fact, gapless, hash-chained, append-only.
-- Runs as mcphub_owner; the role mcphub_app exists before.

create table ledger (
    position    bigint      primary key,
    id          uuid        not null unique,
    type        text        not null,
    tags        text[]      not null,
    recorded_at timestamptz not null,
    meta        json        not null,   -- json, not jsonb: it keeps the exact bytes the hash covers
    data        json        not null,
    hash        bytea       not null
);
create index ledger_tags on ledger using gin (tags) with (fastupdate = off);

create table ledger_head (
    one         boolean     primary key default true check (one),
    position    bigint      not null,
    recorded_at timestamptz not null,
    hash        bytea       not null
);
insert into ledger_head (position, recorded_at, hash) values (0, '-infinity', sha256(''));

-- ledger_link: what one event adds to the chain.
--
-- The separators never occur unescaped in JSON; types and tags are checked before they come here.
create function ledger_link(
    previous bytea, pos bigint, id uuid, type text, tags text, at timestamptz, meta text, data text
) returns bytea
language sql immutable
as $$
    select sha256(previous || int8send(pos) || uuid_send(id) || convert_to(
        concat_ws(E'\x1e', type, tags, (extract(epoch from at) * 1000000)::bigint, meta, data), 'UTF8'))
$$;

-- ledger_append: the only way a fact enters the ledger.
--
-- Appends all events or none, in one round trip. Returns the position of the last event, or null when an event newer
-- than `after` matches one of the `selectors` (the caller reads its boundary again and decides again).
--
-- selectors      [{"types": ["UserActivated", …], "tags": ["user:7f3c"]}, …]; types [] means every type
-- after          the ledger position the decision was taken at; null: nothing was read yet
-- tags           per event, joined by U+001F, sorted and unique
-- metas, datas   JSON: these exact bytes are hashed
create function ledger_append(
    selectors jsonb, after bigint, ids uuid[], types text[], tags text[], metas text[], datas text[]
) returns bigint
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    head ledger_head;
    now_ timestamptz;
begin
    -- One row lock serialises writers, so positions have no gaps and commit in order; it stops neither readers nor
    -- vacuum, as a table lock would.
    select * into strict head from ledger_head for update;

    if head.position > coalesce(after, 0) and exists (
        select from ledger as newer, jsonb_array_elements(selectors) as item
        where newer.position > coalesce(ledger_append.after, 0)
          and newer.tags @> array(select jsonb_array_elements_text(item -> 'tags'))
          and (jsonb_array_length(item -> 'types') = 0 or item -> 'types' ? newer.type)
    ) then
        return null;
    end if;

    now_ := greatest(clock_timestamp(), head.recorded_at);  -- time never runs backwards in the log
    for i in 1 .. cardinality(ids) loop
        head.position := head.position + 1;
        head.hash := ledger_link(head.hash, head.position, ids[i], types[i], tags[i], now_, metas[i], datas[i]);
        insert into ledger (position, id, type, tags, recorded_at, meta, data, hash)
        values (head.position, ids[i], types[i], string_to_array(tags[i], E'\x1f'), now_,
                metas[i]::json, datas[i]::json, head.hash);
    end loop;

    update ledger_head set position = head.position, recorded_at = now_, hash = head.hash;
    perform pg_notify('ledger', head.position::text);
    return head.position;
end
$$;

create function ledger_is_append_only() returns trigger
language plpgsql
as $$
begin
    raise exception 'the ledger is append-only';
end
$$;
create trigger ledger_append_only before update or delete or truncate on ledger
    for each statement execute function ledger_is_append_only();

revoke all on ledger, ledger_head from public;
revoke execute on function ledger_append from public;
grant usage on schema public to mcphub_app;
grant select on ledger, ledger_head to mcphub_app;
grant execute on function ledger_append to mcphub_app;
