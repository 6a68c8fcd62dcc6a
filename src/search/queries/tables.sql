-- The index of tools by their words. All of it is derived and can be made again, so it has a schema of its own: no backup
-- takes it along, and no rebuild of the read tables loses it.
--
-- content_hash  of the definition on the record and of everything of the settings that is indexed with it
-- embedded      the text whose vector stands for the tool
create table if not exists tool_catalog (
    content_hash uuid        primary key,
    server_id    text        not null,
    tool         text        not null,  -- its server's own name for it
    definition   text        not null,  -- its hash
    embedded     text        not null,
    added_at     timestamptz not null default clock_timestamp(),
    number       integer     generated always as identity unique  -- a short name: a set of tools is a bit for each
);
create index if not exists tool_catalog_server on tool_catalog (server_id);

create table if not exists tool_terms (
    term         text not null,
    content_hash uuid not null references tool_catalog on delete cascade,
    weight       real not null,
    number       integer not null,  -- the tool's, again
    primary key (term, content_hash) include (weight, number)
);
create index if not exists tool_terms_tool on tool_terms (content_hash);

-- One row: another one with every change of the catalog, so that numbers that were looked up are known to be old.
create table if not exists tool_catalog_version (
    version uuid not null
);
insert into tool_catalog_version select gen_random_uuid() where not exists (select from tool_catalog_version);
