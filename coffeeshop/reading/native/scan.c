/* Plain CSV to columns.
 *
 * Works on parts of PART bytes, so that data, places of separators and values stay in the nearest
 * caches: find the separators by comparing many bytes at a time, check that they make whole rows,
 * then convert column by column. Whatever is not plain is "not mine": the columnar parser stays the
 * only judge of what a value means. Plain are
 *
 *   - rows of the expected number of fields, that end in "\n", or all of them in "\r\n";
 *   - fields without quotes, or with one at each end and nothing special between them;
 *   - whole numbers: -?d{1,15}(.0)?      amounts: -?d{1,15}(.d{1,3})?
 *   - instants: dddd-dd-dd[ T]dd:dd:dd   dates: dddd-dd-dd, as there are in the calendar
 *   - text: ASCII, without a backslash
 *   - nothing, NULL and \N, where a null may be.
 */
#include "scan.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define HAVE_SSE2 1
#elif defined(__aarch64__) && defined(__GNUC__)
#include <arm_neon.h>
#define HAVE_NEON 1
#endif

#define PART (32u << 10) /* bytes */
#define VECTOR 64u       /* bytes that are compared at a time */

struct found {
    size_t separators, newlines; /* the newlines are separators, too */
    int special;  /* a quote or a carriage return is there */
    int odd;      /* a byte that is not ASCII, or a backslash */
};

/* ---------------------------------------------------------------- places of separators */

static int is_separator(uint8_t c) { return c == ',' || c == '\n'; }

static struct found places_portable(const uint8_t *data, size_t size, uint32_t *places) {
    struct found found = {0, 0, 0, 0};
    for (size_t i = 0; i < size; i++) {
        uint8_t c = data[i];
        places[found.separators] = (uint32_t)i;
        found.separators += (size_t)is_separator(c);
        found.newlines += c == '\n';
        found.special |= c == '"' || c == '\r';
        found.odd |= c >= 0x80 || c == '\\';
    }
    return found;
}

#if defined(HAVE_SSE2) || defined(HAVE_NEON)

/* Writes the places of the bits, some more behind them that do not count, and says how many. */
static inline size_t write_places(uint64_t bits, uint32_t base, uint32_t *places, size_t count) {
    const uint64_t top = (uint64_t)1 << 63; /* there is no lowest bit of 0 */
    for (size_t done = 0; done < count; done += 8)
        for (size_t i = 0; i < 8; i++) {
            places[done + i] = base + (uint32_t)__builtin_ctzll(bits | top);
            bits &= bits - 1;
        }
    return count;
}

#endif

#ifdef HAVE_SSE2

static inline struct found places_sse2_of(const uint8_t *at, uint32_t base, uint32_t *places) {
    const __m128i comma = _mm_set1_epi8(','), newline = _mm_set1_epi8('\n');
    const __m128i quote = _mm_set1_epi8('"'), carriage = _mm_set1_epi8('\r');
    uint64_t bits = 0, ends = 0;
    const __m128i backslash = _mm_set1_epi8('\\');
    int special = 0, odd = 0;
    for (unsigned i = 0; i < 4; i++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(at + 16 * i));
        __m128i newlines = _mm_cmpeq_epi8(bytes, newline);
        __m128i separators = _mm_or_si128(_mm_cmpeq_epi8(bytes, comma), newlines);
        __m128i specials =
            _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, carriage));
        bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(separators) << (16 * i);
        ends |= (uint64_t)(uint32_t)_mm_movemask_epi8(newlines) << (16 * i);
        special |= _mm_movemask_epi8(specials);
        odd |= _mm_movemask_epi8(_mm_or_si128(bytes, _mm_cmpeq_epi8(bytes, backslash)));
    }
    struct found found = {write_places(bits, base, places, (size_t)__builtin_popcountll(bits)),
                          (size_t)__builtin_popcountll(ends), special, odd};
    return found;
}

