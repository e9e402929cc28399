#include <config.h>

#include "model/export_onnx_body.h"

#include <stdlib.h>
#include <string.h>

#include "model/model_linear.h"
#include "model/net.h"
#include "model/net_embed.h"
#include "model/trees.h"

#define WAVES NET_EMBED_WAVES
#define MIXED NET_EMBED_MIXED

int
export_onnx_dense(struct onnx *graph, int x, const float *w, const float *b, size_t in, size_t out)
{
  int weights = onnx_floats(graph, w, (size_t[]){in, out}, 2);
  int bias = onnx_floats(graph, b, &out, 1);

  return onnx_op2(graph, "Add", onnx_op2(graph, "MatMul", x, weights), bias);
}

/* The tanh form (net_act.c). */
static int
gelu(struct onnx *graph, int z)
{
  int cube = onnx_op2(graph, "Mul", z, onnx_op2(graph, "Mul", z, z));
  int inner = onnx_op2(graph, "Add", z, onnx_op2(graph, "Mul", cube, onnx_float(graph, 0.044715f)));
  int bent =
    onnx_op1(graph, "Tanh", onnx_op2(graph, "Mul", inner, onnx_float(graph, 0.7978845608f)));
  int half = onnx_op2(graph, "Mul", z, onnx_float(graph, 0.5f));

  return onnx_op2(graph, "Mul", half, onnx_op2(graph, "Add", bent, onnx_float(graph, 1.0f)));
}

int
export_onnx_activation(struct onnx *graph, int activation, int z)
{
  struct buf attributes = {0};

  switch (activation)
  {
  case NET_RELU:
    return onnx_op1(graph, "Relu", z);
  case NET_GELU:
    return gelu(graph, z);
  case NET_MISH:
    return onnx_op2(graph, "Mul", z, onnx_op1(graph, "Tanh", onnx_op1(graph, "Softplus", z)));
  case NET_TANH:
    return onnx_op1(graph, "Tanh", z);
  case NET_SELU:
    onnx_attr_float(&attributes, "alpha", 1.6732632423543772f);
    onnx_attr_float(&attributes, "gamma", 1.0507009873554805f);
    return onnx_node(graph, "Selu", &z, 1, &attributes);
  default:
    break;
  }
  return onnx_op2(graph, "Mul", z, onnx_op1(graph, "Sigmoid", z));
}

/* (1 − p, p) of a logit. */
static int
two_classes(struct onnx *graph, int z)
{
  int p = onnx_op1(graph, "Sigmoid", z);
  int both[] = {onnx_op2(graph, "Sub", onnx_float(graph, 1.0f), p), p};

  return onnx_join(graph, both, 2, 1);
}

static int
linear_body(struct onnx *graph, const struct linear *linear, int x)
{
  int z =
    export_onnx_dense(graph, x, linear->weights, linear->bias, linear->inputs, linear->outputs);

  if (linear->link == LINEAR_SIGMOID)
    return two_classes(graph, z);
  return linear->link == LINEAR_SOFTMAX ? onnx_softmax(graph, z) : z;
}

/* ---- trees ------------------------------------------------------------------------------------------ */

/* The arrays of TreeEnsembleRegressor: one entry a node, and one a leaf. */
struct ensemble
{
  int64_t *tree, *node, *feature, *yes, *no, *missing;
  float *value;
  const char **mode;
  int64_t *leaf_tree, *leaf_node, *leaf_target;
  float *leaf_weight;
  size_t count, leaves;
};

static void
ensemble_clear(struct ensemble *all)
{
  void *arrays[] = {all->tree,      all->node,      all->feature,     all->yes,
                    all->no,        all->missing,   all->value,       all->mode,
                    all->leaf_tree, all->leaf_node, all->leaf_target, all->leaf_weight};

  for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
    free(arrays[i]);
}

