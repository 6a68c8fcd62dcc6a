-- Values of users that an upstream refused: by version, no part of the value, nothing the upstream said.
--
-- position  of the fact that saved the value; one saved anew has another

create table value_rejection (
    user_id     text        not null,
    server_id   text        not null,
    variable    text        not null,
    position    bigint      not null,
    rejected_at timestamptz not null,
    primary key (user_id, server_id, variable)
);
grant select, insert, update, delete on value_rejection to mcphub_app;
