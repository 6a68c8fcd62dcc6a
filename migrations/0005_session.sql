-- MCP sessions, so that they survive a restart and move between nodes. Only the digest of a session's id is kept.

create table gateway_session (
    digest           bytea       primary key,
    public_id        uuid        not null unique,
    user_id          text        not null,
    key_id           text        not null,
    view             text        not null,
    protocol_version text        not null,
    init_params      json        not null,
    options          json        not null default '{}',   -- exposure mode asked for, log level, subscriptions
    created_at       timestamptz not null,
    last_seen_at     timestamptz not null,
    node             text        not null
);
create index gateway_session_user on gateway_session (user_id);
create index gateway_session_seen on gateway_session (last_seen_at);
grant select, insert, update, delete on gateway_session to mcphub_app;