static bool
ensemble_new(struct ensemble *all, size_t nodes)
{
  int64_t **longs[] = {&all->tree,    &all->node,      &all->feature,   &all->yes,        &all->no,
                       &all->missing, &all->leaf_tree, &all->leaf_node, &all->leaf_target};
  bool good = true;

  for (size_t i = 0; i < sizeof longs / sizeof longs[0]; i++)
    good = (*longs[i] = calloc(nodes + 1, sizeof(int64_t))) && good;
  good = (all->value = calloc(nodes + 1, sizeof(float))) && good;
  good = (all->leaf_weight = calloc(nodes + 1, sizeof(float))) && good;
  good = (all->mode = calloc(nodes + 1, sizeof(char *))) && good;
  return good;
}

static void
ensemble_fill(struct ensemble *all, const struct trees *trees)
{
  for (size_t t = 0; t < trees->tree_count; t++)
  {
    size_t start = trees->starts[t];
    size_t end = t + 1 < trees->tree_count ? trees->starts[t + 1] : trees->node_count;
    for (size_t i = start; i < end; i++, all->count++)
    {
      const struct trees_node *node = &trees->nodes[i];
      size_t n = all->count, leaf = all->leaves;
      all->tree[n] = (int64_t) t;
      all->node[n] = (int64_t) (i - start);
      all->mode[n] = node->left ? "BRANCH_LT" : "LEAF";
      if (node->left)
      {
        all->feature[n] = node->feature & ~TREES_MISSING_LEFT;
        all->missing[n] = (node->feature & TREES_MISSING_LEFT) != 0;
        all->value[n] = node->value;
        all->yes[n] = (int64_t) (node->left - start);
        all->no[n] = all->yes[n] + 1;
        continue;
      }
      all->leaf_tree[leaf] = (int64_t) t;
      all->leaf_node[leaf] = (int64_t) (i - start);
      all->leaf_target[leaf] = trees->group[t];
      all->leaf_weight[leaf] = node->value;
      all->leaves++;
    }
  }
}

static int
ensemble_node(struct onnx *graph, const struct ensemble *all, size_t groups, int x)
{
  struct buf attributes = {0};

  onnx_attr_int(&attributes, "n_targets", (int64_t) groups);
  onnx_attr_ints(&attributes, "nodes_treeids", all->tree, all->count);
  onnx_attr_ints(&attributes, "nodes_nodeids", all->node, all->count);
  onnx_attr_ints(&attributes, "nodes_featureids", all->feature, all->count);
  onnx_attr_ints(&attributes, "nodes_truenodeids", all->yes, all->count);
  onnx_attr_ints(&attributes, "nodes_falsenodeids", all->no, all->count);
  onnx_attr_ints(&attributes, "nodes_missing_value_tracks_true", all->missing, all->count);
  onnx_attr_floats(&attributes, "nodes_values", all->value, all->count);
  onnx_attr_strings(&attributes, "nodes_modes", all->mode, all->count);
  onnx_attr_ints(&attributes, "target_treeids", all->leaf_tree, all->leaves);
  onnx_attr_ints(&attributes, "target_nodeids", all->leaf_node, all->leaves);
  onnx_attr_ints(&attributes, "target_ids", all->leaf_target, all->leaves);
  onnx_attr_floats(&attributes, "target_weights", all->leaf_weight, all->leaves);
  return onnx_node_ml(graph, "TreeEnsembleRegressor", &x, 1, &attributes);
}

static int
trees_body(struct onnx *graph, const struct trees *trees, int x)
{
  struct ensemble all = {0};
  int z = x;

  if (ensemble_new(&all, trees->node_count))
  {
    ensemble_fill(&all, trees);
    z = ensemble_node(graph, &all, trees->groups, x);
  }
  else
    graph->nodes.failed = true;
  ensemble_clear(&all);
  z = onnx_op2(graph, "Add", z, onnx_float(graph, trees->base));
  if (trees->objective == TREES_SIGMOID)
    return two_classes(graph, z);
  return trees->objective == TREES_SOFTMAX ? onnx_softmax(graph, z) : z;
}

/* ---- networks --------------------------------------------------------------------------------------- */

