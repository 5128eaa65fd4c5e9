/* libFuzzer's entry: one input is the number of a task, and the block that it is to scan.
 *
 * The block lies at the very end of memory of its own size, so the address sanitizer sees a read of
 * a single byte beyond it. The portable code has to say what the vector code says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan.h"
#include "tasks.h" /* made from the schema: TASKS and their number */

static void same(const struct scan_task *task, size_t rows, const struct scan_scratch *one,
                 const struct scan_scratch *other) {
    for (uint32_t i = 0; i < task->columns; i++) {
        const struct scan_values *a = &one->column[i], *b = &other->column[i];
        int text = task->column[i].kind == SCAN_TEXT;
        if (a->nulls != b->nulls || (rows && memcmp(a->validity, b->validity, (rows + 7) / 8)))
            abort();
        if (text && memcmp(a->offsets, b->offsets, (rows + 1) * sizeof *a->offsets))
            abort();
        if (text && a->offsets[rows] && memcmp(a->text, b->text, (size_t)a->offsets[rows]))
            abort();
        if (!text && rows && memcmp(a->values, b->values, rows * sizeof *a->values))
            abort();
        if (!text && (a->least != b->least || a->largest != b->largest))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct scan_scratch fast, portable; /* kept, as a thread keeps its own */
    static int prepared = 0;
    if (!prepared) {
        scan_prepare();
        prepared = 1;
    }
    if (size == 0)
        return 0;
    struct scan_task task = TASKS[data[0] % NUMBER_OF_TASKS];
    uint8_t *block = malloc(size - 1);
    if (size > 1)
        memcpy(block, data + 1, size - 1);
    task.data = block;
    task.size = size - 1;
    size_t rows, again;
    enum scan_outcome outcome = scan(&task, &fast, &rows);
    task.portable = 1;
    if (scan(&task, &portable, &again) != outcome)
        abort();
    if (outcome == SCAN_DONE) {
        if (rows != again)
            abort();
        same(&task, rows, &fast, &portable);
    }
    free(block);
    return 0;
}
