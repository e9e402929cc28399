#include <config.h>

#include "model/trees.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/model_internal.h"
#include "model/net.h"
#include "model/trees_walk.h"

void
trees_free(struct trees *trees)
{
  if (!trees)
    return;
  free(trees->starts);
  free(trees->group);
  free(trees->nodes);
  free(trees->gain);
  free(trees->cover);
  free(trees->ubj);
  trees_flat_free(trees->flat);
  free(trees);
}

/* ---- as a model ----------------------------------------------------------------------------------- */

static size_t
inputs_of(const void *body)
{
  return ((const struct trees *) body)->inputs;
}

static size_t
outputs_of(const void *body)
{
  const struct trees *trees = body;
  return trees->objective == TREES_SIGMOID ? 2 : trees->groups;
}

static enum err
predict(const void *body, struct model_workspace *workspace, const float *x, size_t n, float *out,
        struct err_info *info)
{
  const struct trees *trees = body;
  float *margins = out;

  if (trees->objective == TREES_SIGMOID)
    margins = workspace_floats(workspace, SLOT_BODY, n);
  if (!margins)
    return err_set(info, ERR_MEMORY, "no memory for predictions");
  trees_margins(trees, x, n, margins);
  if (trees->objective == TREES_SOFTMAX)
    net_softmax(n, trees->groups, out);
  for (size_t i = 0; trees->objective == TREES_SIGMOID && i < n; i++)
  {
    double p = 1.0 / (1.0 + exp(-(double) margins[i]));
    out[2 * i] = (float) (1.0 - p);
    out[2 * i + 1] = (float) p;
  }
  return ERR_OK;
}

static void
importance(const void *body, double *shares)
{
  const struct trees *trees = body;

  for (size_t i = 0; i < trees->inputs; i++)
    shares[i] = (double) trees->gain[i];
}

static void
save(const void *body, struct buf *out)
{
  const struct trees *trees = body;

  buf_append_u32(out, (uint32_t) trees->objective);
  buf_append_u32(out, (uint32_t) trees->inputs);
  buf_append_u32(out, (uint32_t) trees->groups);
  writer_floats(out, &trees->base, 1);
  buf_append_u64(out, trees->tree_count);
  buf_append_u64(out, trees->node_count);
  buf_append_u64(out, trees->ubj_length);
  writer_words(out, trees->starts, trees->tree_count);
  writer_words(out, trees->group, trees->tree_count);
  writer_floats(out, trees->gain, trees->inputs);
  for (size_t i = 0; i < trees->node_count; i++)
  {
    writer_floats(out, &trees->nodes[i].value, 1);
    buf_append_u32(out, trees->nodes[i].left);
    buf_append_u32(out, trees->nodes[i].feature);
  }
  if (trees->ubj_length)
    buf_append(out, trees->ubj, trees->ubj_length);
}

/* Every walk ends: children come after their parent and within its tree's nodes. */
static bool
nodes_ok(const struct trees *trees)
{
  for (size_t t = 0; t < trees->tree_count; t++)
  {
    size_t end = t + 1 < trees->tree_count ? trees->starts[t + 1] : trees->node_count;
    if (trees->starts[t] >= end || end > trees->node_count || trees->group[t] >= trees->groups)
      return false;
    for (size_t i = trees->starts[t]; i < end; i++)
      if (trees->nodes[i].left
          && (trees->nodes[i].left <= i || (size_t) trees->nodes[i].left + 1 >= end
              || (trees->nodes[i].feature & ~TREES_MISSING_LEFT) >= trees->inputs))
        return false;
  }
  return true;
}

static bool
load_nodes(struct reader *reader, struct trees *trees)
{
  uint32_t *words = reader_words(reader, (uint64_t) trees->node_count * 3);

  trees->nodes = words ? calloc(trees->node_count + 1, sizeof *trees->nodes) : NULL;
  for (size_t i = 0; trees->nodes && i < trees->node_count; i++)
  {
    memcpy(&trees->nodes[i].value, &words[3 * i], 4);
    trees->nodes[i].left = words[3 * i + 1];
    trees->nodes[i].feature = words[3 * i + 2];
    reader->failed = reader->failed || !isfinite(trees->nodes[i].value);
  }
  free(words);
  return trees->nodes && !reader->failed;
}

static bool
load_arrays(struct reader *reader, struct trees *trees)
{
  float *base = reader_floats(reader, 1);

  trees->base = base ? *base : 0.0f;
  free(base);
  uint64_t tree_count = reader_u64(reader), node_count = reader_u64(reader);
  uint64_t ubj_length = reader_u64(reader);
  if (tree_count > reader->left || node_count > reader->left / 12 || ubj_length > reader->left)
    return false;
  trees->tree_count = (size_t) tree_count;
  trees->node_count = (size_t) node_count;
  trees->starts = reader_words(reader, tree_count);
  trees->group = reader_words(reader, tree_count);
  trees->gain = reader_floats(reader, trees->inputs);
  if (reader->failed || !load_nodes(reader, trees) || !nodes_ok(trees))
    return false;
  const unsigned char *ubj = reader_bytes(reader, ubj_length);
  trees->ubj = ubj ? malloc((size_t) ubj_length + 1) : NULL;
  if (!trees->ubj)
    return false;
  memcpy(trees->ubj, ubj, (size_t) ubj_length);
  trees->ubj_length = (size_t) ubj_length;
  return trees_lay_out(trees, NULL) == ERR_OK;
}

static enum err
load(struct reader *reader, void **body, struct err_info *info)
{
  struct trees *trees = calloc(1, sizeof *trees);
  uint32_t objective = reader_u32(reader);

  *body = NULL;
  if (!trees)
    return err_set(info, ERR_MEMORY, "no memory for the trees");
  trees->inputs = reader_u32(reader);
  trees->groups = reader_u32(reader);
  trees->objective = (enum trees_objective) objective;
  if (objective > TREES_SOFTMAX || trees->inputs == 0 || trees->groups == 0
      || (objective != TREES_SOFTMAX && trees->groups != 1) || !load_arrays(reader, trees))
  {
    trees_free(trees);
    return err_set(info, ERR_INVALID, "the trees in the file are damaged");
  }
  *body = trees;
  return ERR_OK;
}

static void
free_body(void *body)
{
  trees_free(body);
}

const struct model_kind model_trees_kind = {.family = "trees",
                                            .inputs = inputs_of,
                                            .outputs = outputs_of,
                                            .predict = predict,
                                            .importance = importance,
                                            .save = save,
                                            .load = load,
                                            .free = free_body};
