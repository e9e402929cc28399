/* A dataset's table as the file of a batch, and the request that asks for that. */
#ifndef ATTUNE_SERVER_HANDLER_BATCH_DATASET_H
#define ATTUNE_SERVER_HANDLER_BATCH_DATASET_H

#include "data/table.h"
#include "server/http.h"
#include "server/spool.h"

/* What is asked, beside the file. */
struct batch_wish
{
  bool strict, plain;         /* as of row_stream.h */
  double threshold, interval; /* NaN = not asked */
};

/* Reads {"dataset", "strict"?, "threshold"?, "interval"?} from the part and puts the dataset's rows in its place. False
 * when it replied. */
bool batch_dataset_take(struct http_request *req, struct db_conn *conn, struct http_part *body,
                        struct batch_wish *wish);

/* Appends the table to the file as CSV: a header line, then the rows, numbers and dates as in JSON, what is missing
 * empty. ERR_INVALID when that has more than `most` bytes, ERR_LIMIT when the disk is full. */
enum err batch_dataset_write(const struct table *table, uint64_t most, struct spool_file *file,
                             struct err_info *info);

#endif
