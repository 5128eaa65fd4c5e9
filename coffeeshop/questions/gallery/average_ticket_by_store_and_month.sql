-- Average ticket per store and month
SELECT s.store_name,
       strftime(t.created_at, '%Y-%m') AS month,
       round(avg(t.final_amount), 2) AS average_ticket
FROM transactions t
JOIN stores s USING (store_id)
GROUP BY ALL
ORDER BY s.store_name, month
