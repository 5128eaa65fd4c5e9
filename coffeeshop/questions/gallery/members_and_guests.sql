-- Members against guests: sales, revenue, average ticket
SELECT CASE WHEN user_id IS NULL THEN 'guest' ELSE 'member' END AS customer,
       count(*) AS sales,
       sum(final_amount) AS revenue,
       round(avg(final_amount), 2) AS average_ticket
FROM transactions
GROUP BY customer
ORDER BY customer
