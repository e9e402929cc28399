#include <config.h>

#include "train/fit_net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/hash.h"
#include "model/reader.h"

/* The layout, all numbers little-endian, doubles as their bits:
 *   "ATTUNEC2" | u32 version | u64 what the fit is | counters | weights, moments, averaged weights, best
 *   weights with their statistics (floats) | u64 hash of all before
 * What a run does not have is left out. */
#define MAGIC "ATTUNEC2"
#define MAGIC_BYTES 8
#define CHECKPOINT_VERSION 1u
#define HASH_SEED 0x4154434Bu
#define HASH_BYTES 8

/* Two fits with the same number here go through the same steps. */
static uint64_t
identity(const struct fit_net *run)
{
  const struct train_request *request = run->fit->request;
  char *params =
    request->params ? json_dumps(request->params, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
  uint64_t hash = hash_bytes(params ? params : "", params ? strlen(params) : 0, HASH_SEED);

  free(params);
  hash = hash_mix(hash, request->seed);
  hash = hash_mix(hash, run->plan->param_count);
  hash = hash_mix(hash, run->fit->train.count);
  hash = hash_mix(hash, run->fit->valid.count);
  hash = hash_mix(hash, run->steps_per_epoch);
  if (run->plan->origin)
    hash = hash_mix(hash, run->plan->origin);
  return hash_mix(hash, run->plan->epochs);
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
fit_net_checkpoint_write(const struct fit_net *run, struct buf *out)
{
  size_t count = run->plan->param_count;
  size_t kept = count + run->plan->statistic_count;

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
  buf_append_u64(out, run->ema.steps);
  writer_floats(out, run->plan->w, count);
  if (run->optim.m)
    writer_floats(out, run->optim.m, count);
  if (run->optim.v)
    writer_floats(out, run->optim.v, count);
  if (run->raw)
    writer_floats(out, run->ema.shadow, count);
  writer_floats(out, run->best, kept);
  if (!out->failed)
    buf_append_u64(out, hash_bytes(out->data, out->length, HASH_SEED));
}

/* What is read before anything of the run is touched. */
struct checkpoint
{
  size_t epoch, steps, averaged;
  struct pace pace;
  struct stop_rule rule;
  double valid_seconds, elapsed;
  float *w, *m, *v, *average, *best;
};

static void
checkpoint_clear(struct checkpoint *checkpoint)
{
  free(checkpoint->w);
  free(checkpoint->m);
  free(checkpoint->v);
  free(checkpoint->average);
  free(checkpoint->best);
}

static bool
read_all(struct reader *reader, const struct fit_net *run, struct checkpoint *to)
{
  size_t count = run->plan->param_count;

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
  to->averaged = (size_t) reader_u64(reader);
  to->w = reader_floats(reader, count);
  if (run->optim.m)
    to->m = reader_floats(reader, count);
  if (run->optim.v)
    to->v = reader_floats(reader, count);
  if (run->raw)
    to->average = reader_floats(reader, count);
  to->best = reader_floats(reader, count + run->plan->statistic_count);
  return !reader->failed && reader->left == 0 && to->pace.planned == run->pace.planned
         && to->pace.left > 0 && to->pace.left <= to->pace.planned && isfinite(to->pace.t)
         && to->pace.measured >= 0.0 && to->elapsed >= 0.0 && to->rule.best_epoch <= to->epoch;
}

static void
take(struct fit_net *run, const struct checkpoint *from)
{
  size_t bytes = run->plan->param_count * sizeof(float);

  memcpy(run->plan->w, from->w, bytes);
  if (run->optim.m)
    memcpy(run->optim.m, from->m, bytes);
  if (run->optim.v)
    memcpy(run->optim.v, from->v, bytes);
  if (run->raw)
    memcpy(run->ema.shadow, from->average, bytes);
  memcpy(run->best, from->best, bytes + run->plan->statistic_count * sizeof(float));
  run->ema.steps = from->averaged;
  run->optim.steps = from->steps;
  run->epoch = from->epoch;
  run->pace = from->pace;
  run->rule = from->rule;
  run->valid_seconds = from->valid_seconds;
  run->fit->started -= from->elapsed;
}

enum err
fit_net_checkpoint_read(struct fit_net *run, const void *bytes, size_t length,
                        struct err_info *info)
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
