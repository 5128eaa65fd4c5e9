-- Sales and average ticket of members, per gender
SELECT u.gender,
       count(*) AS sales,
       round(avg(t.final_amount), 2) AS average_ticket
FROM transactions t
JOIN users u USING (user_id)
GROUP BY u.gender
ORDER BY u.gender