__attribute__((target("avx2,bmi,popcnt"))) static inline struct found
places_avx2_of(const uint8_t *at, uint32_t base, uint32_t *places) {
    const __m256i comma = _mm256_set1_epi8(','), newline = _mm256_set1_epi8('\n');
    const __m256i quote = _mm256_set1_epi8('"'), carriage = _mm256_set1_epi8('\r');
    __m256i low = _mm256_loadu_si256((const __m256i *)at);
    __m256i high = _mm256_loadu_si256((const __m256i *)(at + 32));
    __m256i low_ends = _mm256_cmpeq_epi8(low, newline), high_ends = _mm256_cmpeq_epi8(high, newline);
    uint64_t ends = (uint32_t)_mm256_movemask_epi8(low_ends) |
                    (uint64_t)(uint32_t)_mm256_movemask_epi8(high_ends) << 32;
    uint64_t bits =
        (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(_mm256_cmpeq_epi8(low, comma), low_ends)) |
        (uint64_t)(uint32_t)_mm256_movemask_epi8(
            _mm256_or_si256(_mm256_cmpeq_epi8(high, comma), high_ends))
            << 32;
    __m256i specials = _mm256_or_si256(
        _mm256_or_si256(_mm256_cmpeq_epi8(low, quote), _mm256_cmpeq_epi8(low, carriage)),
        _mm256_or_si256(_mm256_cmpeq_epi8(high, quote), _mm256_cmpeq_epi8(high, carriage)));
    const __m256i backslash = _mm256_set1_epi8('\\');
    __m256i odd = _mm256_or_si256(
        _mm256_or_si256(low, high),
        _mm256_or_si256(_mm256_cmpeq_epi8(low, backslash), _mm256_cmpeq_epi8(high, backslash)));
    size_t count = write_places(bits, base, places, (size_t)__builtin_popcountll(bits));
    struct found found = {count, (size_t)__builtin_popcountll(ends), _mm256_movemask_epi8(specials), _mm256_movemask_epi8(odd)};
    return found;
}

#endif

#ifdef HAVE_NEON

/* A bit for each byte of a comparison's result, as x86 has an instruction for. */
static inline uint64_t bits_of(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d) {
    const uint8x16_t bit = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t low = vpaddq_u8(vandq_u8(a, bit), vandq_u8(b, bit));
    uint8x16_t high = vpaddq_u8(vandq_u8(c, bit), vandq_u8(d, bit));
    uint8x16_t all = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(all, all)), 0);
}

static inline struct found places_neon_of(const uint8_t *at, uint32_t base, uint32_t *places) {
    uint8x16_t separators[4], ends[4], special = vdupq_n_u8(0), odd = vdupq_n_u8(0);
    for (unsigned i = 0; i < 4; i++) {
        uint8x16_t bytes = vld1q_u8(at + 16 * i);
        ends[i] = vceqq_u8(bytes, vdupq_n_u8('\n'));
        separators[i] = vorrq_u8(vceqq_u8(bytes, vdupq_n_u8(',')), ends[i]);
        special = vorrq_u8(special, vceqq_u8(bytes, vdupq_n_u8('"')));
        special = vorrq_u8(special, vceqq_u8(bytes, vdupq_n_u8('\r')));
        odd = vorrq_u8(odd, vcgeq_u8(bytes, vdupq_n_u8(0x80)));
        odd = vorrq_u8(odd, vceqq_u8(bytes, vdupq_n_u8('\\')));
    }
    uint64_t bits = bits_of(separators[0], separators[1], separators[2], separators[3]);
    uint64_t newlines = bits_of(ends[0], ends[1], ends[2], ends[3]);
    struct found found = {
        write_places(bits, base, places, (size_t)__builtin_popcountll(bits)),
        (size_t)__builtin_popcountll(newlines), vmaxvq_u8(special) != 0, vmaxvq_u8(odd) != 0};
    return found;
}

#endif

#if defined(HAVE_SSE2) || defined(HAVE_NEON)

