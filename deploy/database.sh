#!/bin/sh
# Run once by the database container, on an empty volume: the hub's own role and database.
# The role is no superuser: whoever gets hold of its password has this database, not the server.
set -eu

psql --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres \
    --set password="$MCPHUB_DATABASE_PASSWORD" <<'SQL'
create role mcphub login createrole password :'password';
create database mcphub owner mcphub encoding 'UTF8' template template0;
\connect mcphub
create extension vector;
SQL
