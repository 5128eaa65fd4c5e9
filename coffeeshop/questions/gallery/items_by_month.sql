-- Items sold and their revenue per month
SELECT strftime(i.created_at, '%Y-%m') AS month,
       i.item_id,
       m.item_name,
       sum(i.quantity) AS items,
       sum(i.subtotal) AS revenue
FROM transaction_items i
LEFT JOIN menu_items m USING (item_id)
GROUP BY ALL
ORDER BY month, i.item_id
