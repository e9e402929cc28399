/* One upload through attune-ingest: from the staged files to a canonical file, or to the faults found.
 * No database. One thread per run. */
#ifndef ATTUNE_SERVER_INGEST_JOB_H
#define ATTUNE_SERVER_INGEST_JOB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "data/ingest.h"
#include "server/server.h"

struct ingest_outcome
{
  bool ready;
  json_t *problem; /* not ready: {code, detail, faults} */
  char kind[16];   /* ready: "table" or "images" */
  uint8_t sha256[32];
  uint64_t bytes;
  int64_t rows;
  char *schema; /* JSON text */
};
void ingest_outcome_free(struct ingest_outcome *outcome);

/* Parses what is staged in `folder`; the canonical file becomes folder/canonical. `tick` is called now and
 * then: false ends the run with ERR_CANCELLED. ERR_OK also when the data is at fault. */
enum err ingest_job_run(const struct server *server, const char *folder,
                        bool (*tick)(void *context), void *context, struct ingest_outcome *outcome,
                        struct err_info *info);

/* This installation's limits for a child. */
struct ingest_limits ingest_job_limits(const struct server *server);

/* Takes over what a child told. ERR_INTERNAL when that is not complete. */
enum err ingest_outcome_fill(struct ingest_outcome *outcome, const struct ingest_result *result,
                             struct err_info *info);

#endif
