-- Revenue per month, this year against last
SELECT month(created_at) AS month,
       sum(final_amount) FILTER (WHERE year(created_at) = 2024) AS last_year,
       sum(final_amount) FILTER (WHERE year(created_at) = 2025) AS this_year,
       sum(CASE WHEN year(created_at) = 2025 THEN final_amount ELSE -final_amount END)
           AS difference
FROM transactions
WHERE year(created_at) IN (2024, 2025)
GROUP BY month
ORDER BY month
