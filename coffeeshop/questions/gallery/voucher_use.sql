-- Sales with and without a voucher, and what was taken off, per month
SELECT strftime(created_at, '%Y-%m') AS month,
       count(*) FILTER (WHERE voucher_id IS NULL) AS without_voucher,
       count(voucher_id) AS with_voucher,
       sum(original_amount - final_amount) AS taken_off
FROM transactions
GROUP BY month
ORDER BY month
