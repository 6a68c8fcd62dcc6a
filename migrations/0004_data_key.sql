-- Wrapped data keys: mutable, outside the ledger. Deleting a row makes what it sealed unreadable for ever.
--
-- owner    a user id for what is theirs, `hub` for the hub's own secrets
-- purpose  what the key seals: token, personal, password, settings; or the name of a key of the hub's own
-- kek_id   the master key of the ring that wraps it

create table data_key (
    id         uuid        primary key,
    owner      text        not null,
    purpose    text        not null,
    kek_id     text        not null,
    wrapped    bytea       not null,
    created_at timestamptz not null default clock_timestamp()
);
create index data_key_owner on data_key (owner);
-- One key for a user's personal data, and one of each of the hub's own.
create unique index data_key_single on data_key (owner, purpose) where purpose = 'personal' or owner = 'hub' and purpose <> 'settings';
grant select, insert, update, delete on data_key to mcphub_app;

-- One-time links: set-up and invitations. Only the digest of the token is kept; using a link deletes its row.
create table one_time_link (
    digest     bytea       primary key,
    purpose    text        not null check (purpose in ('setup', 'invite')),
    subject    text        not null default '',
    expires_at timestamptz not null
);
grant select, insert, delete on one_time_link to mcphub_app;

-- Use of keys: a throttled counter, not a fact.
create table key_use (
    key_id       text        primary key,
    last_used_at timestamptz not null,
    use_count    bigint      not null
);
grant select, insert, update, delete on key_use to mcphub_app;
