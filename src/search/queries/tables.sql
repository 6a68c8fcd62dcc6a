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
    added_at     timestamptz not null default clock_timestamp()
);
create index if not exists tool_catalog_server on tool_catalog (server_id);

create table if not exists tool_terms (
    term         text not null,
    content_hash uuid not null references tool_catalog on delete cascade,
    weight       real not null,
    primary key (term, content_hash)
);
create index if not exists tool_terms_tool on tool_terms (content_hash);
