-- Items sold and revenue per category of the menu
SELECT m.category,
       sum(i.quantity) AS items,
       sum(i.subtotal) AS revenue
FROM transaction_items i
JOIN menu_items m USING (item_id)
GROUP BY m.category
ORDER BY revenue DESC, m.category
