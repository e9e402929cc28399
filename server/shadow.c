#include <config.h>

#include "server/shadow.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define QUEUE_MOST 256
#define TALLIES_MOST 1000
#define DB_WAIT_S 5.0

/* What an alias' shadow came to. */
struct tally
{
  struct tally *next;
  struct shadow_counts counts;
  int version;
  char *model_id, *alias;
};

struct shadow_task
{
  struct shadow_task *next;
  char *tenant_id, *model_id, *alias;
  int version;
  json_t *rows; /* tables: objects; NULL = images */
  uint8_t *pixels;
  size_t height, width, channels;
  size_t count;
  char **labels; /* answered; NULL for numbers */
  float *values;
};

struct shadows
{
  struct db_pool *db;
  struct model_cache *models;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t queued;
  struct shadow_task *first, **last;
  size_t length;
  bool ending;
  struct tally *tallies;
  size_t tally_count;
};

/* ---- tallies (with the mutex held) ------------------------------------------------------------------- */

static struct tally *
tally_find(struct shadows *shadows, const char *model_id, const char *alias, int version)
{
  struct tally *tally = shadows->tallies;

  while (tally
         && (tally->version != version || strcmp(tally->model_id, model_id) != 0
             || strcmp(tally->alias, alias) != 0))
    tally = tally->next;
  return tally;
}

/* NULL without memory, or where there are too many. */
static struct tally *
tally_make(struct shadows *shadows, const char *model_id, const char *alias, int version)
{
  struct tally *tally = tally_find(shadows, model_id, alias, version);

  if (tally || shadows->tally_count >= TALLIES_MOST)
    return tally;
  tally = calloc(1, sizeof *tally);
  if (!tally)
    return NULL;
  tally->model_id = strdup(model_id);
  tally->alias = strdup(alias);
  tally->version = version;
  if (!tally->model_id || !tally->alias)
  {
    free(tally->model_id);
    free(tally->alias);
    free(tally);
    return NULL;
  }
  tally->next = shadows->tallies;
  shadows->tallies = tally;
  shadows->tally_count++;
  return tally;
}

static void
counts_add(struct shadow_counts *to, const struct shadow_counts *more)
{
  to->rows += more->rows;
  to->same += more->same;
  to->errors += more->errors;
  to->dropped += more->dropped;
  to->difference += more->difference;
}

/* ---- tasks ----------------------------------------------------------------------------------------- */

static void
task_free(struct shadow_task *task)
{
  if (!task)
    return;
  for (size_t i = 0; task->labels && i < task->count; i++)
    free(task->labels[i]);
  free(task->labels);
  free(task->values);
  free(task->pixels);
  json_decref(task->rows);
  free(task->tenant_id);
  free(task->model_id);
  free(task->alias);
  free(task);
}

static json_t *
copy_rows(const struct table *table, const size_t *rows, size_t count)
{
  json_t *list = json_array();

  for (size_t i = 0; i < count; i++)
  {
    json_t *row = json_object();
    for (size_t c = 0; c < table->column_count; c++)
      json_object_set_new(row, table->columns[c].name,
                          table_value_json(&table->columns[c], rows ? rows[i] : i));
    json_array_append_new(list, row);
  }
  return list;
}

/* What the rows were answered. False without memory. */
static bool
copy_answers(const struct shadow_call *call, struct shadow_task *task)
{
  const struct task *kind = call->about->task;
  size_t outputs = kind->output_count;
  bool good = true;

  if (kind->class_count == 0)
    task->values = calloc(task->count, sizeof *task->values);
  else
    task->labels = calloc(task->count, sizeof *task->labels);
  if (!task->values && !task->labels)
    return false;
  for (size_t i = 0; i < task->count; i++)
  {
    const float *output = call->outputs + i * outputs;
    if (task->values)
      task->values[i] = output[0];
    else
      task->labels[i] = strdup(
        kind->class_names[decision_class(&call->about->decision, output, kind->class_count)]);
    good = good && (task->values || task->labels[i]);
  }
  return good;
}

