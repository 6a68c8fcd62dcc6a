-- The best of the tools that somebody may see. Nothing but these and the query enters the answer: how rare a term is, and
-- the scale of the scores, follow from what is visible, so a hidden tool changes nothing.
--
-- terms, weights     of the query
-- visible            content hashes of the tools to look among; the answer names their places in it, from 1
-- own_*              terms of visible tools that are not in the catalog
-- model, vector      of the query's meaning; null to go by words alone
--
-- The two scores are put on one scale by mean and deviation; a tool without a vector counts as average.
-- lexical_max        the best score by words: how sure the answer is
with query_term as (
    select * from unnest(%(terms)s::text[], %(weights)s::real[]) as q (term, asked)
), seen as materialized (
    select * from unnest(%(visible)s::uuid[]) with ordinality as one (content_hash, place)
), posting as materialized (
    select place, term, weight, asked from query_term join tool_terms using (term) join seen using (content_hash)
    union all
    select place, term, weight, asked
    from unnest(%(own_hashes)s::uuid[], %(own_terms)s::text[], %(own_weights)s::real[])
        as own (content_hash, term, weight)
    join query_term using (term)
    join seen using (content_hash)
    where not exists (select from tool_catalog where tool_catalog.content_hash = own.content_hash)
), corpus as (
    select count(*)::float8 as n from seen
), rarity as (
    select term, ln(1 + (n - df + 0.5) / (df + 0.5)) as idf
    from corpus, (select term, count(*)::float8 as df from posting group by term) as counted
), lexical as (
    select place, sum(asked * weight * idf) as score from posting join rarity using (term) group by place
), meaning as materialized (  -- once for each tool; of unit vectors the inner product is the cosine
    {meaning}
), visible as materialized (
    select place, coalesce(score, 0) as lexical, dense
    from seen left join lexical using (place) left join meaning using (content_hash)
), scaled as (
    select place, lexical,
           (lexical - avg(lexical) over ()) / greatest(stddev_pop(lexical) over (), 1e-9) as lexical_z,
           coalesce((dense - avg(dense) over ()) / greatest(stddev_pop(dense) over (), 1e-9), 0) as dense_z
    from visible
)
select place, {lexical_part} * lexical_z + {dense_part} * dense_z as score, max(lexical) over () as lexical_max,
       n::int as tools
from scaled, corpus
order by score desc, place
limit %(most)s
