/* The inner loops of filters and folds, over the columns of one batch as they travel.
 *
 * Knows nothing of Python, so that a fuzzer can drive it alone. Thread-safe: all memory is the
 * caller's. A mask has a byte a row, 0 or 1; NULL stands for all rows. Nothing beyond `rows`
 * values of a column is read.
 */
#ifndef COFFEESHOP_FOLD_H
#define COFFEESHOP_FOLD_H

#include <stddef.h>
#include <stdint.h>

#define FOLD_MAX_SUMS 8

/* Whole numbers of 1, 2, 4 or 8 bytes. `validity`: a bit a row, the lowest first; NULL: no nulls. */
struct fold_column {
    const void *values;
    size_t width;
    const uint8_t *validity;
};

/* least <= value (modulo `modulus`, never negative, unless that is 0) <= largest. */
struct fold_range {
    struct fold_column column;
    int64_t modulus, least, largest;
};

/* Clears the mask where a row is not in the range, or null. */
void fold_range(const struct fold_range *range, size_t rows, uint8_t *mask);

/* How many rows of a mask are kept. */
size_t fold_kept(const uint8_t *mask, size_t rows);

/* The kept rows in which `second` is no null as `first << bits | second`, and how many they are;
 * SIZE_MAX when one of them does not fit: 0 <= first < end, 0 <= second < 1 << bits. `keys` has
 * room for all rows. */
size_t fold_pairs(const struct fold_column *first, const struct fold_column *second, int64_t end,
                  unsigned bits, const uint8_t *mask, size_t rows, int64_t *keys);

/* Sums per period and id: `period[day]` of the day since `first_day` is a row of each array, an id
 * a place in it. */
struct fold_sums {
    const struct fold_column *instants, *ids;
    const int64_t *period; /* below `periods`, one for each of `days` */
    int64_t first_day, days, periods, ids_end;
    uint32_t columns;
    struct fold_column column[FOLD_MAX_SUMS];
    int64_t *counts, *sum[FOLD_MAX_SUMS]; /* of `periods * ids_end` places */
};

/* The kept rows added up, and 0; otherwise nothing was added: how many places the ids need at most,
 * if the arrays have too few, and -1 if a kept row has a negative id, or a day or period that is out
 * of bounds. `ids_end` is a power of two; all mask bytes are 0 or 1. */
int64_t fold_sums(const struct fold_sums *task, const uint8_t *mask, size_t rows);

#endif
