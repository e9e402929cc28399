#include <config.h>

#include "model/export_c_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/encode_internal.h"
#include "data/row_schema.h"
#include "model/conv_grid.h"
#include "model/model_cnn.h"
#include "model/model_linear.h"
#include "model/net.h"
#include "model/net_embed.h"
#include "model/trees.h"

#define NAME_SIZE 64

/* ---- the encoder ------------------------------------------------------------------------------------ */

/* An array of whole numbers of a small kind. */
static void
write_small(struct buf *out, const char *type, const char *name, const uint8_t *bytes,
            const int16_t *shorts, size_t count)
{
  buf_printf(out, "static const %s %s[] = {", type, name);
  for (size_t i = 0; i < count; i++)
    buf_printf(out, "%s%d,", i % 24 == 0 ? "\n  " : "", bytes ? bytes[i] : shorts[i]);
  buf_append_text(out, "\n};\n");
}

static void
write_words(const struct encode_words *words, const char *name, struct buf *out)
{
  size_t buckets = (size_t) 1 << words->bits, scores = words->score_count;
  char part[NAME_SIZE * 3];
  const struct
  {
    const char *name;
    const double *values;
    size_t count;
  } arrays[] = {{"unit", words->weight_unit, scores},
                {"bias", words->bias, scores},
                {"centre", words->centre, ENCODE_LOOKS + scores},
                {"scale", words->scale, ENCODE_LOOKS + scores}};

  for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
  {
    snprintf(part, sizeof part, "%s_%s", name, arrays[i].name);
    export_c_doubles(out, part, arrays[i].values, arrays[i].count);
  }
  snprintf(part, sizeof part, "%s_idf", name);
  write_small(out, "uint8_t", part, words->idf, NULL, buckets);
  snprintf(part, sizeof part, "%s_weights", name);
  write_small(out, "int16_t", part, NULL, words->weights, buckets * scores);
  buf_printf(out,
             "static const struct words %s = {%u, %zu, %.17g, %s_unit, %s_bias, %s_centre, "
             "%s_scale, %s_idf, %s_weights};\n",
             name, words->bits, scores, words->idf_step, name, name, name, name, name, name);
}

/* The arrays of a column. */
static void
write_column_tables(const struct encode_column *column, const char *name, struct buf *out)
{
  size_t stats = column->stat_count;
  char part[NAME_SIZE * 2];
  const struct
  {
    const char *name;
    const double *values;
    size_t count;
  } arrays[] = {{"prior", column->prior, stats},
                {"centre", column->stat_centre, stats},
                {"scale", column->stat_scale, stats},
                {"stats", column->stats, stats * column->category_count}};

  if (column->category_count)
  {
    snprintf(part, sizeof part, "%s_words", name);
    export_c_texts(out, part, column->categories, column->category_count);
  }
  for (size_t i = 0; stats && i < sizeof arrays / sizeof arrays[0]; i++)
  {
    snprintf(part, sizeof part, "%s_%s", name, arrays[i].name);
    export_c_doubles(out, part, arrays[i].values, arrays[i].count);
  }
  if (column->kind == ENCODE_WORDS)
  {
    snprintf(part, sizeof part, "%s_grams", name);
    write_words(column->words, part, out);
  }
}

static void
write_column(const struct encode_column *column, size_t input, const char *name, struct buf *out)
{
  static const char *const kinds[] = {"NONE",   "NUMBER", "BINARY", "ONE_HOT",
                                      "TARGET", "TIME",   "WORDS"};

  buf_printf(out, "  {.input = %zu, .kind = KIND_%s, .indicator = %d, .clock = %d, .other = %d,\n",
             input, kinds[column->kind], column->indicator, column->has_clock, column->has_other);
  buf_printf(out, "   .centre = %.17g, .scale = %.17g", column->centre, column->scale);
  if (column->category_count)
    buf_printf(out, ", .category_count = %zu, .categories = %s_words", column->category_count,
               name);
  if (column->stat_count)
    buf_printf(out,
               ",\n   .stat_count = %zu, .prior = %s_prior, .stat_centre = %s_centre, "
               ".stat_scale = %s_scale, .stats = %s_stats",
               column->stat_count, name, name, name, name);
  if (column->kind == ENCODE_WORDS)
    buf_printf(out, ", .words = &%s_grams", name);
  buf_append_text(out, "},\n");
}

enum err
export_c_encoder(const struct model *model, const struct model *first, size_t index,
                 struct buf *out, struct err_info *info)
{
  const struct encoder *encoder = model->encoder;
  struct buf list = {0};
  char name[NAME_SIZE];
  enum err rc = ERR_OK;

