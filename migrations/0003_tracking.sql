-- Where each projection stands. Written in the transaction that writes the read tables, so a crash never half-applies.

create table tracking (
    name               text        primary key,
    position           bigint      not null default 0,
    version            integer     not null default 0,
    status             text        not null default 'live' check (status in ('live', 'failed')),
    error              text,
    failed_at_position bigint,
    updated_at         timestamptz not null default clock_timestamp()
);
grant select, insert, update, delete on tracking to mcphub_app;

-- Read tables are made by the projector, which runs as mcphub_app: it owns the schema `read` and its successors.
-- On a managed server the hub may have one role only, which needs no grant and may be allowed none.
do $$
begin
    execute format('grant create on database %I to mcphub_app', current_database());
exception when insufficient_privilege then
    raise notice 'mcphub_app may not create schemas here; the connecting role does';
end
$$;
