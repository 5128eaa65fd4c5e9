/* The inner loops of filters and folds.
 *
 * Columns come in the narrowest width that holds their values. They are widened some rows at a
 * time, into memory that stays in the nearest cache, so that each loop is written once.
 */
#include "fold.h"

#include <string.h>

#define CHUNK 1024u /* rows */
#define SECONDS_PER_DAY 86400

/* Columns lie in a record wherever it put them: perhaps not where a number of their width may. */
#define WIDEN(type)                                                                                \
    for (size_t i = 0; i < count; i++) {                                                           \
        type value;                                                                                \
        memcpy(&value, at + i * sizeof value, sizeof value);                                       \
        out[i] = value;                                                                            \
    }

static void widen(const struct fold_column *column, size_t from, size_t count, int64_t *out) {
    const char *at = (const char *)column->values + from * column->width;
    switch (column->width) {
    case 1:
        WIDEN(int8_t)
        break;
    case 2:
        WIDEN(int16_t)
        break;
    case 4:
        WIDEN(int32_t)
        break;
    default:
        WIDEN(int64_t)
    }
}

static inline unsigned is_valid(const uint8_t *validity, size_t row) {
    return validity[row >> 3] >> (row & 7) & 1u;
}

static inline size_t chunk_of(size_t rows, size_t from) {
    return rows - from < CHUNK ? rows - from : CHUNK;
}

/* The remainders, none of them negative. */
static void remainders(int64_t *values, size_t count, int64_t modulus) {
    uint64_t all = 0;
    for (size_t i = 0; i < count; i++)
        all |= (uint64_t)values[i];
    if (all <= UINT32_MAX && modulus <= UINT32_MAX) { /* several times faster, and the usual case */
        for (size_t i = 0; i < count; i++)
            values[i] = (int64_t)((uint32_t)values[i] % (uint32_t)modulus);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        values[i] %= modulus;
        values[i] += values[i] < 0 ? modulus : 0;
    }
}

void fold_range(const struct fold_range *range, size_t rows, uint8_t *mask) {
    int64_t values[CHUNK];
    const uint8_t *validity = range->column.validity;
    if (range->least > range->largest) {
        memset(mask, 0, rows);
        return;
    }
    uint64_t length = (uint64_t)range->largest - (uint64_t)range->least;
    for (size_t from = 0; from < rows; from += CHUNK) {
        size_t count = chunk_of(rows, from);
        widen(&range->column, from, count, values);
        if (range->modulus)
            remainders(values, count, range->modulus);
        for (size_t i = 0; i < count; i++)
            mask[from + i] &= (uint64_t)values[i] - (uint64_t)range->least <= length;
        if (validity != NULL)
            for (size_t i = 0; i < count; i++)
                mask[from + i] &= (uint8_t)is_valid(validity, from + i);
    }
}

size_t fold_kept(const uint8_t *mask, size_t rows) {
    size_t kept = 0;
    for (size_t i = 0; i < rows; i++)
        kept += mask[i];
    return kept;
}

size_t fold_pairs(const struct fold_column *first, const struct fold_column *second, int64_t end,
                  unsigned bits, const uint8_t *mask, size_t rows, int64_t *keys) {
    int64_t ones[CHUNK], others[CHUNK];
    size_t found = 0;
    unsigned wrong = 0;
    uint64_t second_end = (uint64_t)1 << bits;
    for (size_t from = 0; from < rows; from += CHUNK) {
        size_t count = chunk_of(rows, from);
        widen(first, from, count, ones);
        widen(second, from, count, others);
        for (size_t i = 0; i < count; i++) {
            unsigned kept = mask == NULL ? 1u : mask[from + i];
            if (second->validity != NULL)
                kept &= is_valid(second->validity, from + i);
            unsigned fits = ((uint64_t)ones[i] < (uint64_t)end) & ((uint64_t)others[i] < second_end);
            wrong |= kept & ~fits;
            /* Written in any case, and written over unless it is kept. */
            keys[found] = (int64_t)((uint64_t)ones[i] << bits | (uint64_t)others[i]);
            found += kept;
        }
        if (wrong)
            return SIZE_MAX;
    }
    return found;
}

/* What `fold_sums` says before it adds anything. */
static int64_t checked(const struct fold_sums *task, const uint8_t *mask, size_t rows) {
    int64_t seconds[CHUNK], ids[CHUNK];
    uint64_t first = (uint64_t)task->first_day * SECONDS_PER_DAY, all_ids = 0;
    uint64_t length = (uint64_t)task->days * SECONDS_PER_DAY;
    unsigned wrong = 0;
    for (int64_t day = 0; day < task->days; day++)
        wrong |= (uint64_t)task->period[day] >= (uint64_t)task->periods;
    for (size_t from = 0; from < rows && !wrong; from += CHUNK) {
        size_t count = chunk_of(rows, from);
        widen(task->instants, from, count, seconds);
        widen(task->ids, from, count, ids);
        for (size_t i = 0; i < count; i++) {
            unsigned kept = mask == NULL ? 1u : mask[from + i];
            wrong |= kept & ((uint64_t)seconds[i] - first >= length);
            all_ids |= (uint64_t)ids[i] & (0 - (uint64_t)kept);
        }
    }
    if (wrong || all_ids > INT64_MAX / 2) /* which all are whose sign is set */
        return -1;
    /* Of numbers below a power of two all bits are below it as well. */
    return all_ids < (uint64_t)task->ids_end ? 0 : (int64_t)all_ids + 1;
}

int64_t fold_sums(const struct fold_sums *task, const uint8_t *mask, size_t rows) {
    int64_t seconds[CHUNK], values[CHUNK];
    uint32_t kept[CHUNK];
    size_t place[CHUNK];
    int64_t found = checked(task, mask, rows);
    if (found)
        return found;
    uint64_t first = (uint64_t)task->first_day * SECONDS_PER_DAY;
    for (size_t from = 0; from < rows; from += CHUNK) {
        size_t count = chunk_of(rows, from), wanted = 0;
        /* Which rows are kept first: that half of them are is the worst for a branch. */
        for (size_t i = 0; i < count; i++) {
            kept[wanted] = (uint32_t)i;
            wanted += mask == NULL ? 1u : mask[from + i];
        }
        widen(task->instants, from, count, seconds);
        widen(task->ids, from, count, values);
        for (size_t i = 0; i < wanted; i++) {
            uint64_t day = ((uint64_t)seconds[kept[i]] - first) / SECONDS_PER_DAY;
            place[i] = (size_t)(task->period[day] * task->ids_end + values[kept[i]]);
            task->counts[place[i]]++;
        }
        for (uint32_t column = 0; column < task->columns; column++) {
            widen(&task->column[column], from, count, values);
            int64_t *sums = task->sum[column];
            for (size_t i = 0; i < wanted; i++) /* as unsigned numbers: those wrap around */
                sums[place[i]] = (int64_t)((uint64_t)sums[place[i]] + (uint64_t)values[kept[i]]);
        }
    }
    return 0;
}