  for (size_t c = 0; rc == ERR_OK && c < encoder->column_count; c++)
  {
    const struct encode_column *column = &encoder->columns[c];
    size_t input = row_schema_find(first->schema, column->name, strlen(column->name));
    snprintf(name, sizeof name, "m%zu_c%zu", index, c);
    if (column->feature_count == 0)
      continue;
    if (input == SIZE_MAX || first->schema->columns[input].type != column->type)
      rc = err_set(info, ERR_INVALID, "column \"%.60s\" of a member is not in the schema",
                   column->name);
    else
    {
      write_column_tables(column, name, out);
      write_column(column, input, name, &list);
    }
  }
  buf_printf(out, "static const struct column m%zu_columns[] = {\n", index);
  if (list.length)
    buf_append(out, list.data, list.length);
  buf_append_text(out, "  {.input = 0}\n};\n");
  out->failed = out->failed || list.failed;
  buf_free(&list);
  return rc;
}

/* ---- bodies ----------------------------------------------------------------------------------------- */

static void
need_scratch(struct export_c_sizes *sizes, size_t floats)
{
  sizes->scratch = floats > sizes->scratch ? floats : sizes->scratch;
}

static void
write_linear(const struct linear *linear, size_t index, struct buf *out, struct buf *members)
{
  char name[NAME_SIZE];

  snprintf(name, sizeof name, "m%zu_w", index);
  export_c_floats(out, name, linear->weights, linear->inputs * linear->outputs);
  snprintf(name, sizeof name, "m%zu_bias", index);
  export_c_floats(out, name, linear->bias, linear->outputs);
  buf_printf(members, "   .family = FAMILY_LINEAR, .outputs = %zu, .w = m%zu_w, .bias = m%zu_bias",
             linear->outputs, index, index);
}

static void
write_trees(const struct trees *trees, size_t index, struct buf *out, struct buf *members)
{
  char name[NAME_SIZE];

  snprintf(name, sizeof name, "m%zu_starts", index);
  export_c_words(out, name, trees->starts, trees->tree_count);
  snprintf(name, sizeof name, "m%zu_group", index);
  export_c_words(out, name, trees->group, trees->tree_count);
  buf_printf(out, "static const struct node m%zu_nodes[] = {", index);
  for (size_t i = 0; i < trees->node_count; i++)
    buf_printf(out, "%s{%.9g, %uu, %uu},", i % 4 == 0 ? "\n  " : " ",
               (double) trees->nodes[i].value, trees->nodes[i].left, trees->nodes[i].feature);
  buf_append_text(out, trees->node_count ? "\n};\n" : "{0, 0, 0}};\n");
  buf_printf(members,
             "   .family = FAMILY_TREES, .outputs = %zu, .base = %.9g, .tree_count = %zu,\n"
             "   .starts = m%zu_starts, .group = m%zu_group, .nodes = m%zu_nodes",
             trees->groups, (double) trees->base, trees->tree_count, index, index, index);
}

static void
write_mlp(const struct net *net, size_t index, struct buf *out, struct buf *members,
          struct export_c_sizes *sizes)
{
  const struct net_config *config = &net->config;
  char name[NAME_SIZE];

  snprintf(name, sizeof name, "m%zu_w", index);
  export_c_floats(out, name, net->w, net->param_count);
  buf_printf(members,
             "   .family = FAMILY_MLP, .outputs = %zu, .w = m%zu_w, .layers = %zu, .hidden = %zu,\n"
             "   .activation = %d, .parametric = %d, .embedded = %zu",
             config->outputs, index, config->layers, config->units, (int) config->activation,
             config->parametric, config->embedded);
  if (config->embedded)
  {
    snprintf(name, sizeof name, "m%zu_order", index);
    export_c_words(out, name, net->order, config->inputs);
    buf_printf(members, ", .order = m%zu_order", index);
  }
  need_scratch(sizes, 2 * (4 * config->inputs + config->units));
}

/* The convolutions' weights with the normalisation folded in, as prediction folds it, then the dense layers. */
static float *
fold(const struct convnet *net)
{
  float *w = malloc((net->param_count + 1) * sizeof *w);

  if (!w)
    return NULL;
  memcpy(w, net->w, net->param_count * sizeof *w);
  for (size_t i = 0; net->config.normalised && i < net->unit_count; i++)
  {
    const struct convnet_unit *unit = &net->units[i];
    const float *mean = net->statistics + unit->statistics, *variance = mean + unit->out;
    for (size_t c = 0; c < unit->out; c++)
    {
      float r = 1.0f / sqrtf(variance[c] + CONV_OPS_EPSILON);
      w[unit->shift + c] -= mean[c] * r;
      for (size_t k = unit->weights + c; k < unit->shift; k += unit->out)
        w[k] *= r;
    }
  }
  return w;
}

