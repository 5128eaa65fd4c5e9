/* The loops of `fold.c` as a Python module: buffers of Arrow columns and of numpy arrays in.
 *
 * Here are the checks that every buffer is as long as it has to be, and the interpreter's lock,
 * which is released while rows are looked at.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "fold.h"

#define MOST_BUFFERS 32

/* Buffers of one call, given back together. */
struct held {
    Py_buffer buffer[MOST_BUFFERS];
    size_t count;
};

static void let_go(struct held *held) {
    while (held->count)
        PyBuffer_Release(&held->buffer[--held->count]);
}

/* The memory of an object that has at least `size` bytes; NULL with an exception otherwise. */
static void *memory_of(struct held *held, PyObject *object, size_t size, int flags) {
    static char nothing; /* stands for no bytes: they need not have an address */
    if (held->count == MOST_BUFFERS) {
        PyErr_SetString(PyExc_ValueError, "too many buffers");
        return NULL;
    }
    Py_buffer *buffer = &held->buffer[held->count];
    if (PyObject_GetBuffer(object, buffer, flags) < 0)
        return NULL;
    held->count++;
    if ((size_t)buffer->len < size) {
        PyErr_SetString(PyExc_ValueError, "a buffer is too short");
        return NULL;
    }
    return buffer->buf == NULL ? &nothing : buffer->buf;
}

/* (values, width, validity or None) */
static int read_column(struct held *held, PyObject *tuple, size_t rows, struct fold_column *out) {
    PyObject *values, *validity;
    Py_ssize_t width;
    if (!PyArg_ParseTuple(tuple, "OnO", &values, &width, &validity))
        return 0;
    if (width != 1 && width != 2 && width != 4 && width != 8) {
        PyErr_SetString(PyExc_ValueError, "a whole number has 1, 2, 4 or 8 bytes");
        return 0;
    }
    out->width = (size_t)width;
    out->validity = NULL;
    out->values = memory_of(held, values, rows * out->width, PyBUF_SIMPLE);
    if (out->values != NULL && validity != Py_None) {
        out->validity = memory_of(held, validity, (rows + 7) / 8, PyBUF_SIMPLE);
        return out->validity != NULL;
    }
    return out->values != NULL;
}

/* The mask, NULL for None; false with an exception. */
static int read_mask(struct held *held, PyObject *object, size_t rows, const uint8_t **out) {
    *out = NULL;
    if (object == Py_None)
        return 1;
    *out = memory_of(held, object, rows, PyBUF_SIMPLE);
    return *out != NULL;
}

static int are_rows(Py_ssize_t rows) {
    if (rows >= 0 && rows < PY_SSIZE_T_MAX / 8)
        return 1;
    PyErr_SetString(PyExc_ValueError, "no such number of rows");
    return 0;
}

static PyObject *keep(PyObject *module, PyObject *arguments) {
    (void)module;
    struct held held = {.count = 0};
    struct fold_range range;
    PyObject *mask, *column;
    Py_ssize_t rows;
    long long modulus, least, largest;
    if (!PyArg_ParseTuple(arguments, "nOO!LLL", &rows, &mask, &PyTuple_Type, &column, &modulus,
                          &least, &largest))
        return NULL;
    PyObject *result = NULL;
    uint8_t *kept;
    if (modulus < 0)
        PyErr_SetString(PyExc_ValueError, "a modulus is not negative");
    else if (are_rows(rows) && read_column(&held, column, (size_t)rows, &range.column) &&
             (kept = memory_of(&held, mask, (size_t)rows, PyBUF_WRITABLE)) != NULL) {
        range.modulus = modulus;
        range.least = least;
        range.largest = largest;
        size_t count;
        Py_BEGIN_ALLOW_THREADS;
        fold_range(&range, (size_t)rows, kept);
        count = fold_kept(kept, (size_t)rows);
        Py_END_ALLOW_THREADS;
        result = PyLong_FromSize_t(count);
    }
    let_go(&held);
    return result;
}

