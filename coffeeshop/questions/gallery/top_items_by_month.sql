-- The three items that earned most, per month
SELECT strftime(i.created_at, '%Y-%m') AS month,
       m.item_name,
       sum(i.quantity) AS items,
       sum(i.subtotal) AS revenue
FROM transaction_items i
JOIN menu_items m USING (item_id)
GROUP BY month, m.item_name
QUALIFY row_number() OVER (PARTITION BY month ORDER BY revenue DESC, m.item_name) <= 3
ORDER BY month, revenue DESC, m.item_name
