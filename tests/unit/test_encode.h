/* An encoder fitted on the first rows of a CSV file, for its tests. Header only.
 */
#ifndef ATTUNE_TESTS_TEST_ENCODE_H
#define ATTUNE_TESTS_TEST_ENCODE_H

#include "tests/harness/data_fixture.h"

#include "base/rng.h"
#include "data/encode.h"

struct rig
{
  struct fixture fixture;
  struct task task;
  struct encoder *encoder;
  size_t *rows;
  size_t count;
};

static inline void
set_up(struct rig *rig, const struct buf *csv, const char *target, enum encode_view view,
       size_t train)
{
  struct err_info info = {0};
  memset(rig, 0, sizeof *rig);
  assert_int_equal(fixture_bytes(&rig->fixture, csv->data, csv->length), ERR_OK);
  assert_int_equal(
    task_make(rig->fixture.dataset, target, NULL, rig->fixture.arena, &rig->task, &info), ERR_OK);
  rig->count = train;
  rig->rows = arena_array(rig->fixture.arena, train, sizeof(size_t));
  for (size_t i = 0; i < train; i++)
    rig->rows[i] = i;
  assert_int_equal(
    encoder_fit(rig->fixture.dataset, &rig->task, view, rig->rows, train, &rig->encoder, &info),
    ERR_OK);
}

static inline void
tear_down(struct rig *rig)
{
  encoder_free(rig->encoder);
  fixture_free(&rig->fixture);
}

static inline float *
apply(const struct rig *rig, const struct encoder *encoder, size_t first, size_t count,
      bool training)
{
  size_t *rows = arena_array(rig->fixture.arena, count, sizeof *rows);
  float *x = malloc(count * encoder_width(encoder) * sizeof *x + 1);
  struct err_info info = {0};
  for (size_t i = 0; i < count; i++)
    rows[i] = first + i;
  assert_int_equal(
    encoder_apply(encoder, dataset_table(rig->fixture.dataset), rows, count, training, x, &info),
    ERR_OK);
  return x;
}

static inline size_t
feature(const struct encoder *encoder, const char *name)
{
  for (size_t f = 0; f < encoder_width(encoder); f++)
    if (strcmp(encoder_feature_name(encoder, f), name) == 0)
      return f;
  fail_msg("there is no feature %s", name);
  return 0;
}

/* 2,000 rows of a category of 600 values that says nothing about the target. */
static inline struct buf
noise_csv(bool regression)
{
  struct buf csv = {0};
  struct rng rng;
  rng_init(&rng, 1, 0);
  buf_append_text(&csv, "cat,x,y\n");
  for (int i = 0; i < 2000; i++)
  {
    double u = rng_double(&rng);
    buf_printf(&csv, "c%d,%g,", (int) rng_below(&rng, 600), rng_normal(&rng));
    if (regression)
      buf_printf(&csv, "%g\n", 10 + u);
    else
      buf_printf(&csv, "%s\n", u < 0.5 ? "no" : "yes");
  }
  return csv;
}

#endif
