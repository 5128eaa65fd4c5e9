/* libFuzzer's entry: one input is a call of a kernel. Its answer is that of code without tricks.
 *
 * Every column lies at the very end of memory of its own size, one byte off where a number of its
 * width may lie, so the sanitizers see a read beyond it and one that is not aligned.
 */
#include <stdlib.h>
#include <string.h>

#include "fold.h"

#define DAY 86400

struct input {
    const uint8_t *at, *end;
};

static uint8_t byte_of(struct input *input) { return input->at < input->end ? *input->at++ : 0; }

static int64_t number_of(struct input *input) {
    uint64_t number = 0;
    unsigned bytes = byte_of(input) % 9;
    for (unsigned i = 0; i < bytes; i++)
        number = number << 8 | byte_of(input);
    return byte_of(input) & 1 ? (int64_t)(0 - number) : (int64_t)number;
}

static uint8_t *memory(size_t size) {
    uint8_t *found = malloc(size + 1);
    if (found == NULL)
        exit(1);
    return found + 1;
}

static void let_go(const void *found) { free((uint8_t *)(uintptr_t)found - 1); }

static int64_t value_at(const struct fold_column *column, size_t row) {
    uint64_t bits = 0;
    const uint8_t *at = (const uint8_t *)column->values + row * column->width;
    for (size_t i = column->width; i-- > 0;)
        bits = bits << 8 | at[i];
    unsigned unused = (unsigned)(64 - 8 * column->width);
    return (int64_t)(bits << unused) >> unused;
}

static int is_valid(const struct fold_column *column, size_t row) {
    return column->validity == NULL || (column->validity[row / 8] >> (row % 8) & 1);
}

static struct fold_column column_of(struct input *input, size_t rows, int nullable) {
    struct fold_column column = {NULL, (size_t)1 << byte_of(input) % 4, NULL};
    uint8_t *values = memory(rows * column.width);
    uint8_t kind = byte_of(input);
    for (size_t i = 0; i < rows * column.width; i++) /* small numbers, or any */
        values[i] = kind & 1 || i % column.width == 0 ? byte_of(input) : 0;
    column.values = values;
    if (nullable && kind & 2) {
        uint8_t *validity = memory((rows + 7) / 8);
        for (size_t i = 0; i < (rows + 7) / 8; i++)
            validity[i] = byte_of(input);
        column.validity = validity;
    }
    return column;
}

static void done(const struct fold_column *column) {
    let_go(column->values);
    if (column->validity != NULL)
        let_go(column->validity);
}

static void check(int right) {
    if (!right)
        abort();
}

static void try_range(struct input *input, size_t rows, uint8_t *mask) {
    struct fold_range range = {.column = column_of(input, rows, 1)};
    int64_t modulus = number_of(input);
    range.modulus = modulus < 0 ? 0 : modulus;
    range.least = number_of(input);
    range.largest = number_of(input);
    uint8_t *before = memory(rows);
    memcpy(before, mask, rows);
    fold_range(&range, rows, mask);
    size_t kept = 0;
    for (size_t row = 0; row < rows; row++) {
        int64_t value = value_at(&range.column, row);
        if (range.modulus)
            value = value % range.modulus + (value % range.modulus < 0 ? range.modulus : 0);
        int in = is_valid(&range.column, row) && range.least <= value && value <= range.largest;
        check(mask[row] == (before[row] && in));
        kept += mask[row];
    }
    check(fold_kept(mask, rows) == kept);
    let_go(before);
    done(&range.column);
}

static void try_pairs(struct input *input, size_t rows, const uint8_t *mask) {
    struct fold_column first = column_of(input, rows, 0), second = column_of(input, rows, 1);
    unsigned bits = 1 + byte_of(input) % 62;
    int64_t end = 1 + byte_of(input) % 32;
    int64_t *keys = malloc(rows * sizeof *keys + 1);
    if ((end - 1) >> (63 - bits) == 0) {
        size_t found = fold_pairs(&first, &second, end, bits, mask, rows, keys), wanted = 0;
        int fits = 1;
        for (size_t row = 0; row < rows; row++) {
            int64_t one = value_at(&first, row), other = value_at(&second, row);
            if ((mask != NULL && !mask[row]) || !is_valid(&second, row))
                continue;
            if (one < 0 || one >= end || other < 0 || other >> bits)
                fits = 0;
            else if (found != SIZE_MAX)
                check(keys[wanted] == (one << bits | other));
            wanted++;
        }
        check(found == (fits ? wanted : SIZE_MAX));
    }
    free(keys);
    done(&first);
    done(&second);
}

