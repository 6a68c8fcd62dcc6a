-- Facts that came another way than through the browser, by which they came: projections/timeline.py: SOURCE.
create index ledger_source on ledger ((coalesce(meta ->> 'source', 'api')), position)
    where coalesce(meta ->> 'source', 'api') <> 'ui';
