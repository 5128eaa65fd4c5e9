/* Plain CSV to columns: what the scanner takes, what it gives, and what it may touch.
 *
 * Knows nothing of Python, so that a fuzzer can drive it alone. Not thread-safe for one `scratch`;
 * any number of threads may scan with one each.
 */
#ifndef COFFEESHOP_SCAN_H
#define COFFEESHOP_SCAN_H

#include <stddef.h>
#include <stdint.h>

#define SCAN_MAX_COLUMNS 16
#define SCAN_MAX_CONDITIONS 8

enum scan_kind { SCAN_TEXT, SCAN_WHOLE, SCAN_AMOUNT, SCAN_INSTANT, SCAN_DATE };

/* A column that is wanted: which field of a row it is, and which values there may be. */
struct scan_column {
    uint32_t field;
    enum scan_kind kind;
    int nullable;
    int late; /* text that is a null in rows which do not meet all conditions */
    int64_t least, largest;
};

/* least <= value of the column (modulo `modulus`, unless that is 0) <= largest. */
struct scan_condition {
    uint32_t column; /* its place in the columns; not a text */
    int64_t modulus, least, largest;
};

struct scan_task {
    const uint8_t *data; /* whole rows, each with its newline */
    size_t size;
    uint32_t fields; /* of every row */
    uint32_t columns;
    struct scan_column column[SCAN_MAX_COLUMNS];
    uint32_t conditions;
    struct scan_condition condition[SCAN_MAX_CONDITIONS];
    int portable; /* without the processor's vector instructions */
};

/* One column of the result. Values of null rows are 0. */
struct scan_values {
    int64_t *values;   /* instants: seconds since 1970, dates: days, amounts: thousandths */
    uint8_t *validity; /* a bit a row, the lowest first; only where `nulls` */
    int32_t *offsets;  /* of a text, rows + 1 of them */
    uint8_t *text;
    size_t room; /* for text, in bytes */
    int64_t nulls, least, largest; /* of the values that are none; 0 and 0 when all are */
};

/* Memory that is kept from one scan to the next. All zero to begin with. */
struct scan_scratch {
    uint32_t *places; /* of the separators in a part of the data */
    size_t rows;      /* that there is room for */
    uint32_t columns;
    struct scan_values column[SCAN_MAX_COLUMNS];
};

enum scan_outcome { SCAN_DONE, SCAN_NOT_MINE, SCAN_NO_MEMORY };

/* Scans all rows into `scratch->column`. SCAN_NOT_MINE: something is in there that the columnar
 * parser has to judge; nothing of the result counts then. */
enum scan_outcome scan(const struct scan_task *task, struct scan_scratch *scratch, size_t *rows);

/* To be called once, before the first scan. */
void scan_prepare(void);

/* The vector instructions that are used here, in words. */
const char *scan_vectors(void);

void scan_free(struct scan_scratch *scratch);

#endif