static void
write_units(const struct convnet *net, size_t index, struct buf *out, struct export_c_sizes *sizes)
{
  size_t stage = 0;

  buf_printf(out, "static const struct unit m%zu_units[] = {\n", index);
  for (size_t i = 0; i < net->unit_count; i++)
  {
    const struct convnet_unit *unit = &net->units[i];
    size_t floats = unit->conv_height * unit->conv_width * unit->out;
    buf_printf(out, "  {%zu, %zu, %zu, %zu, %zu, %zu, %zu, %zu, %zu, %d, %d, %zu, %zu, ",
               unit->in_height, unit->in_width, unit->in, unit->conv_height, unit->conv_width,
               unit->height, unit->width, unit->out, unit->stride, unit->pools, unit->adds,
               unit->weights, unit->shift);
    if (net->config.head_grid && i == net->ends[stage])
      buf_printf(out, "%zu},\n", net->taps[stage++]);
    else
      buf_append_text(out, "SIZE_MAX},\n");
    sizes->map_floats = floats > sizes->map_floats ? floats : sizes->map_floats;
    sizes->maps = unit->out > sizes->maps ? unit->out : sizes->maps;
  }
  buf_append_text(out, "};\n");
}

static void
write_cnn(const void *body, size_t index, struct buf *out, struct buf *members,
          struct export_c_sizes *sizes)
{
  /* the places of the names in the runtime's list */
  static const int activations[] = {
    [CONV_RELU] = NET_RELU, [CONV_GELU] = NET_GELU, [CONV_SILU] = NET_SILU};
  const struct convnet *net = model_cnn_net(body);
  const struct convnet_config *config = &net->config;
  float *w = fold(net);
  char name[NAME_SIZE];

  if (!w)
  {
    out->failed = true;
    return;
  }
  snprintf(name, sizeof name, "m%zu_w", index);
  export_c_floats(out, name, w, net->param_count);
  free(w);
  write_units(net, index, out, sizes);
  buf_printf(members,
             "   .family = FAMILY_CNN, .outputs = %zu, .w = m%zu_w, .units = m%zu_units, "
             ".unit_count = %zu,\n   .kernel = %zu, .activation = %d, .mirror = %d, .grid = %zu, "
             ".head_units = %zu,\n   .features = %zu, .dense_at = %zu",
             config->outputs, index, index, net->unit_count, config->kernel,
             activations[config->activation], model_cnn_mirrors(body), config->head_grid,
             config->head_units, net->dense[0].in, net->dense[0].weights);
  need_scratch(sizes, 4 * sizes->map_floats + net->dense[0].in + config->head_units);
}

void
export_c_body(const struct model *model, size_t index, struct buf *out, struct buf *members,
              struct export_c_sizes *sizes)
{
  const void *body = model->body;

  if (model->kind == &model_linear_kind)
    write_linear(body, index, out, members);
  else if (model->kind == &model_trees_kind)
    write_trees(body, index, out, members);
  else if (model->kind == &model_mlp_kind)
    write_mlp(body, index, out, members, sizes);
  else
    write_cnn(body, index, out, members, sizes);
}

/* ---- a member --------------------------------------------------------------------------------------- */

enum err
export_c_member(const struct model *model, const struct model *first, double weight, size_t index,
                struct buf *out, struct buf *members, struct export_c_sizes *sizes,
                struct err_info *info)
{
  const struct model_target *target = &model->target;
  const struct model_pixels *pixels = &model->pixels;
  size_t inputs = model->kind->inputs(model->body);
  char name[NAME_SIZE];
  enum err rc = ERR_OK;

  sizes->features = inputs > sizes->features ? inputs : sizes->features;
  need_scratch(sizes, pixels->width * pixels->channels);
  buf_printf(members, "  {.weight = %.17g, .inputs = %zu, .mean = %.17g, .sd = %.17g,\n", weight,
             inputs, target->mean, target->sd);
  buf_printf(members, "   .low = %.17g, .high = %.17g, .clamp = %d, .log = %d,\n",
             target->clamp ? target->low : 0.0, target->clamp ? target->high : 0.0, target->clamp,
             target->log);
  if (model->rebalance)
  {
    snprintf(name, sizeof name, "m%zu_rebalance", index);
    export_c_doubles(out, name, model->rebalance, model->task.class_count);
    buf_printf(members, "   .rebalance = %s,\n", name);
  }
  if (model->input == DATASET_TABLE)
  {
    rc = export_c_encoder(model, first, index, out, info);
    size_t columns = 0;
    for (size_t c = 0; c < model->encoder->column_count; c++)
      columns += model->encoder->columns[c].feature_count > 0;
    buf_printf(members, "   .dense = %d, .column_count = %zu, .columns = m%zu_columns,\n",
               model->encoder->view == ENCODE_DENSE, columns, index);
  }
  else
    buf_printf(
      members,
      "   .pixel_mean = %.9g, .pixel_scale = %.9g, .seen_height = %zu, .seen_width = %zu,\n",
      (double) pixels->mean, (double) pixels->scale, pixels->seen_height, pixels->seen_width);
  if (rc == ERR_OK)
    export_c_body(model, index, out, members, sizes);
  buf_append_text(members, "},\n");
  return rc;
}
