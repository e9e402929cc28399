#include <config.h>

#include "train/fit_mlp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/hash.h"
#include "model/reader.h"

/* The layout, all numbers little-endian, doubles as their bits:
 *   "ATTUNEC1" | u32 version | u64 what the fit is | counters | weights, moments, best weights (floats)
 *   | u64 steps of the average, the average (floats) | u64 hash of all before
 * The best weights are left out when they are the present ones; the second moments and the average when there
 * are none. */
#define MAGIC "ATTUNEC1"
#define MAGIC_BYTES 8
#define CHECKPOINT_VERSION 1u
#define HASH_SEED 0x4154434Bu
#define HASH_BYTES 8

/* Two fits with the same number here go through the same steps. */
static uint64_t
identity(const struct mlp_run *run)
{
  const struct train_request *request = run->fit->request;
  char *params =
    request->params ? json_dumps(request->params, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
  uint64_t hash = hash_bytes(params ? params : "", params ? strlen(params) : 0, HASH_SEED);

  free(params);
  hash = hash_mix(hash, request->seed);
  hash = hash_mix(hash, run->net->param_count);
  hash = hash_mix(hash, run->fit->train.count);
  hash = hash_mix(hash, run->fit->valid.count);
  hash = hash_mix(hash, run->steps_per_epoch);
  return hash_mix(hash, run->epochs);
}

static void
put_double(struct buf *out, double value)
{
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  buf_append_u64(out, bits);
}

static double
get_double(struct reader *reader)
{
  uint64_t bits = reader_u64(reader);
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

void
mlp_checkpoint_write(const struct mlp_run *run, struct buf *out)
{
  size_t count = run->net->param_count;
  bool is_best = run->rule.best_epoch == run->epoch;

  buf_append(out, MAGIC, MAGIC_BYTES);
  buf_append_u32(out, CHECKPOINT_VERSION);
  buf_append_u64(out, identity(run));
  buf_append_u64(out, run->epoch);
  buf_append_u64(out, run->pace.planned);
  buf_append_u64(out, run->pace.done);
  buf_append_u64(out, run->pace.left);
  put_double(out, run->pace.t);
  put_double(out, run->pace.measured);
  buf_append_u32(out, run->pace.shortened);
  put_double(out, run->rule.best);
  buf_append_u64(out, run->rule.best_epoch);
  buf_append_u64(out, run->optim.steps);
  put_double(out, run->valid_seconds);
  put_double(out, fit_elapsed(run->fit));
  buf_append_u32(out, is_best);
  writer_floats(out, run->net->w, count);
  writer_floats(out, run->optim.m, count);
  if (run->optim.v)
    writer_floats(out, run->optim.v, count);
  if (!is_best)
    writer_floats(out, run->best, count);
  if (run->ema.shadow)
  {
    buf_append_u64(out, run->ema.steps);
    writer_floats(out, run->ema.shadow, count);
  }
  if (!out->failed)
    buf_append_u64(out, hash_bytes(out->data, out->length, HASH_SEED));
}

/* What is read before anything of the run is touched. */
struct checkpoint
{
  size_t epoch, steps;
  struct pace pace;
  struct stop_rule rule;
  double valid_seconds, elapsed;
  bool is_best;
  float *w, *m, *v, *best;
  size_t ema_steps;
  float *ema;
};

static void
checkpoint_clear(struct checkpoint *checkpoint)
{
  free(checkpoint->w);
  free(checkpoint->m);
  free(checkpoint->v);
  free(checkpoint->best);
  free(checkpoint->ema);
}

static bool
read_all(struct reader *reader, const struct mlp_run *run, struct checkpoint *to)
{
  size_t count = run->net->param_count;

  to->epoch = (size_t) reader_u64(reader);
  to->pace.planned = (size_t) reader_u64(reader);
  to->pace.done = (size_t) reader_u64(reader);
  to->pace.left = (size_t) reader_u64(reader);
  to->pace.t = get_double(reader);
  to->pace.measured = get_double(reader);
  to->pace.shortened = reader_u32(reader) != 0;
  to->rule = run->rule;
  to->rule.best = get_double(reader);
  to->rule.best_epoch = (size_t) reader_u64(reader);
  to->steps = (size_t) reader_u64(reader);
  to->valid_seconds = get_double(reader);
  to->elapsed = get_double(reader);
  to->is_best = reader_u32(reader) != 0;
  to->w = reader_floats(reader, count);
  to->m = reader_floats(reader, count);
  if (run->optim.v)
    to->v = reader_floats(reader, count);
  if (!to->is_best)
    to->best = reader_floats(reader, count);
  if (run->ema.shadow)
  {
    to->ema_steps = (size_t) reader_u64(reader);
    to->ema = reader_floats(reader, count);
  }
  return !reader->failed && reader->left == 0 && to->pace.planned == run->pace.planned
         && to->pace.left > 0 && to->pace.left <= to->pace.planned && isfinite(to->pace.t)
         && to->pace.measured >= 0.0 && to->elapsed >= 0.0 && to->rule.best_epoch <= to->epoch;
}

static void
take(struct mlp_run *run, const struct checkpoint *from)
{
  size_t bytes = run->net->param_count * sizeof(float);

  memcpy(run->net->w, from->w, bytes);
  memcpy(run->optim.m, from->m, bytes);
  if (run->optim.v)
    memcpy(run->optim.v, from->v, bytes);
  if (run->ema.shadow)
    memcpy(run->ema.shadow, from->ema, bytes);
  run->ema.steps = from->ema_steps;
  memcpy(run->best, from->is_best ? mlp_shown_weights(run) : from->best, bytes);
  run->optim.steps = from->steps;
  run->epoch = from->epoch;
  run->pace = from->pace;
  run->rule = from->rule;
  run->valid_seconds = from->valid_seconds;
  run->fit->started -= from->elapsed;
}

enum err
mlp_checkpoint_read(struct mlp_run *run, const void *bytes, size_t length, struct err_info *info)
{
  const unsigned char *start = bytes;
  size_t body = length > HASH_BYTES ? length - HASH_BYTES : 0;
  struct reader reader = {.bytes = start, .left = body};
  struct reader end = {.bytes = start + body, .left = length - body};
  struct checkpoint checkpoint = {0};
  const unsigned char *magic = reader_bytes(&reader, MAGIC_BYTES);
  enum err rc = ERR_OK;

  if (!magic || memcmp(magic, MAGIC, MAGIC_BYTES) != 0
      || reader_u64(&end) != hash_bytes(start, body, HASH_SEED))
    return err_set(info, ERR_INVALID, "the checkpoint is damaged");
  if (reader_u32(&reader) != CHECKPOINT_VERSION)
    return err_set(info, ERR_INVALID, "the checkpoint is of another version");
  if (reader_u64(&reader) != identity(run))
    return err_set(info, ERR_INVALID, "the checkpoint is of another fit");
  if (read_all(&reader, run, &checkpoint))
    take(run, &checkpoint);
  else
    rc = err_set(info, ERR_INVALID, "the checkpoint does not fit its network");
  checkpoint_clear(&checkpoint);
  return rc;
}