/* Columns of x, by number. */
static int
pick(struct onnx *graph, int x, const uint32_t *order, size_t count)
{
  int64_t *places = calloc(count + 1, sizeof *places);
  struct buf attributes = {0};

  if (!places)
  {
    graph->nodes.failed = true;
    return x;
  }
  for (size_t i = 0; i < count; i++)
    places[i] = order[i];
  int index = onnx_longs(graph, places, count);
  free(places);
  onnx_attr_int(&attributes, "axis", 1);
  return onnx_node(graph, "Gather", (int[]){x, index}, 2, &attributes);
}

/* The embedded inputs as four numbers each, then the others (net_embed.h). */
static int
embed(struct onnx *graph, const struct net *net, int x)
{
  size_t n = net->config.embedded, rest = net->config.inputs - n;
  const float *f = net->w, *p = f + WAVES * n, *mix = p + WAVES * n,
              *shift = mix + MIXED * WAVES * n;
  int v = onnx_reshape(graph, pick(graph, x, net->order, n), (int64_t[]){-1, (int64_t) n, 1}, 3);
  int turn = onnx_float(graph, 0.15915494309189535f);
  int phase = onnx_op2(graph, "Mul", onnx_floats(graph, p, (size_t[]){n, WAVES}, 2), turn);
  int turns = onnx_op2(graph, "Mul", v, onnx_floats(graph, f, (size_t[]){n, WAVES}, 2));

  turns = onnx_op2(graph, "Add", turns, phase);
  turns = onnx_op2(graph, "Sub", turns, onnx_op1(graph, "Round", turns));
  int wave =
    onnx_op1(graph, "Cos", onnx_op2(graph, "Mul", turns, onnx_float(graph, 6.283185307179586f)));
  /* (inputs, rows, waves) · (inputs, waves, 3) */
  int mixes = onnx_transpose(graph, onnx_floats(graph, mix, (size_t[]){n, MIXED, WAVES}, 3),
                             (int64_t[]){0, 2, 1}, 3);
  wave = onnx_transpose(graph, wave, (int64_t[]){1, 0, 2}, 3);
  int y = onnx_transpose(graph, onnx_op2(graph, "MatMul", wave, mixes), (int64_t[]){1, 0, 2}, 3);
  y = onnx_op2(graph, "Add", y, onnx_floats(graph, shift, (size_t[]){n, MIXED}, 2));
  int parts[] = {onnx_join(graph, (int[]){y, v}, 2, 2), 0};
  parts[0] = onnx_reshape(graph, parts[0], (int64_t[]){-1, (int64_t) (NET_EMBED_OUT * n)}, 2);
  if (rest == 0)
    return parts[0];
  parts[1] = pick(graph, x, net->order + n, rest);
  return onnx_join(graph, parts, 2, 1);
}

static int
mlp_body(struct onnx *graph, const struct net *net, int x)
{
  int a = net->config.embedded ? embed(graph, net, x) : x;

  for (size_t i = 0; i < net->layer_count; i++)
  {
    const struct net_layer *layer = &net->layers[i];
    a = export_onnx_dense(graph, a, net->w + layer->weights, net->w + layer->bias, layer->in,
                          layer->out);
    if (i + 1 == net->layer_count)
      break;
    int bent = export_onnx_activation(graph, (int) net->config.activation, a);
    if (net->config.parametric)
    {
      int alpha = onnx_floats(graph, net->w + layer->alpha, &layer->out, 1);
      bent = onnx_op2(graph, "Sub", bent, a);
      bent = onnx_op2(graph, "Add", a, onnx_op2(graph, "Mul", alpha, bent));
    }
    a = bent;
  }
  return net->config.outputs > 1 ? onnx_softmax(graph, a) : a;
}

int
export_onnx_body(struct onnx *graph, const struct model *model, int x)
{
  const void *body = model->body;

  if (model->kind == &model_cnn_kind)
  {
    int z = export_onnx_cnn(graph, body, x);
    return model->task.output_count > 1 ? onnx_softmax(graph, z) : z;
  }
  if (model->input == DATASET_IMAGES)
    x = onnx_reshape(graph, x, (int64_t[]){-1, (int64_t) model->kind->inputs(body)}, 2);
  if (model->kind == &model_linear_kind)
    return linear_body(graph, body, x);
  if (model->kind == &model_trees_kind)
    return trees_body(graph, body, x);
  return mlp_body(graph, body, x);
}