/* NULL without memory. */
static struct shadow_task *
task_new(const struct shadow_call *call)
{
  struct shadow_task *task = calloc(1, sizeof *task);
  bool good;

  if (!task)
    return NULL;
  task->tenant_id = strdup(call->tenant_id);
  task->model_id = strdup(call->model_id);
  task->alias = strdup(call->alias);
  task->version = call->version;
  task->count = call->count < SHADOW_ROWS ? call->count : SHADOW_ROWS;
  task->height = call->about->height;
  task->width = call->about->width;
  task->channels = call->about->channels;
  good = task->tenant_id && task->model_id && task->alias && copy_answers(call, task);
  if (good && call->table)
    good = (task->rows = copy_rows(call->table, call->rows, task->count)) != NULL;
  else if (good)
  {
    size_t bytes = task->height * task->width * task->channels * task->count;
    task->pixels = malloc(bytes ? bytes : 1);
    good = task->pixels != NULL;
    if (good)
      memcpy(task->pixels, call->pixels, bytes);
  }
  if (good)
    return task;
  task_free(task);
  return NULL;
}

void
shadows_submit(struct shadows *shadows, const struct shadow_call *call)
{
  static const struct shadow_counts dropped = {.dropped = 1};
  struct shadow_task *task = NULL;
  struct tally *tally;
  bool room;

  pthread_mutex_lock(&shadows->mutex);
  room = shadows->length < QUEUE_MOST && !shadows->ending;
  pthread_mutex_unlock(&shadows->mutex);
  if (room)
    task = task_new(call);
  pthread_mutex_lock(&shadows->mutex);
  tally = tally_make(shadows, call->model_id, call->alias, call->version);
  if (task && shadows->length < QUEUE_MOST)
  {
    *shadows->last = task;
    shadows->last = &task->next;
    shadows->length++;
    task = NULL;
    pthread_cond_signal(&shadows->queued);
  }
  else if (tally)
    counts_add(&tally->counts, &dropped);
  pthread_mutex_unlock(&shadows->mutex);
  task_free(task);
}

/* ---- predicting ------------------------------------------------------------------------------------ */

/* The shadow's outputs of the rows it can answer, whose numbers go to `good`. NULL when it can answer none. */
static float *
predict_task(struct shadows *shadows, const struct shadow_task *task, const struct model *model,
             const struct model_about *about, size_t *good, size_t *good_count)
{
  struct err_info info = {.code = ERR_OK};
  struct row_batch *batch = NULL;
  struct model_workspace *workspace = NULL;
  float *outputs = NULL;
  enum err rc = ERR_INVALID;

  *good_count = 0;
  if ((about->input == DATASET_IMAGES) != (task->rows == NULL)
      || (task->pixels
          && (about->height != task->height || about->width != task->width
              || about->channels != task->channels)))
    return NULL;
  if (task->rows
      && row_batch_from_json(about->schema, task->rows, false, SHADOW_ROWS, &batch, &info)
           != ERR_OK)
    return NULL;
  for (size_t i = 0; i < task->count; i++)
    if (!batch || json_array_size(row_batch_faults(batch, i)) == 0)
      good[(*good_count)++] = i;
  workspace = model_cache_workspace_take(shadows->models);
  outputs = calloc(*good_count + 1, about->task->output_count * sizeof *outputs);
  if (workspace && outputs && *good_count > 0)
    rc = batch ? model_predict_table(model, workspace, row_batch_table(batch), good, *good_count,
                                     outputs, &info)
               : model_predict_images(model, workspace, task->pixels, *good_count, outputs, &info);
  model_cache_workspace_give(shadows->models, workspace);
  row_batch_free(batch);
  if (rc == ERR_OK)
    return outputs;
  free(outputs);
  return NULL;
}

static void
compare(const struct shadow_task *task, const struct model_about *about, const float *outputs,
        const size_t *good, size_t good_count, struct shadow_counts *counts)
{
  const struct task *kind = about->task;

  for (size_t i = 0; i < good_count; i++)
  {
    const float *output = outputs + i * kind->output_count;
    if ((kind->class_count > 0) != (task->labels != NULL))
      return;
    counts->rows++;
    if (task->labels)
    {
      size_t label = decision_class(&about->decision, output, kind->class_count);
      counts->same += strcmp(task->labels[good[i]], kind->class_names[label]) == 0 ? 1 : 0;
    }
    else
    {
      double difference = fabs((double) output[0] - (double) task->values[good[i]]);
      counts->same += difference > 0 ? 0 : 1;
      counts->difference += isfinite(difference) ? difference : 0.0;
    }
  }
}

