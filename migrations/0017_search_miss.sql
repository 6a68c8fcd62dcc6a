-- Words of queries that found nothing well, for who keeps the glossary; nothing of who asked (search/misses.py).
--
-- why   no_glossary: Korean that no stem of the glossary fits; nothing_sure: words that fit no tool well
create table search_miss (
    query    text        primary key check (length(query) between 1 and 200),
    why      text        not null,
    times    bigint      not null,
    first_at timestamptz not null,
    last_at  timestamptz not null
);
create index search_miss_last on search_miss (last_at);
revoke all on search_miss from public;
grant select, insert, update, delete on search_miss to mcphub_app;