/* The whole vectors by `step`, the rest from a copy: nothing beyond the data is read. */
#define PLACES_BY(name, step, attribute)                                                           \
    attribute static struct found name(const uint8_t *data, size_t size, uint32_t *places) {       \
        struct found all = {0, 0, 0, 0};                                                            \
        size_t at = 0;                                                                             \
        for (; at + VECTOR <= size; at += VECTOR) {                                                \
            struct found found = step(data + at, (uint32_t)at, places + all.separators);           \
            all.separators += found.separators;                                                    \
            all.newlines += found.newlines;                                                        \
            all.special |= found.special;                                                          \
            all.odd |= found.odd;                                                                  \
        }                                                                                          \
        if (at < size) {                                                                           \
            uint8_t rest[VECTOR] = {0};                                                            \
            memcpy(rest, data + at, size - at);                                                    \
            struct found found = step(rest, (uint32_t)at, places + all.separators);                \
            all.separators += found.separators;                                                    \
            all.newlines += found.newlines;                                                        \
            all.special |= found.special;                                                          \
            all.odd |= found.odd;                                                                  \
        }                                                                                          \
        return all;                                                                                \
    }

#endif

#ifdef HAVE_SSE2
PLACES_BY(places_sse2, places_sse2_of, )
PLACES_BY(places_avx2, places_avx2_of, __attribute__((target("avx2,bmi,popcnt"))))
#elif defined(HAVE_NEON)
PLACES_BY(places_neon, places_neon_of, )
#endif

static struct found find_places(const uint8_t *data, size_t size, uint32_t *places, int portable) {
#ifdef HAVE_SSE2
    if (!portable) {
        if (__builtin_cpu_supports("avx2"))
            return places_avx2(data, size, places);
        return places_sse2(data, size, places);
    }
#elif defined(HAVE_NEON)
    if (!portable)
        return places_neon(data, size, places);
#else
    (void)portable;
#endif
    return places_portable(data, size, places);
}

const char *scan_vectors(void) {
#ifdef HAVE_SSE2
    return __builtin_cpu_supports("avx2") ? "AVX2" : "SSE2";
#elif defined(HAVE_NEON)
    return "NEON";
#else
    return "without vector instructions";
#endif
}

/* ---------------------------------------------------------------- one field to one value */

struct field {
    const uint8_t *at;
    size_t size;
};

#define DIGITS 0x3030303030303030ull

/* Eight bytes of a field of 1 to 8, moved up so that its last one is the highest, "0" below it.
 * `end` is the end of the data: never read beyond it. */
static inline uint64_t load_digits(const uint8_t *at, size_t size, const uint8_t *end) {
    uint64_t word = 0;
    if ((size_t)(end - at) >= 8)
        memcpy(&word, at, 8);
    else
        memcpy(&word, at, size);
    return word;
}

static inline uint64_t moved_up(uint64_t word, size_t size) {
    unsigned free_bits = (unsigned)(8 * (8 - size));
    return free_bits ? word << free_bits | DIGITS >> (64 - free_bits) : word;
}

static inline int all_digits(uint64_t word) {
    return ((word & 0xF0F0F0F0F0F0F0F0ull) == DIGITS) &
           (((word + 0x0606060606060606ull) & 0xF0F0F0F0F0F0F0F0ull) == DIGITS);
}

/* The number that eight digits make, the first one in the lowest byte. */
static inline int64_t eight_digits(uint64_t word) {
    word -= DIGITS;
    word = word * 10 + (word >> 8);
    word = ((word & 0x000000FF000000FFull) * 0x000F424000000064ull +
            ((word >> 16) & 0x000000FF000000FFull) * 0x0000271000000001ull) >>
           32;
    return (int64_t)(uint32_t)word;
}

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define WORDS 1
#else
#define WORDS 0
#endif

