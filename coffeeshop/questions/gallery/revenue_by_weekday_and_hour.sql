-- Sales and revenue per day of the week and hour
SELECT isodow(created_at) AS weekday,
       hour(created_at) AS hour,
       count(*) AS sales,
       sum(final_amount) AS revenue
FROM transactions
GROUP BY ALL
ORDER BY weekday, hour
