-- The hubs of one database: a row for each run, written anew every two seconds, and what one says to another.

create table node (
    id             text        primary key,   -- of one run of a hub
    name           text        not null,      -- MCPHUB_NODE
    version        text        not null,
    schema_version integer     not null,      -- the newest schema its code knows
    started_at     timestamptz not null,
    seen_at        timestamptz not null,
    draining       boolean     not null default false,
    sessions       integer     not null default 0,
    streams        integer     not null default 0,
    in_flight      integer     not null default 0,
    runtimes       integer     not null default 0,
    cores          real        not null default 0   -- CPU seconds a second, of the hub's own process
);
grant select, insert, update, delete on node to mcphub_app;

-- Unlogged: a message is of use for a minute at most, and its body, though sealed, is to be in no backup and no log.
create unlogged table node_message (
    id      bigint      generated always as identity primary key,
    node    text        not null,
    made_at timestamptz not null default clock_timestamp(),
    body    bytea       not null
);
create index node_message_node on node_message (node, id);
grant select, insert, update, delete on node_message to mcphub_app;
grant usage on sequence node_message_id_seq to mcphub_app;

-- Which node holds the session's own stream, so that the others can send there what belongs on it.
alter table gateway_session add column listening text;
