-- The three busiest hours of each store
SELECT s.store_name,
       hour(t.created_at) AS hour,
       count(*) AS sales
FROM transactions t
JOIN stores s USING (store_id)
GROUP BY s.store_name, hour
QUALIFY row_number() OVER (PARTITION BY s.store_name ORDER BY sales DESC, hour) <= 3
ORDER BY s.store_name, sales DESC, hour
