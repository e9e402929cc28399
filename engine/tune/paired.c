#include <config.h>

#include "tune/paired.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

#define PAIRED_STREAM 0x70616972u

/* Rows in the order of their groups, and a sample of them. */
struct sampler
{
  size_t *order, *start; /* group g's rows are order[start[g] … start[g+1]−1] */
  size_t group_count;
  size_t *drawn; /* rows; grows with large groups */
  size_t count, room;
  struct labels labels;
  int32_t *classes;
  double *values, *weights;
  float *first, *second;
};

static void
sampler_clear(struct sampler *sampler)
{
  free(sampler->order);
  free(sampler->start);
  free(sampler->drawn);
  free(sampler->classes);
  free(sampler->values);
  free(sampler->weights);
  free(sampler->first);
  free(sampler->second);
}

/* Counting sort of the rows by group; without groups each row is one. */
static enum err
sort_rows(const struct paired_request *request, struct sampler *sampler)
{
  const uint32_t *of_row = request->groups.of_row;
  size_t rows = request->labels->count;
  sampler->group_count = of_row != NULL ? request->groups.count : rows;
  sampler->order = malloc((rows + 1) * sizeof *sampler->order);
  sampler->start = calloc(sampler->group_count + 2, sizeof *sampler->start);
  if (sampler->order == NULL || sampler->start == NULL)
    return ERR_MEMORY;
  for (size_t i = 0; i < rows; i++)
    sampler->start[(of_row != NULL ? of_row[i] : i) + 2]++;
  for (size_t g = 0; g < sampler->group_count; g++)
    sampler->start[g + 2] += sampler->start[g + 1];
  for (size_t i = 0; i < rows; i++)
    sampler->order[sampler->start[(of_row != NULL ? of_row[i] : i) + 1]++] = i;
  return ERR_OK;
}

static enum err
make_room(const struct paired_request *request, struct sampler *sampler)
{
  size_t outputs = request->task->output_count, rows = request->labels->count, most = 0;
  for (size_t g = 0; g < sampler->group_count; g++)
    if (sampler->start[g + 1] - sampler->start[g] > most)
      most = sampler->start[g + 1] - sampler->start[g];
  /* The last group drawn may go beyond the number of rows. */
  size_t room = rows + most + 1;
  sampler->drawn = malloc(room * sizeof *sampler->drawn);
  sampler->first = malloc(room * outputs * sizeof *sampler->first);
  sampler->second = malloc(room * outputs * sizeof *sampler->second);
  if (request->labels->classes != NULL)
    sampler->labels.classes = sampler->classes = malloc(room * sizeof *sampler->classes);
  if (request->labels->values != NULL)
    sampler->labels.values = sampler->values = malloc(room * sizeof *sampler->values);
  if (request->labels->weights != NULL)
    sampler->labels.weights = sampler->weights = malloc(room * sizeof *sampler->weights);
  bool fine = sampler->drawn != NULL && sampler->first != NULL && sampler->second != NULL
              && (request->labels->classes == NULL || sampler->classes != NULL)
              && (request->labels->values == NULL || sampler->values != NULL)
              && (request->labels->weights == NULL || sampler->weights != NULL);
  return fine ? ERR_OK : ERR_MEMORY;
}

/* Whole groups until there are as many rows as at first. */
static void
draw(const struct paired_request *request, struct sampler *sampler, struct rng *rng)
{
  sampler->count = 0;
  while (sampler->count < request->labels->count)
  {
    size_t g = (size_t) rng_below(rng, sampler->group_count);
    for (size_t i = sampler->start[g]; i < sampler->start[g + 1]; i++)
      sampler->drawn[sampler->count++] = sampler->order[i];
  }
  size_t outputs = request->task->output_count;
  sampler->labels.count = sampler->count;
  for (size_t i = 0; i < sampler->count; i++)
  {
    size_t row = sampler->drawn[i];
    if (sampler->classes != NULL)
      sampler->classes[i] = request->labels->classes[row];
    if (sampler->values != NULL)
      sampler->values[i] = request->labels->values[row];
    if (sampler->weights != NULL)
      sampler->weights[i] = request->labels->weights[row];
    memcpy(sampler->first + i * outputs, request->first + row * outputs,
           outputs * sizeof *sampler->first);
    memcpy(sampler->second + i * outputs, request->second + row * outputs,
           outputs * sizeof *sampler->second);
  }
}

/* The gain of the second predictions over the first. */
static double
gain_of(const struct paired_request *request, const struct labels *labels, const float *first,
        const float *second, double scores[2])
{
  scores[0] = metric_compute_at(request->metric, request->task, labels, first, request->decision);
  scores[1] = metric_compute_at(request->metric, request->task, labels, second, request->decision);
  double gain = scores[1] - scores[0];
  return metric_higher_is_better(request->metric) ? gain : -gain;
}

enum err
paired_compare(const struct paired_request *request, struct paired *paired)
{
  struct sampler sampler = {0};
  struct rng rng;
  double scores[2], mean = 0, square = 0;
  size_t count = 0;
  *paired = (struct paired){.first = NAN, .second = NAN, .gain = NAN, .error = NAN};
  enum err err = sort_rows(request, &sampler);
  if (err == ERR_OK)
    err = make_room(request, &sampler);
  rng_init(&rng, request->seed, PAIRED_STREAM);
  for (size_t b = 0; b < request->bootstraps && err == ERR_OK && request->labels->count > 0; b++)
  {
    draw(request, &sampler, &rng);
    double gain = gain_of(request, &sampler.labels, sampler.first, sampler.second, scores);
    if (!isfinite(gain))
      continue;
    double step = gain - mean;
    mean += step / (double) ++count;
    square += step * (gain - mean);
  }
  if (err == ERR_OK)
  {
    paired->gain = gain_of(request, request->labels, request->first, request->second, scores);
    paired->first = scores[0];
    paired->second = scores[1];
    if (count > 1)
      paired->error = sqrt(square / (double) (count - 1));
  }
  sampler_clear(&sampler);
  return err;
}
