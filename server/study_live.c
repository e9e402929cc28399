#include <config.h>

#include "server/study_live.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEARCH_BYTES 65536 /* of a search without trials */
#define TRIAL_BYTES 512    /* beside its point */

static enum err
read_form(const char *text, struct study_live *live, struct err_info *info)
{
  json_t *form = json_loads(text, 0, NULL);
  struct json_faults faults;
  enum err err;

  if (!form)
    return err_set(info, ERR_INTERNAL, "the stored study is damaged");
  json_faults_init(&faults, live->arena);
  err = study_spec_read(form, live->arena, &live->spec, &faults);
  json_decref(form);
  if (err == ERR_MEMORY)
    return err_set(info, err, "out of memory");
  if (err)
    return err_set(info, ERR_INTERNAL, "the stored study can't be used: %s %s",
                   faults.kept ? faults.items[0].pointer : "",
                   faults.kept ? faults.items[0].message : "");
  return ERR_OK;
}

enum err
study_live_new(const char *spec, struct study_live **out, struct err_info *info)
{
  struct study_live *live = calloc(1, sizeof *live);
  enum err err;

  *out = NULL;
  if (live)
    live->arena = arena_new(0);
  if (!live || !live->arena)
  {
    study_live_free(live);
    return err_set(info, ERR_MEMORY, "out of memory");
  }
  live->fixed_bytes = SEARCH_BYTES + 8 * strlen(spec);
  err = read_form(spec, live, info);
  if (!err)
    err = study_spec_search(&live->spec, &live->search, info);
  if (err)
  {
    study_live_free(live);
    return err == ERR_MEMORY ? err : err_prefix(info, "the stored study can't be used");
  }
  *out = live;
  return ERR_OK;
}

void
study_live_free(struct study_live *live)
{
  if (!live)
    return;
  search_free(live->search);
  if (live->arena)
    arena_free(live->arena);
  free(live);
}

double
study_live_sign(const struct study_live *live, size_t direction)
{
  return live->spec.maximize[direction] ? -1.0 : 1.0;
}

static enum err
fold_tell(struct study_live *live, const struct db_study_entry *entry, struct err_info *info)
{
  double values[SEARCH_OBJECTIVES_MAX];

  if (entry->value_count != live->spec.direction_count
      || entry->constraint_count != live->spec.constraint_count)
    return err_set(info, ERR_INVALID, "a result of trial %d has the wrong number of values",
                   entry->number);
  for (size_t i = 0; i < entry->value_count; i++)
    values[i] = study_live_sign(live, i) * entry->values[i];
  struct search_result result = {.values = values, .constraints = entry->constraints};
  return search_tell_result(live->search, (uint64_t) entry->number, &result, info);
}

static enum err
fold_ask(struct study_live *live, const struct db_study_entry *entry, struct err_info *info)
{
  enum err err;

  if (entry->point_count != live->spec.space->count)
    return err_set(info, ERR_INVALID, "the point of trial %d is not one of this space",
                   entry->number);
  err = search_note_ask(live->search, (uint64_t) entry->number, entry->point, info);
  live->trials += !err;
  return err;
}

enum err
study_live_fold(struct study_live *live, const struct db_study_entry *entry, struct err_info *info)
{
  uint64_t trial = (uint64_t) entry->number;
  enum err err = ERR_INVALID;

  switch (entry->kind)
  {
  case DB_STUDY_ASK:
    err = fold_ask(live, entry, info);
    break;
  case DB_STUDY_CONTINUE:
    err = search_note_continue(live->search, trial, info);
    break;
  case DB_STUDY_MEASURE:
    err = entry->value_count != 1
            ? err_set(info, ERR_INVALID, "a measure has one value")
            : search_measure(live->search, trial, entry->step,
                             study_live_sign(live, 0) * entry->values[0], info);
    break;
  case DB_STUDY_TELL:
    err = fold_tell(live, entry, info);
    break;
  case DB_STUDY_FAILED:
    err = search_tell_failed(live->search, trial, true, info);
    break;
  case DB_STUDY_FORGET:
    err = search_tell_failed(live->search, trial, false, info);
    break;
  case DB_STUDY_PRUNE:
    err = search_prune(live->search, trial, info);
    break;
  }
  if (!err)
    live->seq = entry->seq;
  return err;
}

size_t
study_live_bytes(const struct study_live *live)
{
  size_t width = live->spec.space->count * sizeof(double);
  return live->fixed_bytes + (live->trials + live->spec.prior_count) * (3 * width + TRIAL_BYTES);
}