static void try_sums(struct input *input, size_t rows, const uint8_t *mask) {
    struct fold_column instants = column_of(input, rows, 0), ids = column_of(input, rows, 0);
    struct fold_sums task = {.instants = &instants, .ids = &ids};
    task.columns = byte_of(input) % 3;
    task.days = byte_of(input) % 4;
    task.first_day = (int8_t)byte_of(input);
    task.periods = byte_of(input) % 4;
    task.ids_end = 1 << byte_of(input) % 9;
    int64_t *period = malloc((size_t)task.days * sizeof *period + 1);
    for (int64_t day = 0; day < task.days; day++)
        period[day] = byte_of(input) % 5 ? byte_of(input) % 3 : -1;
    task.period = period;
    size_t places = (size_t)(task.periods * task.ids_end);
    task.counts = calloc(places + 1, sizeof *task.counts);
    for (uint32_t i = 0; i < task.columns; i++) {
        task.column[i] = column_of(input, rows, 0);
        task.sum[i] = calloc(places + 1, sizeof *task.counts);
    }
    int64_t *wanted = calloc((places + 1) * 4, sizeof *wanted), largest = -1;
    int64_t found = fold_sums(&task, mask, rows);
    int fits = 1;
    for (int64_t day = 0; day < task.days; day++)
        fits &= period[day] >= 0 && period[day] < task.periods;
    for (size_t row = 0; row < rows; row++) {
        if (mask != NULL && !mask[row])
            continue;
        int64_t second = value_at(&instants, row), id = value_at(&ids, row);
        int64_t day = second / DAY - (second % DAY < 0) - task.first_day;
        if (day < 0 || day >= task.days || id < 0 || id > INT64_MAX / 2) {
            fits = 0;
            continue;
        }
        largest = id > largest ? id : largest;
        if (!fits || id >= task.ids_end)
            continue;
        size_t place = (size_t)(period[day] * task.ids_end + id);
        wanted[place]++;
        for (uint32_t i = 0; i < task.columns; i++) {
            uint64_t sum = (uint64_t)wanted[(places + 1) * (i + 1) + place];
            wanted[(places + 1) * (i + 1) + place] =
                (int64_t)(sum + (uint64_t)value_at(&task.column[i], row));
        }
    }
    if (!fits)
        check(found == -1);
    else if (largest >= task.ids_end)
        check(found > largest && (uint64_t)found <= (uint64_t)largest * 2 + 1);
    else
        check(found == 0);
    for (uint32_t i = 0; i <= task.columns; i++)
        for (size_t place = 0; place < places; place++) {
            int64_t sum = i ? task.sum[i - 1][place] : task.counts[place];
            check(sum == (found ? 0 : wanted[(places + 1) * i + place]));
        }
    free(wanted);
    free(task.counts);
    for (uint32_t i = 0; i < task.columns; i++) {
        free(task.sum[i]);
        done(&task.column[i]);
    }
    free(period);
    done(&instants);
    done(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, data + size};
    uint8_t kind = byte_of(&input);
    size_t rows = byte_of(&input) % 40;
    if (kind & 64) /* more than are looked at at a time */
        rows += 1000;
    uint8_t *mask = memory(rows);
    for (size_t row = 0; row < rows; row++)
        mask[row] = byte_of(&input) & 1;
    const uint8_t *given = kind & 128 ? NULL : mask;
    if (kind % 3 == 0)
        try_range(&input, rows, mask);
    else if (kind % 3 == 1)
        try_pairs(&input, rows, given);
    else
        try_sums(&input, rows, given);
    let_go(mask);
    return 0;
}
