-- Known customers and their sales per store
SELECT s.store_name,
       count(DISTINCT t.user_id) AS customers,
       count(t.user_id) AS sales
FROM transactions t
JOIN stores s USING (store_id)
GROUP BY s.store_name
ORDER BY customers DESC, s.store_name
