#include <config.h>

#include "model/model_base.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "model/model_cnn.h"
#include "model/model_internal.h"

/* The model itself or its member with the most weight, if one has a convolutional network. */
static const struct model *
find_member(const struct model *model)
{
  const struct model *best = NULL;
  double most = -1.0, weight;
  size_t count = model->kind ? 1 : model->member_count;

  for (size_t i = 0; i < count; i++)
  {
    const struct model *member = model_member(model, i, &weight);
    if (!member->kind)
      member = find_member(member);
    if (member && member->kind == &model_cnn_kind && weight > most)
    {
      best = member;
      most = weight;
    }
  }
  return best;
}

enum err
model_base_find(const struct model *model, struct model_base *base, struct err_info *info)
{
  const struct model *member;

  *base = (struct model_base){0};
  if (model->input != DATASET_IMAGES)
    return err_set(info, ERR_INVALID, "the model was trained on a table, not on images");
  member = find_member(model);
  if (!member)
    return err_set(info, ERR_INVALID,
                   "the model has no convolutional network whose layers could be taken over");
  const struct convnet_config *config = &model_cnn_net(member->body)->config;
  *base = (struct model_base){.stages = config->stages,
                              .blocks = config->blocks,
                              .filters = config->filters,
                              .kernel = config->kernel,
                              .stride = config->stride,
                              .pool_first = config->pool_first,
                              .normalised = config->normalised,
                              .activation = (int) config->activation,
                              .height = member->pixels.height,
                              .width = member->pixels.width,
                              .channels = config->channels,
                              .seen_height = config->height,
                              .seen_width = config->width};
  return ERR_OK;
}

const struct convnet *
model_base_net(const struct model *model, const struct model_pixels **pixels)
{
  const struct model *member = find_member(model);

  *pixels = &member->pixels;
  return model_cnn_net(member->body);
}

const char *
model_base_refuse(const struct model_base *base, const struct model_data_shape *shape, char *text,
                  size_t size)
{
  if (shape->kind != DATASET_IMAGES)
    snprintf(text, size, "the dataset is a table; only images can start from a model");
  else if (base->channels != shape->channels && base->channels != 1 && shape->channels != 1)
    snprintf(text, size, "the model sees images of %zu channels, the dataset's have %zu",
             base->channels, shape->channels);
  else
    return NULL;
  return text;
}

/* ---- the stored form -------------------------------------------------------------------------------- */

json_t *
model_base_to_json(const struct model_base *base)
{
  return json_pack("{s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:s, s:I, s:I, s:I, s:I, s:I}", "stages",
                   (json_int_t) base->stages, "blocks", (json_int_t) base->blocks, "filters",
                   (json_int_t) base->filters, "kernel", (json_int_t) base->kernel, "stride",
                   (json_int_t) base->stride, "early_pooling", base->pool_first, "batch_norm",
                   base->normalised, "activation", conv_activation_names[base->activation],
                   "height", (json_int_t) base->height, "width", (json_int_t) base->width,
                   "channels", (json_int_t) base->channels, "seen_height",
                   (json_int_t) base->seen_height, "seen_width", (json_int_t) base->seen_width);
}

bool
model_base_from_json(const json_t *json, struct model_base *base)
{
  const char *activation = json_get_string(json, "activation", "");
  struct convnet_config config;
  size_t params, statistics;

  *base = (struct model_base){.stages = (size_t) json_get_count(json, "stages", 0),
                              .blocks = (size_t) json_get_count(json, "blocks", 0),
                              .filters = (size_t) json_get_count(json, "filters", 0),
                              .kernel = (size_t) json_get_count(json, "kernel", 0),
                              .stride = (size_t) json_get_count(json, "stride", 0),
                              .pool_first = json_get_bool(json, "early_pooling", false),
                              .normalised = json_get_bool(json, "batch_norm", false),
                              .height = (size_t) json_get_count(json, "height", 0),
                              .width = (size_t) json_get_count(json, "width", 0),
                              .channels = (size_t) json_get_count(json, "channels", 0),
                              .seen_height = (size_t) json_get_count(json, "seen_height", 0),
                              .seen_width = (size_t) json_get_count(json, "seen_width", 0)};
  while (base->activation < CONV_ACTIVATION_COUNT
         && strcmp(conv_activation_names[base->activation], activation) != 0)
    base->activation++;
  config = (struct convnet_config){.height = base->seen_height,
                                   .width = base->seen_width,
                                   .channels = base->channels,
                                   .outputs = 2,
                                   .stages = base->stages,
                                   .blocks = base->blocks,
                                   .filters = base->filters,
                                   .kernel = base->kernel,
                                   .stride = base->stride,
                                   .activation = (enum conv_activation) base->activation};
  return convnet_count(&config, &params, &statistics, NULL) == ERR_OK;
}
