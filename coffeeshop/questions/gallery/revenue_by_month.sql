-- Revenue, sales and average ticket per month
SELECT date_trunc('month', created_at) AS month,
       count(*) AS sales,
       sum(final_amount) AS revenue,
       round(avg(final_amount), 2) AS average_ticket
FROM transactions
GROUP BY month
ORDER BY month
