-- The index of a model's neighbours: which vectors are near to one, found without looking at all of them.
--
-- In half precision it is half as large and made in half the time, and finds the same; scores are of the vectors themselves.
-- The dimension is of the expression because models with several live in one column. It is made when the vectors are there.
create index {name} on vector_embeddings using hnsw ((embedding::halfvec({dim})) halfvec_ip_ops)
    where model_id = {model}
