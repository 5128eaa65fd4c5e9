/* The scanner as a Python module: buffers in, the buffers of Arrow columns out.
 *
 * `scan.c` does the work and knows nothing of Python. Here are the lock, which is released while
 * rows are scanned, and the narrowest width that holds a column's values.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>
#include <string.h>

#include "scan.h"

#define SCRATCH "coffeeshop.reading.native._scan.scratch"

static void free_scratch(PyObject *capsule) {
    struct scan_scratch *scratch = PyCapsule_GetPointer(capsule, SCRATCH);
    if (scratch != NULL) {
        scan_free(scratch);
        free(scratch);
    }
}

static PyObject *new_scratch(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    struct scan_scratch *scratch = calloc(1, sizeof *scratch);
    if (scratch == NULL)
        return PyErr_NoMemory();
    PyObject *capsule = PyCapsule_New(scratch, SCRATCH, free_scratch);
    if (capsule == NULL)
        free(scratch);
    return capsule;
}

static int read_columns(PyObject *tuple, struct scan_task *task) {
    Py_ssize_t size = PyTuple_Size(tuple);
    if (size < 1 || size > SCAN_MAX_COLUMNS) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "too few or too many columns");
        return 0;
    }
    task->columns = (uint32_t)size;
    for (Py_ssize_t i = 0; i < size; i++) {
        struct scan_column *column = &task->column[i];
        unsigned int field;
        int kind;
        long long least, largest;
        if (!PyArg_ParseTuple(PyTuple_GetItem(tuple, i), "IippLL", &field, &kind,
                              &column->nullable, &column->late, &least, &largest))
            return 0;
        if (field >= task->fields || kind < SCAN_TEXT || kind > SCAN_DATE) {
            PyErr_SetString(PyExc_ValueError, "no such field or kind");
            return 0;
        }
        column->field = field;
        column->kind = (enum scan_kind)kind;
        column->least = least;
        column->largest = largest;
    }
    return 1;
}

static int read_conditions(PyObject *tuple, struct scan_task *task) {
    Py_ssize_t size = PyTuple_Size(tuple);
    if (size < 0 || size > SCAN_MAX_CONDITIONS) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "too many conditions");
        return 0;
    }
    task->conditions = (uint32_t)size;
    for (Py_ssize_t i = 0; i < size; i++) {
        unsigned int column;
        long long modulus, least, largest;
        if (!PyArg_ParseTuple(PyTuple_GetItem(tuple, i), "ILLL", &column, &modulus, &least,
                              &largest))
            return 0;
        if (column >= task->columns || task->column[column].kind == SCAN_TEXT || modulus < 0) {
            PyErr_SetString(PyExc_ValueError, "not a condition on a column of numbers");
            return 0;
        }
        struct scan_condition condition = {column, modulus, least, largest};
        task->condition[i] = condition;
    }
    return 1;
}

static size_t width_of(const struct scan_column *column, const struct scan_values *values) {
    if (column->kind == SCAN_DATE)
        return 4; /* days have one width in Arrow */
    if (values->least >= INT8_MIN && values->largest <= INT8_MAX)
        return 1;
    if (values->least >= INT16_MIN && values->largest <= INT16_MAX)
        return 2;
    if (values->least >= INT32_MIN && values->largest <= INT32_MAX)
        return 4;
    return 8;
}

static void narrow(const int64_t *values, size_t rows, size_t width, char *out) {
    switch (width) {
    case 1:
        for (size_t i = 0; i < rows; i++)
            ((int8_t *)out)[i] = (int8_t)values[i];
        break;
    case 2:
        for (size_t i = 0; i < rows; i++)
            ((int16_t *)out)[i] = (int16_t)values[i];
        break;
    case 4:
        for (size_t i = 0; i < rows; i++)
            ((int32_t *)out)[i] = (int32_t)values[i];
        break;
    default:
        memcpy(out, values, rows * sizeof *values);
    }
}

/* What is handed over of a column: bytes without content, for `fill`. All NULL to begin with. */
struct handed {
    PyObject *validity, *values, *text; /* of a text the values are its offsets */
    size_t width;
};

static PyObject *room(size_t size) { return PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size); }

static int make_room(const struct scan_column *column, const struct scan_values *values, size_t rows,
                     struct handed *out) {
    int is_text = column->kind == SCAN_TEXT;
    out->width = is_text ? sizeof *values->offsets : width_of(column, values);
    out->validity = values->nulls ? room((rows + 7) / 8) : Py_NewRef(Py_None);
    out->values = room((rows + (size_t)is_text) * out->width);
    out->text = is_text ? room((size_t)values->offsets[rows]) : Py_NewRef(Py_None);
    return out->validity != NULL && out->values != NULL && out->text != NULL;
}

/* Nobody else knows these bytes yet, so this needs no lock; they are fresh memory, which is slow. */
static void fill(const struct scan_column *column, const struct scan_values *values, size_t rows,
                 const struct handed *out, char *const at[3]) {
    if (values->nulls)
        memcpy(at[0], values->validity, (rows + 7) / 8);
    if (column->kind != SCAN_TEXT) {
        narrow(values->values, rows, out->width, at[1]);
        return;
    }
    memcpy(at[1], values->offsets, (rows + 1) * sizeof *values->offsets);
    if (values->offsets[rows])
        memcpy(at[2], values->text, (size_t)values->offsets[rows]);
}