static void
run_task(struct shadows *shadows, const struct shadow_task *task, struct shadow_counts *counts)
{
  struct err_info info = {.code = ERR_OK};
  struct db_conn *conn = NULL;
  struct model_ref ref = {.entry = NULL};
  struct model_about about;
  size_t good[SHADOW_ROWS], good_count = 0;
  float *outputs = NULL;

  if (!model_cache_peek(shadows->models, task->tenant_id, task->model_id, task->version, NULL,
                        &ref))
  {
    if (db_acquire(shadows->db, DB_WAIT_S, &conn, &info) != ERR_OK)
      conn = NULL;
    if (model_cache_get(shadows->models, conn, task->tenant_id, task->model_id, task->version, NULL,
                        &ref, &info)
        != ERR_OK)
      ref.entry = NULL;
    if (conn)
      db_release(shadows->db, conn);
  }
  if (ref.entry)
  {
    model_about(ref.model, &about);
    outputs = predict_task(shadows, task, ref.model, &about, good, &good_count);
    if (outputs)
      compare(task, &about, outputs, good, good_count, counts);
    model_cache_release(shadows->models, &ref);
  }
  free(outputs);
  counts->errors = task->count - counts->rows;
}

static void *
shadow_thread(void *context)
{
  struct shadows *shadows = context;

  pthread_mutex_lock(&shadows->mutex);
  while (!shadows->ending)
  {
    struct shadow_counts counts = {.rows = 0};
    struct shadow_task *task = shadows->first;
    struct tally *tally;
    if (!task)
    {
      pthread_cond_wait(&shadows->queued, &shadows->mutex);
      continue;
    }
    shadows->first = task->next;
    if (!shadows->first)
      shadows->last = &shadows->first;
    shadows->length--;
    pthread_mutex_unlock(&shadows->mutex);
    run_task(shadows, task, &counts);
    pthread_mutex_lock(&shadows->mutex);
    tally = tally_make(shadows, task->model_id, task->alias, task->version);
    if (tally)
      counts_add(&tally->counts, &counts);
    task_free(task);
  }
  pthread_mutex_unlock(&shadows->mutex);
  return NULL;
}

/* ---- the rest -------------------------------------------------------------------------------------- */

enum err
shadows_start(struct db_pool *db, struct model_cache *models, struct shadows **out,
              struct err_info *info)
{
  struct shadows *shadows = calloc(1, sizeof *shadows);

  *out = NULL;
  if (!shadows)
    return err_set(info, ERR_MEMORY, "out of memory");
  shadows->db = db;
  shadows->models = models;
  shadows->last = &shadows->first;
  pthread_mutex_init(&shadows->mutex, NULL);
  pthread_cond_init(&shadows->queued, NULL);
  if (pthread_create(&shadows->thread, NULL, shadow_thread, shadows) != 0)
  {
    pthread_cond_destroy(&shadows->queued);
    pthread_mutex_destroy(&shadows->mutex);
    free(shadows);
    return err_set(info, ERR_INTERNAL, "no thread for shadows");
  }
  *out = shadows;
  return ERR_OK;
}

void
shadows_stop(struct shadows *shadows)
{
  if (!shadows)
    return;
  pthread_mutex_lock(&shadows->mutex);
  shadows->ending = true;
  pthread_cond_signal(&shadows->queued);
  pthread_mutex_unlock(&shadows->mutex);
  pthread_join(shadows->thread, NULL);
  for (struct shadow_task *task = shadows->first, *next; task; task = next)
  {
    next = task->next;
    task_free(task);
  }
  for (struct tally *tally = shadows->tallies, *next; tally; tally = next)
  {
    next = tally->next;
    free(tally->model_id);
    free(tally->alias);
    free(tally);
  }
  pthread_cond_destroy(&shadows->queued);
  pthread_mutex_destroy(&shadows->mutex);
  free(shadows);
}

bool
shadows_count(struct shadows *shadows, const char *model_id, const char *alias, int version,
              struct shadow_counts *counts)
{
  const struct tally *tally;

  *counts = (struct shadow_counts){.rows = 0};
  pthread_mutex_lock(&shadows->mutex);
  tally = tally_find(shadows, model_id, alias, version);
  if (tally)
    *counts = tally->counts;
  pthread_mutex_unlock(&shadows->mutex);
  return tally != NULL;
}

void
shadows_total(struct shadows *shadows, struct shadow_counts *counts)
{
  *counts = (struct shadow_counts){.rows = 0};
  pthread_mutex_lock(&shadows->mutex);
  for (const struct tally *tally = shadows->tallies; tally; tally = tally->next)
    counts_add(counts, &tally->counts);
  pthread_mutex_unlock(&shadows->mutex);
}
