-- Sales and revenue per store, month, day of the week and hour
SELECT t.store_id,
       s.store_name,
       strftime(t.created_at, '%Y-%m') AS month,
       isodow(t.created_at) AS weekday,
       hour(t.created_at) AS hour,
       count(*) AS sales,
       sum(t.final_amount) AS revenue
FROM transactions t
LEFT JOIN stores s USING (store_id)
GROUP BY ALL
ORDER BY t.store_id, month, weekday, hour