static char *content(PyObject *object) {
    return object == Py_None ? NULL : PyBytes_AsString(object);
}

/* A tuple of (nulls, width, validity or None, values, text or None) for each column. */
static PyObject *columns_of(const struct scan_task *task, const struct scan_scratch *scratch,
                            size_t rows) {
    struct handed handed[SCAN_MAX_COLUMNS] = {{0}};
    char *at[SCAN_MAX_COLUMNS][3];
    PyObject *columns = PyTuple_New(task->columns);
    int right = columns != NULL;
    for (uint32_t i = 0; right && i < task->columns; i++)
        right = make_room(&task->column[i], &scratch->column[i], rows, &handed[i]);
    for (uint32_t i = 0; right && i < task->columns; i++) {
        at[i][0] = content(handed[i].validity);
        at[i][1] = content(handed[i].values);
        at[i][2] = content(handed[i].text);
    }
    if (right) {
        Py_BEGIN_ALLOW_THREADS;
        for (uint32_t i = 0; i < task->columns; i++)
            fill(&task->column[i], &scratch->column[i], rows, &handed[i], at[i]);
        Py_END_ALLOW_THREADS;
    }
    for (uint32_t i = 0; right && i < task->columns; i++) {
        struct handed *each = &handed[i];
        PyObject *column =
            Py_BuildValue("LnOOO", (long long)scratch->column[i].nulls, (Py_ssize_t)each->width,
                          each->validity, each->values, each->text);
        right = column != NULL && PyTuple_SetItem(columns, i, column) == 0;
    }
    for (uint32_t i = 0; i < task->columns; i++) {
        Py_XDECREF(handed[i].validity);
        Py_XDECREF(handed[i].values);
        Py_XDECREF(handed[i].text);
    }
    if (!right)
        Py_CLEAR(columns);
    return right ? Py_BuildValue("nN", (Py_ssize_t)rows, columns) : NULL;
}

static PyObject *scan_rows(PyObject *module, PyObject *arguments) {
    (void)module;
    struct scan_task task = {0};
    Py_buffer data;
    unsigned int fields;
    PyObject *columns, *conditions, *capsule;
    if (!PyArg_ParseTuple(arguments, "y*IO!O!Op", &data, &fields, &PyTuple_Type, &columns,
                          &PyTuple_Type, &conditions, &capsule, &task.portable))
        return NULL;
    PyObject *result = NULL;
    task.data = data.buf;
    task.size = (size_t)data.len;
    task.fields = fields;
    struct scan_scratch *scratch = PyCapsule_GetPointer(capsule, SCRATCH);
    if (scratch != NULL && fields == 0)
        PyErr_SetString(PyExc_ValueError, "a row has at least one field");
    else if (scratch != NULL && read_columns(columns, &task) && read_conditions(conditions, &task)) {
        enum scan_outcome outcome;
        size_t rows;
        Py_BEGIN_ALLOW_THREADS;
        outcome = scan(&task, scratch, &rows);
        Py_END_ALLOW_THREADS;
        if (outcome == SCAN_NO_MEMORY)
            PyErr_NoMemory();
        else
            result = outcome == SCAN_DONE ? columns_of(&task, scratch, rows) : Py_NewRef(Py_None);
    }
    PyBuffer_Release(&data);
    return result;
}

/* Just after the last newline; -1 where a quote makes that a question of the whole text. */
static PyObject *plain_rows_end(PyObject *module, PyObject *text) {
    (void)module;
    Py_buffer data;
    if (PyObject_GetBuffer(text, &data, PyBUF_SIMPLE) < 0)
        return NULL;
    Py_ssize_t end = data.len;
    const char *at = data.buf;
    Py_BEGIN_ALLOW_THREADS;
    if (data.len && memchr(at, '"', (size_t)data.len) != NULL)
        end = -1;
    else
        while (end && at[end - 1] != '\n')
            end--;
    Py_END_ALLOW_THREADS;
    PyBuffer_Release(&data);
    return PyLong_FromSsize_t(end);
}

static PyObject *vectors(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    return PyUnicode_FromString(scan_vectors());
}

static PyMethodDef methods[] = {
    {"scan", scan_rows, METH_VARARGS,
     "scan(data, fields, columns, conditions, scratch, portable) -> (rows, columns) or None"},
    {"scratch", new_scratch, METH_NOARGS, "Memory for one scan at a time, kept between them."},
    {"plain_rows_end", plain_rows_end, METH_O, "Just after the last newline; -1 if there is a quote."},
    {"vectors", vectors, METH_NOARGS, "The processor's vector instructions that are used."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_scan", "Plain CSV to Arrow's buffers.", 0, methods, NULL, NULL, NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__scan(void) {
    scan_prepare();
    return PyModule_Create(&definition);
}
