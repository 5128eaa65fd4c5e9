-- Sales and revenue per city
SELECT s.city,
       count(*) AS sales,
       sum(t.final_amount) AS revenue
FROM transactions t
JOIN stores s USING (store_id)
GROUP BY s.city
ORDER BY revenue DESC, s.city
