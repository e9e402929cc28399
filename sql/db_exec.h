/* Private to sql/: run one statement with typed parameters, get typed columns into a row struct.
 *
 * A statement is prepared once per connection under its name, with its parameter types taken from the
 * kinds below, and everything travels in binary. Columns are written to members of a row struct by
 * offset; strings, bytes and arrays are copied to the caller's arena. SQL NULL becomes NULL (text, JSON,
 * bytes, arrays), 0 (integers, times), NaN (floats) or false.
 *
 * Every function returns DB_SOFT or DB_HARD when it failed; the latter is logged with the statement's
 * name, never with its parameters. Inside a transaction the caller passes the status on to db_tx_run.
 *
 *   static const struct db_statement job_state = {
 *     "job_state", "SELECT state, created_at FROM job WHERE id = $1 AND tenant_id = $2"};
 *   struct row { const char *state; int64_t created_us; } row;
 *   static const struct db_column columns[] = {{DB_TEXT, offsetof (struct row, state), 0},
 *                                              {DB_TIME, offsetof (struct row, created_us), 0}};
 *   status = db_exec_one (conn, &job_state, DB_PARAMS (db_text (id), db_text (tenant_id)),
 *                         DB_COLUMNS (columns), arena, &row);
 */
#ifndef ATTUNE_SQL_DB_EXEC_H
#define ATTUNE_SQL_DB_EXEC_H

#include "sql/db.h"

/* A statement, with static lifetime: `name` is unique among all statements of the program. */
struct db_statement
{
  const char *name;
  const char *sql;
};

/* Column kinds, with the type of the member they fill; parameters use the same kinds. */
enum db_type
{
  DB_TEXT,        /* const char *: text, name */
  DB_JSON,        /* const char *: jsonb or json, as JSON text */
  DB_INT4,        /* int: any integer that fits */
  DB_INT8,        /* int64_t: any integer */
  DB_UINT8,       /* uint64_t or size_t: any integer ≥ 0 */
  DB_FLOAT8,      /* double */
  DB_BOOL,        /* bool */
  DB_TIME,        /* int64_t: timestamptz as microseconds since 1970 UTC */
  DB_HASH,        /* uint8_t[32]: bytea of 32 bytes */
  DB_BYTES,       /* const void * (16-byte aligned) and, at count_offset, size_t */
  DB_TEXT_ARRAY,  /* const char *const * and, at count_offset, size_t; NULL elements as NULL */
  DB_FLOAT8_ARRAY /* const double * and, at count_offset, size_t; NULL elements as NaN */
};

struct db_column
{
  enum db_type type;
  size_t offset;
  size_t count_offset; /* of the size_t for bytes and arrays, else unused */
};

struct db_param
{
  enum db_type type;
  bool null;
  size_t count; /* bytes, or elements of an array */
  union
  {
    const void *bytes; /* text, JSON, bytes, arrays */
    int64_t integer;   /* also times and booleans */
    double number;
  } value;
};

/* Parameters. A NULL pointer is SQL NULL. Borrowed until the call returns. */
struct db_param db_text(const char *text);
struct db_param db_json(const char *json); /* jsonb */
struct db_param db_int4(int value);
struct db_param db_int8(int64_t value);
struct db_param db_float8(double value);     /* NaN is SQL NULL */
struct db_param db_float8_nan(double value); /* NaN is NaN */
struct db_param db_bool(bool value);
struct db_param db_time(int64_t unix_us); /* 0 is SQL NULL */
struct db_param db_hash(const uint8_t hash[32]);
struct db_param db_bytes(const void *bytes, size_t length);
struct db_param db_text_array(const char *const *items, size_t count);
struct db_param db_float8_array(const double *items, size_t count);

/* Array and count, as the functions below want them. */
#define DB_PARAMS(...)                                                                             \
  ((const struct db_param[]){__VA_ARGS__}),                                                        \
    (sizeof((const struct db_param[]){__VA_ARGS__}) / sizeof(struct db_param))
#define DB_NO_PARAMS NULL, 0
#define DB_COLUMNS(array) (array), (sizeof(array) / sizeof((array)[0]))
/* One column straight into a variable: DB_SCALAR (DB_INT8), arena, &value. */
#define DB_SCALAR(type) ((const struct db_column[]){{(type), 0, 0}}), 1

/* No rows are wanted. DB_ROWS when at least one row was changed (or selected), else DB_NONE. */
enum db_status db_exec_none(struct db_conn *conn, const struct db_statement *statement,
                            const struct db_param *params, size_t param_count);

/* At most one row is wanted, more are our fault (DB_HARD). *row is only written on DB_ROWS. `arena` may
 * be NULL when no column needs it. */
enum db_status db_exec_one(struct db_conn *conn, const struct db_statement *statement,
                           const struct db_param *params, size_t param_count,
                           const struct db_column *columns, size_t column_count,
                           struct arena *arena, void *row);

/* All rows, as an arena array of `row_size` bytes each (zeroed first) in *rows: pass the address of your
 * typed pointer. DB_NONE with *count = 0 (and *rows a valid pointer) when there is none. */
enum db_status db_exec_many(struct db_conn *conn, const struct db_statement *statement,
                            const struct db_param *params, size_t param_count,
                            const struct db_column *columns, size_t column_count,
                            struct arena *arena, size_t row_size, void *rows, size_t *count);

/* A page of a list, newest first: rows as db_exec_many gives them, of a statement whose $1 is whose they are, ($2, $3)
 * the time and id the page begins after, $4 the most rows. DB_ROWS also without a row; DB_NONE when the cursor is none
 * of db_cursor's. */
enum db_status db_exec_page(struct db_conn *conn, const struct db_statement *statement,
                            const char *of, const char *cursor, size_t limit,
                            const struct db_column *columns, size_t column_count,
                            struct arena *arena, size_t row_size, void *rows, size_t *count);

/* Each row as it comes, without keeping the result: `row` (row_size bytes) and its strings are valid
 * during the call only. on_row returns false to stop, which makes the status DB_HARD. */
enum db_status db_exec_rows(struct db_conn *conn, const struct db_statement *statement,
                            const struct db_param *params, size_t param_count,
                            const struct db_column *columns, size_t column_count, size_t row_size,
                            bool (*on_row)(void *context, const void *row), void *context);

/* Plain SQL without parameters, not prepared: SET, LISTEN, BEGIN. Several statements are allowed. */
enum db_status db_exec_sql(struct db_conn *conn, const char *sql);

/* Whether a transaction is open. db_tx_run within one runs its function as a part of it. */
bool db_in_tx(const struct db_conn *conn);

/* Splits a cursor (see db_cursor) into its parts; false when it is malformed. NULL gives the place before
 * the newest row. *id points into the cursor. For "(created_at, id) < ($n, $m)". */
bool db_cursor_parse(const char *cursor, int64_t *created_us, const char **id);

/* The code of the last failure ("23505"), "" when there was none. */
const char *db_last_sqlstate(const struct db_conn *conn);

#endif