static PyObject *pairs(PyObject *module, PyObject *arguments) {
    (void)module;
    struct held held = {.count = 0};
    struct fold_column first, second;
    PyObject *mask, *one, *other, *out;
    const uint8_t *kept;
    Py_ssize_t rows;
    long long end;
    unsigned int bits;
    if (!PyArg_ParseTuple(arguments, "nOO!O!LIO", &rows, &mask, &PyTuple_Type, &one, &PyTuple_Type,
                          &other, &end, &bits, &out))
        return NULL;
    PyObject *result = NULL;
    int64_t *keys;
    if (bits < 1 || bits > 62 || end < 1 || (end - 1) >> (63 - bits))
        PyErr_SetString(PyExc_ValueError, "no such pairs");
    else if (are_rows(rows) && read_mask(&held, mask, (size_t)rows, &kept) &&
             read_column(&held, one, (size_t)rows, &first) &&
             read_column(&held, other, (size_t)rows, &second) &&
             (keys = memory_of(&held, out, (size_t)rows * sizeof *keys, PyBUF_WRITABLE)) != NULL) {
        size_t count;
        Py_BEGIN_ALLOW_THREADS;
        count = fold_pairs(&first, &second, end, bits, kept, (size_t)rows, keys);
        Py_END_ALLOW_THREADS;
        result = count == SIZE_MAX ? PyLong_FromLong(-1) : PyLong_FromSize_t(count);
    }
    let_go(&held);
    return result;
}

static int read_sums(struct held *held, PyObject *columns, PyObject *arrays, size_t rows,
                     size_t size, struct fold_sums *task) {
    Py_ssize_t count = PyTuple_Size(columns);
    if (count > FOLD_MAX_SUMS || PyTuple_Size(arrays) != count + 1) {
        PyErr_SetString(PyExc_ValueError, "not an array for each sum, and one for the rows");
        return 0;
    }
    task->columns = (uint32_t)count;
    task->counts = memory_of(held, PyTuple_GetItem(arrays, 0), size, PyBUF_WRITABLE);
    if (task->counts == NULL)
        return 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!read_column(held, PyTuple_GetItem(columns, i), rows, &task->column[i]))
            return 0;
        task->sum[i] = memory_of(held, PyTuple_GetItem(arrays, i + 1), size, PyBUF_WRITABLE);
        if (task->sum[i] == NULL)
            return 0;
    }
    return 1;
}

static PyObject *sums(PyObject *module, PyObject *arguments) {
    (void)module;
    struct held held = {.count = 0};
    struct fold_column instants, ids;
    struct fold_sums task = {.instants = &instants, .ids = &ids};
    PyObject *mask, *when, *what, *periods, *columns, *arrays;
    const uint8_t *kept;
    Py_ssize_t rows, days;
    long long first_day, count, ids_end;
    if (!PyArg_ParseTuple(arguments, "nOO!O!LOnLLO!O!", &rows, &mask, &PyTuple_Type, &when,
                          &PyTuple_Type, &what, &first_day, &periods, &days, &count, &ids_end,
                          &PyTuple_Type, &columns, &PyTuple_Type, &arrays))
        return NULL;
    PyObject *result = NULL;
    task.first_day = first_day;
    task.days = days;
    task.periods = count;
    task.ids_end = ids_end;
    if (days < 0 || days > (1 << 24) || count < 0 || count > (1 << 24) || ids_end < 1 ||
        ids_end > (1 << 24) || ids_end & (ids_end - 1) || first_day < -(1LL << 40) ||
        first_day > 1LL << 40)
        PyErr_SetString(PyExc_ValueError, "no such days, periods or ids");
    else if (are_rows(rows) && are_rows(days) && read_mask(&held, mask, (size_t)rows, &kept) &&
             read_column(&held, when, (size_t)rows, &instants) &&
             read_column(&held, what, (size_t)rows, &ids) &&
             (task.period = memory_of(&held, periods, (size_t)days * sizeof *task.period,
                                      PyBUF_SIMPLE)) != NULL &&
             read_sums(&held, columns, arrays, (size_t)rows,
                       (size_t)(count * ids_end) * sizeof(int64_t), &task)) {
        int64_t found;
        Py_BEGIN_ALLOW_THREADS;
        found = fold_sums(&task, kept, (size_t)rows);
        Py_END_ALLOW_THREADS;
        result = PyLong_FromLongLong(found);
    }
    let_go(&held);
    return result;
}

static PyMethodDef methods[] = {
    {"keep", keep, METH_VARARGS,
     "keep(rows, mask, column, modulus, least, largest) -> how many rows the mask keeps"},
    {"pairs", pairs, METH_VARARGS,
     "pairs(rows, mask, first, second, end, bits, keys) -> how many keys, or -1"},
    {"sums", sums, METH_VARARGS,
     "sums(rows, mask, instants, ids, first_day, periods, days, count, ids_end, columns, arrays)"
     " -> 0, or the end of the ids, or -1"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_fold", "Loops over Arrow's buffers.", 0, methods, NULL, NULL, NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__fold(void) { return PyModule_Create(&definition); }
