-- Facts of one cause, and those that a fact caused, are found without a look at the whole ledger. The first expression is
-- that of projections/timeline.py: TRACE.
create index ledger_trace on ledger ((coalesce(nullif(meta ->> 'correlation_id', ''), meta ->> 'request_id')))
    where coalesce(nullif(meta ->> 'correlation_id', ''), meta ->> 'request_id') is not null;
create index ledger_caused on ledger ((meta ->> 'causation_id')) where meta ->> 'causation_id' is not null;