static int digits(struct field field, int64_t *value) {
    if (field.size == 0 || field.size > 15)
        return 0;
    int64_t sum = 0;
    for (size_t i = 0; i < field.size; i++) {
        unsigned digit = (unsigned)field.at[i] - '0';
        if (digit > 9)
            return 0;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return 1;
}

static inline int without_sign(struct field *field) {
    if (field->size && field->at[0] == '-') {
        field->at++;
        field->size--;
        return 1;
    }
    return 0;
}

static inline int parse_whole(struct field field, const uint8_t *end, int64_t *value) {
    int negative = without_sign(&field);
    if (field.size > 2 && field.at[field.size - 1] == '0' && field.at[field.size - 2] == '.')
        field.size -= 2;
    if (WORDS && field.size >= 1 && field.size <= 8) {
        uint64_t word = moved_up(load_digits(field.at, field.size, end), field.size);
        if (!all_digits(word))
            return 0;
        *value = eight_digits(word);
    } else if (!digits(field, value)) {
        return 0;
    }
    if (negative)
        *value = -*value;
    return 1;
}

static inline int parse_amount(struct field field, const uint8_t *end, int64_t *value) {
    static const int64_t scale[] = {1000, 100, 10, 1};
    int negative = without_sign(&field);
    int64_t number;
    size_t decimals = 0;
    if (WORDS && field.size >= 1 && field.size <= 8) {
        uint64_t word = load_digits(field.at, field.size, end);
        uint64_t dots = word ^ 0x2E2E2E2E2E2E2E2Eull;
        dots = (dots - 0x0101010101010101ull) & ~dots & 0x8080808080808080ull;
        size_t place = dots ? (size_t)__builtin_ctzll(dots) / 8 : 8;
        size_t size = field.size;
        if (place < size) {
            decimals = size - place - 1;
            if (place == 0 || decimals == 0 || decimals > 3)
                return 0;
            uint64_t below = ((uint64_t)1 << 8 * place) - 1; /* place is 7 at most */
            word = (word & below) | (word >> 8 & ~below);
            size--;
        }
        word = moved_up(word, size);
        if (!all_digits(word))
            return 0;
        number = eight_digits(word);
    } else {
        const uint8_t *dot = field.size ? memchr(field.at, '.', field.size) : NULL;
        struct field units = field;
        int64_t below = 0;
        if (dot != NULL) {
            units.size = (size_t)(dot - field.at);
            decimals = field.size - units.size - 1;
            struct field rest = {dot + 1, decimals};
            if (decimals > 3 || !digits(rest, &below))
                return 0;
        }
        if (units.size > 12 || !digits(units, &number))
            return 0;
        for (size_t i = 0; i < decimals; i++)
            number *= 10;
        number += below;
    }
    number *= scale[decimals];
    *value = negative ? -number : number;
    return 1;
}

static int leap(int64_t year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

/* Days since 1970-01-01; whether there is such a day in the calendar. */
static int days_of(int64_t year, int64_t month, int64_t day, int64_t *days) {
    static const int16_t before[] = {0,   0,   31,  59,  90,  120, 151,
                                     181, 212, 243, 273, 304, 334, 365};
    if (year < 1 || month < 1 || month > 12)
        return 0;
    int64_t in_leap_year = leap(year);
    int64_t length = before[month + 1] - before[month] + (month == 2 && in_leap_year);
    if (day < 1 || day > length)
        return 0;
    int64_t past = year - 1; /* whole years since the year 1 */
    *days = past * 365 + past / 4 - past / 100 + past / 400 + before[month] +
            (month > 2 && in_leap_year) + day - 1 - 719162;
    return 1;
}

/* The same from a table for the years that are common: the first day of each month, and of the next. */
#define FIRST_YEAR 1950
#define LAST_YEAR 2099
static int32_t month_begins[(LAST_YEAR - FIRST_YEAR + 1) * 12 + 1];

static int is_common(int64_t year) { return year >= FIRST_YEAR && year <= LAST_YEAR; }

void scan_prepare(void) {
    int64_t days = 0;
    for (int i = 0; i < (LAST_YEAR - FIRST_YEAR + 1) * 12 + 1; i++) {
        days_of(FIRST_YEAR + i / 12, i % 12 + 1, 1, &days);
        month_begins[i] = (int32_t)days;
    }
}

static inline int days_by_table(int64_t year, int64_t month, int64_t day, int64_t *days) {
    if (!is_common(year) || month < 1 || month > 12)
        return days_of(year, month, day, days);
    const int32_t *begin = month_begins + (year - FIRST_YEAR) * 12 + month - 1;
    *days = begin[0] + day - 1;
    return day >= 1 && *days < begin[1];
}

static inline int two(const uint8_t *at, int64_t *value) {
    unsigned tens = (unsigned)at[0] - '0', ones = (unsigned)at[1] - '0';
    *value = tens * 10 + ones;
    return tens <= 9 && ones <= 9;
}

static inline int four(const uint8_t *at, int64_t *value) {
    int64_t high, low;
    int right = two(at, &high) & two(at + 2, &low);
    *value = high * 100 + low;
    return right;
}

static inline int parse_date_at(const uint8_t *at, int64_t *days) {
    int64_t year, month, day;
    if (!(four(at, &year) & two(at + 5, &month) & two(at + 8, &day)) || at[4] != '-' ||
        at[7] != '-')
        return 0;
    return days_by_table(year, month, day, days);
}

static inline int parse_date(struct field field, int64_t *days) {
    return field.size == 10 && parse_date_at(field.at, days);
}

#if WORDS

/* The values of the digits in eight bytes, where `pattern` has "0" and `digits` 0x0F for each, and 0
 * for the others, that are as in the pattern. Whether they are like that. */
static inline int like(const uint8_t *at, uint64_t pattern, uint64_t digits, uint64_t *values) {
    uint64_t word;
    memcpy(&word, at, 8);
    word ^= pattern;
    *values = word;
    return !((word & ~digits) | ((word + 0x0606060606060606ull) & 0xF0F0F0F0F0F0F0F0ull));
}

static inline int64_t byte_of(uint64_t word, unsigned place) {
    return (int64_t)(word >> 8 * place & 0xFF);
}

static inline int parse_instant(struct field field, int64_t *value) {
    const uint64_t from_space_to_t = (uint64_t)(' ' ^ 'T') << 16;
    uint64_t date, clock = 0x30303A3030203030ull; /* "0000-00-" and "00 00:00", backwards */
    int64_t days, seconds;
    if (field.size != 19)
        return 0;
    clock ^= field.at[10] == 'T' ? from_space_to_t : 0;
    if (!(like(field.at, 0x2D30302D30303030ull, 0x000F0F000F0F0F0Full, &date) &
          like(field.at + 8, clock, 0x0F0F000F0F000F0Full, &clock) &
          two(field.at + 17, &seconds)) ||
        field.at[16] != ':')
        return 0;
    date = date * 10 + (date >> 8); /* in each byte what its digit and the next one make */
    clock = clock * 10 + (clock >> 8);
    int64_t hours = byte_of(clock, 3), minutes = byte_of(clock, 6);
    if (!days_by_table(byte_of(date, 0) * 100 + byte_of(date, 2), byte_of(date, 5),
                       byte_of(clock, 0), &days) ||
        hours > 23 || minutes > 59 || seconds > 59)
        return 0;
    *value = days * 86400 + hours * 3600 + minutes * 60 + seconds;
    return 1;
}

#else

static inline int parse_instant(struct field field, int64_t *value) {
    int64_t days, hours, minutes, seconds;
    if (field.size != 19 || (field.at[10] != ' ' && field.at[10] != 'T'))
        return 0;
    const uint8_t *clock = field.at + 11;
    if (!parse_date_at(field.at, &days) ||
        !(two(clock, &hours) & two(clock + 3, &minutes) & two(clock + 6, &seconds)) ||
        clock[2] != ':' || clock[5] != ':' || hours > 23 || minutes > 59 || seconds > 59)
        return 0;
    *value = days * 86400 + hours * 3600 + minutes * 60 + seconds;
    return 1;
}

#endif

static inline int is_null(struct field field) {
    return field.size == 0 || (field.size == 4 && memcmp(field.at, "NULL", 4) == 0) ||
           (field.size == 2 && memcmp(field.at, "\\N", 2) == 0);
}

/* ---------------------------------------------------------------- a part's rows to columns */

/* Rows of a part: where their fields are. `places[-1]` is the place before the first row. */
struct part {
    const uint8_t *data, *end; /* `end` of all the data */
    const uint32_t *places;
    size_t rows, first; /* `first`: the number of the first row */
    uint32_t fields;
    int quoted, carriage;
};

static inline struct field field_of(const struct part *part, size_t row, uint32_t number) {
    const uint32_t *place = part->places + row * part->fields + number;
    uint32_t begin = place[-1] + 1, end = place[0];
    if (part->carriage && number + 1 == part->fields)
        end--;
    struct field field = {part->data + begin, end - begin};
    if (part->quoted && field.size && field.at[0] == '"') {
        field.at++;
        field.size -= 2; /* `check_quotes` saw both */
    }
    return field;
}

/* Whether each row has its number of fields: the last place of each is a newline, and there are no
 * other newlines among the places, of which some are behind the last row. */
static int check_rows(const struct part *part, struct found found) {
    const uint32_t *place = part->places + part->fields - 1;
    unsigned wrong = 0;
    for (size_t row = 0; row < part->rows; row++, place += part->fields)
        wrong |= (unsigned)part->data[*place] ^ '\n';
    size_t behind = 0;
    for (size_t i = part->rows * part->fields; i < found.separators; i++)
        behind += part->data[part->places[i]] == '\n';
    return wrong == 0 && found.newlines - behind == part->rows;
}

/* Whether every quote is the first or last of a field that has both and no other. */
static int check_quotes(struct part *part, size_t quotes) {
    size_t counted = 0;
    part->quoted = 0;
    for (size_t row = 0; row < part->rows; row++)
        for (uint32_t number = 0; number < part->fields; number++) {
            struct field field = field_of(part, row, number);
            if (field.size >= 2 && field.at[0] == '"' && field.at[field.size - 1] == '"')
                counted += 2;
        }
    part->quoted = quotes != 0;
    return counted == quotes;
}

static size_t count(const uint8_t *data, size_t size, uint8_t wanted) {
    size_t found = 0;
    for (size_t i = 0; i < size; i++)
        found += data[i] == wanted;
    return found;
}

/* Quotes and carriage returns, where there are any: whether they are those of a plain dialect. */
static int check_special(struct part *part, size_t size) {
    size_t carriages = count(part->data, size, '\r');
    if (carriages) {
        if (carriages != part->rows)
            return 0;
        for (size_t row = 0; row < part->rows; row++) {
            uint32_t end = part->places[(row + 1) * part->fields - 1];
            if (end == 0 || part->data[end - 1] != '\r')
                return 0;
        }
        part->carriage = 1;
    }
    size_t quotes = count(part->data, size, '"');
    if (quotes && count(part->data, size, '\\'))
        return 0; /* a backslash may have been meant to escape a quote */
    return check_quotes(part, quotes);
}

static inline void set_bit(uint8_t *bits, size_t place) {
    bits[place >> 3] |= (uint8_t)(1u << (place & 7));
}

#define CONVERT(name, parse)                                                                       \
    static int name(const struct part *part, const struct scan_column *column,                     \
                    struct scan_values *out) {                                                     \
        int64_t least = INT64_MAX, largest = INT64_MIN;                                            \
        size_t nulls = 0;                                                                          \
        for (size_t row = 0; row < part->rows; row++) {                                            \
            struct field field = field_of(part, row, column->field);                               \
            int64_t value = 0;                                                                     \
            if (parse) {                                                                           \
                if (value < least)                                                                 \
                    least = value;                                                                 \
                if (value > largest)                                                               \
                    largest = value;                                                               \
                if (column->nullable)                                                              \
                    set_bit(out->validity, part->first + row);                                     \
            } else if (column->nullable && is_null(field)) {                                       \
                value = 0;                                                                         \
                nulls++;                                                                           \
            } else {                                                                               \
                return 0;                                                                          \
            }                                                                                      \
            out->values[part->first + row] = value;                                                \
        }                                                                                          \
        if (nulls < part->rows) {                                                                  \
            if (least < column->least || largest > column->largest)                                \
                return 0;                                                                          \
            if (least < out->least || out->nulls == (int64_t)part->first)                          \
                out->least = least;                                                                \
            if (largest > out->largest || out->nulls == (int64_t)part->first)                      \
                out->largest = largest;                                                            \
        }                                                                                          \
        out->nulls += (int64_t)nulls;                                                              \
        return 1;                                                                                  \
    }

CONVERT(convert_whole, parse_whole(field, part->end, &value))
CONVERT(convert_amount, parse_amount(field, part->end, &value))
CONVERT(convert_instant, parse_instant(field, &value))
CONVERT(convert_date, parse_date(field, &value))

/* What the separators' search saw anywhere in a part, so that few parts need a closer look. */
static int is_plain_text(struct field field) {
    for (size_t i = 0; i < field.size; i++)
        if (field.at[i] >= 0x80 || field.at[i] == '\\')
            return 0;
    return 1;
}

static int is_wanted(const struct scan_task *task, const struct scan_scratch *scratch, size_t row) {
    for (uint32_t i = 0; i < task->conditions; i++) {
        const struct scan_condition *condition = &task->condition[i];
        const struct scan_values *column = &scratch->column[condition->column];
        int64_t value = column->values[row];
        if (task->column[condition->column].nullable && !(column->validity[row >> 3] >> (row & 7) & 1))
            return 0;
        if (condition->modulus) {
            value %= condition->modulus;
            value += value < 0 ? condition->modulus : 0;
        }
        if (value < condition->least || value > condition->largest)
            return 0;
    }
    return 1;
}

static int convert_text(const struct part *part, const struct scan_task *task, uint32_t number,
                        struct scan_scratch *scratch, int odd) {
    const struct scan_column *column = &task->column[number];
    struct scan_values *out = &scratch->column[number];
    int32_t size = out->offsets[part->first];
    for (size_t i = 0; i < part->rows; i++) {
        size_t row = part->first + i;
        struct field field = field_of(part, i, column->field);
        int null = is_null(field);
        if (odd && !null && !is_plain_text(field))
            return 0;
        if (null && !column->nullable)
            return 0;
        if (!null && column->late)
            null = !is_wanted(task, scratch, row);
        if (null) {
            out->nulls++;
        } else {
            memcpy(out->text + size, field.at, field.size);
            size += (int32_t)field.size;
            if (column->nullable || column->late)
                set_bit(out->validity, row);
        }
        out->offsets[row + 1] = size;
    }
    return 1;
}

static int convert(const struct part *part, const struct scan_task *task,
                   struct scan_scratch *scratch, int odd) {
    for (uint32_t i = 0; i < task->columns; i++) {
        const struct scan_column *column = &task->column[i];
        struct scan_values *out = &scratch->column[i];
        int right = 1;
        switch (column->kind) {
        case SCAN_WHOLE:
            right = convert_whole(part, column, out);
            break;
        case SCAN_AMOUNT:
            right = convert_amount(part, column, out);
            break;
        case SCAN_INSTANT:
            right = convert_instant(part, column, out);
            break;
        case SCAN_DATE:
            right = convert_date(part, column, out);
            break;
        case SCAN_TEXT:
            break; /* below: whether a late one is wanted depends on the others */
        }
        if (!right)
            return 0;
    }
    for (uint32_t i = 0; i < task->columns; i++)
        if (task->column[i].kind == SCAN_TEXT && !convert_text(part, task, i, scratch, odd))
            return 0;
    return 1;
}

/* ---------------------------------------------------------------- memory */

void scan_free(struct scan_scratch *scratch) {
    free(scratch->places);
    for (uint32_t i = 0; i < SCAN_MAX_COLUMNS; i++) {
        free(scratch->column[i].values);
        free(scratch->column[i].validity);
        free(scratch->column[i].offsets);
        free(scratch->column[i].text);
    }
    memset(scratch, 0, sizeof *scratch);
}

static int grow(void *memory, size_t size) {
    void *grown = realloc(*(void **)memory, size);
    if (grown == NULL)
        return 0;
    *(void **)memory = grown;
    return 1;
}

/* Room for that many rows; what is there stays. New bits of validity are 0. */
static int make_room(struct scan_scratch *scratch, size_t rows) {
    if (rows <= scratch->rows)
        return 1;
    rows = (rows + rows / 2 + 63) / 64 * 64;
    size_t known = scratch->rows / 8;
    for (uint32_t i = 0; i < SCAN_MAX_COLUMNS; i++) {
        struct scan_values *column = &scratch->column[i];
        if (i < scratch->columns &&
            !(grow(&column->values, rows * sizeof *column->values) &&
              grow(&column->validity, rows / 8) &&
              grow(&column->offsets, (rows + 1) * sizeof *column->offsets)))
            return 0;
        if (i < scratch->columns)
            memset(column->validity + known, 0, rows / 8 - known);
    }
    scratch->rows = rows;
    return 1;
}

/* A scratch that fits the task's columns and texts, with no rows in it. */
static int begin(const struct scan_task *task, struct scan_scratch *scratch) {
    if (scratch->places == NULL) {
        /* One before the first, and those that a vector writes too much. */
        if (!grow(&scratch->places, (1 + PART + VECTOR) * sizeof *scratch->places))
            return 0;
    }
    if (scratch->columns < task->columns) {
        scratch->columns = task->columns;
        scratch->rows = 0; /* the new columns have no room yet */
    }
    if (!make_room(scratch, task->size / 48 + 64))
        return 0;
    for (uint32_t i = 0; i < task->columns; i++) {
        struct scan_values *column = &scratch->column[i];
        column->nulls = column->least = column->largest = 0;
        column->offsets[0] = 0;
        memset(column->validity, 0, scratch->rows / 8);
        if (task->column[i].kind == SCAN_TEXT && column->room < task->size) {
            if (!grow(&column->text, task->size))
                return 0;
            column->room = task->size;
        }
    }
    return 1;
}

enum scan_outcome scan(const struct scan_task *task, struct scan_scratch *scratch, size_t *rows) {
    *rows = 0;
    if (task->size == 0 || task->size > INT32_MAX || task->data[task->size - 1] != '\n')
        return SCAN_NOT_MINE;
    if (!begin(task, scratch))
        return SCAN_NO_MEMORY;
    uint32_t *places = scratch->places + 1;
    places[-1] = UINT32_MAX; /* one before 0 */
    int carriage = -1;
    for (size_t at = 0; at < task->size;) {
        size_t size = task->size - at < PART ? task->size - at : PART;
        struct found found = find_places(task->data + at, size, places, task->portable);
        struct part part = {.data = task->data + at,
                            .end = task->data + task->size,
                            .places = places,
                            .rows = found.separators / task->fields,
                            .first = *rows,
                            .fields = task->fields};
        if (part.rows == 0)
            return SCAN_NOT_MINE; /* a row that is longer than a part, or cut off */
        size = (size_t)places[part.rows * task->fields - 1] + 1;
        if (!check_rows(&part, found) || (found.special && !check_special(&part, size)))
            return SCAN_NOT_MINE;
        if (carriage >= 0 && part.carriage != carriage)
            return SCAN_NOT_MINE;
        carriage = part.carriage;
        if (!make_room(scratch, *rows + part.rows))
            return SCAN_NO_MEMORY;
        if (!convert(&part, task, scratch, found.odd))
            return SCAN_NOT_MINE;
        *rows += part.rows;
        at += size;
    }
    return SCAN_DONE;
}
