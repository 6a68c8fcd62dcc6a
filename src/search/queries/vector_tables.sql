-- Vectors by model and content: two models live side by side while one takes over from the other.
create table if not exists embedding_models (
    model_id smallint    generated always as identity primary key,
    name     text        not null unique,  -- provider, model and version
    dim      integer     not null,
    active   boolean     not null default false,  -- queries are answered with it
    added_at timestamptz not null default clock_timestamp()
);
create unique index if not exists embedding_models_active on embedding_models (active) where active;

create table if not exists vector_embeddings (
    model_id     smallint      not null references embedding_models on delete cascade,
    content_hash uuid          not null,
    embedding    vector not null,
    primary key (model_id, content_hash)
);
-- In the row, not beside it: a scan reads every vector.
alter table vector_embeddings alter column embedding set storage main;
