/* What other tools' prediction protocols share: their bodies as rows or images, their answers from outputs.
 *
 * They differ from /predict in that unknown members of a body are ignored and a call is answered as a whole or
 * not at all, since their answers have no place for a row's fault. Each function that may reply says so. One
 * thread per request.
 */
#ifndef ATTUNE_SERVER_HANDLER_DIALECT_H
#define ATTUNE_SERVER_HANDLER_DIALECT_H

#include "base/buf.h"
#include "base/json_lift.h"
#include "server/handler/predict_call.h"

/* The model that {model} with {version} or {label}, where the path has them, names. False when it replied 404. */
bool dialect_path(struct http_request *req, struct model_path *path);

/* Whether the body is JSON, or told as nothing in particular by a caller with a key. */
bool dialect_is_json(const struct http_request *req);
/* The same; false when it replied 415. */
bool dialect_json_only(struct http_request *req);

/* The whole body as a JSON object (new reference in *body), or the reply. */
enum predict_read dialect_json_read(struct http_request *req, double budget_us, json_t **body);

/* Bodies that are mostly numbers, for models of tables of nothing but numbers: lists are lifted out of the text, the rest is
 * *body (new reference), a JSON object. False, with nothing done, when the body is to be read as it is; so it is, too,
 * when what follows finds anything out of the ordinary: nothing here replies. */
bool dialect_lift(struct http_request *req, const struct model_about *about, size_t length,
                  const char *const *names, struct arena *arena, struct json_lift *lift,
                  json_t **body);

/* A lifted list of rows, each with a value for every column, in the order of the model's or of `names`. False,
 * with nothing done, when it is not that. */
bool dialect_lifted_read(struct http_request *req, const struct model_about *about,
                         const struct json_lifted *list, const json_t *names, double us_per_row,
                         double budget_us, struct predict_input *input, enum predict_read *result);

/* The same of columns (row_schema_count), of 1 or more rows. */
bool dialect_numbers_read(struct http_request *req, const struct model_about *about,
                          const struct row_numbers *columns, size_t rows, double us_per_row,
                          double budget_us, struct predict_input *input, enum predict_read *result);

/* What stands at `place` of a body ("/instances"): for tables a list of rows, each an object by column, an array in
 * the order of the model's columns, or (with one column) a bare value; for images a list of {"b64": …}, base64
 * strings or arrays of pixels (0 to 255) of the model's size. {"b64": …} is text wherever a table wants some, and a
 * list of one value that value. */
enum predict_read dialect_list_read(struct http_request *req, const struct model_about *about,
                                    const json_t *list, const char *place, double us_per_row,
                                    double budget_us, struct predict_input *input);

/* The same from an object of lists, one per column, or of one list for images. */
enum predict_read dialect_columns_read(struct http_request *req, const struct model_about *about,
                                       const json_t *object, const char *place, double us_per_row,
                                       double budget_us, struct predict_input *input);

/* Rows of values in the order of `names` as an array of objects (new reference); NULL when it replied: a name is no
 * string, comes twice, or a row has another number of values. */
json_t *dialect_rows_named(struct http_request *req, const json_t *names, const json_t *rows,
                           const char *place);

/* The class a row's outputs come to, and the numbers of its probabilities as a JSON array. */
const char *dialect_label(const struct model_about *about, const float *outputs);
void dialect_write_numbers(const float *numbers, size_t count, struct buf *out);

/* Replies 200 with the text and frees it; 503 when it failed. */
void dialect_reply_text(struct http_request *req, struct buf *text);

#endif
