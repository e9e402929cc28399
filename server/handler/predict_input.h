/* The body of a predict call, whatever its kind, as rows or pixels a model can take.
 *
 * Nothing is predicted from an input that has not been checked against the model: each row is either good or
 * has faults of its own. Owns its memory (predict_input_free); borrows the request and the model. One thread.
 */
#ifndef ATTUNE_SERVER_HANDLER_PREDICT_INPUT_H
#define ATTUNE_SERVER_HANDLER_PREDICT_INPUT_H

#include "data/row_batch.h"
#include "model/explain.h"
#include "model/model.h"
#include "server/http.h"

/* What explanations a call wants. */
struct explain_wish
{
  bool wanted;
  size_t top;               /* tables: most columns to name; 0 = as many as there may be */
  size_t grid;              /* images: rows and columns of the map; 0 = as usual */
  enum explain_scale scale; /* tables: of what */
  const char *of;           /* the same in the call's words; NULL = it does not say (static) */
};

struct predict_input
{
  size_t count; /* rows or images sent */
  size_t *good; /* indexes of those that can be predicted, ascending */
  size_t good_count;
  struct row_batch *batch; /* tables */
  const uint8_t *pixels;   /* images: (good_count, height, width, channels) */
  uint8_t *owned_pixels;
  json_t **faults;    /* images: per image an array of faults, or NULL */
  const char **names; /* images of a form: their file names, else NULL */
  double threshold;   /* sent with the call, 0 … 1; NaN = the model's own */
  double interval;    /* the level of intervals, in (0, 1); NaN = none are wanted */
  struct explain_wish explain;
  const char *const *explained; /* (good_count) JSON texts, NULL = none (arena) */
  const char *explain_about;    /* what they are, as JSON text */
  bool unusual;                 /* whether it is wanted which values are unlike the training data */
  const char *const *strange;   /* (good_count) JSON texts of that, NULL = none (arena) */
  const char *strange_about;    /* what they are, as JSON text */
  /* for other tools' protocols (dialect.h) */
  const char *place;   /* where the rows stand in the body; NULL = "/rows" */
  bool by_column;      /* a list per column stands there, not a list of rows */
  const void *dialect; /* what its reply needs to know of the body (arena) */
};

enum predict_read
{
  PREDICT_READ,
  PREDICT_REPLIED, /* the whole body is unusable; the caller has been told */
  PREDICT_DEAR     /* would take more than budget_us: nothing was done */
};

/* Whether the content type is one that predict calls take; replies 415 and returns false otherwise. */
bool predict_type_known(struct http_request *req);

/* Whether the query is one that predict calls take; replies 400 and returns false otherwise. */
bool predict_query_check(struct http_request *req);

/* Microseconds that parsing takes per byte of JSON or CSV, about. */
#define PREDICT_US_PER_TEXT_BYTE 0.03

/* Reads the body of /predict into `input`, zeroed but for threshold and interval (NaN), for a model that takes
 * us_per_row. budget_us INFINITY = whatever it takes. */
enum predict_read predict_input_read(struct http_request *req, const struct model_about *about,
                                     double us_per_row, double budget_us,
                                     struct predict_input *input);
void predict_input_free(struct predict_input *input);

/* Takes a batch (also on failure) and lists its rows without faults. */
enum predict_read predict_batch_take(struct http_request *req, struct row_batch *batch,
                                     struct predict_input *input);

/* The parts of it that other protocols share: a JSON array of objects, or CSV with a header, as rows. */
enum predict_read predict_rows_read(struct http_request *req, const struct model_about *about,
                                    const json_t *rows, bool strict, struct predict_input *input);
enum predict_read predict_csv_read(struct http_request *req, const struct model_about *about,
                                   const char *bytes, size_t length, bool strict,
                                   struct predict_input *input);
size_t predict_count_lines(const char *bytes, size_t length);

/* Faults and warnings of a row as JSON arrays; borrowed, NULL for none. */
const json_t *predict_input_faults(const struct predict_input *input, size_t row);
const json_t *predict_input_warnings(const struct predict_input *input, size_t row);
/* Whether a row's warnings tell of a value of this column that the training data does not have, read as missing. */
bool predict_warns_unknown(const json_t *warnings, const char *column);

#endif
