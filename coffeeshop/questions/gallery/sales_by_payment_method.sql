-- Sales and revenue per method of payment
SELECT p.method_name,
       count(*) AS sales,
       sum(t.final_amount) AS revenue
FROM transactions t
LEFT JOIN payment_methods p ON t.payment_method_id = p.method_id
GROUP BY p.method_name
ORDER BY revenue DESC, p.method_name
